//! A binary value as PostgreSQL prints it, for the few values that end in `raw/_exceptions`. Speed does not matter here.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Date32Type, Float32Type, Float64Type, Time64MicrosecondType, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;

use super::fixed::{DAY_MICROS, EPOCH_DAYS, EPOCH_MICROS};
use super::nested::{Bounds, Cursor, EMPTY, LOWER_INCLUSIVE, UPPER_INCLUSIVE, bounds, dimensions};
use super::numeric::numeric_text;
use super::text::{hex, uuid_text};
use crate::source::types::{DATE_MINUS_INFINITY, TIMESTAMP_MINUS_INFINITY, Wire};

/// The text of a value, under `DateStyle = ISO` and `TimeZone = UTC`; that text's bytes in hex if it is no UTF-8, and the
/// value's if they are no such value.
pub fn render(wire: &Wire, value: &[u8]) -> String {
    let mut text = Vec::new();
    match write(wire, value, &mut text) {
        Some(()) => String::from_utf8(text).unwrap_or_else(|error| hex(error.as_bytes())),
        None => hex(value),
    }
}

/// The text of a value that a column holds, as [`render`] gives it; Arrow's own for arrays, composites and ranges.
pub(super) fn held(wire: &Wire, array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return String::new();
    }
    match wire {
        Wire::Bool => if array.as_boolean().value(row) { "t" } else { "f" }.to_owned(),
        Wire::Float32 => float32(array.as_primitive::<Float32Type>().value(row)),
        Wire::Float64 => float64(array.as_primitive::<Float64Type>().value(row)),
        Wire::Bytes => hex(array.as_binary::<i32>().value(row)),
        Wire::Date => match array.as_primitive::<Date32Type>().value(row) {
            DATE_MINUS_INFINITY => date(i32::MIN),
            i32::MAX => date(i32::MAX),
            days => date(days.saturating_sub(EPOCH_DAYS)),
        },
        Wire::Timestamp { utc } => match array.as_primitive::<TimestampMicrosecondType>().value(row) {
            TIMESTAMP_MINUS_INFINITY => timestamp(i64::MIN, *utc),
            i64::MAX => timestamp(i64::MAX, *utc),
            micros => timestamp(micros.saturating_sub(EPOCH_MICROS), *utc),
        },
        Wire::Time => time(array.as_primitive::<Time64MicrosecondType>().value(row)),
        _ => array_value_to_string(array, row).unwrap_or_default(),
    }
}

/// Texts as a composite joins them, without its parentheses.
pub(super) fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut out = Vec::new();
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quote(text.as_bytes(), COMPOSITE, b'"', &mut out);
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Appends the text, or returns none if the bytes are no such value.
fn write(wire: &Wire, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = match wire {
        Wire::Text => {
            out.extend_from_slice(value);
            return Some(());
        }
        Wire::Jsonb => {
            out.extend_from_slice(value.get(1..)?);
            return Some(());
        }
        Wire::Decimal { .. } | Wire::Numeric => return numeric_text(value, out).ok(),
        Wire::Uuid => return uuid_text(value, out).ok(),
        Wire::List(item) => return list(item, value, out),
        Wire::Struct(fields) => return composite(fields, value, out),
        Wire::Range(bound) => return range(bound, bounds(value).ok()?, out),
        Wire::Multirange(bound) => return multirange(bound, value, out),
        Wire::Bool => if value == [1] { "t" } else { "f" }.to_owned(),
        Wire::Int16 => i16::from_be_bytes(value.try_into().ok()?).to_string(),
        Wire::Int32 => i32::from_be_bytes(value.try_into().ok()?).to_string(),
        Wire::Int64 => i64::from_be_bytes(value.try_into().ok()?).to_string(),
        Wire::Oid => u32::from_be_bytes(value.try_into().ok()?).to_string(),
        Wire::Float32 => float32(f32::from_be_bytes(value.try_into().ok()?)),
        Wire::Float64 => float64(f64::from_be_bytes(value.try_into().ok()?)),
        Wire::Bytes => hex(value),
        Wire::Date => date(i32::from_be_bytes(value.try_into().ok()?)),
        Wire::Timestamp { utc } => timestamp(i64::from_be_bytes(value.try_into().ok()?), *utc),
        Wire::Time => time(i64::from_be_bytes(value.try_into().ok()?)),
    };
    out.extend_from_slice(text.as_bytes());
    Some(())
}

