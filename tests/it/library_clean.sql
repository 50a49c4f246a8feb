-- Questions whose answer is 0 in a clean library: each asks for a reason to reject or to warn.

--- promo without a live video
select count(*) from promo p where deleted is distinct from false or not exists (select from asset_master a join
    video_asset_master v using (id) where a.id = p.asset_id and not a.deleted)

--- image row without a live image
select count(*) from deliverable_image d where deleted is distinct from false or not exists (select from
    asset_master a join image_asset_master v using (id) where a.id = d.asset_id and not a.deleted)

--- asset without exactly one current version, the highest
select count(*) from asset_master a where (select count(*) from asset_version v where v.master_asset_id = a.id
    and current_version_flag and not deleted and v.id = a.current_version_id and version_number = (select
    max(version_number) from asset_version w where w.master_asset_id = a.id)) <> 1 or (select count(*) from
    asset_version v where v.master_asset_id = a.id and current_version_flag) <> 1

--- version without exactly one source with file and report
select count(*) from asset_version v where (select count(*) from asset_content c join file_info f on f.id =
    c.file_id join media_info m on m.id = c.media_info_id and m.content_id = c.id where c.asset_version_id =
    v.id and c.content_uses = '|SOURCE|' and c.master_asset_id = v.master_asset_id and c.id =
    v.original_content_id) <> 1

--- video source without picture facts
select count(*) from video_asset_master v left join asset_content c on c.id = v.main_video_content_id left join
    media_info_track_video t on t.media_info_id = c.media_info_id and t.stream_order = 0 where t.id is null or
    t.width || 'x' || t.height <> coalesce(v.video_resolution, t.width || 'x' || t.height) or c.width <>
    t.width::text or c.frame_rate <> v.frame_rate or t.frame_rate <> v.frame_rate or c.start_timecode <>
    v.start_timecode or c.aspect_ratio <> coalesce(v.aspect_ratio, c.aspect_ratio)

--- lengths that disagree
select count(*) from video_asset_master v join asset_content c on c.id = v.main_video_content_id join media_info
    m on m.content_id = c.id where m.duration_ms <> v.duration_txt::bigint or abs(c.duration::numeric * 1000 -
    m.duration_ms) > 1

--- file and report that disagree
select count(*) from asset_content c join file_info f on f.id = c.file_id where c.mime_type <> f.mime_type or
    c.file_size <> f.file_size or c.name <> f.original_name

--- external ids twice
select count(*) from (select external_id from (select external_id from asset_master union all select external_id
    from asset_external_id) e where external_id is not null group by 1 having count(*) > 1) d

--- uuids twice
select count(*) from (select uuid from asset_master group by 1 having count(*) > 1) d

--- house codes that disagree
select count(*) from asset_master a join metadata_property_value v on v.metadata_id = a.metadata_id and
    property_id in (17, 204, 377) left join promo p on p.asset_id = a.id left join deliverable_image d on
    d.asset_id = a.id where v.string_value <> coalesce(a.house_code, v.string_value) or v.string_value <>
    coalesce(p.house_number, v.string_value) or v.string_value <> coalesce(d.house_code, v.string_value)

--- house codes of another form
select count(*) from asset_master where house_code !~ '^HC[0-9]{6}$'

--- house codes without a title
select count(*) from asset_master a where house_code is not null and not exists (select from title t where
    t.house_code = a.house_code)

--- empty texts
select (select count(*) from asset_master where '' in (name, description, external_id, house_code)) + (select
    count(*) from metadata_property_value where string_value = '')

--- values with no column or several
select count(*) from metadata_property_value where num_nonnulls(string_value, text_id, long_value, double_value,
    decimal_value, boolean_value, date_value, picklist_value_id, hierarchy_path) <> 1

--- values of an unknown object, field, text or option
select count(*) from metadata_property_value v where not exists (select from metadata m where m.id =
    v.metadata_id) or not exists (select from metadata_property p where p.id = v.property_id) or (text_id is not
    null and not exists (select from metadata_property_text t where t.id = text_id)) or (picklist_value_id is
    not null and not exists (select from picklist_value p join metadata_property d on d.picklist_id =
    p.picklist_id where p.id = picklist_value_id and d.id = v.property_id))

