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

-- Rows lie in the order in which they came, so that what is changed together lies together.
create table asset (
    source_key text not null unique,                  -- one asset per source key
    query text not null,
    uuid text not null,                               -- a function of the source key
    state text not null,
    flex_id integer unique check (flex_id > 0),       -- one source key per asset
    name text not null,                               -- the name the target holds
    payload blob not null check (length(payload) = 32), -- the row that was sent last, references apart
    fields blob not null default x'',                 -- of the values that the target holds: number, fingerprint
    -- The second pass: no references; to be written; written; written, but some have nothing to point to; refused.
    links text not null default 'none',
    linked blob check (length(linked) = 32),          -- the references that the target holds
    unresolved integer not null default 0 check (unresolved >= 0),
    completions integer not null default 0 check (completions >= 0),
    revisions integer not null default 0 check (revisions >= 0), -- how often it was begun to be written anew
    made integer,                                     -- fingerprint of what it was created with beside its name
    run text not null,                                -- the run that created it, or is about to
    intended_at text not null,
    created_at text,
    changed_at text not null,
    reason text,
    message text,
    request_id text,
    -- The last request of each kind: BLAKE3 of method, path and body; the status of its answer, null while none has come.
    -- That of a creation and of a new name is entered before it is sent.
    create_blake3 blob check (length(create_blake3) = 32),
    create_status integer,
    rename_blake3 blob check (length(rename_blake3) = 32),
    rename_status integer,
    attributes_blake3 blob check (length(attributes_blake3) = 32),
    attributes_status integer,
    references_blake3 blob check (length(references_blake3) = 32),
    references_status integer,
    remove_blake3 blob check (length(remove_blake3) = 32),
    remove_status integer,
    -- No lists of values (`in`): SQLite makes a table of each for every change, which took a fifth of the ledger's time.
    check (state = 'complete' or state = 'described' or state = 'created' or state = 'intended' or state = 'failed'
        or state = 'unknown' or state = 'removed'),
    check (links = 'none' or links = 'pending' or links = 'done' or links = 'partial' or links = 'failed'),
    check ((state <> 'intended' and state <> 'unknown' and state <> 'removed') or flex_id is null),
    check ((state <> 'created' and state <> 'described' and state <> 'complete') or flex_id is not null),
    check ((flex_id is null) = (created_at is null)),
    check ((state = 'failed' or state = 'unknown') = (reason is not null)),
    check ((reason is null) = (message is null)),
    check (state <> 'complete' or completions > 0),
    check (state <> 'complete' or links = 'none' or links = 'done' or links = 'partial'),
    check (state <> 'described' or links = 'pending' or links = 'failed')
) strict;

create index asset_by_state on asset (state) where state <> 'complete';

create view request as
    select source_key, 'create' as step, create_blake3 as blake3, create_status as status
        from asset where create_blake3 is not null
    union all select source_key, 'rename', rename_blake3, rename_status
        from asset where rename_blake3 is not null
    union all select source_key, 'attributes', attributes_blake3, attributes_status
        from asset where attributes_blake3 is not null
    union all select source_key, 'references', references_blake3, references_status
        from asset where references_blake3 is not null
    union all select source_key, 'remove', remove_blake3, remove_status
        from asset where remove_blake3 is not null;