fn float32(value: f32) -> String {
    let reads = |text: &str| text.parse() == Ok(value.abs());
    let digits = || {
        shortest(|places| format!("{:.places$e}", value.abs()), &format!("{value:e}"), 8, value.abs() >= 1.6e7, reads)
    };
    special(value.into()).unwrap_or_else(|| float(value.is_sign_negative(), &digits(), 6))
}

fn float64(value: f64) -> String {
    let reads = |text: &str| text.parse() == Ok(value.abs());
    let digits = || {
        shortest(|places| format!("{:.places$e}", value.abs()), &format!("{value:e}"), 16, value.abs() >= 9e15, reads)
    };
    special(value).unwrap_or_else(|| float(value.is_sign_negative(), &digits(), 15))
}

fn special(value: f64) -> Option<String> {
    match value {
        f64::INFINITY => Some("Infinity".into()),
        f64::NEG_INFINITY => Some("-Infinity".into()),
        value if value.is_nan() => Some("NaN".into()),
        _ => None,
    }
}

/// The shortest digits, with an exponent, that lie strictly between the halfway points to the number's neighbours, as
/// PostgreSQL 12 on prints them (`acceptBounds` is false in `d2s.c` and `f2s.c`); of two such the nearer one. Rust's own
/// shortest form `inclusive` may lie on a halfway point, but is never longer. Only an integer beyond the mantissa can have
/// so short a halfway point: `may_tie`. `reads` tells whether a text is read as the number.
fn shortest(
    rounded: impl Fn(usize) -> String,
    inclusive: &str,
    most: usize,
    may_tie: bool,
    reads: impl Fn(&str) -> bool,
) -> String {
    let mantissa = inclusive.split('e').next().unwrap_or_default();
    let first = mantissa.split_once('.').map_or(0, |(_, places)| places.len());
    for places in first..most {
        let text = rounded(places);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: u64 = mantissa.replace('.', "").parse().unwrap_or_default();
        let power = exponent.parse::<i32>().unwrap_or_default() - i32::try_from(places).unwrap_or_default();
        let inside = |digits: u64| match (may_tie, digits.checked_sub(1)) {
            (true, Some(less)) => {
                // A hair more and a hair less must be the number too.
                let (zeros, nines, power) = ("0".repeat(HAIR - 1), "9".repeat(HAIR), power - HAIR as i32);
                reads(&format!("{digits}{zeros}1e{power}")) && reads(&format!("{less}{nines}e{power}"))
            }
            _ => reads(&format!("{digits}e{power}")),
        };
        // At a power of two the nearest digits can be too low where the next ones are right.
        if let Some(digits) = [digits, digits.saturating_add(1)].into_iter().find(|digits| inside(*digits)) {
            let all = digits.to_string();
            let (head, tail) = all.split_at(1);
            let power = power + i32::try_from(tail.len()).unwrap_or_default();
            return if tail.is_empty() { format!("{head}e{power}") } else { format!("{head}.{tail}e{power}") };
        }
    }
    rounded(most)
}

/// Digits after which a number differs from one of seventeen by a hair.
const HAIR: usize = 100;

