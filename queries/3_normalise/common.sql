-- The fields that all four types share, in their target form; one row a candidate. What the queries on titles,
-- identities, owners, descriptions and terms found stands side by side, and what is too long is cut.
-- Rules: section 9 of the specification (common block), A01 (descriptive fields), D29 (values of a list), D42 (bytes of
-- a text), A51 (the reference to the title).
-- materialise: parquet
-- key: source_key
with texts as (
    select
        s.source_key,
        s.target,
        s.class,
        s.id,
        s.status,
        g.categories
    from subject s
    left join categories g on g.asset_id = s.asset_id
),
joined as (
    select
        x.source_key,
        x.target,
        x.class,
        x.id,
        truncate_bytes(d.description, z.text_limit) as description,
        truncate_bytes(d.synopsis_short, z.text_limit) as synopsis_short,
        truncate_bytes(d.rights_notes, z.text_limit) as rights_notes,
        truncate_bytes(d.legacy_html, z.text_limit) as legacy_html,
        d.tags,
        z.values_limit,
        x.categories,
        o.owner,
        o.warnings as owner_warnings,
        d.series_name,
        d.series_code,
        d.season_number,
        d.episode_number,
        d.svod_live_date,
        d.svod_kill_date,
        d.license_windows,
        d.legacy_record_id,
        d.location,
        d.cast_names,
        d.directors,
        d.release_year,
        d.first_air_date,
        d.telecine,
        d.pre_validated,
        d.warnings as described_warnings
    from texts x
    cross join settings z
    left join owners o on o.source_key = x.source_key
    left join described d on d.source_key = x.source_key
)
select
    j.source_key,
    j.target,
    t.title,
    t.original_title,
    t.alternate_titles,
    t.placeholder,
    j.description['value'] as description,
    array_slice(j.tags, 1, j.values_limit) as tags,
    n.external_id,
    j.id as legacy_id,
    n.legacy_uuid,
    j.class as legacy_class,
    h.house_code,
    j.owner,
    j.categories,
    n.created_date,
    n.modified_date,
    j.synopsis_short['value'] as synopsis_short,
    v.title_class,
    j.series_name,
    j.series_code,
    j.season_number,
    j.episode_number,
    r.territories,
    j.svod_live_date,
    j.svod_kill_date,
    j.license_windows,
    j.legacy_record_id,
    j.location,
    j.cast_names,
    r.genres,
    j.directors,
    v.studio,
    v.rating,
    j.release_year,
    i.eidr,
    j.first_air_date,
    j.rights_notes['value'] as rights_notes,
    j.legacy_html['value'] as legacy_html,
    j.telecine,
    j.pre_validated,
    case when l.title_id is not null then
        named_struct(
            'houseCode', c.house_code,
            'titleName', c.title_name,
            'titleClass', c.title_class,
            'season', c.season,
            'episode', c.episode
        )
    end as title_ref,
    gather(
        n.warnings,
        warn('description', concat('long_text/', j.source_key, '/description'), j.description['warning']),
        warn('synopsisShort', concat('long_text/', j.source_key, '/synopsisShort'), j.synopsis_short['warning']),
        warn('rightsNotes', concat('long_text/', j.source_key, '/rightsNotes'), j.rights_notes['warning']),
        warn('legacyHtml', concat('long_text/', j.source_key, '/legacyHtml'), j.legacy_html['warning']),
        warn('tags', cast(array_length(j.tags) as varchar), case when array_length(j.tags) > j.values_limit then 'TOO_MANY_VALUES' end),
        j.owner_warnings,
        t.warnings,
        h.warnings,
        j.described_warnings,
        r.warnings,
        i.warnings
    ) as warnings
from joined j
left join identities n on n.source_key = j.source_key
left join titles t on t.source_key = j.source_key
left join house_codes h on h.source_key = j.source_key
left join terms v on v.source_key = j.source_key
left join term_lists r on r.source_key = j.source_key
left join eidrs i on i.source_key = j.source_key
left join title_link l on l.source_key = j.source_key
left join title_card c on c.title_id = l.title_id
