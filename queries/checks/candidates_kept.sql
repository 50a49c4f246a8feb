-- A row of one of the four tables that is no candidate, or a candidate that stands for no row.
-- Rules: A03b, section 8 of the specification (the balance of candidates).
with rows_read as (
    select concat('Promo:', id) as source_key from public.promo
    union all
    select concat('DeliverableImage:', id) as source_key from public.deliverable_image
    union all
    select concat('Project:', id) as source_key from public.project
    union all
    select concat('AssetCollection:', id) as source_key from public.asset_collection
),
lost as (
    select r.source_key, 'no candidate' as problem
    from rows_read r
    left anti join candidates c on c.source_key = r.source_key
),
invented as (
    select c.source_key, 'no row' as problem
    from candidates c
    left anti join rows_read r on r.source_key = c.source_key
    where c.class <> 'AssetMaster'
)
select source_key, problem from lost
union all
select source_key, problem from invented
