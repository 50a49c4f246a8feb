-- The size and the aspect ratio of each deliverable image; one row a candidate. Sources stand in the order of section
-- 10: the picture track of the source content, the content's text, the image's two columns, its text, the deliverable's
-- text, EXIF (dirt D61); for the ratio the track, the content, the deliverable's column, the descriptive field (D60).
-- One that says nothing right falls through and warns; those behind the first good one are compared with it, and the
-- first that differs gives the field's conflict (rulings A18). A label is no size, but the resolution class: it warns
-- where no source before it has the size, and is no error behind one. Lines (`1080p`) are a size where the stated ratio
-- is 16:9 (A32). A ratio that nothing states is computed.
-- materialise: parquet
-- key: source_key
with images as (
    select source_key, class, id, asset_id, metadata_id
    from candidates
    where target = 'deliverable_image'
),
stated as (
    select
        i.source_key,
        cast(m.dar as varchar) as media_raw,
        aspect_ratio(cast(m.dar as varchar)) as media,
        c.aspect_ratio as content_raw,
        aspect_ratio(c.aspect_ratio) as content,
        d.aspect_ratio as own_raw,
        aspect_ratio(d.aspect_ratio) as own,
        e.value as described_raw,
        aspect_ratio(case when not e.lost then e.value end) as described,
        -- a reference to a picklist's value that is missing (dirt D20); a field for one value that has more (dirt D26)
        coalesce(e.lost, false) as lost,
        coalesce(e.several, false) as several
    from images i
    left join technical_content c on c.asset_id = i.asset_id
    left join media m on m.asset_id = i.asset_id
    left join public.deliverable_image d on i.class = 'DeliverableImage' and d.id = i.id
    left join eav_cell e on e.metadata_id = i.metadata_id and e.field = 'aspect_ratio'
),
ratios as (
    select s.*, coalesce(media['value'], content['value'], own['value'], described['value']) as ratio
    from stated s
),
-- each side is a number, or one kept as text (dirt D54)
sides as (
    select i.source_key, 1 as rank, cast(m.width as varchar) as width, cast(m.height as varchar) as height
    from images i
    join media m on m.asset_id = i.asset_id
    union all
    select i.source_key, 2, c.width, c.height
    from images i
    join technical_content c on c.asset_id = i.asset_id
    union all
    select i.source_key, 3, cast(a.width as varchar), cast(a.height as varchar)
    from images i
    join public.image_asset_master a on a.id = i.asset_id
    union all
    select i.source_key, 6, x.pixel_width, x.pixel_height
    from images i
    join exif x on x.asset_id = i.asset_id
    union all
    select i.source_key, 7, x.image_width, x.image_height
    from images i
    join exif x on x.asset_id = i.asset_id
),
sources as (
    select
        source_key,
        rank,
        concat(width, 'x', height) as raw,
        -- a side that is no number stays, for the size to be told as invalid
        concat(
            coalesce(cast(integer_text(width)['value'] as varchar), width),
            'x',
            coalesce(cast(integer_text(height)['value'] as varchar), height)
        ) as size
    from sides
    where width is not null and height is not null
    union all
    select i.source_key, 4 as rank, a.resolution as raw, a.resolution as size
    from images i
    join public.image_asset_master a on a.id = i.asset_id
    union all
    select i.source_key, 5 as rank, d.pixel_size as raw, d.pixel_size as size
    from images i
    join public.deliverable_image d on i.class = 'DeliverableImage' and d.id = i.id
),
read as (
    select s.source_key, s.rank, s.raw, resolution_at(s.size, r.ratio) as size
    from sources s
    join ratios r on r.source_key = s.source_key
    where s.raw is not null
),
ranked as (
    select
        source_key,
        rank,
        raw,
        size['value'] as resolution,
        size['width'] as width,
        size['height'] as height,
        size['class'] as class,
        size['warning'] as warning,
        min(case when size['value'] is not null then rank end) over (partition by source_key) as best
    from read
),
compared as (
    select
        r.*,
        max(case when rank = best then resolution end) over (partition by source_key) as best_resolution
    from ranked r
),
warned as (
    select
        source_key,
        rank,
        raw,
        resolution,
        width,
        height,
        class,
        rank = best as chosen,
        case when best is null or rank < best then warn('resolution', raw, warning) end as warnings,
        min(case when resolution <> best_resolution then rank end) over (partition by source_key) as first_other
    from compared
),
sizes as (
    select
        source_key,
        max(resolution) filter (where chosen) as resolution,
        max(width) filter (where chosen) as width,
        max(height) filter (where chosen) as height,
        coalesce(max(class) filter (where rank = 4), max(class) filter (where rank = 5)) as resolution_class,
        gather(
            flatten(in_order(named_struct('rank', rank, 'warnings', warnings)) filter (where warnings is not null)),
            warn(
                'resolution',
                max(raw) filter (where rank = first_other),
                case when max(first_other) is not null then 'RESOLUTION_CONFLICT' end
            )
        ) as warnings
    from warned
    group by source_key
)
select
    r.source_key,
    z.resolution,
    z.width,
    z.height,
    z.resolution_class,
    -- a computed ratio outside the known ones is absent, without a warning (rulings A43)
    coalesce(r.ratio, aspect_ratio(concat(z.width, ':', z.height))['value']) as aspect_ratio,
    gather(
        z.warnings,
        warn('aspectRatio', r.media_raw, r.media['warning']),
        warn('aspectRatio', r.content_raw, case when r.media['value'] is null then r.content['warning'] end),
        warn('aspectRatio', r.own_raw, case
            when coalesce(r.media['value'], r.content['value']) is null then r.own['warning']
        end),
        warn('aspectRatio', r.described_raw, case
            when coalesce(r.media['value'], r.content['value'], r.own['value']) is null then
                case when r.lost then 'PICKLIST_VALUE_MISSING' else r.described['warning'] end
        end),
        warn('aspectRatio', r.described_raw, case
            when coalesce(r.media['value'], r.content['value'], r.own['value']) is null and r.several
                then 'MULTI_FOR_SINGLE'
        end),
        warn(
            'aspectRatio',
            case
                when r.content['value'] <> r.ratio then r.content_raw
                when r.own['value'] <> r.ratio then r.own_raw
                else r.described_raw
            end,
            case
                when r.content['value'] <> r.ratio or r.own['value'] <> r.ratio or r.described['value'] <> r.ratio
                    then 'ASPECT_CONFLICT'
            end
        )
    ) as warnings
from ratios r
left join sizes z on z.source_key = r.source_key
