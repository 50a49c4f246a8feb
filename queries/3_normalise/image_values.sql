-- Each deliverable image's own fields in their target form, and the reasons for which it would be rejected, in the
-- order of the closed list.
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
        d.pixel_size,
        d.aspect_ratio,
        d.approved,
        d.approved_by,
        to_utc(d.approved_at, z.zone) as approved_at,
        d.rights_expire,
        d.alt_text,
        d.crop,
        d.s3_uri,
        d.checksum,
        d.updated_at,
        s.width as spec_width,
        s.height as spec_height,
        k.canonical as spec_format,
        i.width as asset_width,
        i.height as asset_height,
        i.resolution as asset_size,
        i.capture_date,
        z.zone,
        case when m.width > 0 and m.height > 0 then concat(m.width, 'x', m.height) end as media_size,
        e.aspect_ratio as described_aspect
    from candidates c
    cross join settings z
    left join public.deliverable_image d on c.class = 'DeliverableImage' and d.id = c.id
    left join public.deliverable_image_spec s on s.id = d.spec_id
    left join terms_known k on k.vocabulary = 'fileFormat' and k.spelling = fold_key(s.format)
    left join public.image_asset_master i on i.id = c.asset_id
    left join media m on m.asset_id = c.asset_id
    left join eav e on e.metadata_id = c.metadata_id
    where c.target = 'deliverable_image'
),
sizes as (
    select
        source_key,
        resolution(media_size) as media_size,
        resolution(case
            when asset_width > 0 and asset_height > 0 then concat(asset_width, 'x', asset_height)
        end) as row_size,
        resolution(asset_size) as asset_size,
        resolution(pixel_size) as pixel_size,
        pixel_size as pixel_size_raw
    from images
),
sized as (
    select
        source_key,
        coalesce(media_size['value'], row_size['value'], asset_size['value'], pixel_size['value']) as resolution,
        coalesce(media_size['width'], row_size['width'], asset_size['width'], pixel_size['width']) as width,
        coalesce(media_size['height'], row_size['height'], asset_size['height'], pixel_size['height']) as height,
        coalesce(pixel_size['class'], asset_size['class']) as resolution_class,
        warn('resolution', pixel_size_raw, case
            when media_size['value'] is null and row_size['value'] is null then pixel_size['warning']
        end) as warnings
    from sizes
),
parsed as (
    select
        i.source_key,
        i.id,
        i.asset_id,
        i.asset_found,
        i.asset_class,
        i.subclass_rows,
        aspect_ratio(i.aspect_ratio) as aspect_ratio,
        i.aspect_ratio as aspect_ratio_raw,
        aspect_ratio(i.described_aspect) as described_aspect,
        i.approved,
        i.approved_at,
        u.display_name as approver,
        i.approved_by,
        date_text(i.rights_expire, false) as rights_expire,
        i.rights_expire as rights_expire_raw,
        clean_line(i.alt_text) as alt_text,
        i.alt_text as alt_text_raw,
        regexp_match(i.crop, '^\((-?[0-9.eE+-]+),(-?[0-9.eE+-]+)\),\((-?[0-9.eE+-]+),(-?[0-9.eE+-]+)\)$') as corners,
        regexp_match(btrim(i.s3_uri), '^s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)$') as storage,
        i.s3_uri,
        lower(btrim(i.checksum)) as checksum,
        i.checksum as checksum_raw,
        i.updated_at,
        i.spec_width,
        i.spec_height,
        i.spec_format,
        instant_text(i.capture_date, i.zone, false) as capture_date,
        i.capture_date as capture_date_raw
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
valued as (
    select
        p.source_key,
        p.id,
        p.asset_found,
        p.asset_class,
        p.subclass_rows,
        p.updated_at,
        z.resolution,
        z.width,
        z.height,
        z.resolution_class,
        -- a computed ratio outside the known ones is absent, without a warning (rulings A43)
        coalesce(
            p.aspect_ratio['value'],
            p.described_aspect['value'],
            aspect_ratio(concat(z.width, ':', z.height))['value']
        ) as aspect_ratio,
        p.approved,
        p.approver as approved_by,
        p.approved_at['value'] as approved_at,
        coalesce(p.rights_expire['value'], d.rights_expire_date) as expires,
        coalesce(
            p.rights_expire['warning'] = 'OPEN_ENDED' or d.rights_expire_warning = 'OPEN_ENDED', false
        ) as expires_never,
        p.alt_text['value'] as alt_text,
        case when k.source_key is not null then
            named_struct(
                'x0', least(k.x1, k.x2),
                'y0', least(k.y1, k.y2),
                'x1', greatest(k.x1, k.x2),
                'y1', greatest(k.y1, k.y2)
            )
        end as crop,
        case when p.storage is not null then named_struct('bucket', p.storage[1], 'key', p.storage[2]) end as storage,
        case
            when regexp_like(p.checksum, '^[0-9a-f]{64}$') and p.checksum <> repeat('0', 64) then p.checksum
        end as checksum,
        p.capture_date['value'] as capture_date,
        case when p.spec_width is not null and p.spec_height is not null then
            p.spec_width = z.width and p.spec_height = z.height
                and coalesce(p.spec_format = t.file_format, p.spec_format is null)
        end as meets_spec,
        t.endpoint_image_detail,
        t.endpoint_image_detail_stated,
        t.file_format,
        t.file_format_stated,
        t.locale,
        c.title,
        c.placeholder,
        c.house_code,
        r.version_id,
        gather(
            z.warnings,
            warn('aspectRatio', p.aspect_ratio_raw, p.aspect_ratio['warning']),
            warn('approvedAt', null, p.approved_at['warning']),
            warn('approvedBy', cast(p.approved_by as varchar), case
                when p.approved_by is not null and p.approver is null then 'OWNER_UNRESOLVED'
            end),
            warn('rightsExpireDate', p.rights_expire_raw, p.rights_expire['warning']),
            warn('rightsExpireDate', d.rights_expire_raw, case
                when p.rights_expire['value'] is null then d.rights_expire_warning
            end),
            warn('altText', p.alt_text_raw, p.alt_text['warning']),
            warn('captureDate', p.capture_date_raw, p.capture_date['warning']),
            warn('storage', p.s3_uri, case when btrim(p.s3_uri) <> '' and p.storage is null then 'URI_INVALID' end),
            warn('checksumSha256', p.checksum_raw, case
                when p.checksum <> '' and (not regexp_like(p.checksum, '^[0-9a-f]{64}$') or p.checksum = repeat('0', 64))
                    then 'CHECKSUM_INVALID'
            end)
        ) as warnings
    from parsed p
    left join sized z on z.source_key = p.source_key
    left join corner_values k on k.source_key = p.source_key
    left join common c on c.source_key = p.source_key
    left join described d on d.source_key = p.source_key
    left join terms t on t.source_key = p.source_key
    left join current_version r on r.asset_id = p.asset_id
)
select
    source_key,
    id,
    house_code,
    endpoint_image_detail,
    locale,
    updated_at,
    resolution,
    width,
    height,
    resolution_class,
    aspect_ratio,
    approved,
    approved_by,
    approved_at,
    -- dates of the far future stand for no end
    case when expires < arrow_cast('2099-12-31', 'Date32') then expires end as rights_expire_date,
    case when expires >= arrow_cast('2099-12-31', 'Date32') or expires_never then true end as open_ended,
    alt_text,
    crop,
    storage,
    checksum,
    capture_date,
    meets_spec,
    gather(warnings, warn('rightsExpireDate', cast(expires as varchar), case
        when expires >= arrow_cast('2099-12-31', 'Date32') then 'OPEN_ENDED'
    end)) as warnings,
    array_remove_all(make_array(
        case when not asset_found then 'ORPHAN_ASSET_REF' else '' end,
        case when asset_found and asset_class <> 'Image' then 'WRONG_ASSET_CLASS' else '' end,
        case when asset_found and asset_class = 'Image' and subclass_rows = 0 then 'MISSING_SUBCLASS' else '' end,
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
        case when file_format is null and file_format_stated then 'VOCAB_UNMAPPED:fileFormat' else '' end
    ), '') as reasons
from valued
