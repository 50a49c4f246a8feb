-- One row an asset with its class and whether it was deleted. A subclass row outranks the declared type (dirt D16); of
-- two subclass rows the declared one counts, else the first by name (D18). A time of deletion counts where it is past,
-- not after the snapshot (D50, rulings A30).
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
declared as (
    select id, cast("assetType" as varchar) as class from public.asset_master
),
subclass as (
    select
        r.id,
        coalesce(max(case when r.class = d.class then r.class end), min(r.class)) as class,
        count(*) as classes
    from subclass_rows r
    join declared d on d.id = r.id
    group by r.id
),
deletion as (
    select
        id,
        coalesce(deleted, false) as flagged,
        -- -infinity is the least moment of the type, infinity the last
        deleted_at is not null
            and deleted_at > arrow_cast('1900-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')
            and deleted_at <= arrow_cast(now(), 'Timestamp(Microsecond, Some("UTC"))') as dated
    from public.asset_master
)
select
    m.id as asset_id,
    coalesce(s.class, c.class) as class,
    c.class as declared_class,
    coalesce(s.classes, 0) as subclass_rows,
    d.flagged or d.dated as deleted,
    d.dated and not d.flagged as deletion_conflict,
    m.metadata_id,
    m.source_id,
    m.current_version_id,
    m.main_timeline_id
from public.asset_master m
join declared c on c.id = m.id
join deletion d on d.id = m.id
left join subclass s on s.id = m.id
