//! Files and pictures: sizes, formats, names, places, checksums, languages (D60, D61, D65, D66, D70 to D72 on images and
//! files).
//!
//! Each kind has a function that draws (`picture_size`) and one that writes a form by its number (`size_form`), which
//! fixtures use, too.

use serde_json::{Value as Json, json};

use super::super::super::{Disposition, Told};
use super::super::dice::{Dice, date};
use super::super::layout::Layout;
use super::super::media::Format;
use super::super::{Value, label, text};
use super::date::Wanted;

/// Forms of a size as text.
pub const SIZE_FORMS: u64 = 15;

/// Whether a cell is dirty: of a fixture never by chance.
fn soiled(layout: &Layout, dice: Dice, k: u64, ppm: u64) -> bool {
    !dice.is_fixture() && dice.chance(k, layout.dirty(ppm))
}

/// A size as the answer key knows it.
pub fn size(width: u64, height: u64) -> Json {
    json!({"width": width, "height": height})
}

/// D61: a size in pixels as text. 40 % in another form; 1 % tell another size than the picture has (a size that
/// disagrees with a better source gives RESOLUTION_CONFLICT there). Draws `k` to `k + 3`.
pub fn picture_size(layout: &Layout, dice: Dice, k: u64, width: u64, height: u64) -> Value {
    if soiled(layout, dice, k, 10_000) {
        let (width, height) = dice.pick(k + 1, &[(1024, 768), (800, 600), (1280, 1024)]);
        return Told::warned("D61", format!("{width}x{height}"), size(width, height), "RESOLUTION_CONFLICT").into();
    }
    if soiled(layout, dice, k + 2, 400_000) {
        return size_form(dice.below(k + 3, SIZE_FORMS), width, height);
    }
    Told::clean(format!("{width}x{height}"), size(width, height)).into()
}

/// D61: one of the forms of a size, by number. Where a form could not tell this size (`1080p` for a square), the common
/// one stands. A number of lines means `{"lines"}`, the size that it has at 16:9 (rulings A32), a label its class
/// alone.
pub fn size_form(number: u64, width: u64, height: u64) -> Value {
    let of = |raw: String| Told::normalised("D61", raw, size(width, height)).into();
    let lines = |raw: &'static str| Told::normalised("D61", raw, json!({"lines": [width, height]})).into();
    let class = |raw: &'static str| Told::warned("D61", raw, json!({"class": raw}), "RESOLUTION_LABEL_ONLY").into();
    let thousands = |side: u64| format!("{}.{:03}", side / 1000, side % 1000);
    match (number, width, height) {
        (1, ..) => of(format!("{width} x {height}")),
        (2, ..) => of(format!("{width}X{height}")),
        (3, ..) => of(format!("{width}×{height}")),
        (4, ..) => of(format!("{width}*{height}")),
        (5, ..) => of(format!("{width} x {height} px")),
        (6, 1000.., 1000..) => of(format!("{} x {}", thousands(width), thousands(height))),
        (7, 1920, 1080) => lines("1080p"),
        (8, 1920, 1080) => lines("1080i59.94"),
        (7 | 8, 1280, 720) => lines("720p"),
        (9, 1920, 1080) | (9, 1280, 720) => class("HD"),
        (10, 3840, 2160) => class("UHD"),
        (11, 3840, 2160) => class("4K"),
        // Lines without a scan tell no width (rulings A32).
        (12, 1280, 720) => Told::dropped("D61", "720", "RESOLUTION_LABEL_ONLY").into(),
        (13, ..) => Told::dropped("D61", "0x0", "INVALID_RESOLUTION").into(),
        (14, ..) => Told::dropped("D61", "null", "PLACEHOLDER_DROPPED").into(),
        (0, ..) => of(format!("{width}x{height} ")),
        _ => of(format!("{width} X {height}")),
    }
}

/// D61: the two sides of a picture as integers: 1 % missing, 1 % zero. Draws `k` and `k + 1`.
pub fn sides(layout: &Layout, dice: Dice, k: u64, width: u64, height: u64) -> (Value, Value) {
    if !soiled(layout, dice, k, 20_000) {
        return (Value::id(width), Value::id(height));
    }
    if dice.below(k + 1, 2) == 0 {
        return (Value::Null, Value::Null);
    }
    let zero = || Told::dropped("D61", Value::Int(0), "INVALID_RESOLUTION").into();
    (zero(), zero())
}

