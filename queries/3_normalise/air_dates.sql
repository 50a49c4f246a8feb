-- The planned airings of each promo by time, network and daypart; one whose time is open (D47, D48) comes last, without
-- it (rulings A46). A network that its vocabulary does not have is left out of its airing, which stays (D33).
-- materialise: parquet
-- key: promo_id
with named as (
    select
        a.promo_id,
        coalesce(a.canonical, n.canonical) as network,
        a.network_raw,
        concat_ws(' ', a.network['warning'], case
            when a.network['value'] is null or a.canonical is not null then null
            when n.canonical is not null then 'VOCAB_FUZZY'
            else 'VOCAB_UNKNOWN'
        end) as network_warning,
        a.air_at,
        a.air_zero,
        a.daypart,
        a.daypart_raw,
        a.daypart_warning
    from airings a
    left join terms_near n on n.vocabulary = a.vocabulary and n.spelling = a.spelling
),
warned as (
    select
        promo_id,
        network,
        -- a beginning of time stands for no date (dirt D52)
        case when not air_zero then air_at['value'] end as air_at,
        daypart,
        gather(
            warn('airDates', null, case when air_zero then 'EPOCH_ZERO' else air_at['warning'] end),
            warn('airDates', network_raw, nullif(network_warning, '')),
            warn('airDates', daypart_raw, nullif(daypart_warning, ''))
        ) as warnings
    from named
)
select
    promo_id,
    in_order(named_struct(
        'air_at', air_at,
        'network', network,
        'daypart', daypart,
        'airing', named_struct('network', network, 'at', air_at, 'daypart', daypart)
    )) as air_dates,
    flatten(in_order(named_struct('air_at', air_at, 'network', network, 'daypart', daypart, 'warnings', warnings))
        filter (where warnings is not null)) as warnings
from warned
group by promo_id
