-- Every stored link of a candidate to something else, of all lists, one row a link: what is named, not yet whether it
-- exists (of a membership that fills no column or several, dirt D57, its own id and the filled ones); a symmetric
-- relation belongs to the asset with the lower id (rulings A23). A relation without a left side is no link; one without
-- a right side, or of a type that has no row, leads nowhere (A04).
-- materialise: view
with owners as (
    select source_key, target, id, asset_id from candidates where out_of_scope is null
),
items as (
    select
        o.source_key as owner_key,
        'members' as field,
        i.id as link_id,
        coalesce(cast(i.sort_order as bigint), 9223372036854775807) as place,
        i.asset_id,
        i.timeline_id,
        i.clip_id,
        i.project_id,
        i.child_collection_id,
        i.member_class,
        case when i.asset_id is null then 0 else 1 end + case when i.timeline_id is null then 0 else 1 end
            + case when i.clip_id is null then 0 else 1 end + case when i.project_id is null then 0 else 1 end
            + case when i.child_collection_id is null then 0 else 1 end as filled
    from public.asset_collection_item i
    join owners o on o.target = 'collection' and o.id = i.collection_id
),
item_links as (
    select
        owner_key,
        field,
        link_id,
        place,
        case
            when filled <> 1 then 'none'
            when asset_id is not null then 'AssetMaster'
            when timeline_id is not null then 'Timeline'
            when clip_id is not null then 'Clip'
            when project_id is not null then 'Project'
            else 'AssetCollection'
        end as target_class,
        coalesce(asset_id, timeline_id, clip_id, project_id, child_collection_id) as target_id,
        cast(null as varchar) as relation,
        member_class as stated_class,
        case when filled <> 1 then concat('item ', link_id, ': ', coalesce(nullif(concat_ws(', ',
            'AssetMaster.' || cast(asset_id as varchar),
            'Timeline.' || cast(timeline_id as varchar),
            'Clip.' || cast(clip_id as varchar),
            'Project.' || cast(project_id as varchar),
            'AssetCollection.' || cast(child_collection_id as varchar)
        ), ''), 'none')) end as named
    from items
),
project_links as (
    select
        o.source_key as owner_key,
        'members' as field,
        p.asset_id as link_id,
        p.asset_id as place,
        'AssetMaster' as target_class,
        p.asset_id as target_id,
        cast(null as varchar) as relation,
        cast(null as varchar) as stated_class
    from public.project_asset p
    join owners o on o.target = 'project' and o.id = p.project_id
),
relations as (
    select
        r.id,
        r."order",
        t.forward_name,
        case
            when t."symmetric" and r.right_asset_id < r.left_asset_id then r.right_asset_id else r.left_asset_id
        end as from_asset_id,
        case when t.id is null then 'AssetRelationType' else 'AssetMaster' end as target_class,
        case
            when t.id is null then r.relation_type_id
            when t."symmetric" and r.right_asset_id < r.left_asset_id then r.left_asset_id
            else r.right_asset_id
        end as target_id
    from public.asset_relation r
    left join public.asset_relation_type t on t.id = r.relation_type_id
    where r.left_asset_id is not null
),
relation_links as (
    select
        o.source_key as owner_key,
        'relatedAssets' as field,
        r.id as link_id,
        coalesce(cast(r."order" as bigint), 9223372036854775807) as place,
        r.target_class,
        r.target_id,
        r.forward_name as relation,
        cast(null as varchar) as stated_class
    from relations r
    join owners o on o.target in ('promo', 'deliverable_image') and o.asset_id = r.from_asset_id
),
parents as (
    select
        o.source_key as owner_key,
        'parent' as field,
        c.id as link_id,
        cast(0 as bigint) as place,
        'AssetCollection' as target_class,
        c.parent_id as target_id,
        cast(null as varchar) as relation,
        cast(null as varchar) as stated_class
    from public.asset_collection c
    join owners o on o.target = 'collection' and o.id = c.id
    where c.parent_id is not null
),
covers as (
    select
        o.source_key as owner_key,
        'coverAsset' as field,
        c.id as link_id,
        cast(0 as bigint) as place,
        'AssetMaster' as target_class,
        c.cover_asset_id as target_id,
        cast(null as varchar) as relation,
        cast(null as varchar) as stated_class
    from public.asset_collection c
    join owners o on o.target = 'collection' and o.id = c.id
    where c.cover_asset_id is not null
)
select owner_key, field, link_id, place, target_class, target_id, relation, stated_class, named from item_links
union all
select owner_key, field, link_id, place, target_class, target_id, relation, stated_class, cast(null as varchar) as named
from project_links
union all
select owner_key, field, link_id, place, target_class, target_id, relation, stated_class, cast(null as varchar) as named
from relation_links
union all
select owner_key, field, link_id, place, target_class, target_id, relation, stated_class, cast(null as varchar) as named
from parents
union all
select owner_key, field, link_id, place, target_class, target_id, relation, stated_class, cast(null as varchar) as named
from covers
