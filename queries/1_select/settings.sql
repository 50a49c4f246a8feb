-- The settings of this migration that rules read, as one row, from setting.csv: the batch's name; the time zone, the
-- source's own where it states one (dirt D51, rulings A15), setting.csv's where that is none of the IANA database
-- (the check zone_known tells); the longest title in characters (D05), the longest text in bytes (D42) and the most
-- values of a list (D29); the sources with habits of their own (D08, D38, D45); and legacy_html: `true` keeps the
-- HTML that became plain text in the field legacyHtml (D40), anything else does not.
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
        max(try_cast(value as int)) filter (where name = 'shouting_source') as shouting_source,
        coalesce(max(value) filter (where name = 'legacy_html') = 'true', false) as legacy_html
    from setting
)
select
    g.batch,
    coalesce(time_zone(s.zone), time_zone(g.zone)) as zone,
    g.title_limit,
    g.text_limit,
    g.values_limit,
    g.garbled_source,
    g.day_first_source,
    g.shouting_source,
    g.legacy_html
from given g
cross join stated s
