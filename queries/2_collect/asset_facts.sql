-- What the asset's own row says of each candidate's asset, one row an asset, raw.
-- Rules: A02 (the second source of the external id), D34 (a status without a row stays, as a code that nobody knows).
-- materialise: parquet
-- key: asset_id
select
    m.id as asset_id,
    m.uuid,
    m.name,
    m.description,
    m.external_id,
    e.external_id as other_external_id,
    m.house_code,
    -- a status without a row is one that nobody knows (dirt D34)
    coalesce(s."key", cast(m.status_id as varchar)) as status,
    m.owner_id,
    m.source_id,
    m.date_created,
    m.date_updated
from public.asset_master m
left semi join candidate_assets a on a.asset_id = m.id
left join public.asset_status s on s.id = m.status_id
left join external_ids e on e.asset_id = m.id
