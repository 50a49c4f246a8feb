-- The verdict on every candidate: out of scope, rejected for the first of its reasons (the others as details), else
-- loaded. Duplicates are settled among the rows that are otherwise valid.
-- materialise: parquet
-- key: source_key
with verdicts as (
    select source_key, reasons from promo_values
    union all
    select source_key, reasons from image_values
    union all
    select source_key, reasons from project_values
    union all
    select source_key, reasons from collection_values
),
judged as (
    select
        c.source_key,
        c.target,
        c.out_of_scope,
        c.deletion_conflict,
        v.reasons[1] as first_reason,
        array_to_string(array_pop_front(v.reasons), '; ') as other_reasons
    from candidates c
    left join verdicts v on v.source_key = c.source_key
)
select
    source_key,
    target,
    case
        when out_of_scope is not null then 'out_of_scope'
        when first_reason is not null then 'reject'
        else 'load'
    end as disposition,
    case
        when out_of_scope is not null then out_of_scope
        when first_reason is not null then split_part(first_reason, ':', 1)
    end as reason,
    case when out_of_scope is null then
        nullif(concat_ws('; ', nullif(split_part(first_reason, ':', 2), ''), nullif(other_reasons, '')), '')
    end as details,
    warn('', null, case when deletion_conflict then 'DELETED_FLAG_CONFLICT' end) as warnings
from judged
