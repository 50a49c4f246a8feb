-- Aliases of what is no term of their vocabulary (lists that terms_known.sql takes from the source are not known here),
-- aliases that are empty or stand twice, whatever their case, and aliases that are another term themselves.
select a.file_line, concat('`', a.canonical, '` is no term of `', a.vocabulary, '`') as problem
from alias a
left join vocabulary v on v.vocabulary = a.vocabulary and v.canonical = a.canonical
where v.canonical is null and (
    a.canonical is null or a.vocabulary is null
    or a.vocabulary in (select vocabulary from vocabulary where vocabulary is not null)
    or a.vocabulary not in (select word from words where query = 'terms_known' and is_text)
)
union all
select file_line, concat('an alias of `', canonical, '` is empty') as problem
from alias
where alias is null
union all
select file_line, concat('`', alias, '` of `', vocabulary, '` stands in more than one line') as problem
from (select file_line, vocabulary, alias, count(*) over (partition by vocabulary, fold_key(alias)) as n from alias)
where n > 1
union all
select a.file_line, concat('`', a.alias, '` is the term `', v.canonical, '` itself') as problem
from alias a
join vocabulary v on v.vocabulary = a.vocabulary and fold_key(v.canonical) = fold_key(a.alias)
where v.canonical <> a.canonical
