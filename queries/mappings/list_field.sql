-- Fields that described_lists.sql does not gather, cells that neither list_cell.sql nor a property of several values
-- gives, kinds that are not read, ranks that are no numbers, and lines of the order that are none or taken.
with cells as (
    select word as cell from words where query = 'list_cell' and is_text and regexp_like(word, '^[a-z]+[.][a-z_]+$')
    union all
    select concat('eav.', field) as cell from eav_field where multi = 'true' and kind <> 'term'
)
select file_line, concat('described_lists.sql has no field `', field, '`') as problem
from list_field
where field is null or field not in (select word from words where query = 'described_lists' and is_text)
union all
select file_line, concat('nothing gives a cell `', cell, '`') as problem
from list_field
where cell is null or cell not in (select cell from cells where cell is not null)
union all
select file_line, concat('unknown kind `', kind, '`: tags, people, dates or whole') as problem
from list_field
where coalesce(kind, '') not in ('tags', 'people', 'dates', 'whole')
union all
select file_line, concat('rank `', rank, '` is no number') as problem
from list_field
where not coalesce(regexp_like(rank, '^[0-9]{1,3}$'), false)
union all
select file_line, concat('line `', line, '` is no number, or stands twice') as problem
from (select file_line, line, count(*) over (partition by line) as n from list_field)
where n > 1 or not coalesce(regexp_like(line, '^[0-9]{1,3}$'), false)
union all
select file_line, concat('`', cell, '` feeds `', field, '` in more than one line') as problem
from (select file_line, field, cell, count(*) over (partition by field, cell) as n from list_field)
where n > 1
