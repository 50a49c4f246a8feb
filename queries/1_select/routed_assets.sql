-- Live assets that are candidates by their descriptive fields alone: a Video of content type Promo without a
-- promo row, an Image with a known endpoint image detail without a deliverable_image row (rulings A03).
-- materialise: view
-- key: asset_id
with video_promos as (
    select a.asset_id, 'promo' as target
    from assets a
    join routing_values r on r.metadata_id = a.metadata_id
    where a.class = 'Video' and not a.deleted and r.content_type = 'Promo'
        and not exists (select 1 from public.promo p where p.asset_id = a.asset_id)
),
picks as (
    select i.id as asset_id, fold_key(v.value) as spelling
    from public.image_asset_master i
    join public.picklist_value v on v.id = i.endpoint_image_detail_id
),
matched as (
    select p.asset_id, p.spelling, t.canonical
    from picks p
    left join terms_known t on t.vocabulary = 'endpointImageDetail' and t.spelling = p.spelling
),
unknown as (
    select distinct spelling
    from matched
    where canonical is null and character_length(spelling) >= 6
),
-- one edit away from exactly one term (dirt D33)
near as (
    select u.spelling, max(k.canonical) as canonical
    from unknown u
    join terms_known k on k.vocabulary = 'endpointImageDetail' and k.is_term and within_one_edit(u.spelling, k.canonical)
    group by u.spelling
    having count(*) = 1
),
picked_details as (
    select m.asset_id, coalesce(m.canonical, n.canonical) as image_detail
    from matched m
    left join near n on n.spelling = m.spelling
),
detailed_images as (
    select a.asset_id, 'deliverable_image' as target
    from assets a
    left join routing_values r on r.metadata_id = a.metadata_id
    left join picked_details d on d.asset_id = a.asset_id
    where a.class = 'Image' and not a.deleted and coalesce(r.image_detail, d.image_detail) is not null
        and not exists (select 1 from public.deliverable_image i where i.asset_id = a.asset_id)
)
select asset_id, target from video_promos
union all
select asset_id, target from detailed_images
