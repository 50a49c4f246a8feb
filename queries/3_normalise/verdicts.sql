-- The reasons for which each candidate would be rejected, in the order of the closed list, none of a duplicate.
-- Rules: the closed list of section 8 and its precedence.
-- materialise: view
-- key: source_key
select source_key, reasons from promo_values
union all
select source_key, reasons from image_values
union all
select source_key, reasons from project_values
union all
select source_key, reasons from collection_values
