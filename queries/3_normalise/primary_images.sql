-- Which of the loading images of one house code, detail and locale is the primary one: approved, then latest (by the
-- date of change that is loaded), then lowest id.
-- Rules: section 9 of the specification, under its fourth type.
-- materialise: view
-- key: source_key
with ranked as (
    select
        i.source_key,
        row_number() over (
            partition by i.house_code, i.endpoint_image_detail, i.locale
            order by coalesce(i.approved, false) desc, i.modified_date desc nulls last, i.id
        ) as place
    from image_values i
    join dispositions d on d.source_key = i.source_key
    where d.disposition = 'load'
)
select source_key, place = 1 as is_primary
from ranked
