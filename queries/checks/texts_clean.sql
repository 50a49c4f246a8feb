-- A text to load that holds control characters, or blanks at its ends, or nothing at all.
-- Rules: D06, D07, D39, A07.
with texts as (
    select source_key, 'title' as field, title as value from project where disposition = 'load'
    union all
    select source_key, 'description' as field, description as value from project where disposition = 'load'
    union all
    select source_key, 'title' as field, title as value from promo where disposition = 'load'
    union all
    select source_key, 'description' as field, description as value from promo where disposition = 'load'
    union all
    select source_key, 'script' as field, script as value from promo where disposition = 'load'
    union all
    select source_key, 'notes' as field, notes as value from promo where disposition = 'load'
    union all
    select source_key, 'fileName' as field, "fileName" as value from promo where disposition = 'load'
    union all
    select source_key, 'title' as field, title as value from collection where disposition = 'load'
    union all
    select source_key, 'path' as field, path as value from collection where disposition = 'load'
    union all
    select source_key, 'description' as field, description as value from collection where disposition = 'load'
    union all
    select source_key, 'title' as field, title as value from deliverable_image where disposition = 'load'
    union all
    select source_key, 'altText' as field, "altText" as value from deliverable_image where disposition = 'load'
    union all
    select source_key, 'description' as field, description as value from deliverable_image where disposition = 'load'
    union all
    select source_key, 'rightsNotes' as field, "rightsNotes" as value from promo where disposition = 'load'
)
select source_key, field, value
from texts
where value is not null
    and (value = '' or value <> btrim(value, ' ' || chr(9) || chr(10) || chr(13) || chr(160))
        or regexp_like(value, '[\x00-\x08\x0B-\x1F\x7F\x{80}-\x{9F}]'))
order by source_key, field
