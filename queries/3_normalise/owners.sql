-- The owner of each candidate: the user it refers to by id or names, else the deployment's default owner with a warning
-- (dirt D21).
-- materialise: parquet
-- key: source_key
with fallback as (
    select max(n.display_name) as display_name
    from public.dynamic_property p
    join user_names n on n.name = fold_key(p.value)
    where p.name = 'deployment.default_owner'
),
found as (
    select
        s.source_key,
        coalesce(cast(s.owner_id as varchar), s.owner_name) as raw,
        coalesce(i.display_name, n.display_name) as owner
    from subject s
    left join users i on i.user_id = s.owner_id
    left join user_names n on n.name = fold_key(s.owner_name)
    where s.owner_id is not null or fold_key(s.owner_name) is not null
)
select
    f.source_key,
    coalesce(f.owner, d.display_name) as owner,
    warn('owner', f.raw, case when f.owner is null then 'OWNER_UNRESOLVED' end) as warnings
from found f
cross join fallback d