--- several values of a single-valued field
select count(*) from (select from metadata_property_value v join metadata_property p on p.id = v.property_id
    where not p.multiple group by metadata_id, property_id having count(*) > 1) d

--- metadata of an unknown owner
select count(*) from metadata m where not exists (select from asset_master where id = m.owner_id and owner_class
    = 'AssetMaster' and metadata_id = m.id union all select from clip where id = m.owner_id and owner_class =
    'Clip' and metadata_id = m.id union all select from timeline where id = m.owner_id and owner_class =
    'Timeline' and metadata_id = m.id union all select from asset_collection where id = m.owner_id and
    owner_class = 'AssetCollection' and metadata_id = m.id union all select from project where id = m.owner_id
    and owner_class = 'Project' and metadata_id = m.id union all select from asset_version where id = m.owner_id
    and owner_class = 'AssetVersion')

--- owners unknown
select count(*) from (select owner_id from asset_master union all select owner_id from asset_collection union
    all select owner_id from clip) o where not exists (select from security_user u where u.id = o.owner_id)

--- members that are missing, doubled or of another class
select (select count(*) from asset_collection_item i where num_nonnulls(asset_id, timeline_id, clip_id,
    project_id, child_collection_id) <> 1 or (case member_class when 'AssetMaster' then asset_id in (select id
    from asset_master) when 'Timeline' then timeline_id in (select id from timeline) when 'Clip' then clip_id in
    (select id from clip) when 'Project' then project_id in (select id from project) when 'AssetCollection' then
    child_collection_id in (select id from asset_collection) end) is not true) + (select count(*) from (select
    from asset_collection_item group by collection_id, asset_id, timeline_id, clip_id, project_id,
    child_collection_id having count(*) > 1) d)

--- relations to nothing, to themselves, doubled or turned
select count(*) from asset_relation r where right_asset_id = left_asset_id or not exists (select from
    asset_master where id = right_asset_id) or exists (select from asset_relation s where s.id <> r.id and
    (s.left_asset_id, s.right_asset_id) in ((r.left_asset_id, r.right_asset_id), (r.right_asset_id,
    r.left_asset_id)))

--- category cache that disagrees
select count(*) from asset_master a where category_names is distinct from (select '|' || string_agg(c.name ||
    '|', '' order by c.id) from asset_category_asset x join asset_category c on c.id = x.category_id where
    x.asset_id = a.id) and length(category_names) is distinct from (select 1 + sum(length(c.name) + 1) from
    asset_category_asset x join asset_category c on c.id = x.category_id where x.asset_id = a.id)

--- collections out of scope or miscounted
select count(*) from asset_collection c where collection_kind not in ('Manual', 'Bin') or item_count <> (select
    count(*) from asset_collection_item i where i.collection_id = c.id)

--- dates out of order
select (select count(*) from asset_master where date_updated < date_created or date_updated > '2025-03-01
    03:00:00') + (select count(*) from promo where air_end < air_start) + (select count(*) from project where
    due_date < start_date::date)

--- promo without a parsable length, or its video longer
select count(*) from promo p join video_asset_master v on v.id = p.asset_id where p.length_txt !~ '^:[0-9]{2}$'
    or abs(v.duration_txt::numeric / 1000 / substr(p.length_txt, 2)::numeric - 1) > 0.01

--- image whose sources disagree in its size
select count(*) from image_asset_master i join asset_version v on v.master_asset_id = i.id and v.current_version_flag
    join asset_content c on c.id = v.original_content_id left join exif_tag w on w.image_asset_id = i.id and w.tag =
    'PixelXDimension' left join deliverable_image d on d.asset_id = i.id where c.width <> i.width::text or c.height <>
    i.height::text or i.resolution <> i.width || 'x' || i.height or w.value <> i.width::text or d.pixel_size <>
    i.resolution or c.aspect_ratio <> d.aspect_ratio
