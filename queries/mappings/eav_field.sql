-- Properties that are no numbers or stand twice, fields that eav.sql has no column for or that two properties feed, and
-- kinds that eav_value.sql cannot read.
select file_line, concat('`', property_id, '` is no property''s id') as problem
from eav_field
where not coalesce(regexp_like(property_id, '^[0-9]{1,9}$'), false)
union all
select file_line, concat('property ', property_id, ' stands in more than one line') as problem
from (select file_line, property_id, count(*) over (partition by property_id) as n from eav_field)
where n > 1
union all
select file_line, concat('more than one property feeds `', field, '`') as problem
from (select file_line, field, count(*) over (partition by field) as n from eav_field)
where n > 1
union all
select file_line, concat('eav.sql has no field `', field, '`') as problem
from eav_field
where field is null or field not in (select word from words where query = 'eav' and is_text)
union all
select file_line, concat('unknown kind `', kind, '`: string, text, term, number, boolean or date') as problem
from eav_field
where coalesce(kind, '') not in ('string', 'text', 'term', 'number', 'boolean', 'date')
union all
select file_line, concat('multi is true or false, not `', multi, '`') as problem
from eav_field
where coalesce(multi, '') not in ('true', 'false')
