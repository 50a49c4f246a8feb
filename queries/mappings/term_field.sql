-- Fields that option_field.csv does not list for the target, cells that neither term_cell.sql, term_source.sql nor a
-- property of terms gives, a property of one value for a field of several or the other way, and ranks that are none or
-- taken.
with cells as (
    select word as cell
    from words
    where query in ('term_cell', 'term_source') and is_text and regexp_like(word, '^[a-z]+[.][a-z_]+$')
    union all
    select concat('eav.', field) as cell from eav_field where kind = 'term'
)
select f.file_line, concat('option_field.csv has no field `', f.field, '` of `', f.target, '`') as problem
from term_field f
left join option_field o on o.target = f.target and o.field = f.field
where o.field is null
union all
select file_line, concat('nothing gives a cell `', cell, '`') as problem
from term_field
where cell is null or cell not in (select cell from cells where cell is not null)
union all
select f.file_line, concat('`', f.cell, '` and `', f.field, '` are not both for one value or for several') as problem
from term_field f
join option_field o on o.target = f.target and o.field = f.field
join eav_field e on concat('eav.', e.field) = f.cell
where e.multi <> o.many
union all
select file_line, concat('rank `', rank, '` is no number, or another line of `', field, '` has it') as problem
from (select file_line, field, rank, count(*) over (partition by target, field, rank) as n from term_field)
where n > 1 or not coalesce(regexp_like(rank, '^[0-9]{1,3}$'), false)
union all
select file_line, concat('`', cell, '` feeds `', field, '` in more than one line') as problem
from (select file_line, field, cell, count(*) over (partition by target, field, cell) as n from term_field)
where n > 1
