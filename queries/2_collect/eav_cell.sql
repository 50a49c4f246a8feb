-- One row a metadata object and field: the latest value of a single-valued field; the values of a multi-valued
-- one in order, joined by the unit separator (a pivot of plain text spills and stays small).
-- materialise: view
-- key: metadata_id, field
with ranked as (
    select
        metadata_id,
        field,
        value,
        row_number() over (partition by metadata_id, field order by updated_at desc nulls last, id desc) as place
    from eav_value
    where not multi
),
singles as (
    select metadata_id, field, value
    from ranked
    where place = 1
),
lists as (
    select
        metadata_id,
        field,
        array_to_string(
            in_order(named_struct('position', "position", 'id', id, 'value', value)),
            chr(31)
        ) as value
    from eav_value
    where multi
    group by metadata_id, field
)
select metadata_id, field, value from singles
union all
select metadata_id, field, value from lists
