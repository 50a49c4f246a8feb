//! A binary value as PostgreSQL prints it, for the few values that end in `raw/_exceptions`. Speed does not matter here.

use super::fixed::{DAY_MICROS, EPOCH_DAYS};
use super::nested::{Bounds, Cursor, EMPTY, LOWER_INCLUSIVE, UPPER_INCLUSIVE, bounds};
use super::numeric::numeric_text;
use super::text::{hex, uuid_text};
use crate::source::types::Wire;

/// The text of a value, under `DateStyle = ISO` and `TimeZone = UTC`; its bytes in hex if they are no such value.
pub fn render(wire: &Wire, value: &[u8]) -> String {
    known(wire, value).unwrap_or_else(|| hex(value))
}

fn known(wire: &Wire, value: &[u8]) -> Option<String> {
    let written = |write: fn(&[u8], &mut Vec<u8>) -> Result<(), &'static str>| {
        let mut out = Vec::new();
        write(value, &mut out).ok()?;
        String::from_utf8(out).ok()
    };
    Some(match wire {
        Wire::Bool => if value == [1] { "t" } else { "f" }.to_owned(),
        Wire::Int16 => i16::from_be_bytes(value.try_into().ok()?).to_string(),
        Wire::Int32 => i32::from_be_bytes(value.try_into().ok()?).to_string(),
        Wire::Int64 => i64::from_be_bytes(value.try_into().ok()?).to_string(),
        Wire::Oid => u32::from_be_bytes(value.try_into().ok()?).to_string(),
        Wire::Float32 => float32(f32::from_be_bytes(value.try_into().ok()?)),
        Wire::Float64 => float64(f64::from_be_bytes(value.try_into().ok()?)),
        Wire::Decimal { .. } | Wire::Numeric => written(numeric_text)?,
        Wire::Text => std::str::from_utf8(value).ok()?.to_owned(),
        Wire::Jsonb => std::str::from_utf8(value.get(1..)?).ok()?.to_owned(),
        Wire::Uuid => written(uuid_text)?,
        Wire::Bytes => hex(value),
        Wire::Date => date(i32::from_be_bytes(value.try_into().ok()?)),
        Wire::Timestamp { utc } => timestamp(i64::from_be_bytes(value.try_into().ok()?), *utc),
        Wire::Time => time(i64::from_be_bytes(value.try_into().ok()?)),
        Wire::List(item) => list(item, value)?,
        Wire::Struct(fields) => composite(fields, value)?,
        Wire::Range(bound) => range(bound, bounds(value).ok()?),
    })
}

fn float32(value: f32) -> String {
    special(value.into()).unwrap_or_else(|| float(&format!("{value:.*e}", places(&format!("{value:e}"))), 6))
}

fn float64(value: f64) -> String {
    special(value).unwrap_or_else(|| float(&format!("{value:.*e}", places(&format!("{value:e}"))), 15))
}

fn special(value: f64) -> Option<String> {
    match value {
        f64::INFINITY => Some("Infinity".into()),
        f64::NEG_INFINITY => Some("-Infinity".into()),
        value if value.is_nan() => Some("NaN".into()),
        _ => None,
    }
}

/// The decimal places of the shortest form with an exponent. Of two such forms equally near, the one that Rust prints when
/// told the places is PostgreSQL's (the even one).
fn places(shortest: &str) -> usize {
    let mantissa = shortest.split('e').next().unwrap_or_default();
    mantissa.split_once('.').map_or(0, |(_, places)| places.len())
}

/// The shortest digits that give the number back, written out from 0.0001 up to ten to the power of `fixed`, with an
/// exponent of at least two digits otherwise (PostgreSQL 12 on, `to_chars` in `d2s.c` and `f2s.c`). Where an integer beyond
/// the mantissa has a shorter form exactly halfway to its neighbour, PostgreSQL prints a digit more of the same number.
fn float(shortest: &str, fixed: i32) -> String {
    let (sign, number) = shortest.strip_prefix('-').map_or(("", shortest), |number| ("-", number));
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let power: i32 = exponent.parse().unwrap_or_default();
    if !(-4..fixed).contains(&power) {
        return format!("{sign}{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.unsigned_abs());
    }
    let digits = mantissa.replace('.', "");
    let places = power.unsigned_abs() as usize;
    if power < 0 {
        format!("{sign}0.{}{digits}", "0".repeat(places - 1))
    } else if digits.len() <= places + 1 {
        format!("{sign}{digits:0<width$}", width = places + 1)
    } else {
        format!("{sign}{}.{}", &digits[..=places], &digits[places + 1..])
    }
}

fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".into(),
        i32::MIN => "-infinity".into(),
        days => {
            let (year, rest) = calendar(i64::from(days) + i64::from(EPOCH_DAYS));
            if year > 0 { format!("{year:04}-{rest}") } else { format!("{:04}-{rest} BC", 1 - year) }
        }
    }
}

/// The Gregorian year and `MM-DD` of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn calendar(days: i64) -> (i64, String) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), format!("{month:02}-{day:02}"))
}

fn time(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { clock } else { format!("{clock}.{}", format!("{fraction:06}").trim_end_matches('0')) }
}

