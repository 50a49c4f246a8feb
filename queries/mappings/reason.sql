-- Dispositions that there are none of, and reasons that no query gives (the engine's own apart) or that stand twice. Queries may
-- write a reason with its detail (`REASON:field`).
select file_line, concat('unknown disposition `', disposition, '`: out_of_scope, reject or merged') as problem
from reason
where coalesce(disposition, '') not in ('out_of_scope', 'reject', 'merged')
union all
select file_line, concat('no query gives a reason `', reason, '`') as problem
from reason
where reason is null
    or reason <> 'DEFINITION_VIOLATION' and reason not in (select split_part(word, ':', 1) from words where is_text)
union all
select file_line, concat('`', reason, '` stands in more than one line') as problem
from (select file_line, reason, count(*) over (partition by reason) as n from reason)
where n > 1
