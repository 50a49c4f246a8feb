//! The canonical bytes of a value straight from PostgreSQL's binary form: no Arrow, and no code of the reader that made
//! `raw/`. What the two have in common is this page's table and that of `dataflow::checksum`.
//!
//! | binary form | canonical bytes |
//! |---|---|
//! | integers, oid, booleans, text, bytea | as sent (they are big-endian, or bytes) |
//! | floats | as sent, every NaN the quiet NaN |
//! | date, timestamp | shifted from 2000-01-01 to 1970-01-01; infinity as it is, -infinity as its negative |
//! | time | as sent |
//! | numeric(p, s) | the unscaled integer, by way of its decimal digits |
//! | numeric | its text |
//! | jsonb | the text after the version byte |
//! | uuid | its text |
//! | arrays, composites, ranges, multiranges | their members |

use arrow::datatypes::i256;
use uuid::Uuid;

use crate::dataflow::checksum::{canonical_f32, canonical_f64, push_member};
use crate::source::Wire;

/// Appends a value's canonical bytes; false if the value is one that `raw/` cannot hold and has as NULL.
///
/// # Errors
/// When the bytes are no value of this form.
pub(super) fn canonical(wire: &Wire, value: &[u8], out: &mut Vec<u8>) -> Result<bool, &'static str> {
    match wire {
        Wire::Bool | Wire::Int16 | Wire::Int32 | Wire::Int64 | Wire::Oid | Wire::Bytes => out.extend_from_slice(value),
        Wire::Text => return Ok(utf8(value, out)),
        Wire::Jsonb => return Ok(utf8(value.strip_prefix(&[1]).ok_or("a jsonb of another version")?, out)),
        Wire::Float32 => out.extend_from_slice(&canonical_f32(f32::from_be_bytes(array(value)?))),
        Wire::Float64 => out.extend_from_slice(&canonical_f64(f64::from_be_bytes(array(value)?))),
        Wire::Uuid => {
            let uuid = Uuid::from_slice(value).map_err(|_| "a uuid of another length")?;
            out.extend_from_slice(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        }
        Wire::Date => {
            let days = i32::from_be_bytes(array(value)?);
            let since_1970 = match days {
                i32::MAX => i32::MAX,
                i32::MIN => -i32::MAX,
                _ => days.checked_add(10_957).ok_or("a date out of range")?,
            };
            out.extend_from_slice(&since_1970.to_be_bytes());
        }
        Wire::Timestamp { .. } => return timestamp(value, out),
        Wire::Time => {
            out.extend_from_slice(value);
            return Ok(i64::from_be_bytes(array(value)?) < 86_400_000_000);
        }
        Wire::Decimal { precision, scale } => return Digits::read(value)?.decimal(*precision, *scale, out),
        Wire::Numeric => Digits::read(value)?.text(out),
        Wire::List(item) => return list(item, value, out),
        Wire::Struct(fields) => composite(fields, value, out)?,
        Wire::Range(bound) => range(bound, value, out)?,
        Wire::Multirange(bound) => multirange(bound, value, out)?,
    }
    Ok(true)
}

fn array<const N: usize>(value: &[u8]) -> Result<[u8; N], &'static str> {
    <[u8; N]>::try_from(value).map_err(|_| "a value of another width")
}

/// Text, unless a database of no encoding sent bytes that are none.
fn utf8(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value);
    std::str::from_utf8(value).is_ok()
}

