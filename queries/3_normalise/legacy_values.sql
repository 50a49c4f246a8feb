-- What is lost of values that a field could not take, kept beside the record: unknown values of optional vocabulary
-- fields, dates that are none or only part of one, producers behind the first (rulings A47).
-- materialise: parquet
-- key: source_key
with noted as (
    select source_key, unnest(warnings) as warning from common
    union all
    select source_key, unnest(warnings) as warning from terms
    union all
    select source_key, unnest(warnings) as warning from promo_values
    union all
    select source_key, unnest(warnings) as warning from image_values
    union all
    select source_key, unnest(warnings) as warning from project_values
    union all
    select source_key, unnest(warnings) as warning from collection_values
),
required as (
    select distinct target, field from option_field where required = 'true'
),
producers as (
    select
        c.source_key,
        v.producer as chosen,
        unnest(d.producers) as producer,
        unnest(generate_series(1, array_length(d.producers))) as place
    from public.project p
    join candidates c on c.class = 'Project' and c.id = p.id
    join project_values v on v.source_key = c.source_key
    join described d on d.source_key = c.source_key
    where clean_line(p.producer)['value'] is null and array_length(d.producers) > 1
),
lost as (
    select source_key, 'producer' as field, producer as value, 'NOT_FIRST' as reason
    from producers
    where place > 1
    union all
    select distinct
        n.source_key,
        n.warning['field'] as field,
        n.warning['raw'] as value,
        n.warning['code'] as reason
    from noted n
    join candidates c on c.source_key = n.source_key
    left join required r on r.target = c.target and r.field = n.warning['field']
    where n.warning['raw'] is not null
        and (n.warning['code'] in ('INVALID_DATE', 'PARTIAL_DATE')
            or (n.warning['code'] = 'VOCAB_UNKNOWN' and r.field is null))
)
select
    source_key,
    in_order(named_struct(
        'field', field,
        'value', value,
        'reason', reason,
        'item', named_struct('field', field, 'value', value, 'reason', reason)
    )) as items
from lost
group by source_key
