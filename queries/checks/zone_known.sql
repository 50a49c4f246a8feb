-- A time zone that the IANA database does not list, in the source's deployment.timezone or in setting.csv: local times
-- were read in another zone than the one that was meant (D51, A15).
with stated as (
    select 'deployment.timezone' as origin, value as zone from public.dynamic_property
    where name = 'deployment.timezone' and btrim(value) <> ''
    union all
    select 'setting.csv' as origin, value as zone from setting where name = 'zone'
)
select origin, zone
from stated
where time_zone(zone) is null
order by origin, zone
