-- Each collection's own fields in their target form, and the reasons for which it would be rejected, in the order of
-- the closed list.
-- materialise: parquet
-- key: source_key
with collections as (
    select
        concat('AssetCollection:', id) as source_key,
        coalesce(private, false) as private,
        upper(btrim(color)) as color,
        color as color_raw,
        expires_at,
        expires_at > arrow_cast('2099-12-30T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))') as expires_open,
        expires_at < arrow_cast('1900-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))') as expires_unbounded,
        clean_line(repository_path) as repository_path,
        repository_path as repository_path_raw
    from public.asset_collection
),
valued as (
    select
        l.source_key,
        l.private,
        case
            when regexp_like(l.color, '^#[0-9A-F]{6}$') then l.color
            when regexp_like(l.color, '^#[0-9A-F]{3}$') then concat(
                '#', substr(l.color, 2, 1), substr(l.color, 2, 1), substr(l.color, 3, 1), substr(l.color, 3, 1),
                substr(l.color, 4, 1), substr(l.color, 4, 1))
        end as color,
        case when not l.expires_open and not l.expires_unbounded then l.expires_at end as expires_at,
        case when l.expires_open then true end as open_ended,
        l.repository_path['value'] as repository_path,
        t.collection_kind,
        t.collection_kind_stated,
        c.title,
        c.placeholder,
        gather(
            warn('expiresAt', null, case when l.expires_open or l.expires_unbounded then 'OPEN_ENDED' end),
            warn('repositoryPath', l.repository_path_raw, l.repository_path['warning'])
        ) as warnings
    from collections l
    left join common c on c.source_key = l.source_key
    left join terms t on t.source_key = l.source_key
)
select
    source_key,
    private,
    color,
    expires_at,
    open_ended,
    repository_path,
    warnings,
    array_remove_all(make_array(
        case when title is null and placeholder then 'MISSING_TITLE:placeholder'
            when title is null then 'MISSING_TITLE' else '' end,
        case when collection_kind is null and not coalesce(collection_kind_stated, false)
            then 'MISSING_MANDATORY:collectionKind' else '' end,
        case when collection_kind is null and collection_kind_stated then 'VOCAB_UNMAPPED:collectionKind' else '' end
    ), '') as reasons
from valued
