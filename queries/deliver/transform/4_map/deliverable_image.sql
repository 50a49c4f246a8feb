-- Images as instances of assetType_DeliverableImage.
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
    g."houseCode",
    g."endpointImageDetail",
    g.width,
    g.height,
    case when g.width is not null and g.height is not null then concat(g.width, 'x', g.height) end as resolution,
    g.file['container'] as "fileFormat",
    g.file['bytes'] as "fileSize"
from dispositions d
join documents.image g on g._object = d.object and g._document = d.document
