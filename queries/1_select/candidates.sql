-- Every entity that might be migrated, once: the rows of the four tables and the routed assets; with the scope
-- filter's verdict (out_of_scope: the first reason in the order of the closed list) and the asset it stands on.
-- Rules: A03, A03b (what is a candidate); D50, D58, A09, A34 (scope). Key: the class and id of the row it stands for.
-- materialise: parquet
-- key: source_key
with entities as (
    select concat('Promo:', id) as source_key, 'promo' as target, 'Promo' as class, id, asset_id,
        cast(null as bigint) as own_metadata_id, coalesce(deleted, false) as deleted, cast(null as varchar) as kind
    from public.promo
    union all
    select concat('DeliverableImage:', id) as source_key, 'deliverable_image' as target, 'DeliverableImage' as class, id,
        asset_id, cast(null as bigint) as own_metadata_id, coalesce(deleted, false) as deleted,
        cast(null as varchar) as kind
    from public.deliverable_image
    union all
    select concat('AssetMaster:', asset_id) as source_key, target, 'AssetMaster' as class, asset_id as id, asset_id,
        cast(null as bigint) as own_metadata_id, false as deleted, cast(null as varchar) as kind
    from routed_assets
    union all
    select concat('Project:', id) as source_key, 'project' as target, 'Project' as class, id,
        cast(null as bigint) as asset_id, metadata_id as own_metadata_id, coalesce(deleted, false) as deleted,
        cast(null as varchar) as kind
    from public.project
    union all
    select concat('AssetCollection:', id) as source_key, 'collection' as target, 'AssetCollection' as class, id,
        cast(null as bigint) as asset_id, metadata_id as own_metadata_id, coalesce(deleted, false) as deleted,
        fold_key(collection_kind) as kind
    from public.asset_collection
),
placed as (
    select
        e.source_key,
        e.target,
        e.class,
        e.id,
        e.asset_id,
        coalesce(e.own_metadata_id, a.metadata_id) as metadata_id,
        e.kind,
        a.class as asset_class,
        a.declared_class,
        a.subclass_rows,
        a.source_id,
        a.asset_id is not null as asset_found,
        e.deleted or coalesce(a.deleted, false) as deleted,
        not e.deleted and coalesce(a.deletion_conflict, false) as deletion_conflict
    from entities e
    left join assets a on a.asset_id = e.asset_id
)
select
    source_key,
    target,
    class,
    id,
    asset_id,
    metadata_id,
    asset_class,
    declared_class,
    subclass_rows,
    source_id,
    asset_found,
    deletion_conflict,
    case
        when deleted then 'SOFT_DELETED'
        when asset_class in ('Audio', 'Other', 'Placeholder') then 'OUT_OF_SCOPE_TYPE'
        when kind = 'system' then 'SYSTEM_COLLECTION'
        when kind = 'smart' then 'SMART_COLLECTION'
    end as out_of_scope
from placed
