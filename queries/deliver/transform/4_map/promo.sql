-- Promos as instances of assetType_Promo.
-- materialise: parquet, json
-- key: source_key
select
    d.source_key,
    d.disposition,
    d.reason,
    d.details,
    gather(d.warnings, a.warnings) as warnings,
    -- the asset's name in the target
    d.title as name,
    d.title,
    d.id as "externalId",
    d.created_date as "createdDate",
    d.tags,
    g."promoCode",
    g."promoType",
    g.network,
    -- whole seconds, half of one upwards
    (g."durationMs" + 500) / 1000 as "promoLength",
    g."durationMs",
    g.file['container'] as "fileFormat",
    g.file['bytes'] as "fileSize",
    g."titleRef",
    a.air_dates as "airDates"
from dispositions d
join documents.promo g on g._object = d.object and g._document = d.document
left join air_dates a on a.object = d.object and a.document = d.document