/// The shortest digits written out from 0.0001 up to ten to the power of `fixed`, with an exponent of at least two digits
/// otherwise (`to_chars` in `d2s.c` and `f2s.c`).
fn float(negative: bool, shortest: &str, fixed: i32) -> String {
    let (sign, number) = (if negative { "-" } else { "" }, shortest);
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

/// A text longer than this PostgreSQL cannot print either (`MaxAllocSize`): a short numeric may have 100,000 digits, and an
/// array many of them.
const MOST_TEXT: usize = 1 << 30;

/// What makes a text be quoted, beside quotes, backslashes, blanks and emptiness: in arrays, composites and ranges.
const ARRAY: &[u8] = b"{},";
const COMPOSITE: &[u8] = b"(),";
const RANGE: &[u8] = b"()[],";

/// Appends a text, quoted if it is empty or has something special in it; `mark` escapes a quote.
fn quote(text: &[u8], special: &[u8], mark: u8, out: &mut Vec<u8>) {
    // C's `isspace`, which knows the vertical tab.
    let is_special = |byte: &u8| special.contains(byte) || matches!(byte, b'"' | b'\\' | b' ' | b'\t'..=b'\r');
    if !text.is_empty() && !text.iter().any(is_special) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.push(mark),
            b'\\' => out.push(b'\\'),
            _ => {}
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// An array of any number of dimensions, with its lower bounds if one is not 1 (`array_out`).
fn list(item: &Wire, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor(value);
    let sizes = dimensions(&mut cursor).ok()?;
    if sizes.is_empty() {
        out.extend_from_slice(b"{}");
        return cursor.end().ok();
    }
    if sizes.iter().any(|(_, lower)| *lower != 1) {
        for (size, lower) in &sizes {
            let upper = i64::from(*lower) + i64::try_from(*size).ok()? - 1;
            out.extend_from_slice(format!("[{lower}:{upper}]").as_bytes());
        }
        out.push(b'=');
    }
    elements(item, &sizes, &mut cursor, out)?;
    cursor.end().ok()
}

fn elements(item: &Wire, sizes: &[(usize, i32)], cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Option<()> {
    let Some(((size, _), inner)) = sizes.split_first() else {
        match cursor.value().ok()? {
            None => out.extend_from_slice(b"NULL"),
            Some(value) => {
                let mut text = Vec::new();
                write(item, value, &mut text)?;
                if text.eq_ignore_ascii_case(b"null") {
                    out.push(b'"');
                    out.extend_from_slice(&text);
                    out.push(b'"');
                } else {
                    quote(&text, ARRAY, b'\\', out);
                }
            }
        }
        return Some(());
    };
    out.push(b'{');
    for index in 0..*size {
        if out.len() > MOST_TEXT {
            return None;
        }
        if index > 0 {
            out.push(b',');
        }
        elements(item, inner, cursor, out)?;
    }
    out.push(b'}');
    Some(())
}

fn composite(fields: &[(String, Wire)], value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor(value);
    let _count = cursor.word().ok()?;
    out.push(b'(');
    for (index, (_, wire)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let _type = cursor.word().ok()?;
        if let Some(value) = cursor.value().ok()? {
            let mut text = Vec::new();
            write(wire, value, &mut text)?;
            quote(&text, COMPOSITE, b'"', out);
        }
    }
    out.push(b')');
    cursor.end().ok()
}

fn range(bound: &Wire, (flags, lower, upper): Bounds<'_>, out: &mut Vec<u8>) -> Option<()> {
    if flags & EMPTY != 0 {
        out.extend_from_slice(b"empty");
        return Some(());
    }
    out.push(if flags & LOWER_INCLUSIVE != 0 { b'[' } else { b'(' });
    for (index, value) in [lower, upper].into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let Some(value) = value {
            let mut text = Vec::new();
            write(bound, value, &mut text)?;
            quote(&text, RANGE, b'"', out);
        }
    }
    out.push(if flags & UPPER_INCLUSIVE != 0 { b']' } else { b')' });
    Some(())
}

fn multirange(bound: &Wire, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor(value);
    out.push(b'{');
    for index in 0..cursor.word().ok()? {
        if index > 0 {
            out.push(b',');
        }
        range(bound, bounds(cursor.value().ok()??).ok()?, out)?;
    }
    out.push(b'}');
    cursor.end().ok()
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
