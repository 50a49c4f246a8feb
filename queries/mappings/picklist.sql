-- Picklists that stand twice, and vocabularies that have no terms.
select file_line, concat('there is no vocabulary `', vocabulary, '`') as problem
from picklist
where vocabulary is null or vocabulary not in (select vocabulary from vocabulary where vocabulary is not null)
union all
select file_line, concat('the picklist `', picklist, '` has no name or stands in more than one line') as problem
from (select file_line, picklist, count(*) over (partition by picklist) as n from picklist)
where n > 1 or picklist is null
