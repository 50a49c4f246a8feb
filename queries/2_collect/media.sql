-- The trusted technical values of each technical content: container, first video and audio track; one row an asset.
-- Rules: sections 4 and 10 of the specification: typed media data come first.
-- materialise: parquet
-- key: asset_id
with containers as (
    select
        c.asset_id,
        m.id as media_info_id,
        m.format,
        m.duration_ms,
        m.overall_bitrate,
        row_number() over (partition by c.asset_id order by m.id) as place
    from public.media_info m
    join technical_content c on c.content_id = m.content_id
),
container as (
    select asset_id, media_info_id, format, duration_ms, overall_bitrate
    from containers
    where place = 1
),
videos as (
    select
        t.media_info_id,
        t.codec_id,
        t.width,
        t.height,
        t.dar,
        t.frame_rate,
        t.frame_rate_num,
        t.frame_rate_den,
        t.scan_type,
        row_number() over (partition by t.media_info_id order by t.stream_order, t.id) as place
    from public.media_info_track_video t
    left semi join container c on c.media_info_id = t.media_info_id
),
audios as (
    select
        t.media_info_id,
        t.codec_id,
        t."language" as audio_language,
        row_number() over (partition by t.media_info_id order by t.stream_order, t.id) as place
    from public.media_info_track_audio t
    left semi join container c on c.media_info_id = t.media_info_id
)
select
    c.asset_id,
    c.media_info_id,
    c.format,
    c.duration_ms,
    c.overall_bitrate,
    v.codec_id as video_codec,
    v.width,
    v.height,
    v.dar,
    v.frame_rate,
    v.frame_rate_num,
    v.frame_rate_den,
    v.scan_type,
    a.codec_id as audio_codec,
    a.audio_language
from container c
left join videos v on v.media_info_id = c.media_info_id and v.place = 1
left join audios a on a.media_info_id = c.media_info_id and a.place = 1
