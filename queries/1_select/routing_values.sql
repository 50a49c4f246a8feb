-- The two descriptive fields that decide the target of an asset which has no row in a specific table: a narrow
-- read of the value table (two properties, six columns) before the wide one of 2_collect. Of several values the latest
-- decides, even if it is unknown (dirt D26); one that is a single edit away from a term stands for it (D33).
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
        coalesce(l.value, v.string_value) as raw,
        row_number() over (
            partition by v.metadata_id, p.field order by v.updated_at desc nulls last, v.id desc
        ) as place
    from public.metadata_property_value v
    join properties p on p.property_id = v.property_id
    left join public.picklist_value l on l.id = v.picklist_value_id
    where v.picklist_value_id is not null or v.string_value is not null
),
placed as (
    select
        r.metadata_id,
        case r.field when 'content_type' then 'contentType' else 'endpointImageDetail' end as vocabulary,
        fold_key(r.raw) as spelling
    from raw_values r
    where r.place = 1 and r.raw is not null
),
matched as (
    select p.metadata_id, p.vocabulary, p.spelling, t.canonical
    from placed p
    left join terms_known t on t.vocabulary = p.vocabulary and t.spelling = p.spelling
),
unknown as (
    select distinct vocabulary, spelling
    from matched
    where canonical is null and character_length(spelling) >= 6
),
near as (
    select u.vocabulary, u.spelling, max(k.canonical) as canonical
    from unknown u
    join terms_known k on k.vocabulary = u.vocabulary and k.is_term and within_one_edit(u.spelling, k.canonical)
    group by u.vocabulary, u.spelling
    having count(*) = 1
)
select
    m.metadata_id,
    max(coalesce(m.canonical, n.canonical)) filter (where m.vocabulary = 'contentType') as content_type,
    max(coalesce(m.canonical, n.canonical)) filter (where m.vocabulary = 'endpointImageDetail') as image_detail
from matched m
left join near n on n.vocabulary = m.vocabulary and n.spelling = m.spelling
group by m.metadata_id
