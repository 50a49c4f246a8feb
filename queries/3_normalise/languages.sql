-- The language of each promo and the locale of each image: the first source that names one as a BCP 47 tag (D65,
-- rulings A39); those before it that name none warn, but `und`, which says that none is stated. A tag that the
-- vocabulary `language` does not list is unknown: the target's list is closed.
-- materialise: parquet
-- key: source_key
with candidate as (
    select source_key, target, class, id, asset_id, metadata_id
    from candidates
    where target in ('promo', 'deliverable_image')
),
promos as (
    select c.source_key, m.audio_language, t.audio_language as content_language, v.language, e.value as described,
        e.lost, e.several
    from candidate c
    left join technical_content t on t.asset_id = c.asset_id
    left join media m on m.asset_id = c.asset_id
    left join public.video_asset_master v on v.id = c.asset_id
    left join eav_cell e on e.metadata_id = c.metadata_id and e.field = 'language'
    where c.target = 'promo'
),
sources as (
    select source_key, 'language' as field, 1 as rank, audio_language as raw, false as lost, false as several from promos
    union all select source_key, 'language', 2, content_language, false, false from promos
    union all select source_key, 'language', 3, language, false, false from promos
    union all select source_key, 'language', 4, described, lost, several from promos
    union all select c.source_key, 'locale', 1, d.locale, false, false
        from candidate c
        join public.deliverable_image d on c.class = 'DeliverableImage' and d.id = c.id
),
read as (
    select
        s.source_key,
        s.field,
        s.rank,
        s.raw,
        s.several,
        k.canonical,
        -- a reference to a picklist's value that is missing (D20)
        language_tag(case when not s.lost then s.raw end) as tag,
        case when s.lost then 'PICKLIST_VALUE_MISSING' end as lost
    from sources s
    left join terms_known k on not s.lost and k.vocabulary = 'language' and k.spelling = fold_key(s.raw)
    where s.raw is not null
),
judged as (
    select
        r.source_key,
        r.field,
        r.rank,
        r.raw,
        r.several,
        coalesce(r.canonical, k.canonical) as tag,
        coalesce(
            r.lost,
            r.tag['warning'],
            case when r.tag['value'] is not null and k.canonical is null then 'LANGUAGE_UNKNOWN' end
        ) as warning
    from read r
    left join terms_known k on k.vocabulary = 'language' and k.is_term and k.spelling = fold_key(r.tag['value'])
),
chosen as (
    select
        source_key,
        field,
        rank,
        raw,
        several,
        tag,
        warning,
        min(case when tag is not null then rank end) over (partition by source_key, field) as best
    from judged
),
warned as (
    select
        source_key,
        field,
        rank,
        case when rank = best then tag end as tag,
        gather(
            warn(field, raw, case when tag is null and (best is null or rank < best) then warning end),
            -- a field for one value that has more (dirt D26)
            warn(field, raw, case when several and (best is null or rank <= best) then 'MULTI_FOR_SINGLE' end)
        ) as warnings
    from chosen
)
select
    source_key,
    max(tag) filter (where field = 'language') as language,
    max(tag) filter (where field = 'locale') as locale,
    flatten(in_order(named_struct('rank', rank, 'warnings', warnings)) filter (where warnings is not null)) as warnings
from warned
group by source_key
