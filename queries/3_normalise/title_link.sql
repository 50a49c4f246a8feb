-- The catalogue title each candidate belongs to: the one it names, else the one with its house code (lowest id).
-- Rules: D14 (house codes), section 9 (titleRef).
-- materialise: parquet
-- key: source_key
with coded as (
    select house_code, min(title_id) as title_id
    from title_card
    where house_code is not null
    group by house_code
)
select
    s.source_key,
    coalesce(t.title_id, c.title_id) as title_id
from subject s
left join title_card t on t.title_id = s.title_id
left join house_codes h on h.source_key = s.source_key and h.valid
left join coded c on c.house_code = h.house_code
where coalesce(t.title_id, c.title_id) is not null
