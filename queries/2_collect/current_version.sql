-- The version of each candidate's asset that counts: live, flagged as current, highest number, highest id; and whether
-- its flags or the asset's own pointer disagree with that (dirt D22, rulings A31).
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
        count(*) filter (where flagged) over (partition by asset_id) as flags,
        row_number() over (partition by asset_id order by flagged desc, version_number desc, id desc) as place
    from versions
)
select
    r.asset_id,
    r.id as version_id,
    r.flags <> 1 or coalesce(a.current_version_id <> r.id, false) as conflict
from ranked r
join candidate_assets a on a.asset_id = r.asset_id
where r.place = 1
