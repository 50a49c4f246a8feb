-- The reasons for which each candidate would be rejected, in the order of the closed list, none of a duplicate.
-- materialise: view
-- key: source_key
select source_key, reasons from promo_values
union all
select source_key, reasons from image_values
union all
select source_key, reasons from project_values
union all
select source_key, reasons from collection_values
