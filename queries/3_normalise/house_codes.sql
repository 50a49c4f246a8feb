-- The house code of each candidate: the first valid one of its sources in order, else the first one as it is.
-- materialise: parquet
-- key: source_key
with raw_codes as (
    select source_key, 1 as rank, house_code as raw from subject
    union all
    -- an image's asset stands before the descriptive fields, a promo's behind them
    select source_key, case target when 'deliverable_image' then 2 else 6 end as rank, asset_house_code as raw from subject
    union all
    select s.source_key, 3 as rank, e.house_code as raw from subject s join eav e on e.metadata_id = s.metadata_id
    union all
    select s.source_key, 4 as rank, e.house_code_2 as raw from subject s join eav e on e.metadata_id = s.metadata_id
    union all
    select s.source_key, 5 as rank, e.house_code_3 as raw from subject s join eav e on e.metadata_id = s.metadata_id
),
cleaned as (
    select source_key, rank, raw, clean_line(raw) as line
    from raw_codes
    where raw is not null
),
judged as (
    select
        source_key,
        rank,
        raw,
        line['warning'] as line_warning,
        house_code(line['value']) as code
    from cleaned
),
ranked as (
    select
        source_key,
        raw,
        code['value'] as code,
        code['warning'] as warning,
        line_warning,
        row_number() over (
            partition by source_key
            order by code['value'] is null, code['warning'] is not null, rank
        ) as place
    from judged
),
dropped as (
    select source_key, max(raw) as raw
    from ranked
    where line_warning = 'PLACEHOLDER_DROPPED'
    group by source_key
)
select
    r.source_key,
    r.code as house_code,
    r.warning is null and r.code is not null as valid,
    gather(
        warn('houseCode', r.raw, case when r.code is not null then r.warning end),
        warn('houseCode', d.raw, case when d.raw is not null then 'PLACEHOLDER_DROPPED' end)
    ) as warnings
from ranked r
left join dropped d on d.source_key = r.source_key
where r.place = 1
