-- The frame rate and the aspect ratio of each promo's video: lengths and timecodes need the one, numbers of lines the
-- other. Sources in order; see video.sql for what they give. A rate that is written in fields (`50i`, `59.94i`) tells
-- that the pictures are interlaced (dirt D62, rulings A33), which is what the field scanType falls back on; a `p` says
-- nothing beyond the rate, as the rules name it for that alone.
-- Rules: D60, D62, A33, A43.
-- materialise: parquet
-- key: source_key
with parsed as (
    select
        source_key,
        frame_rate(media_rate) as media_rate,
        media_rate as media_rate_raw,
        frame_rate(content_rate) as content_rate,
        content_rate as content_rate_raw,
        frame_rate(timeline_rate) as timeline_rate,
        timeline_rate as timeline_rate_raw,
        aspect_ratio(media_aspect) as media_aspect,
        media_aspect as media_aspect_raw,
        aspect_ratio(content_aspect) as content_aspect,
        content_aspect as content_aspect_raw,
        aspect_ratio(asset_aspect) as asset_aspect,
        asset_aspect as asset_aspect_raw,
        aspect_ratio(case when not lost_aspect then described_aspect end) as described_aspect,
        described_aspect as described_aspect_raw,
        several_aspects,
        lost_aspect
    from video_source
),
chosen as (
    select
        p.*,
        coalesce(media_rate['value'], content_rate['value'], timeline_rate['value']) as rate,
        coalesce(
            media_aspect['value'], content_aspect['value'], asset_aspect['value'], described_aspect['value']
        ) as aspect
    from parsed p
)
select
    source_key,
    rate,
    -- frames that are counted in a second
    concat(
        (cast(split_part(rate, '/', 1) as bigint) + cast(split_part(rate, '/', 2) as bigint) / 2)
            / cast(split_part(rate, '/', 2) as bigint),
        '/1'
    ) as counted_rate,
    -- by any source of the rate that counts
    coalesce(media_rate['value'] = rate and media_rate['interlaced'], false)
        or coalesce(content_rate['value'] = rate and content_rate['interlaced'], false)
        or coalesce(timeline_rate['value'] = rate and timeline_rate['interlaced'], false) as interlaced,
    aspect,
    gather(
        warn('frameRate', media_rate_raw, media_rate['warning']),
        warn('frameRate', content_rate_raw, case when media_rate['value'] is null then content_rate['warning'] end),
        warn('frameRate', timeline_rate_raw, case
            when coalesce(media_rate['value'], content_rate['value']) is null then timeline_rate['warning']
        end),
        warn(
            'frameRate',
            case when content_rate['value'] <> rate then content_rate_raw else timeline_rate_raw end,
            case when content_rate['value'] <> rate or timeline_rate['value'] <> rate then 'FRAME_RATE_CONFLICT' end
        ),
        warn('aspectRatio', media_aspect_raw, media_aspect['warning']),
        warn('aspectRatio', content_aspect_raw, case
            when media_aspect['value'] is null then content_aspect['warning']
        end),
        warn('aspectRatio', asset_aspect_raw, case
            when coalesce(media_aspect['value'], content_aspect['value']) is null then asset_aspect['warning']
        end),
        warn('aspectRatio', described_aspect_raw, case
            when coalesce(media_aspect['value'], content_aspect['value'], asset_aspect['value']) is null then
                case when lost_aspect then 'PICKLIST_VALUE_MISSING' else described_aspect['warning'] end
        end),
        warn('aspectRatio', described_aspect_raw, case
            when coalesce(media_aspect['value'], content_aspect['value'], asset_aspect['value']) is null
                and several_aspects then 'MULTI_FOR_SINGLE'
        end),
        warn(
            'aspectRatio',
            case
                when content_aspect['value'] <> aspect then content_aspect_raw
                when asset_aspect['value'] <> aspect then asset_aspect_raw
                else described_aspect_raw
            end,
            case
                when content_aspect['value'] <> aspect or asset_aspect['value'] <> aspect
                    or described_aspect['value'] <> aspect then 'ASPECT_CONFLICT'
            end
        )
    ) as warnings
from chosen
