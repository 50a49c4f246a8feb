-- Objects that stand for folders: no bytes, and a name that ends in a slash.
select key, 'stands for a folder' as reason
from inventory
where size = 0 and key like '%/'
