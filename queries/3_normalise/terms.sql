-- The vocabulary fields of each candidate side by side; _stated tells a required one that is unknown from one that is
-- absent.
-- Rules: A50.
-- materialise: parquet
-- key: source_key
select
    source_key,
    max(term) filter (where field = 'titleClass') as title_class,
    max(term) filter (where field = 'rating') as rating,
    max(term) filter (where field = 'studio') as studio,
    max(term) filter (where field = 'status') as status,
    max(term) filter (where field = 'promoType') as promo_type,
    max(term) filter (where field = 'network') as network,
    max(term) filter (where field = 'approvalStatus') as approval_status,
    max(term) filter (where field = 'scanType') as scan_type,
    max(term) filter (where field = 'captionStatus') as caption_status,
    max(term) filter (where field = 'videoCodec') as video_codec,
    max(term) filter (where field = 'audioCodec') as audio_codec,
    max(term) filter (where field = 'endpointImageDetail') as endpoint_image_detail,
    max(term) filter (where field = 'endpoint') as endpoint,
    max(term) filter (where field = 'colorSpace') as color_space,
    max(term) filter (where field = 'projectType') as project_type,
    max(term) filter (where field = 'status') as project_status,
    max(term) filter (where field = 'budgetCurrency') as budget_currency,
    max(term) filter (where field = 'collectionKind') as collection_kind,
    bool_or(stated) filter (where field = 'promoType') as promo_type_stated,
    bool_or(stated) filter (where field = 'network') as network_stated,
    bool_or(stated) filter (where field = 'endpointImageDetail') as endpoint_image_detail_stated,
    bool_or(stated) filter (where field = 'projectType') as project_type_stated,
    bool_or(stated) filter (where field = 'status') as project_status_stated,
    bool_or(stated) filter (where field = 'collectionKind') as collection_kind_stated,
    flatten(in_order(named_struct('field', field, 'warnings', warnings))
        filter (where warnings is not null)) as warnings
from term_choice
group by source_key
