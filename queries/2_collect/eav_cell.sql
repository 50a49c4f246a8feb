-- One row a metadata object and field: the latest value of a single-valued field; the values of a multi-valued
-- one in order, joined by the unit separator (a pivot of plain text spills and stays small). A lost one is a reference
-- to a picklist's value that is missing; its value is the reference. Several says that a field for one value had more.
-- Rules: D26, D27.
-- materialise: view
-- key: metadata_id, field
with ranked as (
    select
        metadata_id,
        field,
        value,
        lost,
        row_number() over (partition by metadata_id, field order by updated_at desc nulls last, id desc) as place,
        count(*) over (partition by metadata_id, field) > 1 as several
    from eav_value
    where not multi
),
singles as (
    select metadata_id, field, value, lost, several
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
        ) as value,
        false as lost,
        false as several
    from eav_value
    where multi and not lost
    group by metadata_id, field
)
select metadata_id, field, value, lost, several from singles
union all
select metadata_id, field, value, lost, several from lists
