-- The technical fields of each promo's video in their target form; one row a candidate. Sources stand in the order of
-- section 10: typed media data, content text, the subclass row, descriptive values. One that says nothing right falls
-- through and warns; those behind the first good one are compared with it, and the first that differs gives the
-- field's conflict (rulings A18). Labels (HD) are no size, but the resolution class, whether a size is known or not.
-- materialise: parquet
-- key: source_key
with parsed as (
    select
        s.source_key,
        c.rate,
        c.aspect,
        c.warnings as picture_warnings,
        resolution(s.media_size) as media_size,
        s.media_size as media_size_raw,
        resolution(s.content_size) as content_size,
        s.content_size_raw,
        resolution_at(s.asset_size, c.aspect) as asset_size,
        s.asset_size as asset_size_raw,
        resolution_at(case when not s.lost_size then s.described_size end, c.aspect) as described_size,
        s.described_size as described_size_raw,
        s.several_sizes,
        s.lost_size,
        s.media_ms,
        s.no_media_ms,
        duration_ms(s.content_duration, 's', c.rate) as content_duration,
        s.content_duration as content_duration_raw,
        duration_ms(s.described_duration, 's', c.rate) as described_duration,
        s.described_duration as described_duration_raw,
        s.several_durations,
        -- a moment in seconds tells the label: an hour is 01:00:00:00 at any rate
        timecode(s.content_timecode, case
            when regexp_like(s.content_timecode, '^([0-9]+[.]?[0-9]*|PT.*)$') then c.counted_rate else c.rate
        end) as content_timecode,
        s.content_timecode as content_timecode_raw,
        timecode(s.asset_timecode, case
            when regexp_like(s.asset_timecode, '^([0-9]+[.]?[0-9]*|PT.*)$') then c.counted_rate else c.rate
        end) as asset_timecode,
        s.asset_timecode as asset_timecode_raw,
        s.overall_bitrate,
        integer_text(split_part(s.bitrate_kbs, '.', 1)) as bitrate,
        s.bitrate_kbs as bitrate_raw
    from video_source s
    join video_rate c on c.source_key = s.source_key
),
-- a text that says a thousand times what the report says is in milliseconds
timed as (
    select
        p.*,
        abs(content_duration['value'] - media_ms * 1000) * 100 <= media_ms * 1000 as content_in_ms,
        abs(described_duration['value'] - media_ms * 1000) * 100 <= media_ms * 1000 as described_in_ms
    from parsed p
),
lengths as (
    select
        t.*,
        case when content_in_ms then content_duration['value'] / 1000 else content_duration['value'] end as content_ms,
        case
            when described_in_ms then described_duration['value'] / 1000 else described_duration['value']
        end as described_ms
    from timed t
),
chosen as (
    select
        l.*,
        coalesce(
            media_size['value'], content_size['value'], asset_size['value'], described_size['value']
        ) as resolution,
        coalesce(media_ms, content_ms, described_ms) as chosen_ms,
        coalesce(content_timecode['value'], asset_timecode['value']) as start_timecode
    from lengths l
)
select
    source_key,
    rate as frame_rate,
    resolution,
    coalesce(media_size['width'], content_size['width'], asset_size['width'], described_size['width']) as width,
    coalesce(media_size['height'], content_size['height'], asset_size['height'], described_size['height']) as height,
    coalesce(asset_size['class'], described_size['class']) as resolution_class,
    aspect as aspect_ratio,
    chosen_ms as duration_ms,
    start_timecode,
    case
        when overall_bitrate > 0 then overall_bitrate / 1000
        when bitrate['value'] > 100000 then bitrate['value'] / 1000
        when bitrate['value'] > 0 then bitrate['value']
    end as bitrate_kbps,
    gather(
        picture_warnings,
        warn('resolution', media_size_raw, media_size['warning']),
        warn('resolution', content_size_raw, case when media_size['value'] is null then content_size['warning'] end),
        warn('resolution', asset_size_raw, case
            when coalesce(media_size['value'], content_size['value']) is null then asset_size['warning']
        end),
        warn('resolution', described_size_raw, case
            when coalesce(media_size['value'], content_size['value'], asset_size['value']) is null then
                case when lost_size then 'PICKLIST_VALUE_MISSING' else described_size['warning'] end
        end),
        warn('resolution', described_size_raw, case
            when coalesce(media_size['value'], content_size['value'], asset_size['value']) is null
                and several_sizes then 'MULTI_FOR_SINGLE'
        end),
        -- a label may give the class though the size is another source's
        warn('resolutionClass', described_size_raw, case
            when asset_size['class'] is null and described_size['class'] is not null and several_sizes
                then 'MULTI_FOR_SINGLE'
        end),
        warn(
            'resolution',
            case
                when content_size['value'] <> resolution then content_size_raw
                when asset_size['value'] <> resolution then asset_size_raw
                else described_size_raw
            end,
            case
                when content_size['value'] <> resolution or asset_size['value'] <> resolution
                    or described_size['value'] <> resolution then 'RESOLUTION_CONFLICT'
            end
        ),
        warn('durationMs', no_media_ms, case when no_media_ms is not null then 'DURATION_INVALID' end),
        warn('bitrateKbps', bitrate_raw, case
            when not coalesce(overall_bitrate > 0, false) then bitrate['warning']
        end),
        warn('durationMs', content_duration_raw, case
            when content_in_ms then 'DURATION_UNIT_FIXED'
            when media_ms is null then content_duration['warning']
        end),
        warn('durationMs', described_duration_raw, case
            when described_in_ms then 'DURATION_UNIT_FIXED'
            when coalesce(media_ms, content_ms) is null then described_duration['warning']
        end),
        warn('durationMs', described_duration_raw, case
            when coalesce(media_ms, content_ms) is null and several_durations then 'MULTI_FOR_SINGLE'
        end),
        warn(
            'durationMs',
            case
                when abs(content_ms - chosen_ms) * 100 > chosen_ms then content_duration_raw
                else described_duration_raw
            end,
            case
                when abs(content_ms - chosen_ms) * 100 > chosen_ms
                    or abs(described_ms - chosen_ms) * 100 > chosen_ms then 'DURATION_CONFLICT'
            end
        ),
        warn('startTimecode', content_timecode_raw, content_timecode['warning']),
        warn('startTimecode', asset_timecode_raw, case
            when content_timecode['value'] is null then asset_timecode['warning']
        end),
        warn('startTimecode', asset_timecode_raw, case
            when asset_timecode['value'] <> start_timecode then 'TIMECODE_CONFLICT'
        end)
    ) as warnings
from chosen
