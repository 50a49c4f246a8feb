-- The timelines of each project's member videos, in the order of the members.
-- materialise: parquet
-- key: source_key
with members as (
    select l.owner_key, l.place, l.target_id as asset_id, min(l.link_id) as link_id
    from links_judged l
    join candidates o on o.source_key = l.owner_key and o.target = 'project'
    where l.field = 'members' and l.linked and l.counted_class = 'Video'
    group by l.owner_key, l.place, l.target_id
),
timelines as (
    select
        m.owner_key,
        m.place,
        t.id,
        clean_line(t.name)['value'] as name,
        frame_rate(t.frame_rate)['value'] as rate,
        t.duration_frames,
        t.start_timecode
    from members m
    join candidate_assets a on a.asset_id = m.asset_id
    join public.timeline t on t.id = a.main_timeline_id
)
select
    owner_key as source_key,
    in_order(named_struct(
        'place', place,
        'id', id,
        'sequence', named_struct(
            'name', name,
            'durationMs', duration_ms(concat(duration_frames, ' frames'), 'ms', rate)['value'],
            'frameRate', rate,
            'startTimecode', timecode(start_timecode, rate)['value']
        )
    )) as sequences
from timelines
group by owner_key
