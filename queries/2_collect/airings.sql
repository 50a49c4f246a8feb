-- Every planned airing of a promo with what its cells read as and the network it stands for by itself or by an alias
-- (D33; the vocabulary of promos' own networks). One row a row of promo_air_date.
-- materialise: view
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
    clean_line(a.daypart) as daypart
from public.promo_air_date a
cross join settings z
left join terms_known k on k.vocabulary = 'network' and k.spelling = fold_key(clean_line(a.network)['value'])
