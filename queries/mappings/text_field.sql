-- Fields that described.sql does not gather, cells that neither text_cell.sql nor a property gives, kinds that are not
-- read, and ranks that are none or taken.
with cells as (
    select word as cell from words where query = 'text_cell' and is_text and regexp_like(word, '^[a-z]+[.][a-z_]+$')
    union all
    select concat('eav.', field) as cell from eav_field where multi = 'false'
)
select file_line, concat('described.sql has no field `', field, '`') as problem
from text_field
where field is null or field not in (select word from words where query = 'described' and is_text)
union all
select file_line, concat('nothing gives a cell `', cell, '`') as problem
from text_field
where cell is null or cell not in (select cell from cells where cell is not null)
union all
select file_line, concat('unknown kind `', kind, '`: line, text, html, number, episode, series, record, date or boolean')
    as problem
from text_field
where coalesce(kind, '') not in ('line', 'text', 'html', 'number', 'episode', 'series', 'record', 'date', 'boolean')
union all
select file_line, concat('rank `', rank, '` is no number, or another line of `', field, '` has it') as problem
from (select file_line, field, rank, count(*) over (partition by field, rank) as n from text_field)
where n > 1 or not coalesce(regexp_like(rank, '^[0-9]{1,3}$'), false)
union all
select file_line, concat('`', cell, '` feeds `', field, '` in more than one line') as problem
from (select file_line, field, cell, count(*) over (partition by field, cell) as n from text_field)
where n > 1
