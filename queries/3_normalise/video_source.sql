-- What each promo's sources say of its video, raw and side by side; one row a candidate.
-- Rules: section 10 of the specification (media data, content, subclass, property), D20, D26 (lost and several values).
-- materialise: parquet
-- key: source_key
with promos as (
    select source_key, asset_id, metadata_id
    from candidates
    where target = 'promo'
),
-- several and lost values are told where they are asked for (dirt D20, D26)
described as (
    select
        metadata_id,
        max(value) filter (where field = 'video_resolution') as size,
        bool_or(several) filter (where field = 'video_resolution') as several_sizes,
        bool_or(lost) filter (where field = 'video_resolution') as lost_size,
        max(value) filter (where field = 'aspect_ratio') as aspect,
        bool_or(several) filter (where field = 'aspect_ratio') as several_aspects,
        bool_or(lost) filter (where field = 'aspect_ratio') as lost_aspect,
        max(value) filter (where field = 'runtime') as duration,
        bool_or(several) filter (where field = 'runtime') as several_durations
    from eav_cell
    where field in ('video_resolution', 'aspect_ratio', 'runtime')
    group by metadata_id
)
select
    p.source_key,
    case when m.width is not null and m.height is not null then concat(m.width, 'x', m.height) end as media_size,
    -- each side is a number kept as text (D54); one that is none stays, for the size to be told as invalid
    case when c.width is not null and c.height is not null then concat(
        coalesce(cast(integer_text(c.width)['value'] as varchar), c.width),
        'x',
        coalesce(cast(integer_text(c.height)['value'] as varchar), c.height)
    ) end as content_size,
    case when c.width is not null and c.height is not null then concat(c.width, 'x', c.height) end as content_size_raw,
    v.video_resolution as asset_size,
    e.size as described_size,
    coalesce(e.several_sizes, false) as several_sizes,
    coalesce(e.lost_size, false) as lost_size,
    case
        when m.frame_rate_num > 0 and m.frame_rate_den > 0 then concat(m.frame_rate_num, '/', m.frame_rate_den)
        else m.frame_rate
    end as media_rate,
    c.frame_rate as content_rate,
    t.frame_rate as timeline_rate,
    cast(m.dar as varchar) as media_aspect,
    c.aspect_ratio as content_aspect,
    v.aspect_ratio as asset_aspect,
    e.aspect as described_aspect,
    coalesce(e.several_aspects, false) as several_aspects,
    coalesce(e.lost_aspect, false) as lost_aspect,
    case when m.duration_ms > 0 then m.duration_ms end as media_ms,
    case when m.duration_ms <= 0 then cast(m.duration_ms as varchar) end as no_media_ms,
    c.duration as content_duration,
    e.duration as described_duration,
    coalesce(e.several_durations, false) as several_durations,
    c.start_timecode as content_timecode,
    v.start_timecode as asset_timecode,
    m.overall_bitrate,
    c.bitrate_kbs
from promos p
left join technical_content c on c.asset_id = p.asset_id
left join media m on m.asset_id = p.asset_id
left join public.video_asset_master v on v.id = p.asset_id
left join candidate_assets a on a.asset_id = p.asset_id
left join public.timeline t on t.id = a.main_timeline_id
left join described e on e.metadata_id = p.metadata_id
