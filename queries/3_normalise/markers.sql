-- The markers of each promo's main timeline, then the annotations of its asset, by id.
-- materialise: parquet
-- key: source_key
with promos as (
    select c.source_key, c.asset_id, a.main_timeline_id, v.frame_rate
    from candidates c
    join candidate_assets a on a.asset_id = c.asset_id
    join video v on v.source_key = c.source_key
    where c.target = 'promo'
),
raw_markers as (
    select p.source_key, 1 as kind, m.id, timecode(m."time", p.frame_rate) as timecode, m."time" as raw,
        m."text" as body, duration_ms(m.duration, 's', p.frame_rate)['value'] as duration
    from public.marker m
    join promos p on p.main_timeline_id = m.timeline_id
    union all
    select p.source_key, 2 as kind, n.id, timecode(n.tc, p.frame_rate) as timecode, n.tc as raw,
        n.body, cast(null as bigint) as duration
    from public.annotation n
    join promos p on p.asset_id = n.asset_id
),
read_markers as (
    select
        source_key,
        kind,
        id,
        timecode['value'] as timecode,
        warn('markers', raw, timecode['warning']) as warning,
        clean_text(body)['value'] as body,
        duration
    from raw_markers
)
select
    source_key,
    in_order(named_struct(
        'kind', kind,
        'id', id,
        'marker', named_struct('timecode', timecode, 'text', body, 'durationMs', duration)
    )) as markers,
    flatten(in_order(named_struct('kind', kind, 'id', id, 'warnings', warning))
        filter (where warning is not null)) as warnings
from read_markers
group by source_key
