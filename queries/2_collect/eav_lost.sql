-- The references of descriptive fields for one value to a picklist's value that is missing, with no text beside them
-- (dirt D20): such a field is dropped with a warning by whoever asks it. The value is the reference.
-- materialise: parquet
-- key: metadata_id, field
select metadata_id, field, value
from eav_cell
where lost
