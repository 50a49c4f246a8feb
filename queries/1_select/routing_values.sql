-- The two descriptive fields that decide the target of an asset which has no row in a specific table: a narrow
-- read of the value table (two properties, four columns) before the wide one of 2_collect.
-- materialise: parquet
-- key: metadata_id
with properties as (
    select cast(property_id as int) as property_id, field
    from eav_field
    where field in ('content_type', 'image_detail')
),
raw_values as (
    select
        v.metadata_id,
        p.field,
        v.id,
        coalesce(l.value, v.string_value) as raw
    from public.metadata_property_value v
    join properties p on p.property_id = v.property_id
    left join public.picklist_value l on l.id = v.picklist_value_id
),
named as (
    select r.metadata_id, r.field, max(t.canonical) as term
    from raw_values r
    join terms_known t
        on t.vocabulary = case r.field when 'content_type' then 'contentType' else 'endpointImageDetail' end
        and t.spelling = fold_key(r.raw)
    group by r.metadata_id, r.field
)
select
    metadata_id,
    max(term) filter (where field = 'content_type') as content_type,
    max(term) filter (where field = 'image_detail') as image_detail
from named
group by metadata_id
