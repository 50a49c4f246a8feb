-- The losers among duplicates: merged where they are equal to the winner in every mapped field, else rejected (dirt
-- D11, rulings A28). Identifiers and dates of the row itself are no part of that, nor are references, which follow.
-- materialise: parquet
-- key: source_key
with promo_digests as (
    select
        u.source_key,
        row_digest(
            c.title, c.original_title, c.alternate_titles, c.description, c.tags, c.house_code, c.owner, c.categories,
            c.synopsis_short, c.title_class, c.series_name, c.series_code, c.season_number, c.episode_number,
            c.territories, c.svod_live_date, c.svod_kill_date, c.license_windows, c.legacy_record_id, c.location,
            c.cast_names, c.genres, c.directors, c.studio, c.rating, c.release_year, c.eidr, c.first_air_date,
            c.rights_notes, c.telecine, c.pre_validated, c.title_ref, c.legacy_class, c.legacy_html,
            v.promo_code, v.campaign, v.version_label, v.tagline, v.editor, v.promo_length, v.air_start, v.air_end,
            v.open_ended, v.air_dates, v.script, v.notes, v.isci_code, v.audio_layout,
            w.duration_ms, w.resolution, w.width, w.height, w.resolution_class, w.aspect_ratio, w.frame_rate,
            w.start_timecode, w.bitrate_kbps,
            t.promo_type, t.network, t.scan_type, t.video_codec, t.audio_codec, g.file_format, n.language,
            t.caption_status, t.approval_status, t.status,
            f.file_name, f.file_size, f.md5, m.markers, y.items
        ) as digest
    from duplicate_groups u
    join candidates k on k.source_key = u.source_key
    left join common c on c.source_key = u.source_key
    left join promo_values v on v.source_key = u.source_key
    left join video w on w.source_key = u.source_key
    left join terms t on t.source_key = u.source_key
    left join file_values f on f.asset_id = k.asset_id
    left join file_formats g on g.source_key = u.source_key
    left join languages n on n.source_key = u.source_key
    left join markers m on m.source_key = u.source_key
    left join legacy_values y on y.source_key = u.source_key
    where u.target = 'promo'
),
image_digests as (
    select
        u.source_key,
        row_digest(
            c.title, c.original_title, c.alternate_titles, c.description, c.tags, c.house_code, c.owner, c.categories,
            c.synopsis_short, c.title_class, c.series_name, c.series_code, c.season_number, c.episode_number,
            c.territories, c.svod_live_date, c.svod_kill_date, c.license_windows, c.legacy_record_id, c.location,
            c.cast_names, c.genres, c.directors, c.studio, c.rating, c.release_year, c.eidr, c.first_air_date,
            c.rights_notes, c.telecine, c.pre_validated, c.title_ref, c.legacy_class, c.legacy_html,
            v.resolution, v.width, v.height, v.resolution_class, v.aspect_ratio, v.approved, v.approved_by,
            v.approved_at, v.rights_expire_date, v.open_ended, v.alt_text, v.crop, v.storage, v.checksum,
            v.capture_date, v.meets_spec,
            v.file_format, v.locale, t.endpoint_image_detail, t.endpoint, t.color_space, t.status,
            f.file_name, f.file_size, y.items
        ) as digest
    from duplicate_groups u
    join candidates k on k.source_key = u.source_key
    left join common c on c.source_key = u.source_key
    left join image_values v on v.source_key = u.source_key
    left join terms t on t.source_key = u.source_key
    left join file_values f on f.asset_id = k.asset_id
    left join legacy_values y on y.source_key = u.source_key
    where u.target = 'deliverable_image'
),
digests as (
    select source_key, digest from promo_digests
    union all
    select source_key, digest from image_digests
)
select
    g.source_key,
    g.winner_key,
    coalesce(l.digest = w.digest and n.target = g.target, false) as merged
from duplicate_groups g
left join duplicate_groups n on n.source_key = g.winner_key
left join digests l on l.source_key = g.source_key
left join digests w on w.source_key = g.winner_key
where g.place > 1
