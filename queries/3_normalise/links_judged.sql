-- Each link with its verdict: whether its target loads, and the warning of one that is skipped. A target that is
-- no candidate at all (a clip, a timeline, an asset without a target type) is skipped without a warning.
-- materialise: parquet
with numbered as (
    select
        l.owner_key,
        l.field,
        l.link_id,
        l.place,
        l.relation,
        l.target_class,
        l.target_id,
        l.counted_class,
        l.found,
        l.target_key,
        row_number() over (
            partition by l.owner_key, l.field, l.target_class, l.target_id, l.relation, l.target_key
            order by l.place, l.link_id
        ) as repetition
    from link_target l
)
select
    n.owner_key,
    n.field,
    n.link_id,
    n.place,
    n.relation,
    n.target_class,
    n.target_id,
    n.counted_class,
    n.found,
    n.target_key,
    d.disposition = 'load' and n.repetition = 1 and n.target_key <> n.owner_key as linked,
    case
        when n.target_class = 'none' then 'BAD_MEMBERSHIP'
        when n.target_key = n.owner_key then 'SELF_LINK'
        when not n.found and n.field = 'parent' then 'PARENT_MISSING'
        when not n.found then 'LINK_TARGET_MISSING'
        when n.repetition > 1 and n.target_key is not null then 'DUPLICATE_LINK'
        when d.disposition <> 'load' then 'LINK_TARGET_NOT_MIGRATED'
    end as warning
from numbered n
left join dispositions d on d.source_key = n.target_key
