-- What becomes of every document, but for what its group says: the target wants an id and a title, and an id once.
-- key: source_key
select
    source_key,
    object,
    document,
    "group",
    case when reason is null and id is not null and turn = 1 and title is not null then 'load' else 'reject' end as disposition,
    case
        when reason is not null then reason
        when kind is null or kind <> 'object' then 'NO_OBJECT'
        when "group" not in ('promo', 'project', 'collection', 'image') then 'UNKNOWN_GROUP'
        when id is null then 'REQUIRED_ID_MISSING'
        when turn > 1 then 'DUPLICATE_ID'
        when title is null then 'REQUIRED_TITLE_MISSING'
    end as reason,
    case
        when reason is not null then concat(source, ', document ', document, ', at byte ', "offset")
        when id is not null and turn > 1 then concat(source, ': ', id, ' is the id of an earlier document, too')
        else source
    end as details,
    warn('createdDate', created_raw, case when created_raw is not null and created_ms is not null then 'NUMBER_AS_TEXT'
        when created_raw is not null then 'INVALID_DATE' end) as warnings,
    title,
    id,
    case when cardinality(keywords) > 0 then keywords end as tags,
    arrow_cast(to_timestamp_millis(created_ms), 'Timestamp(Millisecond, Some("UTC"))') as created_date
from candidates
