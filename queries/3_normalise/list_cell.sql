-- Every value of a descriptive field for several, one row an item of a cell, in order. Which cells feed which field,
-- and by what they are parted, is list_field.csv; of ranks the first that has a value counts (dirt D27, D28). What a
-- list in JSON was freed of is told in a row without a value (dirt D41).
-- materialise: parquet
-- alternatives: rank
with fields as (
    select field, cast(rank as int) as rank, cast(line as int) as line, cell, kind
    from list_field
),
listed as (
    select
        s.source_key,
        concat('eav.', e.field) as name,
        row_number() over (partition by s.source_key, e.field order by e."position", e.id) as place,
        e.value as raw
    from eav_value e
    join subject s on s.metadata_id = e.metadata_id
    where e.multi and e.kind <> 'term'
),
copies as (
    select l.source_key, json_text(m.payload, 'cast') as found
    from title_link l
    join title_card t on t.title_id = l.title_id
    join public.metabase_title_cache m on m.house_code = t.house_code
),
arrays as (
    select concat('Project:', id) as source_key, 'project.tags' as name, tags as items, cast(null as varchar) as raw,
        cast(null as varchar) as freed
    from public.project
    union all
    select s.source_key, 'asset.keywords' as name, k.keywords as items, cast(null as varchar) as raw,
        cast(null as varchar) as freed
    from subject s
    join keywords k on k.asset_id = s.asset_id
    union all
    select l.source_key, 'title.cast' as name, t.cast_names as items, t.cast_raw as raw, t.cast_warning as freed
    from title_link l
    join title_card t on t.title_id = l.title_id
    union all
    select source_key, 'copy.cast' as name, json_names(found['value'])['value'] as items,
        coalesce(found['value'], '') as raw, found['warning'] as freed
    from copies
),
cells as (
    select source_key, name, place, raw, cast(null as varchar) as freed from listed
    union all
    select source_key, name, unnest(generate_series(1, array_length(items))) as place, unnest(items) as raw,
        cast(null as varchar) as freed
    from arrays
    where array_length(items) > 0
    union all
    select source_key, name, 0 as place, raw, freed
    from arrays
    where freed is not null
),
repaired as (
    select
        c.source_key,
        f.field,
        f.rank,
        f.line,
        f.kind,
        c.place,
        c.raw,
        coalesce(s.day_first, false) as day_first,
        z.zone,
        case
            when c.freed is not null then named_struct('value', cast(null as varchar), 'warning', c.freed)
            when s.garbled and c.name like 'eav.%' then repair_mojibake(c.raw)
            else named_struct('value', c.raw, 'warning', cast(null as varchar))
        end as text
    from cells c
    join fields f on f.cell = c.name
    join subject s on s.source_key = c.source_key
    cross join settings z
    where c.raw is not null
),
-- what is wrong with a cell is said of the cell as a whole, before it is parted
cleaned as (
    select
        source_key,
        field,
        rank,
        line,
        kind,
        place,
        raw,
        day_first,
        zone,
        text['warning'] as repair,
        text['value'] as text,
        case when kind <> 'dates' then clean_line(text['value']) end as clean
    from repaired
),
parted as (
    select
        source_key,
        field,
        rank,
        line,
        kind,
        place,
        raw,
        day_first,
        zone,
        nullif(concat_ws(' ', repair, clean['warning']), '') as repair,
        coalesce(
            case kind
                when 'tags' then split_list(make_array(clean['value']), 'tags')
                when 'people' then split_list(make_array(clean['value']), 'people')
            end,
            make_array(coalesce(clean['value'], case when kind = 'dates' then text end))
        ) as items
    from cleaned
),
exploded as (
    select
        source_key,
        field,
        rank,
        line,
        kind,
        place,
        raw,
        day_first,
        zone,
        repair,
        unnest(generate_series(1, array_length(items))) as item_place,
        unnest(items) as item
    from parted
),
read as (
    select
        source_key,
        field,
        rank,
        line,
        kind,
        place,
        item_place,
        raw,
        repair,
        case when kind <> 'dates' then clean_line(item)['value'] end as text,
        case when kind = 'dates' then date_text(item, day_first) end as day,
        -- a beginning of time stands for no date (dirt D52)
        case when kind = 'dates' then zero_moment(instant_text(item, zone, day_first)['value'], zone) end as zero
    from exploded
)
select
    source_key,
    field,
    rank,
    line,
    place,
    item_place,
    raw,
    case when kind <> 'dates' then text when not zero then cast(day['value'] as varchar) end as value,
    nullif(concat_ws(' ', repair, case when zero then 'EPOCH_ZERO' else day['warning'] end), '') as warning
from read
