-- What one target holds of us. A ledger belongs to one target for life (see `about`).
create table about (
    key text primary key,
    value text not null
) strict, without rowid;

-- Names of fields, by the numbers that `asset.fields` holds.
create table field (
    number integer primary key check (number between 0 and 65535),
    name text not null unique
) strict;

create table asset (
    source_key text primary key,                      -- one asset per source key
    query text not null,
    uuid text not null unique,
    state text not null check (state in ('intended', 'created', 'described', 'complete', 'failed', 'unknown', 'removed')),
    flex_id integer unique check (flex_id > 0),       -- one source key per asset
    name text not null,                               -- the name the target holds
    payload blob not null check (length(payload) = 32), -- the row that was sent last, references apart
    fields blob not null default x'',                 -- of the values that the target holds: number, fingerprint
    -- The second pass: no references; to be written; written; written, but some have nothing to point to; refused.
    links text not null default 'none' check (links in ('none', 'pending', 'done', 'partial', 'failed')),
    linked blob check (length(linked) = 32),          -- the references that the target holds
    unresolved integer not null default 0 check (unresolved >= 0),
    completions integer not null default 0 check (completions >= 0),
    run text not null,                                -- the run that created it, or is about to
    intended_at text not null,
    created_at text,
    changed_at text not null,
    reason text,
    message text,
    request_id text,
    check (state not in ('intended', 'unknown', 'removed') or flex_id is null),
    check (state not in ('created', 'described', 'complete') or flex_id is not null),
    check ((flex_id is null) = (created_at is null)),
    check ((state in ('failed', 'unknown')) = (reason is not null)),
    check ((reason is null) = (message is null)),
    check (state <> 'complete' or completions > 0),
    check (state <> 'complete' or links in ('none', 'done', 'partial')),
    check (state <> 'described' or links in ('pending', 'failed'))
) strict, without rowid;

create index asset_by_state on asset (state) where state <> 'complete';

-- The last request of each kind for an asset: BLAKE3 of method, path and body, and the answer.
create table request (
    source_key text not null references asset (source_key),
    step text not null check (step in ('create', 'rename', 'attributes', 'references', 'remove')),
    blake3 blob not null check (length(blake3) = 32),
    status integer,                                   -- null while no answer has come
    request_id text,
    sent integer not null default 1 check (sent > 0), -- how often the ledger was told of such a request
    at text not null,
    primary key (source_key, step)
) strict, without rowid;
