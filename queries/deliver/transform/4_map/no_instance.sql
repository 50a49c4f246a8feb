-- Documents that can be no instance: those that cannot be read, that are no object, or of a group that nobody knows.
-- key: source_key
select
    d.source_key,
    'reject' as disposition,
    d.reason,
    d.details,
    d.warnings,
    cast(null as varchar) as name
from dispositions d
join candidates c on c.source_key = d.source_key
where c.reason is not null
    or (c.kind is distinct from 'object')
    or c."group" not in ('promo', 'project', 'collection', 'image')
