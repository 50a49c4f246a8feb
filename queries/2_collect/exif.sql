-- What the EXIF tags of each candidate's image say of its size and of when it was taken, as text; one row an asset. The
-- pair of the EXIF directory stands before that of the TIFF one; of several tags of one name the lowest id counts.
-- Rules: D45, D61, section 9 of the specification (EXIF is the last source of width, height and captureDate).
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
    where t.tag in ('PixelXDimension', 'PixelYDimension', 'ImageWidth', 'ImageLength', 'DateTimeOriginal')
)
select
    asset_id,
    max(value) filter (where tag = 'PixelXDimension') as pixel_width,
    max(value) filter (where tag = 'PixelYDimension') as pixel_height,
    max(value) filter (where tag = 'ImageWidth') as image_width,
    max(value) filter (where tag = 'ImageLength') as image_height,
    max(value) filter (where tag = 'DateTimeOriginal') as taken
from tags
where place = 1
group by asset_id
