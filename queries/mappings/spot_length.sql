-- Lengths that are no whole seconds, or that stand twice.
select file_line, concat('`', seconds, '` is no number of seconds, or stands twice') as problem
from (select file_line, seconds, count(*) over (partition by seconds) as n from spot_length)
where n > 1 or not coalesce(regexp_like(seconds, '^[1-9][0-9]{0,5}$'), false)
