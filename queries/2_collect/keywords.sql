-- The keywords of each candidate's asset, synonyms replaced by the preferred keyword at the end of their chain, ordered
-- by the linked keyword's id. Said are links to keywords that are missing (dirt D31) and circles of synonyms, whose
-- keywords are kept as they are (dirt D32).
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
    -- a chain that never ends leads into a circle
    select c.keyword_id, c.preferred_id
    from chains c
    left anti join edges e on e.keyword_id = c.preferred_id
),
linked as (
    select
        k.asset_id,
        k.keyword_id,
        coalesce(p.preferred_id, k.keyword_id) as preferred_id,
        e.keyword_id is not null and p.keyword_id is null as circular
    from public.asset_keyword k
    left semi join candidate_assets a on a.asset_id = k.asset_id
    left join edges e on e.keyword_id = k.keyword_id
    left join preferred p on p.keyword_id = k.keyword_id
),
named as (
    select
        l.asset_id,
        l.keyword_id,
        w.keyword,
        gather(
            warn('tags', cast(l.keyword_id as varchar), case when w.id is null then 'LINK_TARGET_MISSING' end),
            warn('tags', w.keyword, case when l.circular then 'SYNONYM_CYCLE' end)
        ) as warnings
    from linked l
    left join public.keyword w on w.id = l.preferred_id
)
select
    asset_id,
    in_order(named_struct('id', keyword_id, 'keyword', keyword)) filter (where keyword is not null) as keywords,
    flatten(in_order(named_struct('id', keyword_id, 'warnings', warnings)) filter (where warnings is not null)) as warnings
from named
group by asset_id
