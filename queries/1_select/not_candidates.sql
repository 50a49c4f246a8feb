-- Assets without a target type, by class and cause: counted for the report, not part of the balance (A03b).
-- materialise: parquet
-- key: class, cause
with unclaimed as (
    select a.class, a.deleted
    from assets a
    where not exists (select 1 from candidates c where c.asset_id = a.asset_id)
)
select
    class,
    case
        when deleted then 'SOFT_DELETED'
        when class in ('Audio', 'Other', 'Placeholder') then 'OUT_OF_SCOPE_TYPE'
        else 'NO_TARGET_TYPE'
    end as cause,
    count(*) as assets
from unclaimed
group by class, cause
