-- Settings that queries do not read, that stand twice or are missing, and values that cannot be read: a limit is a whole
-- number, a source with habits of its own its id or nothing.
with names as (
    select column1 as name
    from (values ('batch'), ('zone'), ('title_limit'), ('text_limit'), ('values_limit'), ('garbled_source'),
        ('day_first_source'), ('shouting_source'), ('legacy_html'))
)
select file_line, concat('no query reads a setting `', name, '`') as problem
from setting
where name is null or name not in (select name from names)
union all
select 'setting.csv' as file_line, concat('has no line for `', name, '`') as problem
from names
where name not in (select name from setting where name is not null)
union all
select file_line, concat('more than one line sets `', name, '`') as problem
from (select file_line, name, count(*) over (partition by name) as n from setting)
where n > 1
union all
select file_line, concat('`', name, '` cannot be `', value, '`') as problem
from setting
where case
    when name = 'batch' then value is null
    when name = 'zone' then time_zone(value) is null
    when name like '%_limit' then not coalesce(regexp_like(value, '^[1-9][0-9]{0,8}$'), false)
    when name like '%_source' then not regexp_like(coalesce(value, '0'), '^[0-9]{1,9}$')
    when name = 'legacy_html' then coalesce(value, '') not in ('true', 'false')
    else false
end
