-- Each collection's own fields in their target form, and the reasons for which it would be rejected, in the order of
-- the closed list.
-- Rules: D47 (end), D52, A53 (color).
-- materialise: parquet
-- key: source_key
with collections as (
    select
        concat('AssetCollection:', id) as source_key,
        coalesce(private, false) as private,
        color_code(color) as color,
        color as color_raw,
        bounded_instant(expires_at) as expires_at,
        coalesce(zero_moment(expires_at, z.zone), false) as expires_zero,
        clean_line(repository_path) as repository_path,
        repository_path as repository_path_raw
    from public.asset_collection
    cross join settings z
),
valued as (
    select
        l.source_key,
        l.private,
        l.color['value'] as color,
        -- a beginning of time stands for no date (dirt D52)
        case when not l.expires_zero then l.expires_at['value'] end as expires_at,
        -- only what has no end says so, not what has no beginning (rulings A29)
        case when l.expires_at['open_ended'] then true end as open_ended,
        l.repository_path['value'] as repository_path,
        t.collection_kind,
        t.collection_kind_stated,
        c.title,
        c.placeholder,
        gather(
            warn('color', l.color_raw, l.color['warning']),
            warn('expiresAt', null, case when l.expires_zero then 'EPOCH_ZERO' else l.expires_at['warning'] end),
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
