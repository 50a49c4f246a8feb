-- Name, size and checksum of the file behind each asset, where it is the source file.
-- materialise: view
-- key: asset_id
select
    asset_id,
    btrim(regexp_replace(original_name, '[\r\n]+', '', 'g')) as file_name,
    case when file_size > 0 then file_size end as file_size,
    case
        when regexp_like(lower(btrim(md5)), '^[0-9a-f]{32}$') and lower(btrim(md5)) <> repeat('0', 32)
            then lower(btrim(md5))
    end as md5,
    case
        when btrim(md5) <> '' and (not regexp_like(lower(btrim(md5)), '^[0-9a-f]{32}$')
            or lower(btrim(md5)) = repeat('0', 32)) then 'CHECKSUM_INVALID'
    end as md5_warning,
    md5 as md5_raw
from source_file
where is_source
