-- The categories of each candidate's asset, by category id (the cached names on the asset are not read).
-- Rules: D73 (the table wins over the cache), A42.
-- materialise: parquet
-- key: asset_id
with linked as (
    select l.asset_id, l.category_id, c.name
    from public.asset_category_asset l
    join public.asset_category c on c.id = l.category_id
    left semi join candidate_assets a on a.asset_id = l.asset_id
)
select
    asset_id,
    in_order(named_struct('id', category_id, 'name', name)) as categories
from linked
where name is not null
group by asset_id
