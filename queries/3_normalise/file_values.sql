-- Name, size and checksum of the file behind each asset, where it is the source file (D70, D72). A size of no bytes or
-- less is no number of bytes; the content's own size stands in for it.
-- A name stays as the file bears it, garbled or not (dirt D38, D70).
-- materialise: view
-- key: asset_id
with parsed as (
    select
        asset_id,
        file_name(original_name) as file_name,
        original_name,
        file_size,
        content_size,
        checksum_text(md5, 32) as md5,
        md5 as md5_raw
    from source_file
    where is_source
)
select
    asset_id,
    file_name['value'] as file_name,
    case when file_size > 0 then file_size when content_size > 0 then content_size end as file_size,
    md5['value'] as md5,
    gather(
        warn('fileName', original_name, file_name['warning']),
        warn('fileSize', cast(file_size as varchar), case when file_size <= 0 then 'INVALID_NUMBER' end)
    ) as warnings,
    warn('checksumMd5', md5_raw, md5['warning']) as md5_warnings
from parsed
