-- What desktops leave in folders.
select key, 'left by a desktop' as reason
from inventory
where key like '%.DS_Store' or lower(key) like '%thumbs.db' or lower(key) like '%desktop.ini'
