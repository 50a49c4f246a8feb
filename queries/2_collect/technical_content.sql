-- The content of the current version whose technical values count (SOURCE before MEZZANINE), one row an asset.
-- Rules: D22, D69, and section 4 of the specification.
-- materialise: parquet
-- key: asset_id
with contents as (
    select
        v.asset_id,
        c.id as content_id,
        c.file_id,
        c.file_size,
        c.mime_type,
        c.width,
        c.height,
        c.aspect_ratio,
        c.duration,
        c.start_timecode,
        c.frame_rate,
        c.bitrate_kbs,
        c.video_codec,
        c.audio_codec,
        c.audio_language,
        content_uses(c.content_uses) as uses
    from public.asset_content c
    join current_version v on v.version_id = c.asset_version_id
    where not coalesce(c.deleted, false)
),
usable as (
    select
        asset_id,
        content_id,
        file_id,
        file_size,
        mime_type,
        width,
        height,
        aspect_ratio,
        duration,
        start_timecode,
        frame_rate,
        bitrate_kbs,
        video_codec,
        audio_codec,
        audio_language,
        array_has(uses, 'SOURCE') as is_source
    from contents
    where array_has(uses, 'SOURCE') or array_has(uses, 'MEZZANINE')
),
ranked as (
    select
        asset_id,
        content_id,
        file_id,
        file_size,
        mime_type,
        width,
        height,
        aspect_ratio,
        duration,
        start_timecode,
        frame_rate,
        bitrate_kbs,
        video_codec,
        audio_codec,
        audio_language,
        is_source,
        row_number() over (partition by asset_id order by is_source desc, content_id) as place
    from usable
)
select
    asset_id,
    content_id,
    is_source,
    file_id,
    file_size,
    mime_type,
    width,
    height,
    aspect_ratio,
    duration,
    start_timecode,
    frame_rate,
    bitrate_kbs,
    video_codec,
    audio_codec,
    audio_language
from ranked
where place = 1