fn timestamp(value: &[u8], out: &mut Vec<u8>) -> Result<bool, &'static str> {
    let since_2000 = i64::from_be_bytes(array(value)?);
    if matches!(since_2000, i64::MIN | i64::MAX) {
        let infinite = if since_2000 < 0 { -i64::MAX } else { i64::MAX };
        out.extend_from_slice(&infinite.to_be_bytes());
        return Ok(true);
    }
    // 30 years with 7 leap days; i64::MAX itself stands for infinity.
    let since_1970 = i128::from(since_2000) + (30 * 365 + 7) * 24 * 3600 * 1_000_000;
    match i64::try_from(since_1970) {
        Ok(micros) if micros < i64::MAX => {
            out.extend_from_slice(&micros.to_be_bytes());
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// A numeric as decimal digits: what it is made of when it is printed.
struct Digits {
    /// The sign's word on the wire.
    sign: u16,
    /// Digits before the point, as many as there are places (or none).
    whole: Vec<u8>,
    /// Digits after the point, as far as they are sent.
    fraction: Vec<u8>,
    /// Digits after the point that are printed.
    printed: usize,
}

impl Digits {
    fn read(value: &[u8]) -> Result<Self, &'static str> {
        let (head, groups) = value.split_at_checked(8).ok_or("a numeric cut short")?;
        let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let (count, weight, sign, printed) = (word(0), word(2), word(4), word(6));
        if usize::from(count) * 2 != groups.len() {
            return Err("a numeric of another length");
        }
        if !matches!(sign, 0 | 0x4000 | 0xC000 | 0xD000 | 0xF000) {
            return Err("a numeric of no known sign");
        }
        let mut all = Vec::with_capacity(groups.len() * 2 + 8);
        for group in groups.chunks_exact(2) {
            let group = u32::from(u16::from_be_bytes([group[0], group[1]]));
            if group > 9999 {
                return Err("a numeric with more than four digits in a group");
            }
            all.extend([1000, 100, 10, 1].map(|place| b'0' + (group / place % 10) as u8));
        }
        // The number of digits before the point; negative when the first digits sent stand after it.
        let places = (i32::from(weight.cast_signed()) + 1) * 4;
        let whole = match usize::try_from(places) {
            Ok(places) => {
                all.resize(all.len().max(places), b'0');
                all.drain(..places).collect()
            }
            Err(_) => {
                all.splice(0..0, std::iter::repeat_n(b'0', places.unsigned_abs() as usize));
                Vec::new()
            }
        };
        Ok(Self { sign, whole, fraction: all, printed: usize::from(printed) })
    }

    fn is_number(&self) -> bool {
        matches!(self.sign, 0 | 0x4000)
    }

    fn decimal(mut self, precision: u8, scale: i8, out: &mut Vec<u8>) -> Result<bool, &'static str> {
        let scale = usize::try_from(scale).map_err(|_| "a decimal of negative scale")?;
        if !self.is_number() || self.fraction.iter().skip(scale).any(|digit| *digit != b'0') {
            return Ok(false);
        }
        self.fraction.resize(scale, b'0');
        let digits = self.whole.iter().chain(&self.fraction).skip_while(|digit| **digit == b'0');
        if digits.clone().count() > usize::from(precision) {
            return Ok(false);
        }
        if precision <= 38 {
            let grow = |sum: i128, digit: &u8| sum.checked_mul(10)?.checked_add(i128::from(digit - b'0'));
            let mut digits = digits;
            let Some(unscaled) = digits.try_fold(0, grow) else { return Ok(false) };
            out.extend_from_slice(&if self.sign == 0x4000 { -unscaled } else { unscaled }.to_be_bytes());
        } else {
            let mut text = String::from(if self.sign == 0x4000 { "-0" } else { "0" });
            text.extend(digits.map(|digit| char::from(*digit)));
            let Some(unscaled) = i256::from_string(&text) else { return Ok(false) };
            out.extend_from_slice(&unscaled.to_be_bytes());
        }
        Ok(true)
    }

    fn text(mut self, out: &mut Vec<u8>) {
        match self.sign {
            0xC000 => return out.extend_from_slice(b"NaN"),
            0xD000 => return out.extend_from_slice(b"Infinity"),
            0xF000 => return out.extend_from_slice(b"-Infinity"),
            0x4000 => out.push(b'-'),
            _ => {}
        }
        let start = self.whole.iter().position(|digit| *digit != b'0').unwrap_or(self.whole.len());
        match &self.whole[start..] {
            [] => out.push(b'0'),
            digits => out.extend_from_slice(digits),
        }
        if self.printed > 0 {
            self.fraction.resize(self.printed, b'0');
            out.push(b'.');
            out.extend_from_slice(&self.fraction);
        }
    }
}

/// Takes big-endian words and counted values off the front of a value.
fn word(rest: &mut &[u8]) -> Result<i32, &'static str> {
    let (head, tail) = rest.split_at_checked(4).ok_or("a nested value cut short")?;
    *rest = tail;
    Ok(i32::from_be_bytes(array(head)?))
}

fn counted<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    let length = word(rest)?;
    if length < 0 {
        return Ok(None);
    }
    let (value, tail) = rest.split_at_checked(length as usize).ok_or("a nested value cut short")?;
    *rest = tail;
    Ok(Some(value))
}

fn member(wire: &Wire, value: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut bytes = Vec::new();
    let held = match value {
        Some(value) => canonical(wire, value, &mut bytes)?,
        None => false,
    };
    push_member(out, held.then_some(bytes.as_slice()));
    Ok(())
}

