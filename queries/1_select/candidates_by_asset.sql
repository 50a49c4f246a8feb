-- The candidates that stand on an asset, with the one that bears the asset's own external id (the lowest id).
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
