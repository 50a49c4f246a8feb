//! Picture sizes and aspect ratios.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Builder, StringBuilder};
use arrow::datatypes::DataType::{Int32, Utf8};
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Outcome, Output, Row, Text, of_texts, struct_array, text_outcome};
use super::number::compatible;
use super::text::is_placeholder;

/// The ratios that have a name (rulings A43), as fractions.
const RATIOS: [(&str, u128, u128); 8] = [
    ("16:9", 16, 9),
    ("4:3", 4, 3),
    ("1.85:1", 185, 100),
    ("2.39:1", 239, 100),
    ("1:1", 1, 1),
    ("2:3", 2, 3),
    ("3:2", 3, 2),
    ("9:16", 9, 16),
];

/// The only ratio at which a number of lines tells the width (dirt D61, rulings A32).
const WIDE: &str = "16:9";

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        text_outcome("aspect_ratio", &[Utf8], |row| row.stated(aspect_ratio)),
        of_texts("resolution", &[Utf8], |row| stated(row, None)),
        of_texts("resolution_at", &[Utf8, Utf8], |row| stated(row, row.text(1))),
    ]
}

fn stated(row: &Row, aspect: Option<&str>) -> Size {
    match row.trimmed(0) {
        None => Size::default(),
        Some(text) if is_placeholder(text) => Size::dropped("PLACEHOLDER_DROPPED"),
        Some(text) => resolution(text, aspect),
    }
}

/// `{value, width, height, class, warning}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    pixels: Option<(i32, i32)>,
    class: Option<&'static str>,
    warning: Option<&'static str>,
}

impl Size {
    fn of(width: i32, height: i32) -> Self {
        Self { pixels: Some((width, height)), ..Self::default() }
    }

    fn dropped(code: &'static str) -> Self {
        Self { warning: Some(code), ..Self::default() }
    }

    fn fields() -> Vec<Field> {
        vec![
            Field::new("value", Utf8, true),
            Field::new("width", Int32, true),
            Field::new("height", Int32, true),
            Field::new("class", Utf8, true),
            Field::new("warning", Utf8, true),
        ]
    }
}

impl Output for Size {
    type Builder = (StringBuilder, Int32Builder, Int32Builder, StringBuilder, StringBuilder);
    fn data_type() -> DataType {
        DataType::Struct(Self::fields().into())
    }
    fn builder(_rows: usize) -> Self::Builder {
        Self::Builder::default()
    }
    fn append(self, (values, widths, heights, classes, warnings): &mut Self::Builder) {
        use std::fmt::Write;
        match self.pixels {
            // writing to a builder cannot fail; an empty append ends the value
            Some((width, height)) if write!(values, "{width}x{height}").is_ok() => values.append_value(""),
            _ => values.append_null(),
        }
        widths.append_option(self.pixels.map(|pixels| pixels.0));
        heights.append_option(self.pixels.map(|pixels| pixels.1));
        classes.append_option(self.class);
        warnings.append_option(self.warning);
    }
    fn finish((mut values, mut widths, mut heights, mut classes, mut warnings): Self::Builder) -> ArrayRef {
        struct_array(
            Self::fields(),
            vec![
                Arc::new(values.finish()),
                Arc::new(widths.finish()),
                Arc::new(heights.finish()),
                Arc::new(classes.finish()),
                Arc::new(warnings.finish()),
            ],
        )
    }
}

/// `WxH` in pixels from its many spellings. Of a label only the class is known; a number of lines (`1080p`) is a size where
/// the aspect ratio is 16:9.
fn resolution(text: &str, aspect: Option<&str>) -> Size {
    let folded = compatible(text);
    if let Some(class) = ["SD", "HD", "UHD", "4K"].into_iter().find(|class| class.eq_ignore_ascii_case(&folded)) {
        return Size { class: Some(class), ..Size::dropped("RESOLUTION_LABEL_ONLY") };
    }
    if let Some(lines) = lines(&folded) {
        return match lines {
            Some((width, height)) if aspect == Some(WIDE) => Size::of(width, height),
            _ => Size::dropped("RESOLUTION_LABEL_ONLY"),
        };
    }
    let bare = folded.strip_suffix("px").or_else(|| folded.strip_suffix("PX")).unwrap_or(&folded).trim_end();
    let pixels = bare.split_once(['x', 'X', '×', '*']).and_then(|(width, height)| Some((side(width)?, side(height)?)));
    match pixels {
        Some((width, height)) if width > 0 && height > 0 => Size::of(width, height),
        _ => Size::dropped("INVALID_RESOLUTION"),
    }
}

/// Whether a text counts lines, `1080p`, `1080i59.94`, `720`, and the size it has at 16:9, where one is ruled (A32).
fn lines(text: &str) -> Option<Option<(i32, i32)>> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (count, scan) = text.split_at(end);
    let rate = scan.strip_prefix(['p', 'P', 'i', 'I']);
    let labelled = scan.is_empty()
        || rate.is_some_and(|rate| rate.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'/')));
    match (count, rate.is_some()) {
        _ if !labelled => None,
        ("720", true) => Some(Some((1280, 720))),
        ("1080", true) => Some(Some((1920, 1080))),
        ("480" | "576" | "720" | "1080" | "2160", _) => Some(None),
        _ => None,
    }
}

