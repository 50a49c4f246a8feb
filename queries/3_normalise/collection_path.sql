-- The names from the root down to each collection, joined by ' / '; a parent that does not load ends the path.
-- Rules: A21, D24 (cycles are cut before).
-- materialise: parquet
-- key: source_key
with recursive tree as (
    select
        s.source_key,
        replace(s.title, '/', '\/') as name,
        p.parent_key
    from common s
    join dispositions d on d.source_key = s.source_key
    left join collection_parents p on p.source_key = s.source_key
    where s.target = 'collection' and d.disposition = 'load'
),
walks as (
    select source_key, name as path, parent_key, 1 as depth
    from tree
    union all
    select w.source_key, concat(t.name, ' / ', w.path) as path, t.parent_key, w.depth + 1 as depth
    from walks w
    join tree t on t.source_key = w.parent_key
    where w.depth < 500
),
ranked as (
    select source_key, path, row_number() over (partition by source_key order by depth desc) as place
    from walks
)
select source_key, path
from ranked
where place = 1
