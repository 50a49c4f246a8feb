-- The mapped descriptive values of the candidates as text, one row a value, from one read of the value table;
-- which property feeds which field, and by which column, is eav_field.csv.
-- Rules: D20 (lost references), D26 (two value columns), D27 (order).
-- materialise: parquet
with fields as (
    select cast(property_id as int) as property_id, field, kind, cast(multi as boolean) as multi
    from eav_field
),
kept as (
    select
        v.id,
        v.metadata_id,
        f.field,
        f.kind,
        f.multi,
        v."position",
        v.updated_at,
        v.string_value,
        v.text_id,
        v.long_value,
        v.double_value,
        v.decimal_value,
        v.boolean_value,
        v.picklist_value_id,
        case
            when v.date_value > arrow_cast('9999-12-31T23:59:59', 'Timestamp(Microsecond, None)') then 'infinity'
            when v.date_value < arrow_cast('1000-01-01T00:00:00', 'Timestamp(Microsecond, None)') then '-infinity'
            else to_char(v.date_value, '%Y-%m-%d %H:%M:%S')
        end as date_text
    from public.metadata_property_value v
    join fields f on f.property_id = v.property_id
    left semi join candidate_metadata c on c.metadata_id = v.metadata_id
),
texts as (
    select
        k.id,
        k.metadata_id,
        k.field,
        k.kind,
        k.multi,
        k.picklist_value_id,
        k."position",
        k.updated_at,
        -- the property's own column wins; a value kept as a string stands in, for a string what overflowed
        case k.kind
            when 'string' then coalesce(k.string_value, t.body)
            when 'text' then coalesce(t.body, k.string_value)
            when 'term' then coalesce(p.value, k.string_value)
            when 'number' then coalesce(
                cast(k.long_value as varchar), k.decimal_value, plain_digits(cast(k.double_value as varchar)),
                k.string_value)
            when 'boolean' then coalesce(cast(k.boolean_value as varchar), k.string_value)
            when 'date' then coalesce(k.date_text, k.string_value)
        end as value,
        -- a reference to a picklist's value that is missing, and no text beside it (dirt D20)
        k.kind = 'term' and k.picklist_value_id is not null and p.id is null and k.string_value is null as lost
    from kept k
    left join public.picklist_value p on p.id = k.picklist_value_id
    left join public.metadata_property_text t on t.id = k.text_id
)
select
    id,
    metadata_id,
    field,
    kind,
    multi,
    "position",
    updated_at,
    case when lost then cast(picklist_value_id as varchar) else value end as value,
    lost
from texts
where value is not null or lost
