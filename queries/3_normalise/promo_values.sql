-- Each promo's own fields in their target form, and the reasons for which it would be rejected, in the order of the
-- closed list.
-- Rules: D63, D75, A20 (length), D47, D48, D51, D52, A29, A46 (on the air), D40, D42 (texts), A03 (derived).
-- materialise: parquet
-- key: source_key
with promos as (
    select
        c.source_key,
        c.asset_id,
        c.asset_found,
        c.asset_class,
        c.subclass_rows,
        p.promo_code,
        p.length_txt,
        p.length_seconds,
        to_utc(p.air_start, z.zone) as air_start,
        bounded_instant(p.air_end) as air_end,
        z.zone,
        p.isci_code,
        d.version_label,
        d.tagline,
        d.editor,
        d.campaign,
        d.audio_layout,
        truncate_bytes(d.script, z.text_limit) as script,
        truncate_bytes(d.notes, z.text_limit) as notes,
        e.promo_length as described_length,
        e.several,
        a.air_dates,
        a.warnings as air_date_warnings
    from candidates c
    cross join settings z
    left join public.promo p on c.class = 'Promo' and p.id = c.id
    left join described d on d.source_key = c.source_key
    left join eav e on e.metadata_id = c.metadata_id
    left join air_dates a on c.class = 'Promo' and a.promo_id = c.id
    where c.target = 'promo'
),
parsed as (
    select
        p.source_key,
        p.asset_id,
        p.asset_found,
        p.asset_class,
        p.subclass_rows,
        clean_line(p.promo_code) as promo_code,
        p.promo_code as promo_code_raw,
        p.version_label,
        p.tagline,
        p.editor,
        p.campaign,
        p.audio_layout,
        p.script,
        p.notes,
        clean_line(p.isci_code) as isci_code,
        p.isci_code as isci_code_raw,
        duration_ms(p.length_txt, 's', v.frame_rate) as length_txt,
        p.length_txt as length_txt_raw,
        cast(case when p.length_seconds > 0 then p.length_seconds * 1000 end as bigint) as length_column_ms,
        cast(p.length_seconds as varchar) as length_column_raw,
        duration_ms(p.described_length, 's', v.frame_rate) as described_length,
        p.described_length as described_length_raw,
        p.several,
        -- a beginning of time stands for no date (D52)
        case when not zero_moment(p.air_start['value'], p.zone) then p.air_start['value'] end as air_start,
        case when zero_moment(p.air_start['value'], p.zone) then 'EPOCH_ZERO' else p.air_start['warning'] end
            as air_start_warning,
        case when not zero_moment(p.air_end['value'], p.zone) then p.air_end['value'] end as air_end,
        case when zero_moment(p.air_end['value'], p.zone) then 'EPOCH_ZERO' else p.air_end['warning'] end
            as air_end_warning,
        -- only the end leaves the period open (rulings A29)
        p.air_end['open_ended'] as open_ended,
        p.air_dates,
        p.air_date_warnings
    from promos p
    left join video v on v.source_key = p.source_key
),
chosen as (
    select
        p.*,
        coalesce(length_txt['value'], length_column_ms, described_length['value']) as length_ms
    from parsed p
),
valued as (
    select
        p.source_key,
        p.asset_found,
        p.asset_class,
        p.subclass_rows,
        -- a routed asset bears its house code, where it is one, or its identifier as promo code (rulings A03)
        coalesce(
            p.promo_code['value'],
            case
                when starts_with(p.source_key, 'AssetMaster:')
                    then coalesce(case when h.valid then h.house_code end, concat('reach:', p.source_key))
            end
        ) as promo_code,
        coalesce(cast(n.seconds as int), cast(case
            -- half to even
            when p.length_ms % 1000 = 500 then p.length_ms / 1000 + (p.length_ms / 1000) % 2
            else (p.length_ms + 500) / 1000
        end as int)) as promo_length,
        p.version_label,
        p.tagline,
        p.editor,
        p.campaign,
        p.audio_layout,
        p.script['value'] as script,
        p.notes['value'] as notes,
        nullif(upper(regexp_replace(p.isci_code['value'], '[\s.-]+', '', 'g')), '') as isci_code,
        p.air_start,
        p.air_end,
        case when p.open_ended then true end as open_ended,
        p.air_dates,
        t.promo_type,
        t.promo_type_stated,
        t.network,
        t.network_stated,
        y.file_format,
        y.stated as file_format_stated,
        c.title,
        c.placeholder,
        r.version_id,
        gather(
            warn('promoCode', p.promo_code_raw, p.promo_code['warning']),
            warn('promoLength', p.described_length_raw, case
                when coalesce(p.length_txt['value'], p.length_column_ms) is null
                    and array_has(p.several, 'promo_length') then 'MULTI_FOR_SINGLE'
            end),
            -- the full text stands in long_text (dirt D42)
            warn('script', concat('long_text/', p.source_key, '/script'), p.script['warning']),
            warn('notes', concat('long_text/', p.source_key, '/notes'), p.notes['warning']),
            warn('isciCode', p.isci_code_raw, p.isci_code['warning']),
            warn('promoLength', p.length_txt_raw, p.length_txt['warning']),
            warn('promoLength', p.length_column_raw, case
                when p.length_txt['value'] is null and p.length_column_ms is null and p.length_column_raw is not null
                    then 'DURATION_INVALID'
            end),
            warn('promoLength', p.described_length_raw, case
                when coalesce(p.length_txt['value'], p.length_column_ms) is null then p.described_length['warning']
            end),
            warn(
                'promoLength',
                case
                    when abs(p.length_column_ms - p.length_ms) * 100 > p.length_ms then p.length_column_raw
                    else p.described_length_raw
                end,
                case
                    when abs(p.length_column_ms - p.length_ms) * 100 > p.length_ms
                        or abs(p.described_length['value'] - p.length_ms) * 100 > p.length_ms then 'DURATION_CONFLICT'
                end
            ),
            warn('airStart', null, p.air_start_warning),
            warn('airEnd', null, p.air_end_warning),
            warn('airEnd', null, case when p.air_end < p.air_start then 'DATE_ORDER' end),
            p.air_date_warnings,
            warn('promoType', null, case when starts_with(p.source_key, 'AssetMaster:') then 'PROMO_DERIVED' end)
        ) as warnings
    from chosen p
    -- within a hundredth of a usual length (D75); no two are that near to each other
    left join spot_length n
        on p.length_ms between cast(n.seconds as bigint) * 990 and cast(n.seconds as bigint) * 1010
    left join common c on c.source_key = p.source_key
    left join house_codes h on h.source_key = p.source_key
    left join terms t on t.source_key = p.source_key
    left join file_formats y on y.source_key = p.source_key
    left join current_version r on r.asset_id = p.asset_id
)
select
    source_key,
    promo_code,
    promo_length,
    version_label,
    tagline,
    editor,
    campaign,
    audio_layout,
    script,
    notes,
    isci_code,
    air_start,
    air_end,
    open_ended,
    air_dates,
    warnings,
    array_remove_all(make_array(
        case when not asset_found then 'ORPHAN_ASSET_REF' else '' end,
        case when asset_found and asset_class <> 'Video' then 'WRONG_ASSET_CLASS' else '' end,
        -- an asset may be without any class
        case when asset_found and coalesce(asset_class, 'Video') = 'Video' and subclass_rows = 0
            then 'MISSING_SUBCLASS' else '' end,
        case when subclass_rows > 1 then 'AMBIGUOUS_TYPE' else '' end,
        case when asset_found and version_id is null then 'NO_VERSION' else '' end,
        case when title is null and placeholder then 'MISSING_TITLE:placeholder'
            when title is null then 'MISSING_TITLE' else '' end,
        case when promo_code is null then 'MISSING_MANDATORY:promoCode' else '' end,
        case when promo_type is null and not coalesce(promo_type_stated, false)
            then 'MISSING_MANDATORY:promoType' else '' end,
        case when network is null and not coalesce(network_stated, false)
            then 'MISSING_MANDATORY:network' else '' end,
        case when promo_length is null then 'MISSING_MANDATORY:promoLength' else '' end,
        case when asset_found and file_format is null and not coalesce(file_format_stated, false)
            then 'MISSING_MANDATORY:fileFormat' else '' end,
        case when promo_type is null and promo_type_stated then 'VOCAB_UNMAPPED:promoType' else '' end,
        case when network is null and network_stated then 'VOCAB_UNMAPPED:network' else '' end,
        case when asset_found and file_format is null and file_format_stated
            then 'VOCAB_UNMAPPED:fileFormat' else '' end
    ), '') as reasons
from valued
