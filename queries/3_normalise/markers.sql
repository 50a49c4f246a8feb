-- The markers of each promo's main timeline, then the annotations of its asset, by id. A timecode that is none leaves
-- the marker without one. Texts of the import that garbled its accents are repaired first (dirt D38).
-- Rules: D64, D63.
-- materialise: parquet
-- key: source_key
with promos as (
    select c.source_key, c.asset_id, s.garbled, a.main_timeline_id, r.rate, r.counted_rate
    from candidates c
    join candidate_assets a on a.asset_id = c.asset_id
    join video_rate r on r.source_key = c.source_key
    join subject s on s.source_key = c.source_key
    where c.target = 'promo'
),
raw_markers as (
    select p.source_key, p.garbled, p.rate, p.counted_rate, 1 as kind, m.id, m."time" as raw, m."text" as body,
        m.duration
    from public.marker m
    join promos p on p.main_timeline_id = m.timeline_id
    union all
    select p.source_key, p.garbled, p.rate, p.counted_rate, 2 as kind, n.id, n.tc as raw, n.body, cast(null as varchar) as duration
    from public.annotation n
    join promos p on p.asset_id = n.asset_id
),
repaired as (
    select
        r.*,
        case when garbled
            then repair_mojibake(body) else named_struct('value', body, 'warning', cast(null as varchar)) end as text
    from raw_markers r
),
read_markers as (
    select
        source_key,
        kind,
        id,
        raw,
        -- a moment in seconds, milliseconds or as a period tells the label
        timecode(raw, case
            when regexp_like(raw, '^([0-9]+[.]?[0-9]*|PT.*)$') then counted_rate else rate
        end) as timecode,
        clean_text(text['value']) as body,
        text['warning'] as body_repair,
        body as body_raw,
        duration_ms(duration, 's', rate) as duration,
        duration as duration_raw
    from repaired
),
warned as (
    select
        source_key,
        kind,
        id,
        timecode['value'] as timecode,
        body['value'] as body,
        duration['value'] as duration,
        gather(
            warn('markers', raw, timecode['warning']),
            warn('markers', body_raw, concat_ws(' ', body_repair, body['warning'])),
            warn('markers', duration_raw, duration['warning'])
        ) as warnings
    from read_markers
)
select
    source_key,
    in_order(named_struct(
        'kind', kind,
        'id', id,
        'marker', named_struct('timecode', timecode, 'text', body, 'durationMs', duration)
    )) as markers,
    flatten(in_order(named_struct('kind', kind, 'id', id, 'warnings', warnings))
        filter (where warnings is not null)) as warnings
from warned
group by source_key
