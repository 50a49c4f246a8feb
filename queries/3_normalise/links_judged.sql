-- Each link with its verdict, one row a link and a candidate that stands for its target: whether that one is listed,
-- and the warning of a link that leads to none, once a link (dirt D31, rulings A04): of a target that does not exist,
-- that is the owner itself, that the list has already, that exists and is not migrated (rejected, out of scope or
-- deleted). A target of no target type (a clip, a timeline, an asset that is no candidate, rulings A03b) is skipped
-- without a warning where it was not deleted and stands in the list once: most assets of a clean library have no target
-- type and are members all the same, and a clean library gives no warning; it counts in memberSummary.skipped. What
-- names a merged candidate, or belongs to one, is its winner's (D11). Circles of parents are cut in collection_parents.
-- materialise: parquet
with pointed as (
    select
        o.loaded_key as owner_key,
        c.asset_id as owner_asset_id,
        l.field,
        l.link_id,
        l.place,
        l.relation,
        l.stated_class,
        l.named,
        l.target_class,
        l.target_id,
        l.counted_class,
        l.found,
        l.deleted,
        coalesce(d.loaded_key, l.target_key) as target_key,
        d.loaded_key is not null as loads
    from link_target l
    join dispositions o on o.source_key = l.owner_key
    join candidates c on c.source_key = o.loaded_key
    left join dispositions d on d.source_key = l.target_key
    where o.loaded_key is not null
),
numbered as (
    select
        p.owner_key,
        p.field,
        p.link_id,
        p.place,
        p.relation,
        p.stated_class,
        p.named,
        p.target_class,
        p.target_id,
        p.counted_class,
        p.found,
        p.deleted,
        p.target_key,
        p.loads,
        coalesce(p.field <> 'parent'
            and (p.target_key = p.owner_key or (p.target_class = 'AssetMaster' and p.target_id = p.owner_asset_id)), false
        ) as own,
        row_number() over (
            -- what no candidate stands for is told apart by its id
            partition by p.owner_key, p.field, p.relation, p.target_class, p.target_key,
                case when p.target_key is null then p.target_id end
            order by p.place, p.link_id, p.target_id
        ) as repetition
    from pointed p
),
summed as (
    select
        n.owner_key,
        n.field,
        n.link_id,
        bool_or(n.own) as own,
        bool_or(n.target_key is not null or n.deleted) as judged,
        bool_or(n.loads) as loads,
        bool_or(n.repetition = 1) as first,
        bool_or(n.repetition = 1 and n.loads) as first_loads
    from numbered n
    group by n.owner_key, n.field, n.link_id
)
select
    n.owner_key,
    n.field,
    n.link_id,
    n.place,
    n.relation,
    n.stated_class,
    n.named,
    n.target_class,
    n.target_id,
    n.counted_class,
    n.found,
    n.target_key,
    n.loads and n.repetition = 1 and n.found and not s.own as linked,
    case
        when n.target_class = 'none' then 'BAD_MEMBERSHIP'
        when not n.found and n.field = 'parent' then 'PARENT_MISSING'
        when not n.found then 'LINK_TARGET_MISSING'
        when s.own then 'SELF_LINK'
        when not s.first or (s.loads and not s.first_loads) then 'DUPLICATE_LINK'
        when s.judged and not s.loads then 'LINK_TARGET_NOT_MIGRATED'
    end as warning
from numbered n
join summed s on s.owner_key = n.owner_key and s.field = n.field and s.link_id = n.link_id
