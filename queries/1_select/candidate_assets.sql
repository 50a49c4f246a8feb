-- The assets that candidates stand on, one row an asset; what the wide reads of 2_collect are restricted to.
-- Rules: A03b (what a candidate is), A36 (several candidates on one asset).
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
