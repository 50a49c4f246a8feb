-- A row to load that lacks a required field of its definition.
-- Rules: section 9 of the specification (column "req"), A50 (MISSING_MANDATORY and VOCAB_UNMAPPED reject).
with required as (
    select 'project' as query, source_key, 'title' as field from project where disposition = 'load' and title is null
    union all
    select 'project' as query, source_key, 'externalId' as field from project
    where disposition = 'load' and "externalId" is null
    union all
    select 'project' as query, source_key, 'projectCode' as field from project
    where disposition = 'load' and "projectCode" is null
    union all
    select 'project' as query, source_key, 'projectType' as field from project
    where disposition = 'load' and "projectType" is null
    union all
    select 'project' as query, source_key, 'status' as field from project where disposition = 'load' and status is null
    union all
    select 'promo' as query, source_key, 'title' as field from promo where disposition = 'load' and title is null
    union all
    select 'promo' as query, source_key, 'externalId' as field from promo
    where disposition = 'load' and "externalId" is null
    union all
    select 'promo' as query, source_key, 'promoCode' as field from promo
    where disposition = 'load' and "promoCode" is null
    union all
    select 'promo' as query, source_key, 'promoType' as field from promo
    where disposition = 'load' and "promoType" is null
    union all
    select 'promo' as query, source_key, 'promoLength' as field from promo
    where disposition = 'load' and "promoLength" is null
    union all
    select 'promo' as query, source_key, 'fileFormat' as field from promo
    where disposition = 'load' and "fileFormat" is null
    union all
    select 'collection' as query, source_key, 'title' as field from collection where disposition = 'load' and title is null
    union all
    select 'collection' as query, source_key, 'externalId' as field from collection
    where disposition = 'load' and "externalId" is null
    union all
    select 'collection' as query, source_key, 'collectionKind' as field from collection
    where disposition = 'load' and "collectionKind" is null
    union all
    select 'deliverable_image' as query, source_key, 'title' as field from deliverable_image
    where disposition = 'load' and title is null
    union all
    select 'deliverable_image' as query, source_key, 'externalId' as field from deliverable_image
    where disposition = 'load' and "externalId" is null
    union all
    select 'deliverable_image' as query, source_key, 'endpointImageDetail' as field from deliverable_image
    where disposition = 'load' and "endpointImageDetail" is null
    union all
    select 'deliverable_image' as query, source_key, 'houseCode' as field from deliverable_image
    where disposition = 'load' and "houseCode" is null
    union all
    select 'deliverable_image' as query, source_key, 'width or height' as field from deliverable_image
    where disposition = 'load' and (width is null or height is null or resolution is null)
    union all
    select 'deliverable_image' as query, source_key, 'fileFormat' as field from deliverable_image
    where disposition = 'load' and "fileFormat" is null
)
select query, source_key, field
from required
order by query, source_key, field
