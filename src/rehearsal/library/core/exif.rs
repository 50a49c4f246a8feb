//! EXIF tags of images: twenty-six an image, of about three images in four (section 12 of the specification names no tags,
//! so they are those of the EXIF standard). The size stands in two pairs, of the EXIF and of the TIFF directory.

use super::super::Told;
use super::asset::{Asset, captured};
use super::dice::{Dice, exif, index};
use super::dirt::media::{Soil, side};
use super::dirt::{date, draws};
use super::layout::{FIRST_ID, Layout};
use super::media::image_size;
use super::spread::Kind;
use super::{Value, label, text, words};

const TABLE: u32 = 65;
/// The column of the value, for the draws of its dirt.
const VALUE: u64 = 3;

/// The tags of an image in their order.
const TAGS: [&str; 26] = [
    "ImageWidth",
    "ImageLength",
    "PixelXDimension",
    "PixelYDimension",
    "Orientation",
    "XResolution",
    "YResolution",
    "ResolutionUnit",
    "DateTime",
    "DateTimeOriginal",
    "DateTimeDigitized",
    "Make",
    "Model",
    "Software",
    "Artist",
    "Copyright",
    "ExifVersion",
    "ExposureTime",
    "FNumber",
    "ISOSpeedRatings",
    "ShutterSpeedValue",
    "ApertureValue",
    "FocalLength",
    "Flash",
    "WhiteBalance",
    "ColorSpace",
];

/// A row of `exif_tag`.
pub fn row(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let tags = TAGS.len() as u64;
    let place = layout.exif_places.at(row / tags);
    let asset = Asset::row(layout, layout.blocks.nth(Kind::Image, place));
    let tag = TAGS[index(row % tags)];
    // What a picture's tags share is drawn where its first tag stands.
    let picture = layout.dice(TABLE, row / tags * tags);
    let value = value(layout, &asset, tag, picture, layout.dice(TABLE, row));
    out.extend([Value::id(FIRST_ID + row), Value::id(asset.id), label(tag), value]);
}

fn value(layout: &Layout, asset: &Asset, tag: &str, picture: Dice, own: Dice) -> Value {
    let (width, height) = size(layout, asset, picture);
    let soil = Soil::new(layout, own, draws(VALUE), true);
    match tag {
        "ImageWidth" | "PixelXDimension" => side_of(side(soil, width), width, image_size(layout, asset).0),
        "ImageLength" | "PixelYDimension" => side_of(side(soil, height), height, image_size(layout, asset).1),
        "Orientation" => label("1"),
        "XResolution" | "YResolution" => label("300/1"),
        "ResolutionUnit" => label("2"),
        "DateTimeOriginal" => Told::clean(exif(captured(asset)), date::instant_of_local(captured(asset))).into(),
        "DateTime" | "DateTimeDigitized" => text(exif(captured(asset))),
        "Make" | "Model" | "Software" => label(picture.pick(2, &["Camera A", "Camera B", "Retouch 7"])),
        "Artist" | "Copyright" => text(words::person(picture.below(3, 4096))),
        "ExifVersion" => label("0232"),
        "ExposureTime" => label(own.pick(0, &["1/60", "1/125", "1/250"])),
        "FNumber" | "ApertureValue" => label(own.pick(0, &["28/10", "4/1", "56/10"])),
        _ => text(own.below(0, 400).to_string()),
    }
}

/// The size that the tags tell: in 1 % that of the picture before it was cut (D61).
fn size(layout: &Layout, asset: &Asset, picture: Dice) -> (u64, u64) {
    let (width, height, _) = image_size(layout, asset);
    if picture.chance(draws(VALUE) + 8, layout.dirty(10_000)) { (width + 64, height + 64) } else { (width, height) }
}

/// A side that is not the picture's is dirt.
fn side_of(told: Value, side: u64, true_side: u64) -> Value {
    if side == true_side || told.dirt().is_some() {
        return told;
    }
    Told::normalised("D61", told.raw().clone(), side).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    /// Whether a picture's tags tell its size, in both pairs.
    fn tells(layout: &Layout, picture: u64) -> bool {
        let mut sides = Vec::new();
        let mut asset = 0;
        for tag in 0..4 {
            let mut out = Vec::new();
            row(layout, picture * TAGS.len() as u64 + tag, &mut out);
            asset = out[1].number().and_then(|id| u64::try_from(id).ok()).unwrap();
            sides.push(out[3].means().as_u64());
        }
        let (width, height, _) = image_size(layout, &Asset::row(layout, asset - FIRST_ID));
        sides == [Some(width), Some(height), Some(width), Some(height)]
    }

    #[test]
    fn tags_tell_the_size_of_the_picture_but_for_dirt() {
        let (clean, dirty) = (layout(0.001, 0.0), layout(0.001, 3.0));
        assert!((0..400).all(|picture| tells(&clean, picture)));
        let wrong = (0..400).filter(|picture| !tells(&dirty, *picture)).count();
        assert!((5..120).contains(&wrong), "{wrong} of 400");
    }
}
