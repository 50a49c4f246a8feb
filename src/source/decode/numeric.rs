//! `numeric`'s binary form: digits in base 10,000 with a weight, a sign and a display scale (`numeric_send`).

use arrow::datatypes::i256;

use super::Malformed;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

struct Header<'a> {
    weight: i32,
    sign: u16,
    display_scale: usize,
    digits: &'a [u8],
}

fn header(bytes: &[u8]) -> Result<Header<'_>, Malformed> {
    let (head, digits) = bytes.split_first_chunk::<8>().ok_or("a numeric shorter than its header")?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    if digits.len() != usize::from(word(0)) * 2 {
        return Err("a numeric whose digit count is wrong");
    }
    if !matches!(word(4), 0 | NEGATIVE | NAN | INFINITY | MINUS_INFINITY) {
        return Err("a numeric with an unknown sign");
    }
    if digits.chunks_exact(2).any(|digit| u16::from_be_bytes([digit[0], digit[1]]) > 9999) {
        return Err("a numeric with a digit beyond 9999");
    }
    let weight = i32::from(i16::from_be_bytes([head[2], head[3]]));
    Ok(Header { weight, sign: word(4), display_scale: usize::from(word(6)), digits })
}

impl Header<'_> {
    fn digits(&self) -> impl Iterator<Item = u16> {
        self.digits.chunks_exact(2).map(|digit| u16::from_be_bytes([digit[0], digit[1]]))
    }
}

/// An integer that decimals are counted in.
pub(super) trait Unscaled: Copy + Sized {
    const ZERO: Self;
    /// `self * factor + digit`, if it fits.
    fn grow(self, factor: u32, digit: u32) -> Option<Self>;
    fn negate(self) -> Self;
}

impl Unscaled for i128 {
    const ZERO: Self = 0;

    #[inline]
    fn grow(self, factor: u32, digit: u32) -> Option<Self> {
        self.checked_mul(Self::from(factor))?.checked_add(Self::from(digit))
    }

    fn negate(self) -> Self {
        -self
    }
}

impl Unscaled for i256 {
    const ZERO: Self = Self::ZERO;

    fn grow(self, factor: u32, digit: u32) -> Option<Self> {
        self.checked_mul(Self::from_i128(i128::from(factor)))?.checked_add(Self::from_i128(i128::from(digit)))
    }

    fn negate(self) -> Self {
        self.wrapping_neg()
    }
}

/// The value times 10^scale, or none for NaN, infinities and values with more digits than that.
#[inline]
pub(super) fn unscaled<N: Unscaled>(bytes: &[u8], scale: i32) -> Result<Option<N>, Malformed> {
    let header = header(bytes)?;
    if header.sign > NEGATIVE {
        return Ok(None);
    }
    let mut value = Some(N::ZERO);
    // The power of ten by which the digit at hand counts.
    let mut power = 4 * header.weight + scale;
    for digit in header.digits() {
        let digit = u32::from(digit);
        value = match power {
            0.. => value.and_then(|value| value.grow(10_000, digit)),
            -3..=-1 => {
                let cut = 10_u32.pow(power.unsigned_abs());
                value.filter(|_| digit % cut == 0).and_then(|value| value.grow(10_000 / cut, digit / cut))
            }
            _ => value.filter(|_| digit == 0),
        };
        power -= 4;
    }
    // The last digit counted 10^(power + 4).
    if !header.digits.is_empty() {
        for _ in 0..power + 4 {
            value = value.and_then(|value| value.grow(10, 0));
        }
    }
    Ok(value.map(|value| if header.sign == NEGATIVE { value.negate() } else { value }))
}

/// Appends the value as PostgreSQL prints it.
///
/// # Errors
/// When the bytes are no numeric.
pub fn numeric_text(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let header = header(bytes)?;
    let sign: &[u8] = match header.sign {
        0 => b"",
        NEGATIVE => b"-",
        NAN => b"NaN",
        INFINITY => b"Infinity",
        _ => b"-Infinity",
    };
    out.extend_from_slice(sign);
    if header.sign > NEGATIVE {
        return Ok(());
    }
    let mut digits = header.digits();
    let start = out.len();
    for _ in 0..=header.weight {
        let digit = four(digits.next().unwrap_or(0));
        let leading = if out.len() == start { digit.iter().take_while(|byte| **byte == b'0').count() } else { 0 };
        out.extend_from_slice(&digit[leading..]);
    }
    if out.len() == start {
        out.push(b'0');
    }
    if header.display_scale > 0 {
        out.push(b'.');
        let end = out.len() + header.display_scale;
        // Digits between the point and the first one sent.
        out.resize(out.len() + 4 * usize::try_from(-1 - header.weight).unwrap_or(0), b'0');
        while out.len() < end {
            out.extend_from_slice(&four(digits.next().unwrap_or(0)));
        }
        out.truncate(end);
    }
    Ok(())
}