fn list(item: &Wire, mut rest: &[u8], out: &mut Vec<u8>) -> Result<bool, &'static str> {
    let dimensions = word(&mut rest)?;
    let _nulls_and_type = (word(&mut rest)?, word(&mut rest)?);
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = word(&mut rest)?;
            let _lower_bound = word(&mut rest)?;
            count
        }
        2..=6 => return Ok(false),
        _ => return Err("an array of another number of dimensions"),
    };
    if count < 0 {
        return Err("an array of negative length");
    }
    out.extend_from_slice(&count.to_be_bytes());
    for _ in 0..count {
        member(item, counted(&mut rest)?, out)?;
    }
    end(rest)?;
    Ok(true)
}

/// A count, then ranges with their lengths.
fn multirange(bound: &Wire, mut rest: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let count = u32::try_from(word(&mut rest)?).map_err(|_| "a multirange of negative length")?;
    out.extend_from_slice(&count.to_be_bytes());
    for _ in 0..count {
        let mut bytes = Vec::new();
        range(bound, counted(&mut rest)?.ok_or("a multirange with a NULL in it")?, &mut bytes)?;
        push_member(out, Some(&bytes));
    }
    end(rest)
}

fn end(rest: &[u8]) -> Result<(), &'static str> {
    if rest.is_empty() { Ok(()) } else { Err("bytes after a nested value") }
}

fn composite(fields: &[(String, Wire)], mut rest: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    if usize::try_from(word(&mut rest)?) != Ok(fields.len()) {
        return Err("a composite of another number of fields");
    }
    for (_, wire) in fields {
        let _type = word(&mut rest)?;
        member(wire, counted(&mut rest)?, out)?;
    }
    end(rest)
}

/// A range's flags are: 1 empty, 2 and 4 lower and upper bound inclusive, 8 and 16 lower and upper bound infinite.
fn range(bound: &Wire, value: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (flags, mut rest) = value.split_first().ok_or("a range without flags")?;
    for infinite in [8, 16] {
        let value = if flags & (1 | infinite) == 0 { counted(&mut rest)? } else { None };
        member(bound, value, out)?;
    }
    for flag in [2, 4, 1] {
        push_member(out, Some(&[u8::from(flags & flag != 0)]));
    }
    end(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(wire: &Wire, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        canonical(wire, value, &mut out).unwrap().then_some(out)
    }

    #[test]
    fn numbers_come_by_their_digits() {
        // 12345.678 is 1, 2345, 6780 with weight 1 and three digits printed.
        let number = [0, 3, 0, 1, 0x40, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1A, 0x7C];
        assert_eq!(bytes(&Wire::Numeric, &number).unwrap(), b"-12345.678");
        let decimal = Wire::Decimal { precision: 12, scale: 3 };
        assert_eq!(bytes(&decimal, &number).unwrap(), (-12_345_678_i128).to_be_bytes());
        let narrow = Wire::Decimal { precision: 12, scale: 2 };
        assert_eq!(bytes(&narrow, &number), None);
        let wide = Wire::Decimal { precision: 50, scale: 4 };
        assert_eq!(bytes(&wide, &number).unwrap(), i256::from_i128(-123_456_780).to_be_bytes());
        // 0.00000001 is 1 with weight -2.
        let small = [0, 1, 0xFF, 0xFE, 0, 0, 0, 8, 0, 1];
        assert_eq!(bytes(&Wire::Numeric, &small).unwrap(), b"0.00000001");
        assert_eq!(bytes(&decimal, &[0, 0, 0, 0, 0xC0, 0, 0, 0]), None);
    }

    #[test]
    fn moments_shift_and_extremes_stay() {
        let utc = Wire::Timestamp { utc: true };
        assert_eq!(bytes(&utc, &0_i64.to_be_bytes()).unwrap(), 946_684_800_000_000_i64.to_be_bytes());
        assert_eq!(bytes(&utc, &i64::MIN.to_be_bytes()).unwrap(), (-i64::MAX).to_be_bytes());
        assert_eq!(bytes(&utc, &i64::MAX.to_be_bytes()).unwrap(), i64::MAX.to_be_bytes());
        assert_eq!(bytes(&Wire::Date, &i32::MIN.to_be_bytes()).unwrap(), (-i32::MAX).to_be_bytes());
        assert_eq!(bytes(&utc, &9_223_371_331_199_999_999_i64.to_be_bytes()), None);
        assert_eq!(bytes(&Wire::Time, &86_400_000_000_i64.to_be_bytes()), None);
    }
}
