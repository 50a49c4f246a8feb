-- The vocabulary fields of several values (genres, territories) of each candidate: known terms once each, in order, of
-- the first source that gives one; unknown values of the sources that were asked warn.
-- Rules: D28, D33, A51.
-- materialise: parquet
-- key: source_key
with judged as (
    select
        c.source_key,
        c.field,
        c.rank,
        c.place,
        c.item_place,
        c.raw,
        c.value,
        c.lost,
        c.line_warning,
        c.unknown_code,
        c.canonical is null and n.canonical is not null as fuzzy,
        coalesce(c.canonical, n.canonical) as term
    from term_source c
    left join terms_near n on n.vocabulary = c.vocabulary and n.spelling = c.spelling
    where c.many
),
compared as (
    select
        source_key,
        field,
        rank,
        place,
        item_place,
        raw,
        value,
        lost,
        line_warning,
        unknown_code,
        fuzzy,
        term,
        min(case when term is not null then rank end) over (partition by source_key, field) as best
    from judged
),
asked as (
    select
        source_key,
        field,
        rank,
        place,
        item_place,
        raw,
        term,
        warn(field, raw, case
            when lost then 'PICKLIST_VALUE_MISSING'
            when value is null then line_warning
            when term is null then concat_ws(' ', line_warning, unknown_code)
            else concat_ws(' ', line_warning, case when fuzzy then 'VOCAB_FUZZY' end)
        end) as warnings
    from compared
    where best is null or rank <= best
)
select
    source_key,
    distinct_folded(in_order(named_struct('rank', rank, 'place', place, 'item', item_place, 'raw', raw, 'term', term))
        filter (where field = 'genres' and term is not null)) as genres,
    distinct_folded(in_order(named_struct('rank', rank, 'place', place, 'item', item_place, 'raw', raw, 'term', term))
        filter (where field = 'territories' and term is not null)) as territories,
    flatten(in_order(named_struct('field', field, 'rank', rank, 'place', place, 'item', item_place, 'raw', raw, 'warnings', warnings))
        filter (where warnings is not null)) as warnings
from asked
group by source_key
