-- The parent of each collection that loads and has one that loads, circles cut: of each circle the collection with the
-- lowest id loses its parent (dirt D24). Circles of more than 500 collections are not looked for.
-- materialise: parquet
-- key: source_key
with recursive edges as (
    select
        j.owner_key as source_key,
        min(j.target_key) as parent_key,
        min(c.id) as id
    from links_judged j
    join candidates c on c.source_key = j.owner_key
    where j.field = 'parent' and j.linked
    group by j.owner_key
),
walks as (
    select source_key as start_key, parent_key as at_key, id as start_id, id as lowest, 1 as depth
    from edges
    union all
    select w.start_key, e.parent_key as at_key, w.start_id, least(w.lowest, e.id) as lowest, w.depth + 1 as depth
    from walks w
    join edges e on e.source_key = w.at_key
    where w.at_key <> w.start_key and w.depth < 500
),
cut as (
    select distinct start_key as source_key
    from walks
    where at_key = start_key and start_id = lowest
)
select
    e.source_key,
    case when c.source_key is null then e.parent_key end as parent_key,
    warn('parent', replace(e.parent_key, ':', '.'), case
        when c.source_key is not null then 'COLLECTION_CYCLE_BROKEN'
    end) as warnings
from edges e
left join cut c on c.source_key = e.source_key
