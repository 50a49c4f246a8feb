//! Frame rates, as exact rationals.

use std::borrow::Cow;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Flag, Flagged, Outcome, Row, Text, of_texts};
use super::text::is_placeholder;

/// More digits than any rate has; what is shorter cannot overflow below.
const MOST_DIGITS: usize = 9;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![of_texts("frame_rate", &[Utf8], |row| match row.trimmed(0) {
        None => flagged(Outcome::ABSENT, None),
        Some(text) if is_placeholder(text) => flagged(Outcome::dropped("PLACEHOLDER_DROPPED"), None),
        Some(text) => frame_rate(text),
    })]
}

/// Whether the rate was written as that of interlaced (`50i`) or progressive (`59.94p`) pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interlaced;

impl Flag for Interlaced {
    const NAME: &'static str = "interlaced";
}

fn flagged(outcome: Outcome<Text<'static>>, flag: Option<bool>) -> Flagged<Text<'static>, Interlaced> {
    Flagged { outcome, flag, name: Interlaced }
}

/// The rate that an argument names as `num/den`.
pub(super) fn rate_argument(row: &Row, argument: usize) -> Option<Rate> {
    let (num, den) = row.trimmed(argument)?.split_once('/')?;
    Rate::new(number(num)?, number(den)?).filter(|rate| rate.num > 0)
}

/// Frames a second. Neither part has more than twelve digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) num: u64,
    pub(super) den: u64,
}

impl Rate {
    /// A fraction reduced; None where the denominator is zero.
    fn new(num: u64, den: u64) -> Option<Self> {
        let divisor = gcd(num, den).max(1);
        (den > 0).then_some(Self { num: num / divisor, den: den / divisor })
    }

    /// Frames counted a second, at least one: 30 at 30000/1001.
    pub(super) fn nominal(self) -> u64 {
        ((self.num + self.den / 2) / self.den).max(1)
    }

    /// Frame numbers that a drop-frame count skips in each minute that is no tenth: 2 at 30000/1001, 4 at 60000/1001, none
    /// at rates that have no such count.
    pub(super) fn dropped(self) -> u64 {
        if self.den == 1001 && matches!(self.nominal(), 30 | 60) { self.nominal() / 15 } else { 0 }
    }

    /// Whether a drop-frame count has no such number: the first frames of each minute that is no tenth.
    pub(super) fn skips(self, minutes: u64, seconds: u64, frames: u64) -> bool {
        seconds == 0 && !minutes.is_multiple_of(10) && frames < self.dropped()
    }

    /// The time that so many frames take, rounded half to even.
    pub(super) fn milliseconds(self, frames: u64) -> Option<i64> {
        half_to_even(u128::from(frames) * u128::from(self.den) * 1000, u128::from(self.num))
    }

    /// Faster than one and at most 300 frames a second.
    fn plausible(self) -> bool {
        self.num > self.den && self.num <= 300 * self.den
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A quotient rounded to the nearest integer, halves to the even one; None where it is too large or the divisor is zero.
pub(super) fn half_to_even(dividend: u128, divisor: u128) -> Option<i64> {
    let (whole, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let up = rest > divisor - rest || (rest == divisor - rest && whole % 2 == 1);
    i64::try_from(whole + u128::from(up)).ok()
}

/// The rate as a reduced rational, `30000/1001`, `25/1`, and whether it was written as interlaced: `50i` counts fields, so
/// does `59.94i` (dirt D62, rulings A33).
fn frame_rate(text: &str) -> Flagged<Text<'static>, Interlaced> {
    let lower = text.to_ascii_lowercase();
    let mut bare = lower.as_str();
    for suffix in ["fps", "ndf", "df"] {
        bare = bare.strip_suffix(suffix).unwrap_or(bare).trim_end();
    }
    let (bare, interlaced) = match (bare.strip_suffix('i'), bare.strip_suffix('p')) {
        (Some(rest), _) => (rest.trim_end(), Some(true)),
        (_, Some(rest)) => (rest.trim_end(), Some(false)),
        _ => (bare, None),
    };
    let written = match bare.split_once('/') {
        Some((num, den)) => number(num).zip(number(den)).and_then(|(num, den)| exact(num, den)),
        None => decimal(bare),
    };
    // 29.97i counts frames, 59.94i fields
    let rate = written.and_then(|rate| match interlaced {
        Some(true) if rate.plausible() && rate.nominal() >= 48 => Rate::new(rate.num, rate.den * 2),
        _ => Some(rate),
    });
    match rate.filter(|rate| rate.plausible()) {
        Some(rate) => flagged(Outcome::of(written_out(rate)), interlaced),
        None => flagged(Outcome::dropped("FRAME_RATE_INVALID"), None),
    }
}

/// The usual rates are constants, others are put together.
fn written_out(rate: Rate) -> Text<'static> {
    match (rate.num, rate.den) {
        (24_000, 1001) => Cow::Borrowed("24000/1001"),
        (24, 1) => Cow::Borrowed("24/1"),
        (25, 1) => Cow::Borrowed("25/1"),
        (30_000, 1001) => Cow::Borrowed("30000/1001"),
        (30, 1) => Cow::Borrowed("30/1"),
        (50, 1) => Cow::Borrowed("50/1"),
        (60_000, 1001) => Cow::Borrowed("60000/1001"),
        (60, 1) => Cow::Borrowed("60/1"),
        (num, den) => Cow::Owned(format!("{num}/{den}")),
    }
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && text.len() <= MOST_DIGITS).then(|| text.parse().ok())?
}

