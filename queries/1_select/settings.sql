-- The constants of this migration, as one row: the source's own time zone where it states one.
-- materialise: view
with stated as (
    select max(value) filter (where name = 'deployment.timezone') as zone
    from public.dynamic_property
),
given as (
    select
        max(value) filter (where name = 'batch') as batch,
        max(value) filter (where name = 'zone') as zone
    from setting
)
select
    g.batch,
    coalesce(nullif(btrim(s.zone), ''), g.zone) as zone
from given g
cross join stated s
