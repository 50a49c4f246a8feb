-- Every raw value of a vocabulary field, with its place in the order of sources, and the term it stands for by itself
-- or by an alias. Which cells and properties feed which field is term_field.csv: a field is one line there for each of
-- its sources; its vocabulary is in option_field.csv. Values of fields for several (many) stand one a row. Several says
-- that a property for one value had more. Terms are not repaired where text was garbled (dirt D38), since a list of
-- terms knows its spellings.
-- Rules: D28, A11 (parting lists), D33.
-- materialise: parquet
-- alternatives: rank
with targets as (
    select distinct target from candidates
),
fields as (
    select
        t.target,
        f.field,
        cast(f.rank as int) as rank,
        f.cell,
        o.vocabulary,
        cast(o.many as boolean) as many,
        o.unknown as unknown_code
    from term_field f
    join option_field o on o.target = f.target and o.field = f.field
    join targets t on f.target = t.target or f.target = '*'
),
single_cells as (
    select source_key, name, 0 as place, raw, freed, false as lost, false as several from term_cell
    union all
    select s.source_key, concat('eav.', e.field) as name, 0 as place, e.value as raw,
        cast(null as varchar) as freed, e.lost, e.several
    from eav_cell e
    join subject s on s.metadata_id = e.metadata_id
    union all
    -- an image's own reference to a picklist's value that is missing (dirt D20)
    select c.source_key, 'picture.image_detail' as name, 0 as place,
        cast(i.endpoint_image_detail_id as varchar) as raw, cast(null as varchar) as freed, true as lost,
        false as several
    from candidates c
    join public.image_asset_master i on i.id = c.asset_id
    where i.endpoint_image_detail_id is not null
        and not exists (select 1 from public.picklist_value v where v.id = i.endpoint_image_detail_id)
),
listed as (
    select
        s.source_key,
        concat('eav.', e.field) as name,
        row_number() over (partition by s.source_key, e.field order by e."position", e.id) as place,
        e.value as raw,
        e.lost
    from eav_value e
    join subject s on s.metadata_id = e.metadata_id
    where e.multi and e.kind = 'term'
),
title_lists as (
    select
        l.source_key,
        'title.genres' as name,
        unnest(generate_series(1, array_length(t.genres))) as place,
        unnest(t.genres) as raw,
        false as lost
    from title_link l
    join public.title t on t.id = l.title_id
    where array_length(t.genres) > 0
),
copied_lists as (
    select source_key, json_names(found['value'])['value'] as genres, coalesce(found['value'], '') as raw,
        found['warning'] as freed
    from (
        select l.source_key, json_text(m.payload, 'genres') as found
        from title_link l
        join title_card t on t.title_id = l.title_id
        join public.metabase_title_cache m on m.house_code = t.house_code
    ) copies
),
list_cells as (
    select source_key, name, place, raw, cast(null as varchar) as freed, lost from listed
    union all
    select source_key, name, place, raw, cast(null as varchar) as freed, lost from title_lists
    union all
    select
        source_key,
        'copy.genres' as name,
        unnest(generate_series(1, array_length(genres))) as place,
        unnest(genres) as raw,
        cast(null as varchar) as freed,
        false as lost
    from copied_lists
    where array_length(genres) > 0
    union all
    -- what the list was freed of is told in a row without a term (dirt D41)
    select source_key, 'copy.genres' as name, 0 as place, raw, freed, false as lost
    from copied_lists
    where freed is not null
),
-- a cell that is a known term as a whole is not split: names of places hold commas
split_cells as (
    select
        l.source_key,
        l.name,
        l.place,
        l.freed,
        l.lost,
        f.field,
        f.rank,
        f.vocabulary,
        f.unknown_code,
        case
            when l.lost or l.freed is not null or k.canonical is not null then make_array(l.raw)
            else coalesce(split_list(make_array(l.raw), 'tags'), make_array(l.raw))
        end as items
    from list_cells l
    join candidates c on c.source_key = l.source_key
    join fields f on f.target = c.target and f.cell = l.name
    left join terms_known k on k.vocabulary = f.vocabulary and k.spelling = fold_key(l.raw)
    where f.many
),
raw_values as (
    select
        v.source_key,
        f.field,
        f.rank,
        v.place,
        1 as item_place,
        false as many,
        f.vocabulary,
        f.unknown_code,
        v.freed,
        v.lost,
        v.several,
        v.raw
    from single_cells v
    join candidates c on c.source_key = v.source_key
    join fields f on f.target = c.target and f.cell = v.name
    where not f.many
    union all
    select
        source_key,
        field,
        rank,
        place,
        unnest(generate_series(1, array_length(items))) as item_place,
        true as many,
        vocabulary,
        unknown_code,
        freed,
        lost,
        false as several,
        unnest(items) as raw
    from split_cells
),
cleaned as (
    select
        source_key,
        field,
        rank,
        place,
        item_place,
        many,
        vocabulary,
        unknown_code,
        freed,
        lost,
        several,
        raw,
        case when not lost and not (many and freed is not null) then clean_line(raw) end as line
    from raw_values
)
select
    c.source_key,
    c.field,
    c.rank,
    c.place,
    c.item_place,
    c.many,
    c.vocabulary,
    c.unknown_code,
    c.lost,
    c.several,
    c.raw,
    c.line['value'] as value,
    nullif(concat_ws(' ', c.freed, c.line['warning']), '') as line_warning,
    fold_key(c.line['value']) as spelling,
    k.canonical
from cleaned c
left join terms_known k on k.vocabulary = c.vocabulary and k.spelling = fold_key(c.line['value'])
