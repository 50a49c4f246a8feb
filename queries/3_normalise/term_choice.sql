-- One row a candidate and vocabulary field of one value: the first source that gives a known term; sources before it
-- that gave none warn, those behind it are not asked. Terms are found by their spelling or an alias (terms_known), else
-- one edit away (terms_near).
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
        c.line_warning,
        c.unknown_code,
        c.canonical is null and n.canonical is not null as fuzzy,
        case
            when c.canonical is not null then c.canonical
            when n.canonical is not null then n.canonical
            when c.vocabulary = 'language' then language_tag(c.value)['value']
            -- open lists: an unknown format or codec is kept
            when c.vocabulary in ('videoCodec', 'audioCodec') then c.value
            when c.vocabulary = 'fileFormat' and c.rank >= 4 then upper(ltrim(c.value, '.'))
        end as term,
        c.canonical is null and c.vocabulary = 'fileFormat' as unlisted_format
    from term_source c
    left join terms_near n on n.vocabulary = c.vocabulary and n.spelling = c.spelling
    where not c.many
),
-- an unlisted format stands only where no source names a listed one
ranked as (
    select
        source_key,
        field,
        rank,
        raw,
        value,
        lost,
        line_warning,
        fuzzy,
        term,
        unlisted_format,
        unknown_code,
        case when term is not null then rank + case when unlisted_format then 100 else 0 end end as standing
    from judged
),
compared as (
    select
        source_key,
        field,
        rank,
        raw,
        value,
        lost,
        line_warning,
        fuzzy,
        term,
        unlisted_format,
        unknown_code,
        standing,
        min(standing) over (partition by source_key, field) as best
    from ranked
),
warned as (
    select
        source_key,
        field,
        rank,
        lost,
        warn(field, raw, case
            when standing = best and unlisted_format then 'FORMAT_UNKNOWN'
            when standing = best then concat_ws(' ', line_warning, case when fuzzy then 'VOCAB_FUZZY' end)
            when best is not null and rank >= best % 100 then null
            when lost then 'PICKLIST_VALUE_MISSING'
            when value is null then line_warning
            -- `und` says that no language is stated
            when unknown_code = 'LANGUAGE_UNKNOWN' and fold_key(value) = 'und' then null
            when term is null then concat_ws(' ', line_warning, unknown_code)
        end) as warnings,
        case when standing = best then term end as term,
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
