-- The airings of each promo in the order of its document, their times as moments.
-- key: object, document
with each as (
    select
        _object as object,
        _document as document,
        unnest(range(cast(cardinality("airDates") as bigint))) as place,
        unnest("airDates") as airing
    from documents.promo
),
timed as (
    select object, document, place, airing, instant_text(airing['at'], 'UTC', false) as at
    from each
)
select
    object,
    document,
    in_order(named_struct(
        'place', place,
        'airing', named_struct('network', airing['network'], 'at', at['value'], 'daypart', airing['daypart'])
    )) as air_dates,
    flatten(in_order(named_struct('place', place, 'warnings', warn('airDates', airing['at'], at['warning'])))
        filter (where at['warning'] is not null)) as warnings
from timed
group by object, document
