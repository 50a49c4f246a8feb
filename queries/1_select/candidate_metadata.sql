-- The metadata objects of the candidates, once each.
-- materialise: parquet
-- key: metadata_id
select distinct metadata_id
from candidates
where metadata_id is not null
