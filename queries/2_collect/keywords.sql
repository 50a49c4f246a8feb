-- purpose: the keywords of each candidate's asset, synonyms replaced by the preferred keyword at the end of their chain,
--          ordered by the linked keyword's id
-- materialise: parquet
-- key: asset_id
with recursive chains as (
    select keyword_id, preferred_id, 1 as depth
    from public.keyword_synonym
    where keyword_id <> preferred_id
    union all
    select c.keyword_id, s.preferred_id, c.depth + 1 as depth
    from chains c
    join public.keyword_synonym s on s.keyword_id = c.preferred_id
    where c.depth < 16 and s.preferred_id <> c.keyword_id and s.preferred_id <> s.keyword_id
),
ends as (
    select
        keyword_id,
        preferred_id,
        row_number() over (partition by keyword_id order by depth desc, preferred_id) as place
    from chains
),
preferred as (
    -- a synonym that leads back to itself is kept as it is
    select e.keyword_id, e.preferred_id
    from ends e
    where e.place = 1
        and not exists (select 1 from public.keyword_synonym s where s.keyword_id = e.preferred_id)
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
    array_agg(w.keyword order by l.keyword_id) as keywords
from linked l
join public.keyword w on w.id = l.preferred_id
where w.keyword is not null
group by l.asset_id
