-- What editors and uploads leave beside a document: copies, locks, parts.
select key, 'left by an editor or an upload' as reason
from inventory
where key like '%~' or key like '%.bak' or key like '%.part' or key like '%.tmp' or key like '%/~$%'
