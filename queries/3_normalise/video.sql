-- The technical fields of each promo's video in their target form, typed media data before content text before
-- the subclass row before descriptive values; one row a candidate.
-- materialise: parquet
-- key: source_key
with promos as (
    select source_key, asset_id, metadata_id
    from candidates
    where target = 'promo'
),
sources as (
    select
        p.source_key,
        p.asset_id,
        case when m.width > 0 and m.height > 0 then concat(m.width, 'x', m.height) end as media_size,
        case when c.width is not null and c.height is not null then concat(c.width, 'x', c.height) end as content_size,
        v.video_resolution as asset_size,
        e.video_resolution as described_size,
        case
            when m.frame_rate_num > 0 and m.frame_rate_den > 0 then concat(m.frame_rate_num, '/', m.frame_rate_den)
            else m.frame_rate
        end as media_rate,
        c.frame_rate as content_rate,
        t.frame_rate as timeline_rate,
        cast(m.dar as varchar) as media_aspect,
        c.aspect_ratio as content_aspect,
        v.aspect_ratio as asset_aspect,
        e.aspect_ratio as described_aspect,
        m.duration_ms as media_ms,
        c.duration as content_duration,
        e.runtime as described_duration,
        c.start_timecode as content_timecode,
        v.start_timecode as asset_timecode,
        m.overall_bitrate,
        c.bitrate_kbs,
        v.audio_channel_configuration as audio_layout
    from promos p
    left join technical_content c on c.asset_id = p.asset_id
    left join media m on m.asset_id = p.asset_id
    left join public.video_asset_master v on v.id = p.asset_id
    left join candidate_assets a on a.asset_id = p.asset_id
    left join public.timeline t on t.id = a.main_timeline_id
    left join eav e on e.metadata_id = p.metadata_id
),
rates as (
    select
        source_key,
        coalesce(
            frame_rate(media_rate)['value'], frame_rate(content_rate)['value'], frame_rate(timeline_rate)['value']
        ) as rate
    from sources
),
parsed as (
    select
        s.source_key,
        r.rate,
        s.media_rate,
        s.content_rate,
        frame_rate(s.media_rate) as media_rate_read,
        frame_rate(s.content_rate) as content_rate_read,
        resolution(s.media_size) as media_size,
        resolution(s.content_size) as content_size,
        resolution(s.asset_size) as asset_size,
        s.asset_size as asset_size_raw,
        resolution(s.described_size) as described_size,
        aspect_ratio(s.media_aspect) as media_aspect,
        s.media_aspect as media_aspect_raw,
        aspect_ratio(s.content_aspect) as content_aspect,
        aspect_ratio(s.asset_aspect) as asset_aspect,
        aspect_ratio(s.described_aspect) as described_aspect,
        case when s.media_ms > 0 then s.media_ms end as media_ms,
        duration_ms(s.content_duration, 's', r.rate) as content_duration,
        duration_ms(s.described_duration, 's', r.rate) as described_duration,
        timecode(s.content_timecode, r.rate) as content_timecode,
        s.content_timecode as content_timecode_raw,
        timecode(s.asset_timecode, r.rate) as asset_timecode,
        s.asset_timecode as asset_timecode_raw,
        s.overall_bitrate,
        integer_text(split_part(s.bitrate_kbs, '.', 1)) as bitrate,
        clean_line(s.audio_layout) as audio_layout
    from sources s
    left join rates r on r.source_key = s.source_key
)
select
    source_key,
    rate as frame_rate,
    coalesce(media_size['value'], content_size['value'], asset_size['value'], described_size['value']) as resolution,
    coalesce(media_size['width'], content_size['width'], asset_size['width'], described_size['width']) as width,
    coalesce(media_size['height'], content_size['height'], asset_size['height'], described_size['height']) as height,
    coalesce(described_size['class'], asset_size['class']) as resolution_class,
    coalesce(
        media_aspect['value'], content_aspect['value'], asset_aspect['value'], described_aspect['value']
    ) as aspect_ratio,
    coalesce(media_ms, content_duration['value'], described_duration['value']) as duration_ms,
    coalesce(content_timecode['value'], asset_timecode['value']) as start_timecode,
    case
        when overall_bitrate > 0 then overall_bitrate / 1000
        when bitrate['value'] > 100000 then bitrate['value'] / 1000
        when bitrate['value'] > 0 then bitrate['value']
    end as bitrate_kbps,
    audio_layout['value'] as audio_layout,
    gather(
        warn('frameRate', media_rate, media_rate_read['warning']),
        warn('frameRate', content_rate, case when media_rate_read['value'] is null then content_rate_read['warning'] end),
        warn('resolution', asset_size_raw, case
            when media_size['value'] is null and content_size['value'] is null then asset_size['warning']
        end),
        warn('aspectRatio', media_aspect_raw, media_aspect['warning']),
        warn('startTimecode', content_timecode_raw, content_timecode['warning']),
        warn('startTimecode', asset_timecode_raw, case
            when content_timecode['value'] is null then asset_timecode['warning']
        end)
    ) as warnings
from parsed
