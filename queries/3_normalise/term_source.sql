-- Every raw value of a vocabulary field with its vocabulary and its place in the order of sources; a new
-- vocabulary field is one more select here.
-- materialise: view
with candidate as (
    select s.source_key, s.target, s.asset_id, s.id, s.status, e.title_class, e.rating, e.approval_status, e.network,
        e.caption_status, e.scan_type, e.language, e.asset_format, e.image_detail, t.rating as title_rating
    from subject s
    left join eav e on e.metadata_id = s.metadata_id
    left join title_link l on l.source_key = s.source_key
    left join title_card t on t.title_id = l.title_id
),
promos as (
    select concat('Promo:', id) as source_key, promo_type, network, approval_status, closed_caption from public.promo
),
images as (
    select i.id, concat('DeliverableImage:', i.id) as source_key, i.endpoint_image_detail, i.file_format, i.color_space,
        i.locale, s.endpoint
    from public.deliverable_image i
    left join public.deliverable_image_spec s on s.id = i.spec_id
),
projects as (
    select concat('Project:', p.id) as source_key, t.name as project_type, p.status, p.budget_currency
    from public.project p
    left join public.project_type t on t.id = p.project_type_id
),
collections as (
    -- the kinds that are out of scope are no terms of the target's list
    select c.source_key, a.collection_kind
    from public.asset_collection a
    join candidates c on c.class = 'AssetCollection' and c.id = a.id
    where c.out_of_scope is null
),
videos as (
    select d.source_key, v.scan_type, v.closed_caption_info, v.language
    from candidate d
    join public.video_asset_master v on v.id = d.asset_id
    where d.target = 'promo'
),
pictures as (
    select d.source_key, p.value as image_detail, i.color_space
    from candidate d
    join public.image_asset_master i on i.id = d.asset_id
    left join public.picklist_value p on p.id = i.endpoint_image_detail_id
    where d.target = 'deliverable_image'
),
technical as (
    select d.source_key, d.target, m.format, m.video_codec, m.audio_codec, m.scan_type, m.audio_language,
        c.mime_type as content_mime_type, c.video_codec as content_video_codec, c.audio_codec as content_audio_codec,
        c.audio_language as content_language
    from candidate d
    join technical_content c on c.asset_id = d.asset_id
    left join media m on m.asset_id = d.asset_id
),
sources as (
    select source_key, 'titleClass' as field, 1 as rank, 'titleClass' as vocabulary, title_class as raw from candidate
    union all select source_key, 'rating', 1, 'rating', rating from candidate
    union all select source_key, 'rating', 2, 'rating', title_rating from candidate
    union all select source_key, 'status', 1, 'assetStatus', status from candidate
        where target in ('promo', 'deliverable_image')
    union all select source_key, 'promoType', 1, 'promoType', promo_type from promos
    union all select source_key, 'promoType', 2, 'promoType', 'Other' from candidate
        where target = 'promo' and starts_with(source_key, 'AssetMaster:')
    union all select source_key, 'network', 1, 'network', network from promos
    union all select source_key, 'network', 2, 'network', network from candidate where target = 'promo'
    union all select source_key, 'approvalStatus', 1, 'approvalStatus', approval_status from promos
    union all select source_key, 'approvalStatus', 2, 'approvalStatus', approval_status from candidate
        where target = 'promo'
    union all select source_key, 'scanType', 1, 'videoScanType', scan_type from technical where target = 'promo'
    union all select source_key, 'scanType', 2, 'videoScanType', scan_type from videos
    union all select source_key, 'scanType', 3, 'videoScanType', scan_type from candidate where target = 'promo'
    union all select source_key, 'captionStatus', 1, 'closedCaptionInfo', closed_caption from promos
    union all select source_key, 'captionStatus', 2, 'closedCaptionInfo', closed_caption_info from videos
    union all select source_key, 'captionStatus', 3, 'closedCaptionInfo', caption_status from candidate
        where target = 'promo'
    union all select source_key, 'videoCodec', 1, 'videoCodec', video_codec from technical where target = 'promo'
    union all select source_key, 'videoCodec', 2, 'videoCodec', content_video_codec from technical
        where target = 'promo'
    union all select source_key, 'audioCodec', 1, 'audioCodec', audio_codec from technical where target = 'promo'
    union all select source_key, 'audioCodec', 2, 'audioCodec', content_audio_codec from technical
        where target = 'promo'
    union all select source_key, 'endpointImageDetail', 1, 'endpointImageDetail', endpoint_image_detail from images
    union all select source_key, 'endpointImageDetail', 2, 'endpointImageDetail', image_detail from candidate
        where target = 'deliverable_image'
    union all select source_key, 'endpointImageDetail', 3, 'endpointImageDetail', image_detail from pictures
    union all select source_key, 'endpoint', 1, 'endpoint', endpoint from images
    union all select source_key, 'colorSpace', 1, 'colorSpace', color_space from images
    union all select source_key, 'colorSpace', 2, 'colorSpace', color_space from pictures
    union all select source_key, 'projectType', 1, 'projectType', project_type from projects
    union all select source_key, 'projectStatus', 1, 'projectStatus', status from projects
    union all select source_key, 'budgetCurrency', 1, 'currency', budget_currency from projects
    union all select source_key, 'collectionKind', 1, 'collectionKind', collection_kind from collections
)
select source_key, field, rank, vocabulary, raw
from sources
where raw is not null