/// D60: an aspect ratio in one of its forms, 8 % of the cells. Draws `k` to `k + 2`.
pub fn ratio(layout: &Layout, dice: Dice, k: u64, ratio: &'static str) -> Value {
    if soiled(layout, dice, k, 80_000) { ratio_form(dice.below(k + 1, 6), ratio) } else { label(ratio) }
}

/// D60: one of the forms of a ratio, by number.
pub fn ratio_form(number: u64, ratio: &'static str) -> Value {
    let (width, height) = ratio.split_once(':').unwrap_or((ratio, "1"));
    let decimals: [&'static str; 3] = match ratio {
        "16:9" => ["1.78", "1.7778", "178"],
        "4:3" => ["1.33", "1.3333", "133"],
        "2.39:1" => ["2.39", "2.390", "239"],
        "1:1" => ["1.0", "1.00", "100"],
        "3:2" => ["1.5", "1.50", "150"],
        // 0.67 is within half a per cent of two thirds only just.
        "2:3" => ["0.667", "0.6667", "0.66667"],
        _ => return label(ratio),
    };
    match number {
        0 => Told::normalised("D60", format!("{width}x{height}"), ratio).into(),
        1 => Told::normalised("D60", format!("{width}/{height}"), ratio).into(),
        2 => Told::normalised("D60", decimals[0], ratio).into(),
        3 => Told::normalised("D60", decimals[1], ratio).into(),
        4 => Told::normalised("D60", decimals[2], ratio).into(),
        _ => Told::dropped("D60", "widescreen", "ASPECT_UNKNOWN").into(),
    }
}

/// D65: a language in one of its forms, 12 % of the cells. Draws `k` and `k + 1`.
pub fn language(layout: &Layout, dice: Dice, k: u64, tag: &'static str) -> Value {
    if soiled(layout, dice, k, 120_000) { language_form(dice.below(k + 1, 10), tag) } else { label(tag) }
}

/// D65: one of the forms of a language, by number; `zxx` stands for itself, `und` for nothing without a word
/// (rulings A39).
pub fn language_form(number: u64, tag: &'static str) -> Value {
    let forms: [&'static str; 3] = match tag {
        "en" => ["eng", "English", "EN"],
        "fr" => ["fre", "fra", "French"],
        "de" => ["ger", "deu", "German"],
        "es" => ["spa", "Spanish", "ES"],
        "it" => ["ita", "Italian", "It"],
        "ja" => ["jpn", "Japanese", "JA"],
        "nl" => ["dut", "nld", "Dutch"],
        "sv" => ["swe", "Swedish", "SV"],
        "ar" => ["ara", "Arabic", "AR"],
        "he" => ["heb", "Hebrew", "HE"],
        "hi" => ["hin", "Hindi", "HI"],
        "en-US" => ["en_US", "EN-us", "English (US)"],
        "en-GB" => ["en_GB", "EN-gb", "English (UK)"],
        "es-419" => ["Spanish (LatAm)", "es_419", "ES-419"],
        "pt-BR" => ["pt_BR", "PT-br", "pt-br"],
        "fr-CA" => ["fr_CA", "FR-ca", "French (Canada)"],
        _ => [tag; 3],
    };
    match number {
        0..=2 => Told::normalised("D65", forms[0], tag).into(),
        3..=4 => Told::normalised("D65", forms[1], tag).into(),
        5..=6 => Told::normalised("D65", forms[2], tag).into(),
        7 => Told::kept("D65", "zxx", "zxx").into(),
        8 => Told::normalised("D65", "und", Json::Null).into(),
        _ => Told::dropped("D65", "xx", "LANGUAGE_UNKNOWN").into(),
    }
}

/// D66: a format in one of its forms, 55 % of the cells; one in a hundred names another format or none that is listed.
/// Draws `k` to `k + 2`.
pub fn format(layout: &Layout, dice: Dice, k: u64, format: &Format) -> Value {
    if soiled(layout, dice, k, 10_000) {
        return format_form([13, 14, 7, 12][super::super::dice::index(dice.below(k + 1, 4))]);
    }
    if !soiled(layout, dice, k + 2, 550_000) {
        return label(format.name);
    }
    match format_forms(format.name) {
        Some(forms) => Told::normalised("D66", dice.pick(k + 1, &forms), format.name).into(),
        None => label(format.name),
    }
}

