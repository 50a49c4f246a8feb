-- Every document of the delivery, whether or not it can be read. Its key is its id; where several have one id, that is the key
-- of the first in order of their places. All others are named by object and number.
-- key: source_key
with placed as (
    select
        d.source,
        d.object,
        d."group",
        d.document,
        d.kind,
        d.reason,
        d."offset",
        s.id,
        s.title,
        s.created_ms,
        s.created_raw,
        s.keywords,
        row_number() over (partition by s.id order by d.object, d.document) as turn
    from delivery.documents d
    left join described s on s.object = d.object and s.document = d.document
)
select
    case when id is not null and turn = 1 then id else concat(object, '#', document) end as source_key,
    *
from placed
