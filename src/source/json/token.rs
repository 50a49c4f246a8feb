//! Strings and numbers as they stand in a document.

/// Bytes of the longest escape, a surrogate pair.
pub(super) const ESCAPE: usize = 12;

/// How a key is written with its quotes and its colon. A name that is not written as it is has no such form: the empty
/// one is never likely.
pub(super) fn written_key(name: &str) -> Vec<u8> {
    if name.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
        return Vec::new();
    }
    [b"\"", name.as_bytes(), b"\":"].concat()
}

/// A number as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    /// Neither fraction nor exponent.
    pub(super) is_integer: bool,
}

/// A string as it stands between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    pub(super) raw: &'a str,
    pub(super) has_escapes: bool,
}

impl<'a> Quoted<'a> {
    /// What it says; `buffer` holds it where escapes had to be replaced.
    pub(super) fn decoded<'b>(&self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        if !self.has_escapes {
            return self.raw;
        }
        buffer.clear();
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
            buffer.push_str(&rest[..at]);
            let (character, length) = escape(rest.as_bytes(), at);
            buffer.push(character);
            rest = &rest[at + length..];
        }
        buffer.push_str(rest);
        buffer
    }
}

/// The character of an escape that was found valid, and the bytes it takes.
fn escape(bytes: &[u8], at: usize) -> (char, usize) {
    let plain = |character| (character, 2);
    match bytes.get(at + 1) {
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'u') => {
            let high = unit(bytes, at + 2).unwrap_or_default();
            if !(0xD800..0xDC00).contains(&high) {
                return (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6);
            }
            let low = unit(bytes, at + 8).unwrap_or_default();
            let both = 0x10000 + ((high - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
            (char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER), ESCAPE)
        }
        other => plain(other.copied().map_or('\\', char::from)),
    }
}

/// The four hexadecimal digits at a place.
pub(super) fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// The next place of a quote, a backslash or a control character; eight bytes are looked at at a time.
#[inline]
pub(super) fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(word) = bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes) {
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let below_blank = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5C)) | below_blank;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(rest.len())
}

/// Integers up to this are floats of 64 bits, too.
const EXACT: u64 = 1 << 53;
/// Decimals of so many digits all differ as floats of 64 bits (`DBL_DIG` of C).
const DIGITS: usize = 15;
/// Integers of so many digits all have 64 bits.
const INTEGER_DIGITS: usize = 18;

/// Whether a number is written as an integer of 64 bits.
#[inline]
pub(super) fn is_integer(number: Number<'_>) -> bool {
    let text = number.text;
    number.is_integer && (text.len() <= INTEGER_DIGITS || text.parse::<i64>().is_ok()) && text != "-0"
}

/// Whether a number is exactly a float of 64 bits: the shortest text of that float says the same number.
#[inline]
pub(super) fn is_exact_float(number: Number<'_>) -> bool {
    // So few digits, with a point between them or without, are far from the ends of what a float holds.
    number.text.len() <= DIGITS && !number.text.contains(['e', 'E']) || is_exact(number)
}

fn is_exact(number: Number<'_>) -> bool {
    if number.is_integer {
        let digits = number.text.strip_prefix('-').unwrap_or(number.text);
        return digits.parse::<u64>().is_ok_and(|value| value <= EXACT);
    }
    let Ok(float) = number.text.parse::<f64>() else { return false };
    float.is_finite() && decimal(&float.to_string()) == decimal(number.text)
}

/// A number as its digits without zeros around them, the power of ten of the last one, and its sign.
fn decimal(text: &str) -> Option<(String, i64, bool)> {
    let (rest, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    let mut power = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    while digits.ends_with('0') && digits.len() > 1 {
        digits.pop();
        power += 1;
    }
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() { Some((digits, 0, negative)) } else { Some((digits, power, negative)) }
}

/// Powers of ten that a float of 64 bits holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The integer that a number is written as.
#[inline]
pub(super) fn integer(number: Number<'_>) -> Option<i64> {
    let text = number.text;
    if !number.is_integer || text.len() > INTEGER_DIGITS {
        return text.parse().ok();
    }
    let (digits, negative) = text.as_bytes().strip_prefix(b"-").map_or((text.as_bytes(), false), |rest| (rest, true));
    let value = digits.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit & 0xF));
    Some(if negative { -value } else { value })
}

/// The float that is nearest to a number. A few digits over a power of ten are two floats without error, and their quotient is
/// rounded once (Clinger, "How to read floating point numbers accurately", 1990).
#[inline]
pub(super) fn float(number: Number<'_>) -> Option<f64> {
    let text = number.text;
    if text.len() > DIGITS || text.contains(['e', 'E']) {
        return text.parse().ok();
    }
    let (digits, negative) = text.as_bytes().strip_prefix(b"-").map_or((text.as_bytes(), false), |rest| (rest, true));
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let all = digits.iter().filter(|byte| **byte != b'.');
    let value = all.fold(0_u32.into(), |value: u64, digit| value * 10 + u64::from(digit & 0xF)) as f64;
    let places = digits.len().saturating_sub(point + 1);
    let value = value / POWERS.get(places).copied()?;
    Some(if negative { -value } else { value })
}
