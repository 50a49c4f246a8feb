-- The planned airings of each promo, in order of time.
-- materialise: parquet
-- key: promo_id
with airings as (
    select
        a.promo_id,
        coalesce(k.canonical, clean_line(a.network)['value']) as network,
        a.air_at < arrow_cast('2099-12-31T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))') as dated,
        a.air_at,
        clean_line(a.daypart)['value'] as daypart
    from public.promo_air_date a
    left join terms_known k on k.vocabulary = 'network' and k.spelling = fold_key(a.network)
)
select
    promo_id,
    in_order(named_struct(
        'air_at', air_at,
        'network', network,
        'daypart', daypart,
        'airing', named_struct('network', network, 'at', case when dated then air_at end, 'daypart', daypart)
    )) as air_dates
from airings
group by promo_id
