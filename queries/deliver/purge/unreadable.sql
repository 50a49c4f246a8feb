-- Objects of which no document can be read. One that could not be looked at (it changed meanwhile) stays.
select key, coalesce(reason, validity) as reason
from documents
where validity in ('invalid', 'empty') and unreadable = documents
