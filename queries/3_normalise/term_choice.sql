-- One row a candidate and vocabulary field of one value: the first source that gives a known term; sources before it
-- that gave none warn, those behind it are not asked. Terms are found by their spelling or an alias (terms_known), else
-- one edit away (terms_near).
-- Rules: D33, A08, A26 (matching), D20 (lost references), D26 (several for one), section 10 (falling through), A50.
-- materialise: parquet
-- key: source_key, field
with judged as (
    select
        c.source_key,
        c.field,
        c.rank,
        c.raw,
        c.value,
        c.lost,
        c.several,
        c.line_warning,
        c.unknown_code,
        c.canonical is null and n.canonical is not null as fuzzy,
        case
            when c.canonical is not null then c.canonical
            when n.canonical is not null then n.canonical
            -- open lists: an unknown codec is kept
            when c.vocabulary in ('videoCodec', 'audioCodec') then c.value
        end as term
    from term_source c
    left join terms_near n on n.vocabulary = c.vocabulary and n.spelling = c.spelling
    where not c.many
),
compared as (
    select
        source_key,
        field,
        rank,
        raw,
        value,
        lost,
        several,
        line_warning,
        fuzzy,
        term,
        unknown_code,
        min(case when term is not null then rank end) over (partition by source_key, field) as best
    from judged
),
warned as (
    select
        source_key,
        field,
        rank,
        lost,
        gather(
            warn(field, raw, case
                when rank = best then concat_ws(' ', line_warning, case when fuzzy then 'VOCAB_FUZZY' end)
                when rank > best then null
                when lost then 'PICKLIST_VALUE_MISSING'
                when value is null then line_warning
                when term is null then concat_ws(' ', line_warning, unknown_code)
            end),
            warn(field, raw, case when several and (best is null or rank <= best) then 'MULTI_FOR_SINGLE' end)
        ) as warnings,
        case when rank = best then term end as term,
        value
    from compared
)
select
    source_key,
    field,
    max(term) as term,
    bool_or(value is not null or lost) as stated,
    flatten(in_order(named_struct('rank', rank, 'warnings', warnings))
        filter (where warnings is not null)) as warnings
from warned
group by source_key, field
