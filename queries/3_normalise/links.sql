-- The links of each candidate as its lists, in order; with the counts of a collection's members by source class
-- (distinct targets, migrated or not) and the number of memberships that lead to no member (rulings A22).
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
        min(target_key) filter (where linked and field = 'parent') as parent,
        min(target_key) filter (where linked and field = 'coverAsset') as cover_asset,
        count(*) filter (where linked and field = 'members') as member_count,
        flatten(in_order(named_struct(
            'field', field,
            'place', place,
            'link_id', link_id,
            'target_key', target_key,
            'warnings', warn(field, concat(target_class, '.', target_id), warning)
        )) filter (where warning is not null)) as warnings
    from links_judged
    group by owner_key
),
memberships as (
    select
        owner_key,
        link_id,
        max(case when found then counted_class end) as counted_class,
        max(target_id) as target_id,
        bool_or(coalesce(linked, false)) as linked
    from links_judged
    where field = 'members'
    group by owner_key, link_id
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
    from memberships
    group by owner_key
)
select
    l.owner_key as source_key,
    l.members,
    l.related_assets,
    l.parent,
    l.cover_asset,
    cast(l.member_count as int) as member_count,
    s.videos,
    s.images,
    s.documents,
    s.clips,
    s.other,
    s.skipped,
    l.warnings
from lists l
left join summaries s on s.owner_key = l.owner_key
