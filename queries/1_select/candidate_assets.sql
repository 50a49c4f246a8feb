-- The assets that candidates stand on, once each: what the wide reads of 2_collect are restricted to.
-- materialise: parquet
-- key: asset_id
with claimed as (
    select distinct asset_id
    from candidates
    where asset_found
)
select
    a.asset_id,
    a.class,
    a.metadata_id,
    a.current_version_id,
    a.main_timeline_id
from claimed c
join assets a on a.asset_id = c.asset_id
