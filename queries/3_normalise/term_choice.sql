-- One row a candidate and vocabulary field: the first source that gives a known term; sources before it that gave
-- none warn, those behind it are not asked.
-- materialise: parquet
-- key: source_key, field
with cleaned as (
    select source_key, field, rank, vocabulary, raw, clean_line(raw) as line
    from term_source
),
judged as (
    select
        c.source_key,
        c.field,
        c.rank,
        c.raw,
        c.line['value'] as value,
        c.line['warning'] as line_warning,
        case
            when k.canonical is not null then k.canonical
            when c.vocabulary = 'language' then language_tag(c.line['value'])['value']
            -- open lists: an unknown format or codec is kept
            when c.vocabulary in ('videoCodec', 'audioCodec') then c.line['value']
            when c.vocabulary = 'fileFormat' and c.rank >= 4 then upper(ltrim(c.line['value'], '.'))
        end as term,
        k.canonical is null and c.vocabulary = 'fileFormat' as unlisted_format,
        case c.vocabulary when 'language' then 'LANGUAGE_UNKNOWN' else 'VOCAB_UNKNOWN' end as unknown_code
    from cleaned c
    left join terms_known k on k.vocabulary = c.vocabulary and k.spelling = fold_key(c.line['value'])
),
-- an unlisted format stands only where no source names a listed one
ranked as (
    select
        source_key,
        field,
        rank,
        raw,
        value,
        line_warning,
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
        line_warning,
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
        warn(field, raw, case
            when standing = best and unlisted_format then 'FORMAT_UNKNOWN'
            when best is not null and rank >= best % 100 then null
            when line_warning is not null then line_warning
            -- `und` says that no language is stated
            when unknown_code = 'LANGUAGE_UNKNOWN' and fold_key(value) = 'und' then null
            when value is not null and term is null and field <> 'fileFormat' then unknown_code
        end) as warnings,
        case when standing = best then term end as term,
        value
    from compared
)
select
    source_key,
    field,
    max(term) as term,
    bool_or(value is not null) as stated,
    flatten(in_order(named_struct('rank', rank, 'warnings', warnings))
        filter (where warnings is not null)) as warnings
from warned
group by source_key, field
