-- Assets with twelve of their descriptive fields side by side, their contents summed up and their status by name.
-- materialise: parquet, ndjson
-- key: id
with described as (
    select
        v.metadata_id,
        max(case when p.name = 'title' then nullif(squeeze(v.string_value), '') end) as title,
        max(case when p.name = 'series' then nullif(squeeze(v.string_value), '') end) as series,
        max(case when p.name = 'seriesID' then nullif(upper(btrim(v.string_value)), '') end) as series_code,
        max(case when p.name = 'houseCode' then nullif(upper(btrim(v.string_value)), '') end) as house_code,
        max(case when p.name = 'recordOID' then nullif(lower(btrim(v.string_value)), '') end) as record,
        max(case when p.name = 'eventLocation' then nullif(squeeze(v.string_value), '') end) as location,
        max(case when p.name = 'director' then nullif(squeeze(v.string_value), '') end) as director,
        max(case when p.name = 'producer' then nullif(squeeze(v.string_value), '') end) as producer,
        max(case when p.name = 'keywords' then nullif(squeeze(v.string_value), '') end) as keyword,
        max(case when p.name = 'season' then v.long_value end) as season,
        max(case when p.name = 'releaseYear' then v.long_value end) as release_year,
        max(case when p.name = 'airDate' then v.date_value end) as air_date,
        count(*) as n_values
    from public.metadata_property_value v
    join public.metadata_property p on p.id = v.property_id
    group by v.metadata_id
),
contents as (
    select
        master_asset_id,
        count(*) as n_contents,
        max(case when content_uses = '|SOURCE|' then video_codec end) as video_codec,
        max(case when content_uses = '|SOURCE|' then audio_codec end) as audio_codec,
        sum(file_size) as total_bytes,
        min(name) as first_name,
        max(width) as width,
        max(height) as height
    from public.asset_content
    group by master_asset_id
)
select
    a.id,
    squeeze(a.name) as name,
    squeeze(a.description) as description,
    a."assetType" as asset_type,
    a.archived_flag,
    a.date_created,
    a.date_updated,
    lower(btrim(s."key")) as status,
    d.title,
    d.series,
    d.series_code,
    d.house_code,
    d.record,
    d.location,
    d.director,
    d.producer,
    d.keyword,
    d.season,
    d.release_year,
    d.air_date,
    d.n_values,
    c.n_contents,
    c.video_codec,
    c.audio_codec,
    c.total_bytes,
    c.first_name,
    c.width,
    c.height
from public.asset_master a
join described d on d.metadata_id = a.metadata_id
left join contents c on c.master_asset_id = a.id
left join public.asset_status s on s.id = a.status_id
where coalesce(a.deleted, false) = false
    and d.title is not null
    and d.house_code is not null
    and a.name is not null
