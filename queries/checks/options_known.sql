-- An option value that is not in its closed list (D33, D65, A42, A43); option_field.csv names the list of each field.
with options as (
    select source_key, 'projectStatus' as vocabulary, status as option from project where disposition = 'load'
    union all
    select source_key, 'projectType' as vocabulary, "projectType" as option from project where disposition = 'load'
    union all
    select source_key, 'currency' as vocabulary, "budgetCurrency" as option from project where disposition = 'load'
    union all
    select source_key, 'promoType' as vocabulary, "promoType" as option from promo where disposition = 'load'
    union all
    select source_key, 'network' as vocabulary, network as option from promo where disposition = 'load'
    union all
    select source_key, 'approvalStatus' as vocabulary, "approvalStatus" as option from promo where disposition = 'load'
    union all
    select source_key, 'videoScanType' as vocabulary, "scanType" as option from promo where disposition = 'load'
    union all
    select source_key, 'closedCaptionInfo' as vocabulary, "captionStatus" as option from promo where disposition = 'load'
    union all
    select source_key, 'assetStatus' as vocabulary, status as option from promo where disposition = 'load'
    union all
    select source_key, 'collectionKind' as vocabulary, "collectionKind" as option from collection where disposition = 'load'
    union all
    select source_key, 'endpointImageDetail' as vocabulary, "endpointImageDetail" as option from deliverable_image
    where disposition = 'load'
    union all
    select source_key, 'colorSpace' as vocabulary, "colorSpace" as option from deliverable_image where disposition = 'load'
    union all
    select source_key, 'endpoint' as vocabulary, endpoint as option from deliverable_image where disposition = 'load'
    union all
    select source_key, 'assetStatus' as vocabulary, status as option from deliverable_image where disposition = 'load'
    union all
    select source_key, 'language' as vocabulary, language as option from promo where disposition = 'load'
    union all
    select source_key, 'language' as vocabulary, locale as option from deliverable_image where disposition = 'load'
    union all
    select source_key, 'aspectRatio' as vocabulary, "aspectRatio" as option from promo where disposition = 'load'
    union all
    select source_key, 'aspectRatio' as vocabulary, "aspectRatio" as option from deliverable_image where disposition = 'load'
    union all
    select source_key, 'rating' as vocabulary, rating as option from promo where disposition = 'load'
    union all
    select source_key, 'titleClass' as vocabulary, "titleClass" as option from promo where disposition = 'load'
    union all
    select source_key, 'rating' as vocabulary, rating as option from deliverable_image where disposition = 'load'
    union all
    select source_key, 'titleClass' as vocabulary, "titleClass" as option from deliverable_image where disposition = 'load'
    union all
    select source_key, 'rating' as vocabulary, rating as option from project where disposition = 'load'
    union all
    select source_key, 'titleClass' as vocabulary, "titleClass" as option from project where disposition = 'load'
    union all
    select source_key, 'rating' as vocabulary, rating as option from collection where disposition = 'load'
    union all
    select source_key, 'titleClass' as vocabulary, "titleClass" as option from collection where disposition = 'load'
)
select o.source_key, o.vocabulary, o.option
from options o
left join terms_known k on k.vocabulary = o.vocabulary and k.canonical = o.option
where o.option is not null and k.canonical is null
order by o.source_key, o.vocabulary
