//! Picture sizes and aspect ratios.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray, StructArray};
use arrow::datatypes::DataType::{Int32, Utf8};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use super::kernel::{Outcome, outcome, texts};
use super::text::trim;

/// The ratios that have a name, with their value in ten thousandths (half to even).
const RATIOS: [(&str, u64); 8] = [
    ("16:9", 17_778),
    ("4:3", 13_333),
    ("1.85:1", 18_500),
    ("2.39:1", 23_900),
    ("1:1", 10_000),
    ("2:3", 6_667),
    ("3:2", 15_000),
    ("9:16", 5_625),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        outcome("aspect_ratio", &[Utf8], |row| row.trimmed(0).map_or(Outcome::ABSENT, aspect_ratio)),
        create_udf(
            "resolution",
            vec![Utf8],
            DataType::Struct(size_fields()),
            Volatility::Immutable,
            Arc::new(|arguments| {
                let columns = texts(arguments)?;
                let sizes =
                    columns.iter().take(1).flatten().map(|text| text.map_or(Size::default(), resolution)).collect();
                Ok(ColumnarValue::Array(sizes_array(sizes)))
            }),
        ),
    ]
}

fn size_fields() -> Fields {
    Fields::from(vec![
        Field::new("value", Utf8, true),
        Field::new("width", Int32, true),
        Field::new("height", Int32, true),
        Field::new("class", Utf8, true),
        Field::new("warning", Utf8, true),
    ])
}

fn sizes_array(sizes: Vec<Size>) -> ArrayRef {
    let side =
        |pick: fn(&Size) -> Option<i32>| -> ArrayRef { Arc::new(sizes.iter().map(pick).collect::<Int32Array>()) };
    let text = |pick: fn(&Size) -> Option<&'static str>| -> ArrayRef {
        Arc::new(sizes.iter().map(pick).collect::<StringArray>())
    };
    let values: StringArray =
        sizes.iter().map(|size| size.pixels.map(|(width, height)| format!("{width}x{height}"))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(values),
        side(|size| size.pixels.map(|pixels| pixels.0)),
        side(|size| size.pixels.map(|pixels| pixels.1)),
        text(|size| size.class),
        text(|size| size.warning),
    ];
    Arc::new(StructArray::new(size_fields(), columns, None))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    pixels: Option<(i32, i32)>,
    class: Option<&'static str>,
    warning: Option<&'static str>,
}

/// `WxH` in pixels from its many spellings; of a label only the class is known.
fn resolution(text: &str) -> Size {
    let text = trim(text);
    if text.is_empty() {
        return Size::default();
    }
    let label = text.to_ascii_uppercase();
    if let Some(class) = ["SD", "HD", "UHD", "4K"].into_iter().find(|class| *class == label) {
        return Size { class: Some(class), warning: Some("RESOLUTION_LABEL_ONLY"), ..Size::default() };
    }
    if line_count(&label) {
        return Size { warning: Some("RESOLUTION_LABEL_ONLY"), ..Size::default() };
    }
    let bare = text.trim_end_matches("px").trim_end();
    let pixels = bare.split_once(['x', 'X', '×', '*']).and_then(|(width, height)| Some((side(width)?, side(height)?)));
    match pixels {
        Some((width, height)) if width > 0 && height > 0 => Size { pixels: Some((width, height)), ..Size::default() },
        _ => Size { warning: Some("INVALID_RESOLUTION"), ..Size::default() },
    }
}

/// `1080p`, `1080i59.94`, `720`: lines without a width.
fn line_count(label: &str) -> bool {
    let lines = label.split(['P', 'I']).next().unwrap_or_default();
    matches!(lines, "480" | "576" | "720" | "1080" | "2160") && !label.contains('X')
}

/// One side in pixels; a full stop separates thousands.
fn side(text: &str) -> Option<i32> {
    let text = text.trim();
    match text.split_once('.') {
        Some((thousands, rest)) if rest.len() == 3 => format!("{thousands}{rest}").parse().ok(),
        _ => text.parse().ok(),
    }
}

/// One of the known ratios, from `a:b`, `axb`, `a/b`, a decimal within half a per cent or three digits (hundredths).
fn aspect_ratio(text: &str) -> Outcome<String> {
    let unknown = Outcome::dropped("ASPECT_UNKNOWN");
    let compact: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    if let Some((width, height)) = compact.split_once([':', 'x', 'X', '/', '×']) {
        if (width, height) == ("21", "9") {
            return Outcome::of("21:9".to_owned());
        }
        return match (scaled(width), scaled(height)) {
            (Some(width), Some(height)) if height > 0 => nearest(width * 10_000 / height).unwrap_or(unknown),
            _ => unknown,
        };
    }
    if compact.len() == 3 && compact.bytes().all(|byte| byte.is_ascii_digit()) {
        return compact.parse::<u64>().ok().and_then(|hundredths| nearest(hundredths * 100)).unwrap_or(unknown);
    }
    scaled(&compact).and_then(nearest).unwrap_or(unknown)
}

/// A decimal in ten thousandths, further digits cut.
fn scaled(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 6 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = format!("{fraction:0<4}");
    Some(whole.parse::<u64>().ok()? * 10_000 + fraction.get(..4)?.parse::<u64>().ok()?)
}

fn nearest(value: u64) -> Option<Outcome<String>> {
    RATIOS
        .iter()
        .filter(|(_, known)| value.abs_diff(*known) * 200 <= *known)
        .min_by_key(|(_, known)| value.abs_diff(*known))
        .map(|(name, _)| Outcome::of((*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_form() {
        for raw in
            ["1920x1080", "1920 x 1080", "1920X1080", "1920×1080", "1920*1080", "1920 x 1080 px", "1.920 x 1.080"]
        {
            assert_eq!(resolution(raw), Size { pixels: Some((1920, 1080)), ..Size::default() }, "{raw}");
        }
        assert_eq!(resolution("UHD").class, Some("UHD"));
        for raw in ["1080p", "1080i59.94", "720", "HD"] {
            assert_eq!(
                (resolution(raw).pixels, resolution(raw).warning),
                (None, Some("RESOLUTION_LABEL_ONLY")),
                "{raw}"
            );
        }
        for raw in ["0x0", "wide", "-1x5"] {
            assert_eq!(resolution(raw).warning, Some("INVALID_RESOLUTION"), "{raw}");
        }
        assert_eq!(resolution(" "), Size::default());
    }

    #[test]
    fn ratios_are_known_ones() {
        for (raw, expected) in [
            ("16:9", "16:9"),
            ("16x9", "16:9"),
            ("16/9", "16:9"),
            ("1.78", "16:9"),
            ("1.7778", "16:9"),
            ("178", "16:9"),
            ("1.77778", "16:9"),
            ("4x3", "4:3"),
            ("133", "4:3"),
            ("2.39:1", "2.39:1"),
            ("1920:1080", "16:9"),
            ("0.66667", "2:3"),
            ("2000:3000", "2:3"),
            ("21:9", "21:9"),
            ("1.0", "1:1"),
        ] {
            assert_eq!(aspect_ratio(raw), Outcome::of(expected.to_owned()), "{raw}");
        }
        for raw in ["widescreen", "2.3333", "1:0", "720:540:1"] {
            assert_eq!(aspect_ratio(raw), Outcome::dropped("ASPECT_UNKNOWN"), "{raw}");
        }
    }
}