/// D66: other ways to write a format; none for those that are always written alike.
pub fn format_forms(name: &str) -> Option<[&'static str; 4]> {
    Some(match name {
        "MOV" => [".MOV", "mov", "QuickTime", "MOV "],
        "MP4" => ["mpeg-4", ".m4v", ".mp4", "mp4"],
        "MXF" => ["MXF OP1a", "application/mxf", "mxf", ".mxf"],
        "JPEG" => ["jpg", "image/jpg", ".JPG", "JPEG "],
        "TIFF" => [".tif", "tif", "image/tiff", "tiff"],
        "PNG" => ["png", ".png", "image/png", " PNG"],
        "PDF" => ["pdf", ".pdf", "application/pdf", "Pdf"],
        _ => return None,
    })
}

/// D66: the forms of the specification, by number. What is not listed is kept in upper case (rulings A25); of a MIME
/// type the part behind the slash.
pub fn format_form(number: u64) -> Value {
    let of = |raw: &'static str, means: &'static str| Told::normalised("D66", raw, means).into();
    let unknown = |raw: &'static str, means: &'static str| Told::warned("D66", raw, means, "FORMAT_UNKNOWN").into();
    match number {
        0 => of(".MOV", "MOV"),
        1 => of("mov", "MOV"),
        2 => of("video/quicktime", "MOV"),
        3 => of("QuickTime", "MOV"),
        4 => of("MOV ", "MOV"),
        5 => of("mpeg-4", "MP4"),
        6 => of(".m4v", "MP4"),
        7 => of("application/mxf", "MXF"),
        8 => of("MXF OP1a", "MXF"),
        9 => of("jpg", "JPEG"),
        10 => of("JPEG", "JPEG"),
        11 => of("image/jpg", "JPEG"),
        12 => of(".tif", "TIFF"),
        13 => unknown("octet-stream", "OCTET-STREAM"),
        _ => unknown("xyz", "XYZ"),
    }
}

/// D66: a MIME type; 2 % say nothing but that there are bytes. Draw `k`.
pub fn mime(layout: &Layout, dice: Dice, k: u64, format: &Format) -> Value {
    if soiled(layout, dice, k, 20_000) {
        return Told::warned("D66", "application/octet-stream", "OCTET-STREAM", "FORMAT_UNKNOWN").into();
    }
    Told::clean(format.mime, format.name).into()
}

/// D66: the container as a media report names it; missing in 1 %. Draw `k`.
pub fn container(layout: &Layout, dice: Dice, k: u64, format: &Format) -> Value {
    if soiled(layout, dice, k, 10_000) { Value::Null } else { Told::clean(format.report, format.name).into() }
}

/// D70: a file's name; 2 % with what file systems refuse. Draws `k` and `k + 1`.
pub fn name(layout: &Layout, dice: Dice, k: u64, clean: String) -> Value {
    if soiled(layout, dice, k, 20_000) { name_form(dice.below(k + 1, 12), &clean) } else { text(clean) }
}

/// D70: one of the forms of a file's name, by number: kept as it is, but that blanks at its ends and line breaks go
/// (rulings A53).
pub fn name_form(number: u64, clean: &str) -> Value {
    let (stem, extension) = clean.rsplit_once('.').unwrap_or((clean, "bin"));
    let kept = |raw: String| Told::kept("D70", raw.clone(), raw).into();
    match number {
        0 => kept(format!("{stem}: Cut 2.{extension}")),
        1 => kept(format!("{stem} \"final\".{extension}")),
        2 => kept(format!("{stem}?.{extension}")),
        3 => kept(format!("{stem} 100%.{extension}")),
        4 => kept(format!("promos/{stem}.{extension}")),
        5 => kept(format!("{clean}.")),
        6 => Told::normalised("D70", format!("{clean} "), clean).into(),
        7 => kept(format!("CON.{extension}")),
        8 => kept(format!("{stem}{}.{extension}", "x".repeat(299usize.saturating_sub(clean.len())))),
        9 => kept(format!("{stem} 🎬.{extension}")),
        10 => Told::normalised("D70", format!("{stem}\n_v2.{extension}"), format!("{stem}_v2.{extension}")).into(),
        _ => kept(format!("-{clean}")),
    }
}