fn four(digit: u16) -> [u8; 4] {
    [1000, 100, 10, 1].map(|unit| b'0' + u8::try_from(digit / unit % 10).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `numeric_send`, written from the text: the other direction of what is tested.
    pub(crate) fn send(text: &str) -> Vec<u8> {
        let (sign, plain) = text.strip_prefix('-').map_or((0, text), |rest| (NEGATIVE, rest));
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let scale = fraction.len();
        let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
        let fraction = format!("{fraction}{}", "0".repeat((4 - scale % 4) % 4));
        let all = format!("{whole}{fraction}");
        let mut digits: Vec<u16> =
            all.as_bytes().chunks(4).map(|four| std::str::from_utf8(four).unwrap().parse().unwrap()).collect();
        let mut weight = (whole.len() / 4) as i16 - 1;
        while digits.first() == Some(&0) {
            digits.remove(0);
            weight -= 1;
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            weight = 0;
        }
        let mut bytes = Vec::new();
        for word in [digits.len() as u16, weight as u16, sign, scale as u16].into_iter().chain(digits) {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    fn text(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        numeric_text(bytes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn awkward_numbers_print_as_postgresql_prints_them() {
        for sample in ["0", "0.00", "1", "-0.0000000001", "10000", "9999.9999", "100000000.00000001", "0.00010", "1e0"]
        {
            if sample != "1e0" {
                assert_eq!(text(&send(sample)), sample);
            }
        }
        assert_eq!(text(&[0, 0, 0, 0, 0xC0, 0, 0, 0]), "NaN");
        assert_eq!(unscaled::<i128>(&[0, 0, 0, 0, 0xC0, 0, 0, 0], 2), Ok(None));
        assert!(numeric_text(&[0, 1, 0, 0, 0, 0, 0, 0], &mut Vec::new()).is_err());
    }

    #[test]
    fn the_largest_decimals_fit_and_no_larger() {
        let nines = "9".repeat(38);
        assert_eq!(unscaled::<i128>(&send(&nines), 0), Ok(Some(10_i128.pow(38) - 1)));
        assert_eq!(unscaled::<i128>(&send(&"9".repeat(40)), 0), Ok(None));
        let fraction = format!("-{}.{}", "9".repeat(28), "9".repeat(10));
        assert_eq!(unscaled::<i128>(&send(&fraction), 10), Ok(Some(1 - 10_i128.pow(38))));
        let wide = "9".repeat(76);
        assert_eq!(unscaled::<i256>(&send(&wide), 0).unwrap().unwrap().to_string(), wide);
        assert_eq!(unscaled::<i128>(&send("1.5"), 0), Ok(None), "more digits after the point than the scale");
    }

    proptest! {
        #[test]
        fn any_number_prints_and_scales_back(
            negative: bool,
            whole in "0|[1-9][0-9]{0,29}",
            fraction in "[0-9]{0,12}",
            more in 0_i32..5,
        ) {
            let zero = !format!("{whole}{fraction}").bytes().any(|byte| byte != b'0');
            let sign = if negative && !zero { "-" } else { "" };
            let point = if fraction.is_empty() { "" } else { "." };
            let number = format!("{sign}{whole}{point}{fraction}");
            let bytes = send(&number);
            prop_assert_eq!(text(&bytes), number.clone());
            let scale = i32::try_from(fraction.len()).unwrap() + more;
            let expected = format!("{sign}{whole}{fraction}{}", "0".repeat(usize::try_from(more).unwrap()));
            if let Ok(expected) = expected.parse::<i128>() {
                prop_assert_eq!(unscaled::<i128>(&bytes, scale), Ok(Some(expected)));
            }
            let wide = unscaled::<i256>(&bytes, scale).unwrap().unwrap();
            prop_assert_eq!(Some(wide), i256::from_string(&expected));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), scale in 0_i32..77) {
            let _ = unscaled::<i128>(&bytes, scale);
            let _ = unscaled::<i256>(&bytes, scale);
            let _ = numeric_text(&bytes, &mut Vec::new());
        }
    }
}
