-- The verdict on every candidate: out of scope, rejected for the first of its reasons (the others as details), merged
-- with the row it is a duplicate of, else loaded. Duplicates are settled among the rows that are otherwise valid; their
-- details hold the winner's source key. Details of a rejected row: what the first reason is about (a field,
-- placeholder), then the other reasons in the order of the closed list. The scope filter comes before all reasons and
-- knows one only: a row out of scope has no details, and its warnings are those of the filter, a time of deletion
-- against its flag (D50, where that alone decides) and another type than declared (D16); what its fields hold is judged
-- for nobody.
-- Rules: the precedence of section 8; D10, D11, A28 (duplicates come last).
-- materialise: parquet
-- key: source_key
with judged as (
    select
        c.source_key,
        c.target,
        c.out_of_scope,
        c.deletion_conflict,
        c.asset_found and c.declared_class <> c.asset_class as type_mismatch,
        r.conflict as version_conflict,
        v.reasons[1] as first_reason,
        array_to_string(array_pop_front(v.reasons), '; ') as other_reasons,
        d.winner_key,
        d.merged
    from candidates c
    left join verdicts v on v.source_key = c.source_key
    left join duplicates d on d.source_key = c.source_key
    left join current_version r on r.asset_id = c.asset_id
)
select
    source_key,
    target,
    case
        when out_of_scope is not null then 'out_of_scope'
        when first_reason is not null then 'reject'
        when merged then 'merged'
        when winner_key is not null then 'reject'
        else 'load'
    end as disposition,
    case
        when out_of_scope is not null then out_of_scope
        when first_reason is not null then split_part(first_reason, ':', 1)
        when merged then 'DUPLICATE_MERGED'
        when winner_key is not null then 'DUPLICATE_EXTERNAL_ID'
    end as reason,
    case
        when out_of_scope is not null then null
        when first_reason is not null then
            nullif(concat_ws('; ', nullif(split_part(first_reason, ':', 2), ''), nullif(other_reasons, '')), '')
        else winner_key
    end as details,
    -- the candidate that stands for this one in the target
    case when out_of_scope is null and first_reason is null and (merged or winner_key is null)
        then coalesce(winner_key, source_key)
    end as loaded_key,
    gather(
        warn('', null, case when deletion_conflict then 'DELETED_FLAG_CONFLICT' end),
        warn('', null, case when type_mismatch then 'TYPE_MISMATCH' end),
        warn('', null, case when out_of_scope is null and version_conflict then 'CURRENT_VERSION_CONFLICT' end)
    ) as warnings
from judged
