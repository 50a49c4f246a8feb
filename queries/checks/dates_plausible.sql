-- A date or time outside of what a media library can hold: the extremes that stand for infinity must not reach the
-- target.
-- Rules: D47, D48.
with times as (
    select source_key, 'createdDate' as field, "createdDate" as at from project
    union all
    select source_key, 'createdDate' as field, "createdDate" as at from promo
    union all
    select source_key, 'airStart' as field, "airStart" as at from promo
    union all
    select source_key, 'airEnd' as field, "airEnd" as at from promo
    union all
    select source_key, 'expiresAt' as field, "expiresAt" as at from collection
    union all
    select source_key, 'captureDate' as field, "captureDate" as at from deliverable_image
)
select source_key, field
from times
where at < arrow_cast('1800-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')
    or at >= arrow_cast('2200-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')
order by source_key, field
