-- The timelines of each project's member videos, in the order of the members; length and timecode by the timeline's own
-- rate. The name of a timeline whose video comes from the import that garbled its accents is repaired first (dirt D38).
-- Rules: D62, D63, D64.
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
        t.name as name_raw,
        case when f.source_id = z.garbled_source
            then repair_mojibake(t.name) else named_struct('value', t.name, 'warning', cast(null as varchar)) end as name,
        frame_rate(t.frame_rate) as rate,
        t.frame_rate as rate_raw,
        t.duration_frames,
        t.start_timecode
    from members m
    join candidate_assets a on a.asset_id = m.asset_id
    join public.timeline t on t.id = a.main_timeline_id
    join asset_facts f on f.asset_id = m.asset_id
    cross join settings z
),
rated as (
    select
        t.*,
        rate['value'] as rate_value,
        -- frames that are counted in a second
        concat(
            (cast(split_part(rate['value'], '/', 1) as bigint) + cast(split_part(rate['value'], '/', 2) as bigint) / 2)
                / cast(split_part(rate['value'], '/', 2) as bigint),
            '/1'
        ) as counted_rate
    from timelines t
),
read as (
    select
        owner_key,
        place,
        id,
        clean_line(name['value']) as name,
        name['warning'] as name_repair,
        name_raw,
        rate,
        rate_raw,
        -- a moment in seconds tells the label
        timecode(start_timecode, case
            when regexp_like(start_timecode, '^([0-9]+[.]?[0-9]*|PT.*)$') then counted_rate else rate_value
        end) as start_timecode,
        start_timecode as start_timecode_raw,
        case
            when rate_value is not null then duration_ms(concat(duration_frames, ' frames'), 'ms', rate_value)['value']
        end as duration
    from rated
),
warned as (
    select
        owner_key,
        place,
        id,
        named_struct(
            'name', name['value'],
            'durationMs', duration,
            'frameRate', rate['value'],
            'startTimecode', start_timecode['value']
        ) as sequence,
        gather(
            warn('sequences', name_raw, concat_ws(' ', name_repair, name['warning'])),
            warn('sequences', rate_raw, rate['warning']),
            warn('sequences', start_timecode_raw, start_timecode['warning'])
        ) as warnings
    from read
)
select
    owner_key as source_key,
    in_order(named_struct('place', place, 'id', id, 'sequence', sequence)) as sequences,
    flatten(in_order(named_struct('place', place, 'id', id, 'warnings', warnings))
        filter (where warnings is not null)) as warnings
from warned
group by owner_key
