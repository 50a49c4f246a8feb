-- A disposition whose reason is not one of its closed list (mappings/reason.csv), or a candidate without a verdict.
-- Rules: section 8 of the specification (the closed list, the balance of candidates).
with mapped as (
    select source_key, disposition, reason from project
    union all
    select source_key, disposition, reason from promo
    union all
    select source_key, disposition, reason from collection
    union all
    select source_key, disposition, reason from deliverable_image
)
select c.source_key, m.disposition, m.reason
from candidates c
left join mapped m on m.source_key = c.source_key
left join reason r on r.disposition = m.disposition and r.reason = m.reason
where m.disposition is null
    or (m.disposition = 'load' and m.reason is not null)
    or (m.disposition <> 'load' and r.reason is null)
order by c.source_key
