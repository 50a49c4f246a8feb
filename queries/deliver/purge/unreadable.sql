-- Objects of which no document can be read.
select key, coalesce(reason, validity) as reason
from documents
where validity <> 'valid' and unreadable = documents
