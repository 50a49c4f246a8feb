-- The planned airings of each promo by time, network and daypart; one whose time is open (D47, D48) comes last, without
-- it (rulings A46). Texts of the import that garbled its accents are repaired first (dirt D38).
-- materialise: parquet
-- key: promo_id
with texts as (
    select
        a.promo_id,
        a.air_at,
        a.network as network_raw,
        a.daypart as daypart_raw,
        case when s.garbled
            then repair_mojibake(a.network) else named_struct('value', a.network, 'warning', cast(null as varchar))
        end as network,
        case when s.garbled
            then repair_mojibake(a.daypart) else named_struct('value', a.daypart, 'warning', cast(null as varchar))
        end as daypart
    from public.promo_air_date a
    left join subject s on s.class = 'Promo' and s.id = a.promo_id
),
airings as (
    select
        a.promo_id,
        coalesce(k.canonical, clean_line(a.network['value'])['value']) as network,
        a.network_raw,
        concat_ws(' ', a.network['warning'], clean_line(a.network['value'])['warning']) as network_warning,
        bounded_instant(a.air_at) as air_at,
        coalesce(zero_moment(a.air_at, z.zone), false) as air_zero,
        clean_line(a.daypart['value'])['value'] as daypart,
        concat_ws(' ', a.daypart['warning'], clean_line(a.daypart['value'])['warning']) as daypart_warning,
        a.daypart_raw
    from texts a
    cross join settings z
    left join terms_known k on k.vocabulary = 'network' and k.spelling = fold_key(a.network['value'])
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
            warn('airDates', network_raw, network_warning),
            warn('airDates', daypart_raw, daypart_warning)
        ) as warnings
    from airings
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