/// A fraction reduced; one within 0.0005 of n*1000/1001 (2997/100) becomes that rate, and so does 23.98 however it is
/// written: two decimals are too few to come within 0.0005 of 24000/1001.
fn exact(num: u64, den: u64) -> Option<Rate> {
    if den > 0 && u128::from(num) * 100 == u128::from(den) * 2398 {
        return Rate::new(24_000, 1001);
    }
    let (exact_num, exact_den) = (u128::from(num), u128::from(den));
    let nominal = half_to_even(exact_num * 1001, exact_den * 1000).and_then(|nominal| u64::try_from(nominal).ok())?;
    // |num/den - nominal*1000/1001| <= 0.0005
    let distance = (exact_num * 1001).abs_diff(u128::from(nominal) * 1000 * exact_den);
    if nominal > 0 && distance * 2000 <= 1001 * exact_den {
        return Rate::new(nominal * 1000, 1001);
    }
    Rate::new(num, den)
}

/// A decimal; more than nine decimals, as floating point numbers print, are rounded to nine: no two rates lie so near.
fn decimal(text: &str) -> Option<Rate> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = number(whole).filter(|_| (1..=4).contains(&whole.trim().len()))?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kept, more) = fraction.split_at(fraction.len().min(MOST_DIGITS));
    let den = 10_u64.pow(u32::try_from(kept.len()).ok()?);
    let kept: u64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let up = more.bytes().next().is_some_and(|digit| digit >= b'5');
    exact(whole * den + kept + u64::from(up), den)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_rationals() {
        for (raw, expected, interlaced) in [
            ("29.97", "30000/1001", None),
            ("29.970", "30000/1001", None),
            ("29.97DF", "30000/1001", None),
            ("29.97 NDF", "30000/1001", None),
            ("30000/1001", "30000/1001", None),
            ("2997/100", "30000/1001", None),
            ("23.98", "24000/1001", None),
            ("23.980", "24000/1001", None),
            ("23.976", "24000/1001", None),
            ("2398/100", "24000/1001", None),
            ("29.97002997002997", "30000/1001", None),
            ("23.976023976023978", "24000/1001", None),
            ("25.0000000000", "25/1", None),
            ("24.99999999999999", "25/1", None),
            ("25.0000000000001", "25/1", None),
            ("24000/1001", "24000/1001", None),
            ("24", "24/1", None),
            ("25.0", "25/1", None),
            ("25", "25/1", None),
            ("25 fps", "25/1", None),
            ("25p", "25/1", Some(false)),
            ("50i", "25/1", Some(true)),
            ("59.94p", "60000/1001", Some(false)),
            ("59.94i", "30000/1001", Some(true)),
            ("29.97i", "30000/1001", Some(true)),
            ("30", "30/1", None),
            ("60000/2002", "30000/1001", None),
            ("119.88", "120000/1001", None),
            ("12.5", "25/2", None),
        ] {
            assert_eq!(frame_rate(raw), flagged(Outcome::of(expected.into()), interlaced), "{raw}");
        }
        for raw in [
            "0",
            "1.0",
            "VFR",
            "1000",
            "30/0",
            "-25",
            "",
            "i",
            "p",
            ".5",
            "+25",
            "99999999999999999999",
            "25/",
            "25.00000000000x",
        ] {
            assert_eq!(frame_rate(raw).outcome, Outcome::dropped("FRAME_RATE_INVALID"), "{raw}");
        }
    }

    #[test]
    fn halves_go_to_the_even_integer() {
        for (dividend, divisor, expected) in [(1, 2, 0), (3, 2, 2), (5, 2, 2), (61_061, 2, 30_530), (7, 3, 2)] {
            assert_eq!(half_to_even(dividend, divisor), Some(expected));
        }
        assert_eq!(half_to_even(1, 0), None);
        assert_eq!(half_to_even(u128::MAX, 1), None);
    }
}
