-- Targets that are no query of 4_map, fields that such a query does not name or that stand twice, vocabularies that have
-- no terms here and none that terms_known.sql takes from the source, and warnings that no rule has.
with known as (
    select vocabulary from vocabulary
    union all
    select word as vocabulary from words where query = 'terms_known' and is_text
)
select file_line, concat('there is no query `', target, '` in 4_map') as problem
from option_field
where target is null or target <> '*' and target not in (select query from words where folder = '4_map')
union all
select file_line, concat('no query of `', target, '` names a field `', field, '`') as problem
from option_field o
where not exists (
    select 1 from words w
    where w.folder = '4_map' and w.word = split_part(o.field, '.', 1) and (o.target = '*' or w.query = o.target)
)
union all
select file_line, concat('`', field, '` of `', target, '` stands in more than one line') as problem
from (select file_line, target, field, count(*) over (partition by target, field) as n from option_field)
where n > 1
union all
select file_line, concat('there is no vocabulary `', vocabulary, '`') as problem
from option_field
where vocabulary is null or vocabulary not in (select vocabulary from known where vocabulary is not null)
union all
select file_line, concat('required and many are true or false, not `', required, '` and `', many, '`') as problem
from option_field
where coalesce(required, '') not in ('true', 'false') or coalesce(many, '') not in ('true', 'false')
union all
select file_line, concat('there is no warning `', unknown, '` of unknown terms') as problem
from option_field
where unknown not in
    ('VOCAB_UNKNOWN', 'LANGUAGE_UNKNOWN', 'ASPECT_UNKNOWN', 'FORMAT_UNKNOWN', 'CURRENCY_UNKNOWN')
