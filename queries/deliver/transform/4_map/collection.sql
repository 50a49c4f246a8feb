-- Collections as instances of assetType_Collection.
-- materialise: parquet, json
-- key: source_key
select
    d.source_key,
    d.disposition,
    d.reason,
    d.details,
    d.warnings,
    -- the asset's name in the target
    d.title as name,
    d.title,
    d.id as "externalId",
    d.created_date as "createdDate",
    d.tags,
    g."collectionKind",
    g."itemCount",
    g.private
from dispositions d
join documents.collection g on g._object = d.object and g._document = d.document