/// The bytes of a file; 0.3 % none or less than none, which is no number of bytes. Draws `k` and `k + 1`.
pub fn bytes(layout: &Layout, dice: Dice, k: u64, bytes: u64) -> Value {
    if soiled(layout, dice, k, 3_000) {
        let raw = if dice.below(k + 1, 2) == 0 { 0 } else { -1 };
        return Told::dropped("D54", Value::Int(raw), "INVALID_NUMBER").into();
    }
    Value::id(bytes)
}

/// D71: where an object lies in S3; 2 % with odd characters (kept) or no such place at all (dropped). Draws `k` and
/// `k + 1`.
pub fn place(layout: &Layout, dice: Dice, k: u64, bucket: &str, folder: &str, name: &str) -> Value {
    let number = if soiled(layout, dice, k, 20_000) { Some(dice.below(k + 1, 14)) } else { None };
    place_form(number, bucket, folder, name)
}

/// D71: one of the forms of a place, by number; the clean one without.
pub fn place_form(number: Option<u64>, bucket: &str, folder: &str, name: &str) -> Value {
    let key = match number {
        Some(0) => format!("{folder}/final cut/{name}"),
        Some(1) => format!("{folder}/a+b/{name}"),
        Some(2) => format!("{folder}/final%20cut/{name}"),
        Some(3) => format!("{folder}/final%2520cut/{name}"),
        Some(4) => format!("{folder}/take#2/{name}"),
        Some(5) => format!("{folder};v=1/{name}"),
        Some(6) => format!("{folder}\\{name}"),
        Some(7) => format!("{folder}/../{name}"),
        _ => format!("{folder}/{name}"),
    };
    let raw = format!("s3://{bucket}/{key}");
    let means = json!({"bucket": bucket, "key": key});
    match number {
        None => Told::clean(raw, means).into(),
        Some(0..=7) => Told::kept("D71", raw, means).into(),
        Some(8) => Told::normalised("D71", format!(" {raw} "), means).into(),
        Some(9) => Told::dropped("D71", format!("s3:/{bucket}/{key}"), "URI_INVALID").into(),
        Some(10) => Told::dropped("D71", format!("{bucket}/{key}"), "URI_INVALID").into(),
        Some(11) => Told::dropped("D71", format!("s3://{bucket}"), "URI_INVALID").into(),
        Some(12) => Told::dropped("D71", format!("s3://Studio_Deliverables/{key}"), "URI_INVALID").into(),
        Some(_) => Told::dropped("D71", format!("\\\\{bucket}\\{name}"), "URI_INVALID").into(),
    }
}

/// D72: a checksum of so many hexadecimal digits in a column of that width; 1 % in another form. Draws `k` and `k + 1`.
pub fn checksum(layout: &Layout, dice: Dice, k: u64, hex: String) -> Value {
    if soiled(layout, dice, k, 10_000) { checksum_form(dice.below(k + 1, 8), &hex) } else { text(hex) }
}

/// D72: one of the forms of a checksum, by number. Shorter ones are filled up with blanks, as the column is.
pub fn checksum_form(number: u64, hex: &str) -> Value {
    let width = hex.len();
    let dropped = |raw: String| Told::dropped("D72", format!("{raw:<width$}"), "CHECKSUM_INVALID").into();
    match number {
        0..=3 => Told::normalised("D72", hex.to_uppercase(), hex).into(),
        4 => dropped(hex.chars().skip(4).collect()),
        5 => dropped("0".repeat(width)),
        6 => Told::normalised("D72", " ".repeat(width), Json::Null).into(),
        _ => dropped(hex.chars().skip(1).chain(['g']).collect()),
    }
}

