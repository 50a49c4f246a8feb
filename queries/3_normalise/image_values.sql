-- Each deliverable image's own fields in their target form, and the reasons for which it would be rejected, in the
-- order of the closed list. Size and ratio are those of picture.sql; the end of rights is looked for in the
-- deliverable's column and the descriptive field, the date of capture in the image's own column and its EXIF tag.
-- Rules: D45, D47, D52 (dates), D71, D72 (place, checksum), A37 (crop).
-- materialise: parquet
-- key: source_key
with images as (
    select
        c.source_key,
        c.id,
        c.asset_id,
        c.asset_found,
        c.asset_class,
        c.subclass_rows,
        coalesce(c.source_id = z.day_first_source, false) as day_first,
        d.approved,
        d.approved_by,
        d.approved_at,
        d.rights_expire,
        d.alt_text,
        -- text of the import that garbled its accents is repaired (dirt D38)
        case when c.source_id = z.garbled_source then repair_mojibake(d.alt_text) end as repaired_alt,
        d.crop,
        d.s3_uri,
        d.checksum,
        s.width as spec_width,
        s.height as spec_height,
        k.canonical as spec_format,
        i.capture_date,
        x.taken,
        z.zone,
        e.rights_expire as described_expire,
        array_has(e.several, 'rights_expire') as several_expires
    from candidates c
    cross join settings z
    left join public.deliverable_image d on c.class = 'DeliverableImage' and d.id = c.id
    left join public.deliverable_image_spec s on s.id = d.spec_id
    left join terms_known k on k.vocabulary = 'fileFormat' and k.spelling = fold_key(s.format)
    left join public.image_asset_master i on i.id = c.asset_id
    left join exif x on x.asset_id = c.asset_id
    left join eav e on e.metadata_id = c.metadata_id
    where c.target = 'deliverable_image'
),
parsed as (
    select
        i.source_key,
        i.id,
        i.asset_found,
        i.asset_class,
        i.subclass_rows,
        i.asset_id,
        i.approved,
        i.approved_by,
        u.display_name as approver,
        to_utc(i.approved_at, i.zone) as approved_at,
        zero_moment(to_utc(i.approved_at, i.zone)['value'], i.zone) as approved_zero,
        i.approved_at as approved_at_raw,
        date_text(i.rights_expire, i.day_first) as rights_expire,
        zero_moment(instant_text(i.rights_expire, i.zone, i.day_first)['value'], i.zone) as rights_zero,
        i.rights_expire as rights_expire_raw,
        date_text(i.described_expire, i.day_first) as described_expire,
        zero_moment(instant_text(i.described_expire, i.zone, i.day_first)['value'], i.zone) as described_zero,
        i.described_expire as described_expire_raw,
        i.several_expires,
        clean_line(coalesce(i.repaired_alt['value'], i.alt_text)) as alt_text,
        i.repaired_alt['warning'] as alt_repair,
        i.alt_text as alt_text_raw,
        regexp_match(i.crop, '^\((-?[0-9.eE+-]+),(-?[0-9.eE+-]+)\),\((-?[0-9.eE+-]+),(-?[0-9.eE+-]+)\)$') as corners,
        s3_uri(i.s3_uri) as storage,
        i.s3_uri as storage_raw,
        checksum_text(i.checksum, 64) as checksum,
        i.checksum as checksum_raw,
        i.spec_width,
        i.spec_height,
        i.spec_format,
        instant_text(i.capture_date, i.zone, i.day_first) as capture_date,
        zero_moment(instant_text(i.capture_date, i.zone, i.day_first)['value'], i.zone) as capture_zero,
        i.capture_date as capture_date_raw,
        instant_text(i.taken, i.zone, i.day_first) as taken,
        zero_moment(instant_text(i.taken, i.zone, i.day_first)['value'], i.zone) as taken_zero,
        i.taken as taken_raw
    from images i
    left join users u on u.user_id = i.approved_by
),
corner_values as (
    select
        source_key,
        try_cast(corners[1] as double) as x1,
        try_cast(corners[2] as double) as y1,
        try_cast(corners[3] as double) as x2,
        try_cast(corners[4] as double) as y2
    from parsed
    where corners is not null
),
-- Rights end on the date, or never, by the first of the two sources that says so.
-- Beginnings of time stand for no date (dirt D52).
moments as (
    select
        source_key,
        case when not rights_zero then rights_expire['value'] end as rights_day,
        case when not described_zero then described_expire['value'] end as described_day,
        case when not approved_zero then approved_at['value'] end as approved_at,
        case when approved_zero then 'EPOCH_ZERO' else approved_at['warning'] end as approved_warning,
        case when not capture_zero then capture_date['value'] end as capture_date,
        case when capture_zero then 'EPOCH_ZERO' else capture_date['warning'] end as capture_warning,
        case when not taken_zero then taken['value'] end as taken,
        case when taken_zero then 'EPOCH_ZERO' else taken['warning'] end as taken_warning
    from parsed
),
rights as (
    select
        p.source_key,
        coalesce(
            m.rights_day,
            case when rights_expire['open_ended'] is null then m.described_day end
        ) as expires,
        case
            when m.rights_day is not null then rights_expire_raw
            when rights_expire['open_ended'] is null then described_expire_raw
        end as expires_raw,
        coalesce(
            rights_expire['open_ended'],
            case when m.rights_day is null then described_expire['open_ended'] end
        ) as open_ended,
        gather(
            warn('rightsExpireDate', rights_expire_raw, case
                when rights_zero then 'EPOCH_ZERO' else rights_expire['warning']
            end),
            warn('rightsExpireDate', described_expire_raw, case
                when m.rights_day is null and rights_expire['open_ended'] is null
                    then case when described_zero then 'EPOCH_ZERO' else described_expire['warning'] end
            end),
            warn('rightsExpireDate', described_expire_raw, case
                when m.rights_day is null and rights_expire['open_ended'] is null and several_expires
                    then 'MULTI_FOR_SINGLE'
            end)
        ) as warnings
    from parsed p
    join moments m on m.source_key = p.source_key
),
valued as (
    select
        p.source_key,
        p.id,
        p.asset_found,
        p.asset_class,
        p.subclass_rows,
        z.resolution,
        z.width,
        z.height,
        z.resolution_class,
        z.aspect_ratio,
        p.approved,
        p.approver as approved_by,
        m.approved_at,
        g.expires as rights_expire_date,
        g.open_ended,
        p.alt_text['value'] as alt_text,
        case when k.source_key is not null then
            named_struct(
                'x0', least(k.x1, k.x2),
                'y0', least(k.y1, k.y2),
                'x1', greatest(k.x1, k.x2),
                'y1', greatest(k.y1, k.y2)
            )
        end as crop,
        p.storage['value'] as storage,
        p.checksum['value'] as checksum,
        coalesce(m.capture_date, m.taken) as capture_date,
        case when p.spec_width is not null and p.spec_height is not null then
            coalesce(p.spec_width = z.width and p.spec_height = z.height and p.spec_format = f.file_format, false)
        end as meets_spec,
        t.endpoint_image_detail,
        t.endpoint_image_detail_stated,
        f.file_format,
        f.stated as file_format_stated,
        n.locale,
        c.title,
        c.placeholder,
        c.house_code,
        c.modified_date,
        r.version_id,
        gather(
            z.warnings,
            f.warnings,
            n.warnings,
            g.warnings,
            warn('rightsExpireDate', g.expires_raw, case
                -- both are days of the deployment (rulings A15)
                when m.approved_at is not null and g.expires < cast(p.approved_at_raw as date) then 'DATE_ORDER'
            end),
            warn('approvedAt', replace(cast(p.approved_at_raw as varchar), 'T', ' '), m.approved_warning),
            warn('approvedBy', cast(p.approved_by as varchar), case
                when p.approved_by is not null and p.approver is null then 'OWNER_UNRESOLVED'
            end),
            warn('altText', p.alt_text_raw, nullif(concat_ws(' ', p.alt_repair, p.alt_text['warning']), '')),
            warn('captureDate', p.capture_date_raw, m.capture_warning),
            warn('captureDate', p.taken_raw, case when m.capture_date is null then m.taken_warning end),
            warn('storage', p.storage_raw, p.storage['warning']),
            warn('checksumSha256', p.checksum_raw, p.checksum['warning'])
        ) as warnings
    from parsed p
    join moments m on m.source_key = p.source_key
    left join picture z on z.source_key = p.source_key
    left join rights g on g.source_key = p.source_key
    left join corner_values k on k.source_key = p.source_key
    left join file_formats f on f.source_key = p.source_key
    left join languages n on n.source_key = p.source_key
    left join common c on c.source_key = p.source_key
    left join terms t on t.source_key = p.source_key
    left join current_version r on r.asset_id = p.asset_id
)
select
    source_key,
    id,
    house_code,
    endpoint_image_detail,
    file_format,
    locale,
    modified_date,
    resolution,
    width,
    height,
    resolution_class,
    aspect_ratio,
    approved,
    approved_by,
    approved_at,
    rights_expire_date,
    open_ended,
    alt_text,
    crop,
    storage,
    checksum,
    capture_date,
    meets_spec,
    warnings,
    array_remove_all(make_array(
        case when not asset_found then 'ORPHAN_ASSET_REF' else '' end,
        case when asset_found and asset_class <> 'Image' then 'WRONG_ASSET_CLASS' else '' end,
        -- an asset may be without any class
        case when asset_found and coalesce(asset_class, 'Image') = 'Image' and subclass_rows = 0
            then 'MISSING_SUBCLASS' else '' end,
        case when subclass_rows > 1 then 'AMBIGUOUS_TYPE' else '' end,
        case when asset_found and version_id is null then 'NO_VERSION' else '' end,
        case when title is null and placeholder then 'MISSING_TITLE:placeholder'
            when title is null then 'MISSING_TITLE' else '' end,
        case when endpoint_image_detail is null and not coalesce(endpoint_image_detail_stated, false)
            then 'MISSING_MANDATORY:endpointImageDetail' else '' end,
        case when house_code is null then 'MISSING_MANDATORY:houseCode' else '' end,
        case when asset_found and resolution is null then 'MISSING_MANDATORY:resolution' else '' end,
        case when asset_found and file_format is null and not coalesce(file_format_stated, false)
            then 'MISSING_MANDATORY:fileFormat' else '' end,
        case when endpoint_image_detail is null and endpoint_image_detail_stated
            then 'VOCAB_UNMAPPED:endpointImageDetail' else '' end,
        case when asset_found and file_format is null and file_format_stated
            then 'VOCAB_UNMAPPED:fileFormat' else '' end
    ), '') as reasons
from valued
