-- What the EXIF tags of each candidate's image say of its size, as text: the pair of the EXIF directory, then that of the
-- TIFF one. Of several tags of one name the one with the lowest id counts.
-- materialise: parquet
-- key: asset_id
with tags as (
    select
        t.image_asset_id as asset_id,
        t.tag,
        t.value,
        row_number() over (partition by t.image_asset_id, t.tag order by t.id) as place
    from public.exif_tag t
    left semi join candidate_assets c on c.asset_id = t.image_asset_id
    where t.tag in ('PixelXDimension', 'PixelYDimension', 'ImageWidth', 'ImageLength')
)
select
    asset_id,
    max(value) filter (where tag = 'PixelXDimension') as pixel_width,
    max(value) filter (where tag = 'PixelYDimension') as pixel_height,
    max(value) filter (where tag = 'ImageWidth') as image_width,
    max(value) filter (where tag = 'ImageLength') as image_height
from tags
where place = 1
group by asset_id