/// One side in pixels. A full stop or comma behind one to three digits separates thousands (`1.920`, dirt D61); behind a
/// full stop a fraction of nothing but zeros says nothing (`1920.0`, dirt D54).
fn side(text: &str) -> Option<i32> {
    let text = text.trim();
    let digits = match text.split_once(['.', ',']) {
        Some((thousands, rest)) if rest.len() == 3 && (1..=3).contains(&thousands.len()) => {
            Cow::Owned(format!("{thousands}{rest}"))
        }
        _ => Cow::Borrowed(text.split_once('.').filter(|(_, rest)| zeros(rest)).map_or(text, |(whole, _)| whole)),
    };
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn zeros(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'0')
}

/// One of the known ratios, from `a:b`, `axb`, `a/b`, a decimal within half a per cent or three digits (hundredths); dirt
/// D60, rulings A43.
fn aspect_ratio(text: &str) -> Outcome<Text<'_>> {
    if let Some((name, ..)) = RATIOS.iter().find(|(name, ..)| *name == text) {
        return Outcome::of(Cow::Borrowed(name));
    }
    let compact: String = compatible(text).chars().filter(|character| !character.is_whitespace()).collect();
    let ratio = match compact.split_once([':', 'x', 'X', '/', '×']) {
        Some(("21", "9")) => return Outcome::of(Cow::Borrowed("21:9")),
        Some((width, height)) => decimal(width).zip(decimal(height)).map(|(w, h)| (w.0 * h.1, w.1 * h.0)),
        None if compact.len() == 3 => {
            compact.parse().ok().map(|hundredths: u128| (hundredths, 100)).or(decimal(&compact))
        }
        None => decimal(&compact),
    };
    ratio.and_then(|(num, den)| nearest(num, den)).map_or(Outcome::dropped("ASPECT_UNKNOWN"), Outcome::of)
}

/// An unsigned decimal as a fraction; digits beyond the ninth behind the point say nothing here.
fn decimal(text: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 6 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some((whole.parse::<u128>().ok()? * scale + fraction, scale))
}

/// The known ratio that a fraction is within half a per cent of. No two are nearer to each other than 2 %.
fn nearest(num: u128, den: u128) -> Option<Text<'static>> {
    let close =
        |(_, known, base): &&(&str, u128, u128)| den > 0 && (num * base).abs_diff(known * den) * 200 <= known * den;
    RATIOS.iter().find(close).map(|(name, ..)| Cow::Borrowed(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_form() {
        for raw in [
            "1920x1080",
            "1920 x 1080",
            "1920X1080",
            "1920×1080",
            "1920*1080",
            "1920 x 1080 px",
            "1.920 x 1.080",
            "1,920 x 1,080",
            "1920.0x1080.0",
            "1920.000x1080.000",
            "１９２０x１０８０",
        ] {
            assert_eq!(resolution(raw, None), Size::of(1920, 1080), "{raw}");
        }
        assert_eq!(resolution("1080x1920", None), Size::of(1080, 1920));
        for raw in [
            "0x0",
            "wide",
            "-1x5",
            "+1x5",
            "1920x",
            "1920x1080x3",
            "99999999999x1",
            "1080q",
            "1920,000x1080,000",
            "1920.5x1080",
            "1920.x1080",
            ".920x1080",
        ] {
            assert_eq!(resolution(raw, None), Size::dropped("INVALID_RESOLUTION"), "{raw}");
        }
    }

    #[test]
    fn labels_are_sizes_at_most_at_16_9() {
        for raw in ["UHD", "HD", "SD", "4K", "4k"] {
            let class = Some(raw.to_uppercase());
            let found = resolution(raw, Some("16:9"));
            assert_eq!((found.class.map(str::to_owned), found.pixels), (class, None), "{raw}");
            assert_eq!(found.warning, Some("RESOLUTION_LABEL_ONLY"));
        }
        for (raw, expected) in [("720p", (1280, 720)), ("1080p", (1920, 1080)), ("1080i59.94", (1920, 1080))] {
            assert_eq!(resolution(raw, Some("16:9")), Size::of(expected.0, expected.1), "{raw}");
            assert_eq!(resolution(raw, Some("4:3")), Size::dropped("RESOLUTION_LABEL_ONLY"), "{raw}");
            assert_eq!(resolution(raw, None), Size::dropped("RESOLUTION_LABEL_ONLY"), "{raw}");
        }
        for raw in ["720", "1080", "576i", "2160p"] {
            assert_eq!(resolution(raw, Some("16:9")), Size::dropped("RESOLUTION_LABEL_ONLY"), "{raw}");
        }
    }

    #[test]
    fn ratios_are_known_ones() {
        for (raw, expected) in [
            ("16:9", "16:9"),
            ("16x9", "16:9"),
            ("16/9", "16:9"),
            ("16 : 9", "16:9"),
            ("1.78", "16:9"),
            ("1.7778", "16:9"),
            ("178", "16:9"),
            ("1.77778", "16:9"),
            ("1.78:1", "16:9"),
            ("4x3", "4:3"),
            ("133", "4:3"),
            ("1.33", "4:3"),
            ("185", "1.85:1"),
            ("2.39:1", "2.39:1"),
            ("239", "2.39:1"),
            ("1920:1080", "16:9"),
            ("0.66667", "2:3"),
            ("0.67", "2:3"),
            ("2000:3000", "2:3"),
            ("0.5625", "9:16"),
            ("21:9", "21:9"),
            ("1.0", "1:1"),
        ] {
            assert_eq!(aspect_ratio(raw), Outcome::of(expected.into()), "{raw}");
        }
        for raw in ["widescreen", "2.3333", "2.33", "1:0", "0:0", "720:540:1", "1.7", "-16:9"] {
            assert_eq!(aspect_ratio(raw), Outcome::dropped("ASPECT_UNKNOWN"), "{raw}");
        }
    }
}
