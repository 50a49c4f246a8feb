-- Two rows to load with one external id, compared as the target compares them: trimmed, in one case.
-- Rules: D10, D12, section 9 of the specification (externalId is unique).
with ids as (
    select source_key, "externalId" as external_id from project where disposition = 'load'
    union all
    select source_key, "externalId" as external_id from promo where disposition = 'load'
    union all
    select source_key, "externalId" as external_id from collection where disposition = 'load'
    union all
    select source_key, "externalId" as external_id from deliverable_image where disposition = 'load'
)
select fold_key(external_id) as external_id, count(*) as rows, min(source_key) as first_key, max(source_key) as last_key
from ids
group by fold_key(external_id)
having count(*) > 1
order by external_id
