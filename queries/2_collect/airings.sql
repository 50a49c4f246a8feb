-- Every planned airing of a promo with what its cells read as and the network it stands for by itself or by an alias
-- (D33; the vocabulary of promos' own networks). Dayparts of the import that garbled its accents are repaired (D38);
-- networks are not, since a vocabulary knows its spellings. One row a row of promo_air_date.
-- materialise: view
with texts as (
    select
        a.promo_id,
        a.air_at,
        a.network,
        a.daypart,
        case when s.garbled then repair_mojibake(a.daypart) end as repaired
    from public.promo_air_date a
    left join subject s on s.class = 'Promo' and s.id = a.promo_id
)
select
    a.promo_id,
    'network' as vocabulary,
    a.network as network_raw,
    clean_line(a.network) as network,
    fold_key(clean_line(a.network)['value']) as spelling,
    k.canonical,
    bounded_instant(a.air_at) as air_at,
    coalesce(zero_moment(a.air_at, z.zone), false) as air_zero,
    a.daypart as daypart_raw,
    clean_line(coalesce(a.repaired['value'], a.daypart))['value'] as daypart,
    concat_ws(' ', a.repaired['warning'], clean_line(coalesce(a.repaired['value'], a.daypart))['warning'])
        as daypart_warning
from texts a
cross join settings z
left join terms_known k on k.vocabulary = 'network' and k.spelling = fold_key(clean_line(a.network)['value'])
