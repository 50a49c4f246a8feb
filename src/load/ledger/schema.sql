-- What one target holds of us. A ledger belongs to one target for life (see `about`).
create table about (
    key text primary key,
    value text not null
) strict, without rowid;

create table asset (
    source_key text primary key,                      -- one asset per source key
    query text not null,
    uuid text not null unique,
    state text not null check (state in ('intended', 'created', 'described', 'complete', 'failed', 'unknown')),
    flex_id integer unique check (flex_id > 0),       -- one source key per asset
    name text not null,                               -- the name the target holds
    payload blob not null check (length(payload) = 32),
    unresolved integer not null default 0 check (unresolved >= 0),
    completions integer not null default 0 check (completions >= 0),
    intended_at text not null,
    changed_at text not null,
    reason text,
    message text,
    check (state not in ('intended', 'unknown') or flex_id is null),
    check (state not in ('created', 'described', 'complete') or flex_id is not null),
    check ((state in ('failed', 'unknown')) = (reason is not null)),
    check ((reason is null) = (message is null)),
    check (state <> 'complete' or completions > 0)
) strict, without rowid;

create index asset_by_state on asset (state) where state <> 'complete';
