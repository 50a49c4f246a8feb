-- Each project's own fields in their target form, and the reasons for which it would be rejected, in the order of
-- the closed list.
-- materialise: parquet
-- key: source_key
with projects as (
    select
        concat('Project:', p.id) as source_key,
        -- variants of one spelling: full width, case, blanks and underscores (rulings A44)
        regexp_replace(upper(clean_line(p.project_code)['value']), '[\s_]+', '-', 'g') as project_code,
        p.project_code as project_code_raw,
        clean_line(p.producer) as producer,
        p.producer as producer_raw,
        clean_line(p.department) as department,
        p.department as department_raw,
        p.budget_amount,
        date_text(p.start_date, false) as start_date,
        p.start_date as start_date_raw,
        cast(p.due_date as date) as due_date,
        p.due_date >= arrow_cast('2099-12-31T00:00:00', 'Timestamp(Microsecond, None)') as due_date_open,
        p.air_date,
        coalesce(p.locked, false) or p.checked_out_by is not null as locked
    from public.project p
),
valued as (
    select
        j.source_key,
        j.project_code,
        coalesce(j.producer['value'], d.producers[1]) as producer,
        j.department['value'] as department,
        j.budget_amount,
        j.start_date['value'] as start_date,
        case when not j.due_date_open then j.due_date end as due_date,
        case
            when j.air_date > arrow_cast('1900-01-01', 'Date32') and j.air_date < arrow_cast('2099-12-31', 'Date32')
                then j.air_date
        end as air_date,
        j.locked,
        t.project_type,
        t.project_type_stated,
        t.project_status,
        t.project_status_stated,
        c.title,
        c.placeholder,
        gather(
            warn('projectCode', j.project_code_raw, case
                when j.project_code <> '' and not regexp_like(j.project_code, '^P-[0-9]{4}-[0-9]{4}$')
                    then 'PROJECT_CODE_FORMAT'
            end),
            warn('producer', j.producer_raw, j.producer['warning']),
            warn('department', j.department_raw, j.department['warning']),
            warn('startDate', j.start_date_raw, j.start_date['warning']),
            warn('budgetAmount', cast(j.budget_amount as varchar), case
                when j.budget_amount < 0 then 'NEGATIVE_AMOUNT'
            end)
        ) as warnings
    from projects j
    left join common c on c.source_key = j.source_key
    left join described d on d.source_key = j.source_key
    left join terms t on t.source_key = j.source_key
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
