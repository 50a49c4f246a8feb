-- Collections as assetType_Collection instances; one row a candidate, whatever its disposition.
-- Fields: section 9 of the specification, A01 (descriptive fields of all types).
-- materialise: parquet, json
-- key: source_key
with mapped as (
    select
        d.source_key,
        d.disposition,
        d.reason,
        d.details,
        case
            when d.disposition = 'out_of_scope' then d.warnings
            else gather(d.warnings, c.warnings, t.warnings, v.warnings, l.warnings, a.warnings)
        end as warnings,
        -- the asset's name in the target
        c.title as name,
        z.batch,
        c.title,
        c.original_title as "originalTitle",
        c.alternate_titles as "alternateTitles",
        c.description,
        c.tags,
        c.external_id as "externalId",
        c.legacy_id as "legacyId",
        c.legacy_uuid as "legacyUuid",
        c.legacy_class as "legacyClass",
        c.house_code as "houseCode",
        c.owner,
        c.categories,
        c.created_date as "createdDate",
        c.modified_date as "modifiedDate",
        y.items as "legacyValues",
        t.collection_kind as "collectionKind",
        v.private,
        case when a.parent_key is not null then named_struct('source_key', a.parent_key) end as parent,
        p.path,
        coalesce(l.member_count, 0) as "itemCount",
        l.members,
        named_struct('videos', coalesce(l.videos, 0), 'images', coalesce(l.images, 0), 'documents', coalesce(l.documents, 0), 'clips', coalesce(l.clips, 0), 'other', coalesce(l.other, 0), 'skipped', coalesce(l.skipped, 0)) as "memberSummary",
        case when l.cover_asset is not null then named_struct('source_key', l.cover_asset) end as "coverAsset",
        v.color,
        v.expires_at as "expiresAt",
        v.open_ended as "openEnded",
        v.repository_path as "repositoryPath",
        c.synopsis_short as "synopsisShort",
        c.title_class as "titleClass",
        c.series_name as "seriesName",
        c.series_code as "seriesCode",
        c.season_number as "seasonNumber",
        c.episode_number as "episodeNumber",
        c.territories,
        c.svod_live_date as "svodLiveDate",
        c.svod_kill_date as "svodKillDate",
        c.license_windows as "licenseWindows",
        c.legacy_record_id as "legacyRecordId",
        c.location,
        c.cast_names as "cast",
        c.genres,
        c.directors,
        c.studio,
        c.rating,
        c.release_year as "releaseYear",
        c.eidr,
        c.first_air_date as "firstAirDate",
        c.rights_notes as "rightsNotes",
        c.legacy_html as "legacyHtml"
    from dispositions d
    cross join settings z
    join collection_values v on v.source_key = d.source_key
    left join common c on c.source_key = d.source_key
    left join terms t on t.source_key = d.source_key
    left join collection_path p on p.source_key = d.source_key
    left join collection_parents a on a.source_key = d.source_key
    left join links l on l.source_key = d.source_key
    left join legacy_values y on y.source_key = d.source_key
    where d.target = 'collection'
)
select
    source_key,
    disposition,
    reason,
    details,
    warnings,
    name,
    title,
    "originalTitle",
    "alternateTitles",
    description,
    tags,
    "externalId",
    "legacyId",
    "legacyUuid",
    "legacyClass",
    "houseCode",
    owner,
    categories,
    "createdDate",
    "modifiedDate",
    "legacyValues",
    "collectionKind",
    private,
    parent,
    path,
    "itemCount",
    members,
    "memberSummary",
    "coverAsset",
    color,
    "expiresAt",
    "openEnded",
    "repositoryPath",
    "synopsisShort",
    "titleClass",
    "seriesName",
    "seriesCode",
    "seasonNumber",
    "episodeNumber",
    territories,
    "svodLiveDate",
    "svodKillDate",
    "licenseWindows",
    "legacyRecordId",
    location,
    "cast",
    genres,
    directors,
    studio,
    rating,
    "releaseYear",
    eidr,
    "firstAirDate",
    "rightsNotes",
    "legacyHtml",
    named_struct(
        'batch', batch,
        'warnings', warning_codes(warnings),
        'sourceHash', row_digest(
            title, "originalTitle", "alternateTitles", description, tags, "externalId", "legacyId",
            "legacyUuid", "legacyClass", "houseCode", owner, categories, "createdDate", "modifiedDate", "legacyValues",
            "collectionKind", private, parent, path, "itemCount", members, "memberSummary", "coverAsset", color,
            "expiresAt", "openEnded", "repositoryPath", "synopsisShort", "titleClass", "seriesName",
            "seriesCode", "seasonNumber", "episodeNumber", territories, "svodLiveDate", "svodKillDate",
            "licenseWindows", "legacyRecordId", location, "cast", genres, directors, studio, rating,
            "releaseYear", eidr, "firstAirDate", "rightsNotes", "legacyHtml"
        )
    ) as migration
from mapped
