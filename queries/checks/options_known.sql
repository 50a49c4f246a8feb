-- An option value that is not in its closed list (D33, D65, A42, A43); option_field.csv names the list of each field.
with cells as (
    select source_key, unnest(make_array(
        named_struct('vocabulary', 'projectStatus', 'option', cast(status as varchar)),
        named_struct('vocabulary', 'projectType', 'option', cast("projectType" as varchar)),
        named_struct('vocabulary', 'currency', 'option', cast("budgetCurrency" as varchar)),
        named_struct('vocabulary', 'rating', 'option', cast(rating as varchar)),
        named_struct('vocabulary', 'titleClass', 'option', cast("titleClass" as varchar))
    )) as cell
    from project
    where disposition = 'load'
    union all
    select source_key, unnest(make_array(
        named_struct('vocabulary', 'promoType', 'option', cast("promoType" as varchar)),
        named_struct('vocabulary', 'network', 'option', cast(network as varchar)),
        named_struct('vocabulary', 'approvalStatus', 'option', cast("approvalStatus" as varchar)),
        named_struct('vocabulary', 'videoScanType', 'option', cast("scanType" as varchar)),
        named_struct('vocabulary', 'closedCaptionInfo', 'option', cast("captionStatus" as varchar)),
        named_struct('vocabulary', 'assetStatus', 'option', cast(status as varchar)),
        named_struct('vocabulary', 'language', 'option', cast(language as varchar)),
        named_struct('vocabulary', 'aspectRatio', 'option', cast("aspectRatio" as varchar)),
        named_struct('vocabulary', 'rating', 'option', cast(rating as varchar)),
        named_struct('vocabulary', 'titleClass', 'option', cast("titleClass" as varchar))
    )) as cell
    from promo
    where disposition = 'load'
    union all
    select source_key, unnest(make_array(
        named_struct('vocabulary', 'collectionKind', 'option', cast("collectionKind" as varchar)),
        named_struct('vocabulary', 'rating', 'option', cast(rating as varchar)),
        named_struct('vocabulary', 'titleClass', 'option', cast("titleClass" as varchar))
    )) as cell
    from collection
    where disposition = 'load'
    union all
    select source_key, unnest(make_array(
        named_struct('vocabulary', 'endpointImageDetail', 'option', cast("endpointImageDetail" as varchar)),
        named_struct('vocabulary', 'colorSpace', 'option', cast("colorSpace" as varchar)),
        named_struct('vocabulary', 'endpoint', 'option', cast(endpoint as varchar)),
        named_struct('vocabulary', 'assetStatus', 'option', cast(status as varchar)),
        named_struct('vocabulary', 'language', 'option', cast(locale as varchar)),
        named_struct('vocabulary', 'aspectRatio', 'option', cast("aspectRatio" as varchar)),
        named_struct('vocabulary', 'rating', 'option', cast(rating as varchar)),
        named_struct('vocabulary', 'titleClass', 'option', cast("titleClass" as varchar))
    )) as cell
    from deliverable_image
    where disposition = 'load'
),
options as (
    select source_key, cell['vocabulary'] as vocabulary, cell['option'] as option
    from cells
)
select o.source_key, o.vocabulary, o.option
from options o
left join terms_known k on k.vocabulary = o.vocabulary and k.canonical = o.option
where o.option is not null and k.canonical is null
order by o.source_key, o.vocabulary
