-- The links of each candidate as its lists, in order; with the counts of a collection's members by source class
-- (distinct targets, migrated or not) and the number of memberships that lead to no member (rulings A22). One warning
-- a skipped link.
-- materialise: parquet
-- key: source_key
with lists as (
    select
        owner_key,
        in_order(named_struct(
            'place', place,
            'link_id', link_id,
            'target_key', target_key,
            'member', named_struct('source_key', target_key)
        )) filter (where linked and field = 'members') as members,
        in_order(named_struct(
            'place', place,
            'link_id', link_id,
            'target_key', target_key,
            'related', named_struct('asset', named_struct('source_key', target_key), 'relation', relation)
        )) filter (where linked and field = 'relatedAssets') as related_assets,
        min(target_key) filter (where linked and field = 'coverAsset') as cover_asset,
        count(*) filter (where linked and field = 'members') as member_count
    from links_judged
    group by owner_key
),
stored as (
    select
        owner_key,
        field,
        link_id,
        min(place) as place,
        min(target_class) as target_class,
        min(target_id) as target_id,
        min(stated_class) as stated_class,
        min(named) as named,
        min(warning) as warning,
        max(case when found then counted_class end) as counted_class,
        bool_or(coalesce(linked, false)) as linked
    from links_judged
    group by owner_key, field, link_id
),
warned as (
    select
        owner_key,
        flatten(in_order(named_struct(
            'field', field,
            'place', place,
            'link_id', link_id,
            'warnings', gather(
                warn(field, coalesce(named, concat(target_class, '.', target_id)), warning),
                warn(field, stated_class, case
                    when target_class <> 'none' and stated_class <> target_class then 'MEMBER_CLASS_MISMATCH'
                end)
            )
        ))) as warnings
    from stored
    where warning is not null or stated_class <> target_class
    group by owner_key
),
summaries as (
    select
        owner_key,
        cast(count(distinct case when counted_class = 'Video' then target_id end) as int) as videos,
        cast(count(distinct case when counted_class = 'Image' then target_id end) as int) as images,
        cast(count(distinct case when counted_class = 'Document' then target_id end) as int) as documents,
        cast(count(distinct case when counted_class = 'Clip' then target_id end) as int) as clips,
        cast(count(distinct case
            when counted_class not in ('Video', 'Image', 'Document', 'Clip') then concat(counted_class, target_id)
        end) as int) as other,
        cast(count(*) filter (where not linked) as int) as skipped
    from stored
    where field = 'members'
    group by owner_key
)
select
    l.owner_key as source_key,
    l.members,
    l.related_assets,
    l.cover_asset,
    cast(l.member_count as int) as member_count,
    s.videos,
    s.images,
    s.documents,
    s.clips,
    s.other,
    s.skipped,
    w.warnings
from lists l
left join summaries s on s.owner_key = l.owner_key
left join warned w on w.owner_key = l.owner_key
