-- Rows that were skipped because their parent does not exist, counted by table (ORPHAN_ROW).
-- Rules: D19, A04 (told in the report alone).
-- materialise: parquet
-- key: table_name
with versions as (
    select count(*) as rows
    from public.asset_version v
    left anti join assets a on a.asset_id = v.master_asset_id
    where v.master_asset_id is not null
),
owners as (
    select 'AssetMaster' as owner_class, asset_id as owner_id from assets
    union all
    select 'AssetVersion' as owner_class, id as owner_id from public.asset_version
    union all
    select 'AssetCollection' as owner_class, id as owner_id from public.asset_collection
    union all
    select 'Project' as owner_class, id as owner_id from public.project
    union all
    select 'Timeline' as owner_class, id as owner_id from public.timeline
    union all
    select 'Clip' as owner_class, id as owner_id from public.clip
),
objects as (
    select count(*) as rows
    from public.metadata m
    left anti join owners o on o.owner_class = m.owner_class and o.owner_id = m.owner_id
),
property_values as (
    select count(*) as rows
    from public.metadata_property_value v
    left anti join public.metadata m on m.id = v.metadata_id
)
select 'asset_version' as table_name, rows from versions
union all
select 'metadata' as table_name, rows from objects
union all
select 'metadata_property_value' as table_name, rows from property_values
