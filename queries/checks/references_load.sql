-- A reference from a row to load to one that does not load.
-- Rules: D31, section 9 of the specification (only migrated targets; two-pass load).
with members as (
    select source_key, unnest(members) as member from project where disposition = 'load'
    union all
    select source_key, unnest(members) as member from collection where disposition = 'load'
),
relations as (
    select source_key, unnest("relatedAssets") as relation from promo where disposition = 'load'
    union all
    select source_key, unnest("relatedAssets") as relation from deliverable_image where disposition = 'load'
),
referred as (
    select source_key, member['source_key'] as target_key from members
    union all
    select source_key, relation['asset']['source_key'] as target_key from relations
    union all
    select source_key, parent['source_key'] as target_key from collection where disposition = 'load'
    union all
    select source_key, "coverAsset"['source_key'] as target_key from collection where disposition = 'load'
)
select r.source_key, r.target_key
from referred r
left join dispositions d on d.source_key = r.target_key
where r.target_key is not null and coalesce(d.disposition, 'unknown') <> 'load'
order by r.source_key, r.target_key
