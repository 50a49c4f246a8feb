-- The version of each candidate's asset that counts: live, flagged as current, highest number, highest id.
-- materialise: parquet
-- key: asset_id
with versions as (
    select
        v.master_asset_id as asset_id,
        v.id,
        coalesce(v.current_version_flag, false) as flagged,
        coalesce(v.version_number, 0) as version_number
    from public.asset_version v
    left semi join candidate_assets a on a.asset_id = v.master_asset_id
    where not coalesce(v.deleted, false)
),
ranked as (
    select
        asset_id,
        id,
        row_number() over (partition by asset_id order by flagged desc, version_number desc, id desc) as place
    from versions
)
select asset_id, id as version_id
from ranked
where place = 1
