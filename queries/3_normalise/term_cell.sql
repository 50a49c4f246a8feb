-- The columns that may feed a vocabulary field, one row a candidate and cell with its raw text; which cell feeds which
-- field is term_field.csv. A new column is one struct in the list of its table here. Freed tells of what a value out of
-- JSON was freed (dirt D41).
-- materialise: view
with promos as (
    select
        concat('Promo:', id) as source_key,
        make_array(
            named_struct('name', 'promo.promo_type', 'raw', cast(promo_type as varchar)),
            named_struct('name', 'promo.network', 'raw', network),
            named_struct('name', 'promo.approval_status', 'raw', approval_status),
            named_struct('name', 'promo.closed_caption', 'raw', closed_caption)
        ) as cells
    from public.promo
),
images as (
    select
        concat('DeliverableImage:', i.id) as source_key,
        make_array(
            named_struct('name', 'image.endpoint_image_detail', 'raw', i.endpoint_image_detail),
            named_struct('name', 'image.color_space', 'raw', i.color_space),
            named_struct('name', 'image.endpoint', 'raw', s.endpoint)
        ) as cells
    from public.deliverable_image i
    left join public.deliverable_image_spec s on s.id = i.spec_id
),
projects as (
    select
        concat('Project:', p.id) as source_key,
        make_array(
            -- a type that has no row is unknown (rulings A50)
            named_struct('name', 'project.project_type', 'raw', coalesce(t.name, cast(p.project_type_id as varchar))),
            named_struct('name', 'project.status', 'raw', p.status),
            named_struct('name', 'project.budget_currency', 'raw', cast(p.budget_currency as varchar))
        ) as cells
    from public.project p
    left join public.project_type t on t.id = p.project_type_id
),
collections as (
    -- the kinds that are out of scope are no terms of the target's list
    select
        c.source_key,
        make_array(named_struct('name', 'collection.collection_kind', 'raw', a.collection_kind)) as cells
    from public.asset_collection a
    join candidates c on c.class = 'AssetCollection' and c.id = a.id
    where c.out_of_scope is null
),
assets as (
    select
        source_key,
        make_array(
            named_struct('name', 'asset.status', 'raw', status),
            named_struct('name', 'derived.promo_type', 'raw', case when class = 'AssetMaster' then 'Other' end)
        ) as cells
    from subject
    where asset_id is not null
),
videos as (
    select
        c.source_key,
        make_array(
            named_struct('name', 'video.scan_type', 'raw', v.scan_type),
            named_struct('name', 'video.closed_caption_info', 'raw', v.closed_caption_info)
        ) as cells
    from candidates c
    join public.video_asset_master v on v.id = c.asset_id
),
pictures as (
    select
        c.source_key,
        make_array(
            named_struct('name', 'picture.image_detail', 'raw', p.value),
            named_struct('name', 'picture.color_space', 'raw', i.color_space)
        ) as cells
    from candidates c
    join public.image_asset_master i on i.id = c.asset_id
    left join public.picklist_value p on p.id = i.endpoint_image_detail_id
),
technical as (
    select
        d.source_key,
        make_array(
            named_struct('name', 'media.video_codec', 'raw', m.video_codec),
            named_struct('name', 'media.audio_codec', 'raw', m.audio_codec),
            named_struct('name', 'media.scan_type', 'raw', m.scan_type),
            named_struct('name', 'content.video_codec', 'raw', c.video_codec),
            named_struct('name', 'content.audio_codec', 'raw', c.audio_codec)
        ) as cells
    from candidates d
    join technical_content c on c.asset_id = d.asset_id
    left join media m on m.asset_id = d.asset_id
),
rates as (
    select
        source_key,
        make_array(
            named_struct('name', 'rate.scan_type', 'raw', case when interlaced then 'Interlaced' end)
        ) as cells
    from video_rate
),
titles as (
    select
        l.source_key,
        make_array(
            named_struct('name', 'title.rating', 'raw', t.rating),
            named_struct('name', 'title.studio', 'raw', t.studio)
        ) as cells
    from title_link l
    join public.title t on t.id = l.title_id
),
copies as (
    select
        l.source_key,
        make_array(
            named_struct('name', 'copy.rating', 'text', json_text(m.payload, 'rating')),
            named_struct('name', 'copy.studio', 'text', json_text(m.payload, 'studio'))
        ) as cells
    from title_link l
    join title_card t on t.title_id = l.title_id
    join public.metabase_title_cache m on m.house_code = t.house_code
),
copied as (
    select source_key, unnest(cells) as cell from copies
),
cells as (
    select source_key, unnest(cells) as cell from promos
    union all
    select source_key, unnest(cells) as cell from images
    union all
    select source_key, unnest(cells) as cell from projects
    union all
    select source_key, unnest(cells) as cell from collections
    union all
    select source_key, unnest(cells) as cell from assets
    union all
    select source_key, unnest(cells) as cell from videos
    union all
    select source_key, unnest(cells) as cell from pictures
    union all
    select source_key, unnest(cells) as cell from technical
    union all
    select source_key, unnest(cells) as cell from rates
    union all
    select source_key, unnest(cells) as cell from titles
)
select source_key, cell['name'] as name, cell['raw'] as raw, cast(null as varchar) as freed
from cells
where cell['raw'] is not null
union all
select source_key, cell['name'] as name, coalesce(cell['text']['value'], '') as raw, cell['text']['warning'] as freed
from copied
where cell['text']['value'] is not null or cell['text']['warning'] is not null