fn timestamp(micros: i64, utc: bool) -> String {
    match micros {
        i64::MAX => "infinity".into(),
        i64::MIN => "-infinity".into(),
        micros => {
            let day = date(i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or_default());
            let clock = time(micros.rem_euclid(DAY_MICROS));
            let zone = if utc { "+00" } else { "" };
            match day.strip_suffix(" BC") {
                Some(day) => format!("{day} {clock}{zone} BC"),
                None => format!("{day} {clock}{zone}"),
            }
        }
    }
}

/// An array of any number of dimensions, with its lower bounds if one is not 1 (`array_out`).
fn list(item: &Wire, value: &[u8]) -> Option<String> {
    let mut cursor = Cursor(value);
    let count = usize::try_from(cursor.word().ok()?).ok().filter(|count| *count <= 6)?;
    let (_has_nulls, _element) = (cursor.word().ok()?, cursor.word().ok()?);
    let mut sizes = Vec::new();
    for _ in 0..count {
        sizes.push((usize::try_from(cursor.word().ok()?).ok()?, cursor.word().ok()?));
    }
    if sizes.is_empty() {
        return Some("{}".into());
    }
    let mut out = String::new();
    if sizes.iter().any(|(_, lower)| *lower != 1) {
        for (size, lower) in &sizes {
            let upper = i64::from(*lower) + i64::try_from(*size).ok()? - 1;
            out.push_str(&format!("[{lower}:{upper}]"));
        }
        out.push('=');
    }
    elements(item, &sizes, &mut cursor, &mut out)?;
    Some(out)
}

fn elements(item: &Wire, sizes: &[(usize, i32)], cursor: &mut Cursor<'_>, out: &mut String) -> Option<()> {
    let Some(((size, _), inner)) = sizes.split_first() else {
        match cursor.value().ok()? {
            None => out.push_str("NULL"),
            Some(value) => {
                let text = render(item, value);
                let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace();
                let quoted = text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special);
                quote(&text, quoted, "\\", out);
            }
        }
        return Some(());
    };
    out.push('{');
    for index in 0..*size {
        if index > 0 {
            out.push(',');
        }
        elements(item, inner, cursor, out)?;
    }
    out.push('}');
    Some(())
}

/// Appends a text, quoted if it must be; `mark` escapes a quote (`\` in arrays, `"` in composites and ranges).
fn quote(text: &str, quoted: bool, mark: &str, out: &mut String) {
    if quoted {
        let text = text.replace('\\', "\\\\").replace('"', &format!("{mark}\""));
        out.push_str(&format!("\"{text}\""));
    } else {
        out.push_str(text);
    }
}

fn composite(fields: &[(String, Wire)], value: &[u8]) -> Option<String> {
    let mut cursor = Cursor(value);
    let _count = cursor.word().ok()?;
    let mut out = String::from("(");
    for (index, (_, wire)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let _type = cursor.word().ok()?;
        if let Some(value) = cursor.value().ok()? {
            let text = render(wire, value);
            let special = |c: char| matches!(c, '(' | ')' | ',' | '"' | '\\') || c.is_ascii_whitespace();
            quote(&text, text.is_empty() || text.contains(special), "\"", &mut out);
        }
    }
    out.push(')');
    Some(out)
}

fn range(bound: &Wire, (flags, lower, upper): Bounds<'_>) -> String {
    if flags & EMPTY != 0 {
        return "empty".into();
    }
    let mut out = String::from(if flags & LOWER_INCLUSIVE != 0 { "[" } else { "(" });
    let special = |c: char| matches!(c, '(' | ')' | '[' | ']' | ',' | '"' | '\\') || c.is_ascii_whitespace();
    for (index, value) in [lower, upper].into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some(value) = value {
            let text = render(bound, value);
            quote(&text, text.is_empty() || text.contains(special), "\"", &mut out);
        }
    }
    out.push(if flags & UPPER_INCLUSIVE != 0 { ']' } else { ')' });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_postgresql_prints_them() {
        let wide = |value: f64| render(&Wire::Float64, &value.to_be_bytes());
        let narrow = |value: f32| render(&Wire::Float32, &value.to_be_bytes());
        for (value, text) in [
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
            (1e300, "1e+300"),
            (-1.5e-7, "-1.5e-07"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (-0.0, "-0"),
            (100.0, "100"),
            (1234.5, "1234.5"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (0.1, "0.1"),
        ] {
            assert_eq!(wide(value), text);
        }
        assert_eq!([narrow(1e5), narrow(1e6), narrow(0.1), narrow(1.25e-5)], ["100000", "1e+06", "0.1", "1.25e-05"]);
        assert_eq!(narrow(f32::NEG_INFINITY), "-Infinity");
    }

    #[test]
    fn dates_and_times_print_as_postgresql_prints_them() {
        assert_eq!(render(&Wire::Date, &0_i32.to_be_bytes()), "2000-01-01");
        assert_eq!(render(&Wire::Date, &(-730_119_i32).to_be_bytes()), "0001-01-01");
        assert_eq!(render(&Wire::Date, &(-730_120_i32).to_be_bytes()), "0001-12-31 BC");
        assert_eq!(render(&Wire::Time, &DAY_MICROS.to_be_bytes()), "24:00:00");
        let last = 9_223_371_331_199_999_999_i64;
        assert_eq!(render(&Wire::Timestamp { utc: true }, &last.to_be_bytes()), "294276-12-31 23:59:59.999999+00");
        let ides = Wire::Timestamp { utc: false };
        assert_eq!(render(&ides, &(-64_464_508_800_000_000_i64).to_be_bytes()), "0044-03-15 00:00:00 BC");
    }
}
