-- Each project's own fields in their target form, and the reasons for which it would be rejected, in the order of
-- the closed list.
-- Rules: A44 (code), D45, D51, D52 (dates), D55, A49 (budget), A47 (producer).
-- materialise: parquet
-- key: source_key
with no_numbers as (
    -- what a decimal cannot hold stands beside the raw table
    select try_cast("key" as bigint) as id, "text" as amount
    from raw._exceptions
    where "table" = 'public.project' and "column" = 'budget_amount'
),
projects as (
    select
        concat('Project:', p.id) as source_key,
        clean_line(p.project_code) as project_code,
        -- variants of one spelling: full width, case, blanks and underscores (rulings A44)
        regexp_replace(upper(fold_key(clean_line(p.project_code)['value'])), '[\s_]+', '-', 'g') as plain_code,
        p.project_code as project_code_raw,
        clean_line(p.producer) as producer,
        p.producer as producer_raw,
        clean_line(p.department) as department,
        p.department as department_raw,
        coalesce(cast(p.budget_amount as varchar), n.amount) as budget_raw,
        e.budget as described_budget_raw,
        array_has(e.several, 'budget') as several_budgets,
        date_text(p.start_date, false) as start_date,
        zero_moment(instant_text(p.start_date, z.zone, false)['value'], z.zone) as start_zero,
        p.start_date as start_date_raw,
        p.due_date,
        to_utc(p.due_date, z.zone) as due_instant,
        zero_moment(to_utc(p.due_date, z.zone)['value'], z.zone) as due_zero,
        bounded_date(p.air_date) as air_date,
        coalesce(p.locked, false) or p.checked_out_by is not null as locked
    from public.project p
    cross join settings z
    left join no_numbers n on n.id = p.id
    left join eav e on e.metadata_id = p.metadata_id
),
read as (
    select
        j.source_key,
        j.project_code['value'] as stated_code,
        j.project_code['warning'] as code_warning,
        case when regexp_like(j.plain_code, '^P-[0-9]{4}-[0-9]{4}$') then j.plain_code end as regular_code,
        j.project_code_raw,
        j.producer,
        j.producer_raw,
        d.producers,
        d.producer_warnings,
        j.department,
        j.department_raw,
        decimal_text(j.budget_raw) as budget,
        j.budget_raw,
        decimal_text(j.described_budget_raw) as described_budget,
        j.described_budget_raw,
        j.several_budgets,
        -- beginnings of time stand for no day (dirt D52)
        case when not j.start_zero then j.start_date['value'] end as start_date,
        case when j.start_zero then 'EPOCH_ZERO' else j.start_date['warning'] end as start_warning,
        j.start_date_raw,
        -- a day as it is written
        case when not j.due_zero then cast(j.due_date as date) end as due_date,
        case when j.due_zero then 'EPOCH_ZERO' else j.due_instant['warning'] end as due_warning,
        case when not zero_date(j.air_date['value']) then j.air_date['value'] end as air_date,
        case when zero_date(j.air_date['value']) then 'EPOCH_ZERO' else j.air_date['warning'] end as air_warning,
        j.locked
    from projects j
    left join described d on d.source_key = j.source_key
),
valued as (
    select
        r.source_key,
        coalesce(r.regular_code, r.stated_code) as project_code,
        coalesce(r.producer['value'], r.producers[1]) as producer,
        r.department['value'] as department,
        -- never through a double: up to 15 digits before the point, and all that a decimal has left behind it, which
        -- is 61 (rulings A49)
        cast(coalesce(r.budget['value'], r.described_budget['value']) as decimal(76, 61)) as budget_amount,
        r.start_date,
        r.due_date,
        r.air_date,
        r.locked,
        t.project_type,
        t.project_type_stated,
        t.project_status,
        t.project_status_stated,
        c.title,
        c.placeholder,
        gather(
            warn('projectCode', r.project_code_raw, r.code_warning),
            warn('projectCode', r.project_code_raw, case
                when r.stated_code is not null and r.regular_code is null then 'PROJECT_CODE_FORMAT'
            end),
            warn('producer', r.producer_raw, r.producer['warning']),
            -- every cell is read, for the names of all are kept (rulings A47)
            case when r.producer['value'] is null then r.producer_warnings end,
            warn('department', r.department_raw, r.department['warning']),
            warn('startDate', r.start_date_raw, r.start_warning),
            warn('dueDate', null, r.due_warning),
            warn('airDate', null, r.air_warning),
            warn('budgetAmount', r.budget_raw, r.budget['warning']),
            warn('budgetAmount', r.described_budget_raw, case
                when r.budget['value'] is null then r.described_budget['warning']
            end),
            warn('budgetAmount', r.described_budget_raw, case
                when r.budget['value'] is null and r.several_budgets then 'MULTI_FOR_SINGLE'
            end)
        ) as warnings
    from read r
    left join common c on c.source_key = r.source_key
    left join terms t on t.source_key = r.source_key
)
select
    source_key,
    project_code,
    producer,
    department,
    budget_amount,
    start_date,
    due_date,
    air_date,
    locked,
    warnings,
    array_remove_all(make_array(
        case when title is null and placeholder then 'MISSING_TITLE:placeholder'
            when title is null then 'MISSING_TITLE' else '' end,
        case when project_code is null then 'MISSING_MANDATORY:projectCode' else '' end,
        case when project_type is null and not coalesce(project_type_stated, false)
            then 'MISSING_MANDATORY:projectType' else '' end,
        case when project_status is null and not coalesce(project_status_stated, false)
            then 'MISSING_MANDATORY:status' else '' end,
        case when project_type is null and project_type_stated then 'VOCAB_UNMAPPED:projectType' else '' end,
        case when project_status is null and project_status_stated then 'VOCAB_UNMAPPED:status' else '' end
    ), '') as reasons
from valued
