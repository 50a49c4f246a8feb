-- The metadata objects of the candidates, one row an object; what the reads of property values are restricted to.
-- Rules: A03b (what a candidate is).
-- materialise: parquet
-- key: metadata_id
select distinct metadata_id
from candidates
where metadata_id is not null