/// D47, D48, D49: until when something may be used, as text, mostly a date of D45. 0.5 % open ends, 0.5 % the sentinels
/// that stand for one, and 0.4 % a day before it was approved. Draws `k` to `k + 11`.
pub fn expiry(layout: &Layout, dice: Dice, k: u64, moment: u64, approved: Option<u64>, day_first: bool) -> Value {
    if dice.is_fixture() {
        return text(date(moment));
    }
    if soiled(layout, dice, k + 4, 5_000) {
        return super::date::open(dice.below(k + 5, 4) > 0);
    }
    if soiled(layout, dice, k + 6, 5_000) {
        let raw = dice.pick(k + 7, &["2099-12-31", "9999-12-31"]);
        return Told::warned("D48", raw, super::date::OPEN, "OPEN_ENDED").into();
    }
    if let Some(approved) = approved
        && soiled(layout, dice, k + 8, 6_000)
    {
        let before = date(approved - 86_400 * (3 + dice.below(k + 9, 90)));
        return Told::warned("D49", before.clone(), before, "DATE_ORDER").into();
    }
    super::date::text_date(layout, dice, k, moment, Wanted::Date, day_first)
}

/// D21: the id of a user who is missing, 0.8 %. Draws `k` and `k + 1`.
pub fn approver(layout: &Layout, dice: Dice, k: u64, user: u64) -> Value {
    if soiled(layout, dice, k, 8_000) {
        let lost = Value::id(super::super::layout::NOWHERE + dice.below(k + 1, 1_000_000));
        return Told::dropped("D21", lost, "OWNER_UNRESOLVED").disposed(Disposition::Warned).into();
    }
    Value::id(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::media::FORMATS;
    use crate::rehearsal::library::core::tests::layout;

    /// A cell of each kind in a row of its own.
    fn cells(layout: &Layout, row: u64) -> Vec<Value> {
        let dice = layout.dice(95, row);
        vec![
            picture_size(layout, dice, 0, 1920, 1080),
            ratio(layout, dice, 10, "16:9"),
            language(layout, dice, 20, "en"),
            format(layout, dice, 30, &FORMATS[3]),
            mime(layout, dice, 40, &FORMATS[3]),
            name(layout, dice, 50, "a_b.jpg".to_owned()),
            place(layout, dice, 60, "studio-deliverables", "images", "200.jpg"),
            checksum(layout, dice, 70, "0123456789abcdef".repeat(4)),
            bytes(layout, dice, 80, 4000),
            approver(layout, dice, 90, 200),
            sides(layout, dice, 100, 1920, 1080).0,
        ]
    }

    #[test]
    fn clean_libraries_have_one_form() {
        let layout = layout(0.0001, 0.0);
        for row in 0..2000 {
            for cell in cells(&layout, row) {
                assert!(cell.dirt().is_none() && cell.codes().is_empty(), "{cell:?}");
            }
        }
    }

    #[test]
    fn rates_are_those_of_the_specification() {
        let layout = layout(0.0001, 1.0);
        let mut found = [0u32; 11];
        for row in 0..20_000 {
            for (count, cell) in found.iter_mut().zip(cells(&layout, row)) {
                *count += u32::from(cell.dirt().is_some());
            }
        }
        // Sizes and formats: 1 % of them are of another picture, or another format.
        let wanted = [8_120, 1_600, 2_400, 11_090, 400, 400, 400, 200, 60, 160, 200];
        for (at, (found, wanted)) in found.into_iter().zip(wanted).enumerate() {
            assert!(found.abs_diff(wanted) < 30 + wanted / 8, "{at}: {found} of 20,000, not about {wanted}");
        }
    }

    #[test]
    fn forms_fit_their_columns() {
        for number in 0..10 {
            for tag in crate::rehearsal::library::core::vocabulary::LANGUAGES {
                assert!(language_form(number, tag).text().unwrap().len() <= 16);
            }
        }
        for number in 0..SIZE_FORMS {
            assert!(size_form(number, 1920, 1080).text().unwrap().chars().count() <= 32);
            assert!(ratio_form(number % 6, "2.39:1").text().unwrap().len() <= 16);
            assert!(name_form(number % 12, "N_HC100123_Words_v1.jpg").text().unwrap().len() <= 300);
            assert_eq!(checksum_form(number % 8, &"ab".repeat(16)).text().unwrap().len(), 32);
        }
        assert_eq!(name_form(8, "abc.mov").text().unwrap().len(), 299);
    }
}
