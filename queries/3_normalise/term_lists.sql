-- The multi-valued vocabulary fields of each candidate (genres, territories): known terms once each, in order.
-- materialise: parquet
-- key: source_key
with genre_lists as (
    -- the descriptive values first; where there are none, those of the catalogue title (rulings A51)
    select s.source_key, 'genres' as field, coalesce(e.genres, t.genres) as raw
    from subject s
    left join eav e on e.metadata_id = s.metadata_id
    left join title_link l on l.source_key = s.source_key
    left join title_card t on t.title_id = l.title_id
),
territory_lists as (
    select s.source_key, 'licenseTerritory' as field, e.territories as raw
    from subject s
    join eav e on e.metadata_id = s.metadata_id
),
lists as (
    select source_key, field, raw as cells, generate_series(1, array_length(raw)) as places from genre_lists
    where raw is not null
    union all
    select source_key, field, raw as cells, generate_series(1, array_length(raw)) as places from territory_lists
    where raw is not null
),
cells as (
    select source_key, field, unnest(cells) as cell, unnest(places) as place
    from lists
),
-- a cell that is a known term as a whole is not split: names of places hold commas
whole as (
    select
        c.source_key,
        c.field,
        c.place,
        case when k.canonical is not null then make_array(c.cell) else split_list(make_array(c.cell), 'tags') end as items
    from cells c
    left join terms_known k on k.vocabulary = c.field and k.spelling = fold_key(c.cell)
),
exploded as (
    select source_key, field, place, unnest(items) as raw
    from whole
),
judged as (
    select e.source_key, e.field, e.raw, e.place, k.canonical as term
    from exploded e
    left join terms_known k on k.vocabulary = e.field and k.spelling = fold_key(e.raw)
)
select
    source_key,
    distinct_folded(in_order(named_struct('place', place, 'raw', raw, 'term', term))
        filter (where field = 'genres' and term is not null)) as genres,
    distinct_folded(in_order(named_struct('place', place, 'raw', raw, 'term', term))
        filter (where field = 'licenseTerritory' and term is not null)) as territories,
    flatten(in_order(named_struct(
        'field', field,
        'place', place,
        'raw', raw,
        'warnings', warn(case field when 'licenseTerritory' then 'territories' else field end, raw, 'VOCAB_UNKNOWN')
    )) filter (where term is null)) as warnings
from judged
group by source_key
