-- What every candidate has whatever its type, as the source gives it: own title, house code, description, dates,
-- owner, identifiers; one row a candidate. It reads the four tables and the facts of the asset.
-- Rules: A24 (a type's own dates), A40 (its own description), A02 (its sources of the external id), D38, D45 (the
-- sources with habits of their own).
-- materialise: parquet
-- key: source_key
with own as (
    select 'Promo' as class, id, title, house_number as house_code, title_id, cast(null as varchar) as description,
        arrow_cast(null, 'Timestamp(Microsecond, None)') as created_local, date_created as created_at, arrow_cast(null, 'Timestamp(Microsecond, None)') as updated_local,
        cast(null as varchar) as uuid, cast(null as bigint) as owner_id, cast(null as varchar) as owner_name
    from public.promo
    union all
    select 'DeliverableImage' as class, i.id, i.title, i.house_code, cast(null as bigint) as title_id, i."desc" as description,
        i.created_at as created_local, arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as created_at, i.updated_at as updated_local,
        cast(null as varchar) as uuid, cast(null as bigint) as owner_id, cast(null as varchar) as owner_name
    from public.deliverable_image i
    union all
    select 'Project' as class, id, name as title, cast(null as varchar) as house_code, title_id, description,
        date_created as created_local, arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as created_at, date_updated as updated_local,
        uuid, cast(null as bigint) as owner_id, "user" as owner_name
    from public.project
    union all
    select 'AssetCollection' as class, id, name as title, cast(null as varchar) as house_code,
        cast(null as bigint) as title_id, description, date_created as created_local,
        arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as created_at, date_updated as updated_local, uuid, owner_id,
        cast(null as varchar) as owner_name
    from public.asset_collection
)
select
    c.source_key,
    c.target,
    c.class,
    c.id,
    c.asset_id,
    c.metadata_id,
    b.place as asset_place,
    o.title,
    o.title_id,
    o.house_code,
    coalesce(o.description, case when c.class in ('Promo', 'AssetMaster') then f.description end) as description,
    coalesce(o.created_local, case when c.class = 'AssetMaster' then f.date_created end) as created_local,
    o.created_at,
    -- an image has its own date of change, a promo that of its asset (rulings A24)
    coalesce(o.updated_local, case when c.class in ('Promo', 'AssetMaster') then f.date_updated end) as updated_local,
    coalesce(o.uuid, f.uuid) as uuid,
    coalesce(o.owner_id, f.owner_id) as owner_id,
    o.owner_name,
    f.name as asset_name,
    f.house_code as asset_house_code,
    f.external_id,
    f.other_external_id,
    f.status,
    -- sources with habits of their own: garbled accents, the day first in dates, titles in upper case
    coalesce(f.source_id = z.garbled_source, false) as garbled,
    coalesce(f.source_id = z.day_first_source, false) as day_first,
    coalesce(f.source_id = z.shouting_source, false) as shouting
from candidates c
cross join settings z
left join own o on o.class = c.class and o.id = c.id
left join asset_facts f on f.asset_id = c.asset_id
left join candidates_by_asset b on b.source_key = c.source_key
