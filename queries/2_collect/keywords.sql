-- The keywords of each candidate's asset, synonyms replaced by the preferred keyword at the end of their chain,
-- ordered by the linked keyword's id.
-- materialise: parquet
-- key: asset_id
with recursive edges as (
    -- one preferred keyword each, so that a chain has one end
    select keyword_id, min(preferred_id) as preferred_id
    from public.keyword_synonym
    where keyword_id <> preferred_id
    group by keyword_id
),
chains as (
    select keyword_id, preferred_id, 1 as depth
    from edges
    union all
    select c.keyword_id, e.preferred_id, c.depth + 1 as depth
    from chains c
    join edges e on e.keyword_id = c.preferred_id
    where c.depth < 16
),
preferred as (
    -- a chain that never ends is a cycle: its keywords are kept as they are
    select c.keyword_id, c.preferred_id
    from chains c
    left anti join edges e on e.keyword_id = c.preferred_id
),
linked as (
    select
        k.asset_id,
        k.keyword_id,
        coalesce(p.preferred_id, k.keyword_id) as preferred_id
    from public.asset_keyword k
    left semi join candidate_assets a on a.asset_id = k.asset_id
    left join preferred p on p.keyword_id = k.keyword_id
)
select
    l.asset_id,
    in_order(named_struct('id', l.keyword_id, 'keyword', w.keyword)) as keywords
from linked l
join public.keyword w on w.id = l.preferred_id
where w.keyword is not null
group by l.asset_id
