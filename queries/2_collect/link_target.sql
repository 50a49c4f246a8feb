-- What each link names: the source class counted in summaries, and the candidates that stand for it (all of an asset's,
-- by source key; rulings A36); found is false where the named row does not exist, deleted is of an asset alone.
-- materialise: parquet
with by_asset as (
    select asset_id, source_key from candidates_by_asset
),
by_row as (
    select class, id, source_key from candidates where target in ('project', 'collection')
)
select
    l.owner_key,
    l.field,
    l.link_id,
    l.place,
    l.relation,
    l.stated_class,
    l.named,
    l.target_class,
    l.target_id,
    coalesce(a.class, l.target_class) as counted_class,
    case l.target_class
        when 'AssetMaster' then a.asset_id is not null
        when 'Clip' then c.id is not null
        when 'Timeline' then t.id is not null
        else r.id is not null
    end as found,
    coalesce(a.deleted, false) as deleted,
    coalesce(b.source_key, r.source_key) as target_key
from link l
left join assets a on l.target_class = 'AssetMaster' and a.asset_id = l.target_id
left join by_asset b on l.target_class = 'AssetMaster' and b.asset_id = l.target_id
left join by_row r on r.class = l.target_class and r.id = l.target_id
left join public.clip c on l.target_class = 'Clip' and c.id = l.target_id
left join public.timeline t on l.target_class = 'Timeline' and t.id = l.target_id
