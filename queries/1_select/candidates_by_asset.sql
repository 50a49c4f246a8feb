-- The candidates that stand on an asset, one row a candidate; the first of an asset bears the asset's own external id.
-- Rules: A02 (the lowest id bears it), A36 (several candidates on one asset).
-- materialise: parquet
-- key: source_key
select
    asset_id,
    source_key,
    class,
    id,
    row_number() over (partition by asset_id order by id, source_key) as place
from candidates
where asset_found
