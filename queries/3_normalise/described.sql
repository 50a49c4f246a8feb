-- The descriptive fields side by side, each from its first good source (rulings A01), with what the sources up to that
-- one had to say. Where the setting legacy_html asks for it, the HTML that the chosen texts were made of stands beside
-- them, in the order of the fields' names, an empty line between two. The end of rights is the second source of another
-- query, which tells its warnings itself.
-- materialise: parquet
-- key: source_key
with asked as (
    select source_key, field, rank, raw, html, several, value, warning, first_good
    from text_cell
    where first_good is null or rank <= first_good
),
told as (
    select
        source_key,
        flatten(in_order(named_struct('field', field, 'rank', rank, 'warnings', gather(
            warn(case field when 'usageNotes' then 'description' else field end, raw, warning),
            warn(case field when 'usageNotes' then 'description' else field end, raw, case when several then 'MULTI_FOR_SINGLE' end)
        )))) as warnings
    from asked
    where (warning is not null or several) and field <> 'rightsExpireDate'
    group by source_key
),
wide as (
    select
        source_key,
        max(value) filter (where field = 'description') as main_text,
        max(value) filter (where field = 'usageNotes') as usage_notes,
        max(value) filter (where field = 'synopsisShort') as synopsis_short,
        max(value) filter (where field = 'seriesName') as series_name,
        max(value) filter (where field = 'seriesCode') as series_code,
        max(value) filter (where field = 'seasonNumber') as season_number,
        max(value) filter (where field = 'episodeNumber') as episode_number,
        max(value) filter (where field = 'svodLiveDate') as svod_live_date,
        max(value) filter (where field = 'svodKillDate') as svod_kill_date,
        max(raw) filter (where field = 'svodKillDate') as svod_kill_raw,
        max(value) filter (where field = 'firstAirDate') as first_air_date,
        max(value) filter (where field = 'rightsExpireDate') as rights_expire_date,
        max(raw) filter (where field = 'rightsExpireDate') as rights_expire_raw,
        max(warning) filter (where field = 'rightsExpireDate') as rights_expire_warning,
        max(value) filter (where field = 'legacyRecordId') as legacy_record_id,
        max(value) filter (where field = 'location') as location,
        max(value) filter (where field = 'releaseYear') as release_year,
        max(value) filter (where field = 'rightsNotes') as rights_notes,
        max(value) filter (where field = 'telecine') as telecine,
        max(value) filter (where field = 'preValidated') as pre_validated,
        max(value) filter (where field = 'campaign') as campaign,
        max(value) filter (where field = 'audioLayout') as audio_layout,
        max(value) filter (where field = 'versionLabel') as version_label,
        max(value) filter (where field = 'tagline') as tagline,
        max(value) filter (where field = 'editor') as editor,
        max(value) filter (where field = 'script') as script,
        max(value) filter (where field = 'notes') as notes,
        array_to_string(
            in_order(named_struct('field', field, 'html', html)) filter (where html is not null and rank = first_good),
            concat(chr(10), chr(10))
        ) as legacy_html
    from asked
    group by source_key
)
select
    s.source_key,
    case
        when w.main_text is null then w.usage_notes
        when w.usage_notes is null then w.main_text
        else concat(w.main_text, chr(10), chr(10), w.usage_notes)
    end as description,
    w.synopsis_short,
    w.series_name,
    w.series_code,
    cast(w.season_number as int) as season_number,
    w.episode_number,
    cast(w.svod_live_date as date) as svod_live_date,
    cast(w.svod_kill_date as date) as svod_kill_date,
    cast(w.first_air_date as date) as first_air_date,
    cast(w.rights_expire_date as date) as rights_expire_date,
    w.rights_expire_raw,
    w.rights_expire_warning,
    w.legacy_record_id,
    w.location,
    cast(w.release_year as int) as release_year,
    w.rights_notes,
    cast(w.telecine as boolean) as telecine,
    cast(w.pre_validated as boolean) as pre_validated,
    w.campaign,
    w.audio_layout,
    w.version_label,
    w.tagline,
    w.editor,
    w.script,
    w.notes,
    w.legacy_html,
    l.license_windows,
    l.cast_names,
    l.directors,
    l.producers,
    l.producer_warnings,
    l.tags,
    gather(
        t.warnings,
        l.warnings,
        k.warnings,
        warn('svodKillDate', w.svod_kill_raw, case when w.svod_kill_date < w.svod_live_date then 'DATE_ORDER' end)
    ) as warnings
from subject s
left join wide w on w.source_key = s.source_key
left join told t on t.source_key = s.source_key
left join described_lists l on l.source_key = s.source_key
left join keywords k on k.asset_id = s.asset_id
