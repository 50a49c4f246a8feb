-- Rows that were skipped because their parent does not exist, counted by table (ORPHAN_ROW).
-- materialise: parquet
-- key: table_name
with versions as (
    select count(*) as rows
    from public.asset_version v
    left anti join assets a on a.asset_id = v.master_asset_id
    where v.master_asset_id is not null
),
owners as (
    select m.id, m.owner_class, m.owner_id from public.metadata m
    where m.owner_class in ('AssetMaster', 'Project', 'AssetCollection')
),
objects as (
    select count(*) as rows
    from owners o
    left join assets a on o.owner_class = 'AssetMaster' and a.asset_id = o.owner_id
    left join public.project p on o.owner_class = 'Project' and p.id = o.owner_id
    left join public.asset_collection c on o.owner_class = 'AssetCollection' and c.id = o.owner_id
    where a.asset_id is null and p.id is null and c.id is null
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
