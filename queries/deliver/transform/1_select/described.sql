-- What all groups have in common, a row a document that can be read. A moment that is written as a text is read all the same.
-- materialise: view
select
    _object as object,
    _document as document,
    coalesce(id, json_text(_rescued, 'id')['value']) as id,
    title,
    coalesce("createdMs", try_cast(json_text(_rescued, 'createdMs')['value'] as bigint)) as created_ms,
    json_text(_rescued, 'createdMs')['value'] as created_raw,
    keywords
from documents.promo
union all
select
    _object as object,
    _document as document,
    coalesce(id, json_text(_rescued, 'id')['value']) as id,
    title,
    coalesce("createdMs", try_cast(json_text(_rescued, 'createdMs')['value'] as bigint)) as created_ms,
    json_text(_rescued, 'createdMs')['value'] as created_raw,
    keywords
from documents.project
union all
select
    _object as object,
    _document as document,
    coalesce(id, json_text(_rescued, 'id')['value']) as id,
    title,
    coalesce("createdMs", try_cast(json_text(_rescued, 'createdMs')['value'] as bigint)) as created_ms,
    json_text(_rescued, 'createdMs')['value'] as created_raw,
    keywords
from documents.collection
union all
select
    _object as object,
    _document as document,
    coalesce(id, json_text(_rescued, 'id')['value']) as id,
    title,
    coalesce("createdMs", try_cast(json_text(_rescued, 'createdMs')['value'] as bigint)) as created_ms,
    json_text(_rescued, 'createdMs')['value'] as created_raw,
    keywords
from documents.image
