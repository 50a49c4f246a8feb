-- What each text that names a user stands for (dirt D21): a user name, else an e-mail address, else a display name that
-- only one user has.
-- materialise: parquet
-- key: name
with names as (
    select user_name as name, 1 as rank, user_id, display_name from users where user_name is not null
    union all
    select email as name, 2 as rank, user_id, display_name from users where email is not null
    union all
    select folded_name as name, 3 as rank, min(user_id) as user_id, min(display_name) as display_name
    from users
    where folded_name is not null
    group by folded_name
    having count(*) = 1
),
ranked as (
    select name, user_id, display_name, row_number() over (partition by name order by rank, user_id) as place
    from names
)
select name, user_id, display_name
from ranked
where place = 1
