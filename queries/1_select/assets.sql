-- One row an asset with its class (a subclass row outranks the declared type) and whether it was deleted.
-- materialise: parquet
-- key: asset_id
with subclass_rows as (
    select id, 'Video' as class from public.video_asset_master
    union all
    select id, 'Image' as class from public.image_asset_master
    union all
    select id, 'Audio' as class from public.audio_asset_master
    union all
    select id, 'Document' as class from public.document_asset_master
    union all
    select id, 'Other' as class from public.other_asset_master
),
subclass as (
    select id, min(class) as class, count(*) as classes
    from subclass_rows
    group by id
),
deletion as (
    select
        id,
        coalesce(deleted, false) as flagged,
        -- a finite moment: the infinities are the extremes of the type
        deleted_at is not null
            and deleted_at > arrow_cast('1900-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')
            and deleted_at < arrow_cast('2200-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))') as dated
    from public.asset_master
)
select
    m.id as asset_id,
    coalesce(s.class, m."assetType") as class,
    m."assetType" as declared_class,
    coalesce(s.classes, 0) as subclass_rows,
    d.flagged or d.dated as deleted,
    d.dated and not d.flagged as deletion_conflict,
    m.metadata_id,
    m.source_id,
    m.current_version_id,
    m.main_timeline_id
from public.asset_master m
join deletion d on d.id = m.id
left join subclass s on s.id = m.id
