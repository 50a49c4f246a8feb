-- Who each candidate is: external id, uuid, when it was made and changed (dirt D10 to D13, D30, D49, D51, D52, rulings
-- A02, A24, A27). A placeholder is no external id (D03). Of several rows with one uuid the lowest id keeps it. Dates of
-- a row itself are kept whatever they are.
-- materialise: parquet
-- key: source_key
with uuids as (
    select 'AssetMaster' as class, id, uuid_text(uuid)['value'] as uuid from public.asset_master
    union all
    select 'Project' as class, id, uuid_text(uuid)['value'] as uuid from public.project
    union all
    select 'AssetCollection' as class, id, uuid_text(uuid)['value'] as uuid from public.asset_collection
),
keepers as (
    select class, uuid, min(id) as id
    from uuids
    where uuid is not null
    group by class, uuid
),
-- beyond these are the infinities, which are the extremes of the type and have no text (dirt D47)
bounds as (
    select
        arrow_cast('9999-12-31T23:59:59', 'Timestamp(Microsecond, None)') as last_moment,
        arrow_cast('1000-01-01T00:00:00', 'Timestamp(Microsecond, None)') as first_moment
),
subjects as (
    select
        s.source_key,
        -- the row that bears the uuid
        case when s.class in ('Project', 'AssetCollection') then s.class else 'AssetMaster' end as bearer_class,
        case when s.class in ('Project', 'AssetCollection') then s.id else s.asset_id end as bearer_id,
        s.uuid as uuid_raw,
        uuid_text(s.uuid) as uuid,
        case when s.asset_place = 1 then s.external_id end as own_id_raw,
        case when s.asset_place = 1 then clean_line(s.external_id) end as own_id,
        case when s.asset_place = 1 then s.other_external_id end as other_id_raw,
        case when s.asset_place = 1 then clean_line(s.other_external_id) end as other_id,
        to_utc(s.created_local, z.zone) as created_local,
        s.created_at,
        s.created_local as local_created,
        s.updated_local as local_updated,
        to_utc(s.updated_local, z.zone) as updated_local
    from subject s
    cross join settings z
),
dated as (
    select
        u.source_key,
        coalesce(u.own_id['value'], u.other_id['value']) as stated_id,
        u.own_id_raw,
        u.own_id['warning'] as own_id_warning,
        u.other_id_raw,
        case when u.own_id['value'] is null then u.other_id['warning'] end as other_id_warning,
        u.uuid,
        u.uuid_raw,
        k.id = u.bearer_id as keeps_uuid,
        coalesce(u.created_local['value'], u.created_at) as created_date,
        case
            when coalesce(u.local_created > z.last_moment, false) then 'infinity'
            when coalesce(u.local_created < z.first_moment, false) then '-infinity'
            when u.local_created is not null then to_char(u.local_created, '%Y-%m-%d %H:%M:%S')
            else to_char(u.created_at, '%Y-%m-%d %H:%M:%S+00')
        end as created_raw,
        u.created_local['warning'] as created_warning,
        u.updated_local['value'] as modified_date,
        case
            when u.local_updated > z.last_moment then 'infinity'
            when u.local_updated < z.first_moment then '-infinity'
            else to_char(u.local_updated, '%Y-%m-%d %H:%M:%S')
        end as modified_raw,
        u.updated_local['warning'] as modified_warning,
        arrow_cast(now(), 'Timestamp(Microsecond, Some("UTC"))') as present
    from subjects u
    cross join bounds z
    left join keepers k on k.class = u.bearer_class and k.uuid = u.uuid['value']
)
select
    source_key,
    coalesce(stated_id, concat('reach:', source_key)) as external_id,
    -- what duplicates are found by; an id made of the source key has none
    lower(stated_id) as duplicate_key,
    case when keeps_uuid then uuid['value'] end as legacy_uuid,
    created_date,
    modified_date,
    gather(
        warn('externalId', own_id_raw, own_id_warning),
        warn('externalId', other_id_raw, other_id_warning),
        warn('legacyUuid', uuid_raw, coalesce(uuid['warning'], case when not keeps_uuid then 'UUID_INVALID' end)),
        warn('createdDate', created_raw, created_warning),
        warn('createdDate', created_raw, case when created_date > present then 'FUTURE_TIMESTAMP' end),
        warn('modifiedDate', modified_raw, modified_warning),
        warn('modifiedDate', modified_raw, case when modified_date > present then 'FUTURE_TIMESTAMP' end),
        warn('modifiedDate', modified_raw, case when modified_date < created_date then 'DATE_ORDER' end)
    ) as warnings
from dated
