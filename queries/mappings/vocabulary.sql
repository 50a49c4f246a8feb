-- Vocabularies that no field and no query has, and terms that are empty or that a vocabulary has twice, whatever their
-- case.
with named as (
    select vocabulary as name from option_field
    union all
    select word as name from words where is_text
    union all
    -- picklists of the source whose terms no query asks for
    select column1 as name from (values ('assetFormat'), ('videoResolution'))
)
select file_line, concat('no field and no query has a vocabulary `', vocabulary, '`') as problem
from vocabulary
where vocabulary is null or vocabulary not in (select name from named where name is not null)
union all
select file_line, concat('a term of `', vocabulary, '` is empty') as problem
from vocabulary
where canonical is null
union all
select file_line, concat('`', vocabulary, '` has the term `', canonical, '` in more than one line') as problem
from (
    select file_line, vocabulary, canonical, count(*) over (partition by vocabulary, fold_key(canonical)) as n
    from vocabulary
)
where n > 1
