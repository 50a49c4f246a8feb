-- The identifier other systems know an asset by, where the asset itself bears none: that of the lowest row that holds
-- more than blanks of any kind (rulings A02, A07).
-- materialise: view
-- key: asset_id
with usable as (
    select e.asset_id, e.id, e.external_id
    from public.asset_external_id e
    left semi join candidate_assets a on a.asset_id = e.asset_id
    where regexp_like(e.external_id, '[^\s\x{200B}\x{2060}\x{FEFF}]')
),
ranked as (
    select asset_id, external_id, row_number() over (partition by asset_id order by id) as place
    from usable
)
select asset_id, external_id
from ranked
where place = 1
