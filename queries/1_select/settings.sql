-- The constants of this migration, as one row: the source's own time zone where it states one.
-- Serves D51 and A15 (zone), D05, D29 and D42 (limits), D08, D38 and D45 (sources with ways of their own).
-- materialise: view
with stated as (
    select max(value) filter (where name = 'deployment.timezone') as zone
    from public.dynamic_property
),
given as (
    select
        max(value) filter (where name = 'batch') as batch,
        max(value) filter (where name = 'zone') as zone,
        max(try_cast(value as bigint)) filter (where name = 'title_limit') as title_limit,
        max(try_cast(value as bigint)) filter (where name = 'text_limit') as text_limit,
        max(try_cast(value as bigint)) filter (where name = 'values_limit') as values_limit,
        max(try_cast(value as int)) filter (where name = 'garbled_source') as garbled_source,
        max(try_cast(value as int)) filter (where name = 'day_first_source') as day_first_source,
        max(try_cast(value as int)) filter (where name = 'shouting_source') as shouting_source
    from setting
)
select
    g.batch,
    coalesce(nullif(btrim(s.zone), ''), g.zone) as zone,
    g.title_limit,
    g.text_limit,
    g.values_limit,
    g.garbled_source,
    g.day_first_source,
    g.shouting_source
from given g
cross join stated s
