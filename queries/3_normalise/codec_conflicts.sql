-- Where the media report and the content name different codecs (D67; the report's counts, see term_choice).
-- materialise: parquet
-- key: source_key
with named as (
    select source_key, field, rank, raw, lower(coalesce(canonical, value)) as codec
    from term_source
    where field in ('videoCodec', 'audioCodec')
),
conflicts as (
    select b.source_key, b.field, warn(b.field, b.raw, 'CODEC_CONFLICT') as warning
    from named a
    join named b on b.source_key = a.source_key and b.field = a.field and b.rank > a.rank
    where a.codec <> b.codec
)
select
    source_key,
    flatten(in_order(named_struct('field', field, 'warning', warning))) as warnings
from conflicts
group by source_key
