-- The descriptive fields for several values: each value once whatever its case, in its first spelling and in order.
-- Rules: D28, A11, A51.
-- materialise: parquet
-- key: source_key
with ranked as (
    select
        source_key,
        field,
        rank,
        line,
        place,
        item_place,
        raw,
        value,
        warning,
        min(case when value is not null then rank end) over (partition by source_key, field) as first_good
    from list_cell
),
asked as (
    select source_key, field, rank, line, place, item_place, raw, value, warning, first_good
    from ranked
    where first_good is null or rank <= first_good
),
gathered as (
    select
        source_key,
        field,
        distinct_folded(in_order(named_struct(
            'line', line, 'place', place, 'item_place', item_place, 'value', value
        )) filter (where value is not null)) as items,
        flatten(in_order(named_struct(
            'line', line, 'place', place, 'item_place', item_place, 'warnings', warn(case field when 'producers' then 'producer' else field end, raw, warning)
        )) filter (where warning is not null)) as warnings
    from asked
    group by source_key, field
)
select
    source_key,
    first_value(items order by field) filter (where field = 'tags') as tags,
    first_value(items order by field) filter (where field = 'cast') as cast_names,
    first_value(items order by field) filter (where field = 'directors') as directors,
    first_value(items order by field) filter (where field = 'producers') as producers,
    first_value(items order by field) filter (where field = 'licenseWindows') as license_windows,
    -- what is said of producers is for projects to tell
    flatten(in_order(named_struct('field', field, 'warnings', warnings))
        filter (where warnings is not null and field <> 'producers')) as warnings,
    first_value(warnings order by field) filter (where field = 'producers') as producer_warnings
from gathered
group by source_key
