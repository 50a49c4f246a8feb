-- Each promo's own fields in their target form, and the reasons for which it would be rejected, in the order of the
-- closed list.
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
        p.version_label,
        p.tagline,
        p.editor_initials,
        p.length_txt,
        p.length_seconds,
        to_utc(p.air_start, z.zone) as air_start,
        p.air_end,
        p.script,
        p.notes_html,
        p.isci_code,
        g.name as campaign,
        e.promo_length as described_length,
        a.air_dates
    from candidates c
    cross join settings z
    left join public.promo p on c.class = 'Promo' and p.id = c.id
    left join public.promo_campaign g on g.id = p.campaign_id
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
        clean_line(p.version_label) as version_label,
        p.version_label as version_label_raw,
        clean_line(p.tagline) as tagline,
        p.tagline as tagline_raw,
        clean_line(p.editor_initials) as editor,
        p.editor_initials as editor_raw,
        clean_line(p.campaign) as campaign,
        p.campaign as campaign_raw,
        clean_text(p.script) as script,
        p.script as script_raw,
        plain_text(p.notes_html) as notes,
        p.notes_html as notes_raw,
        clean_line(p.isci_code) as isci_code,
        p.isci_code as isci_code_raw,
        duration_ms(p.length_txt, 's', v.frame_rate) as length_txt,
        p.length_txt as length_txt_raw,
        cast(case when p.length_seconds > 0 then p.length_seconds * 1000 end as bigint) as length_column_ms,
        duration_ms(p.described_length, 's', v.frame_rate)['value'] as described_length_ms,
        p.air_start,
        p.air_end,
        p.air_end > arrow_cast('2099-12-30T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))') as air_end_open,
        p.air_end < arrow_cast('1900-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))') as air_end_unbounded,
        p.air_dates
    from promos p
    left join video v on v.source_key = p.source_key
),
lengths as (
    select
        source_key,
        coalesce(length_txt['value'], length_column_ms, described_length_ms) as length_ms
    from parsed
),
nominal as (
    select
        l.source_key,
        max(cast(s.seconds as int)) as seconds
    from lengths l
    join spot_length s on l.length_ms between cast(s.seconds as bigint) * 990 and cast(s.seconds as bigint) * 1010
    group by l.source_key
),
valued as (
    select
        p.source_key,
        p.asset_found,
        p.asset_class,
        p.subclass_rows,
        -- a routed asset bears its house code, or its identifier, as promo code (rulings A03)
        coalesce(
            p.promo_code['value'],
            case when starts_with(p.source_key, 'AssetMaster:') then coalesce(c.house_code, c.external_id) end
        ) as promo_code,
        coalesce(n.seconds, cast(case
            -- half to even
            when l.length_ms % 1000 = 500 then l.length_ms / 1000 + (l.length_ms / 1000) % 2
            else (l.length_ms + 500) / 1000
        end as int)) as promo_length,
        p.version_label['value'] as version_label,
        p.tagline['value'] as tagline,
        p.editor['value'] as editor,
        coalesce(p.campaign['value'], d.campaign) as campaign,
        p.script['value'] as script,
        p.notes['value'] as notes,
        upper(regexp_replace(p.isci_code['value'], '[\s.-]+', '', 'g')) as isci_code,
        p.air_start['value'] as air_start,
        case when not p.air_end_open and not p.air_end_unbounded then p.air_end end as air_end,
        case when p.air_end_open then true end as open_ended,
        p.air_dates,
        t.promo_type,
        t.promo_type_stated,
        t.network,
        t.network_stated,
        y.file_format,
        c.title,
        c.placeholder,
        r.version_id,
        gather(
            warn('promoCode', p.promo_code_raw, p.promo_code['warning']),
            warn('versionLabel', p.version_label_raw, p.version_label['warning']),
            warn('tagline', p.tagline_raw, p.tagline['warning']),
            warn('editor', p.editor_raw, p.editor['warning']),
            warn('campaign', p.campaign_raw, p.campaign['warning']),
            warn('script', p.script_raw, p.script['warning']),
            warn('notes', p.notes_raw, p.notes['warning']),
            warn('isciCode', p.isci_code_raw, p.isci_code['warning']),
            warn('promoLength', p.length_txt_raw, p.length_txt['warning']),
            warn('airEnd', null, case when p.air_end_open or p.air_end_unbounded then 'OPEN_ENDED' end),
            warn('airStart', null, p.air_start['warning']),
            warn('promoType', null, case when starts_with(p.source_key, 'AssetMaster:') then 'PROMO_DERIVED' end)
        ) as warnings
    from parsed p
    left join lengths l on l.source_key = p.source_key
    left join nominal n on n.source_key = p.source_key
    left join common c on c.source_key = p.source_key
    left join described d on d.source_key = p.source_key
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
        case when asset_found and asset_class = 'Video' and subclass_rows = 0 then 'MISSING_SUBCLASS' else '' end,
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
        case when asset_found and file_format is null then 'MISSING_MANDATORY:fileFormat' else '' end,
        case when promo_type is null and promo_type_stated then 'VOCAB_UNMAPPED:promoType' else '' end,
        case when network is null and network_stated then 'VOCAB_UNMAPPED:network' else '' end
    ), '') as reasons
from valued
