-- The house code of each candidate: the first valid one of its sources in order, else the first one as it is (dirt D14,
-- D25). Sources before the first valid one warn; all valid ones are compared (rulings A18).
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
read as (
    select source_key, rank, raw, line['warning'] as line_warning, house_code(line['value']) as code
    from cleaned
),
judged as (
    select
        source_key,
        rank,
        raw,
        line_warning,
        code['value'] as code,
        code['warning'] as warning,
        code['value'] is not null and code['warning'] is null as valid
    from read
),
ranked as (
    select
        source_key,
        rank,
        raw,
        line_warning,
        code,
        warning,
        valid,
        min(case when valid then rank end) over (partition by source_key) as first_valid,
        first_value(code) over (partition by source_key order by valid desc, code is null, rank) as chosen
    from judged
),
warned as (
    select
        source_key,
        rank,
        chosen,
        first_valid,
        valid and code <> chosen as differs,
        raw,
        warn('houseCode', raw, case
            when first_valid is null or rank <= first_valid then concat_ws(' ', line_warning, warning)
        end) as warnings
    from ranked
),
conflicts as (
    select source_key, first_value(raw order by rank) as raw
    from warned
    where differs
    group by source_key
),
gathered as (
    select
        source_key,
        max(chosen) as house_code,
        max(first_valid) is not null as valid,
        max(first_valid) as first_valid,
        flatten(in_order(named_struct('rank', rank, 'warnings', warnings)) filter (where warnings is not null)) as warnings
    from warned
    group by source_key
)
select
    g.source_key,
    g.house_code,
    g.valid,
    gather(
        g.warnings,
        warn('houseCode', e.house_code, case
            when array_has(e.several, 'house_code') and coalesce(g.first_valid >= 3, true) then 'MULTI_FOR_SINGLE'
        end),
        warn('houseCode', e.house_code_2, case
            when array_has(e.several, 'house_code_2') and coalesce(g.first_valid >= 4, true) then 'MULTI_FOR_SINGLE'
        end),
        warn('houseCode', e.house_code_3, case
            when array_has(e.several, 'house_code_3') and coalesce(g.first_valid >= 5, true) then 'MULTI_FOR_SINGLE'
        end),
        warn('houseCode', c.raw, case when c.source_key is not null then 'HOUSE_CODE_CONFLICT' end)
    ) as warnings
from gathered g
join subject s on s.source_key = g.source_key
left join eav e on e.metadata_id = s.metadata_id
left join conflicts c on c.source_key = g.source_key
