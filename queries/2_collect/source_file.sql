-- The file behind each technical content, one row an asset. The content's own size stands in for the file's.
-- Rules: section 4 of the specification (SOURCE before MEZZANINE), D66, D70 (format and name, still raw).
-- materialise: parquet
-- key: asset_id
select
    c.asset_id,
    c.is_source,
    f.id as file_id,
    f.original_name,
    f.extension,
    f.file_format,
    f.mime_type,
    f.file_size,
    c.file_size as content_size,
    f.md5
from technical_content c
join public.file_info f on f.id = c.file_id
