//! Frame rates, durations and timecodes, all in exact integers.

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Outcome, Row, outcome};

/// The nominal rates that exist slowed down by 1000/1001.
const NTSC: [u64; 7] = [24, 30, 48, 60, 72, 96, 120];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        outcome("frame_rate", &[Utf8], |row| row.trimmed(0).map_or(Outcome::ABSENT, frame_rate)),
        outcome("duration_ms", &[Utf8, Utf8, Utf8], |row| {
            row.trimmed(0)
                .map_or(Outcome::ABSENT, |text| duration(text, row.text(1) == Some("ms"), rate_argument(row, 2)))
        }),
        outcome("timecode", &[Utf8, Utf8], |row| {
            row.trimmed(0).map_or(Outcome::ABSENT, |text| timecode(text, rate_argument(row, 1)))
        }),
    ]
}

fn rate_argument(row: &Row, argument: usize) -> Option<Rate> {
    let (num, den) = row.trimmed(argument)?.split_once('/')?;
    let rate = Rate { num: num.parse().ok()?, den: den.parse().ok()? };
    (rate.num > 0 && rate.den > 0).then_some(rate)
}

/// Frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    num: u64,
    den: u64,
}

impl Rate {
    fn reduced(num: u64, den: u64) -> Self {
        let divisor = gcd(num, den).max(1);
        Self { num: num / divisor, den: den / divisor }
    }

    /// Frames counted a second: 30 at 30000/1001.
    fn nominal(self) -> u64 {
        (self.num + self.den / 2) / self.den
    }

    fn plausible(self) -> bool {
        self.num > self.den && self.num <= 300 * self.den
    }

    fn milliseconds(self, frames: u64) -> i64 {
        half_to_even(u128::from(frames) * u128::from(self.den) * 1000, u128::from(self.num))
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A quotient rounded to the nearest integer, halves to the even one.
fn half_to_even(dividend: u128, divisor: u128) -> i64 {
    let (whole, rest) = (dividend / divisor, dividend % divisor);
    let up = rest * 2 > divisor || (rest * 2 == divisor && whole % 2 == 1);
    i64::try_from(whole + u128::from(up)).unwrap_or(i64::MAX)
}

/// The rate as a rational: `30000/1001`, `25/1`. Interlaced rates (`50i`) count fields.
fn frame_rate(text: &str) -> Outcome<String> {
    let lower = text.to_ascii_lowercase();
    let mut bare = lower.as_str();
    let mut fields = false;
    for suffix in ["fps", "ndf", "df", "p"] {
        bare = bare.strip_suffix(suffix).unwrap_or(bare).trim_end();
    }
    if let Some(rest) = bare.strip_suffix('i') {
        fields = true;
        bare = rest.trim_end();
    }
    let rate = match bare.split_once('/') {
        Some((num, den)) => num.trim().parse().ok().zip(den.trim().parse().ok()).map(|(num, den)| exact(num, den)),
        None => decimal_rate(bare),
    };
    // 29.97i counts frames, 59.94i fields
    let rate =
        rate.map(|rate| if fields && rate.nominal() >= 48 { Rate::reduced(rate.num, rate.den * 2) } else { rate });
    match rate.filter(|rate| rate.den > 0 && rate.plausible()) {
        Some(rate) => Outcome::of(format!("{}/{}", rate.num, rate.den)),
        None => Outcome::dropped("FRAME_RATE_INVALID"),
    }
}

/// A fraction reduced; one that writes an NTSC rate in decimals (2997/100) becomes that rate.
fn exact(num: u64, den: u64) -> Rate {
    let close = |nominal: &&u64| {
        let (left, right) = (u128::from(num) * 1001, u128::from(**nominal) * 1000 * u128::from(den));
        // |num/den - nominal*1000/1001| <= 0.0005
        left.abs_diff(right) * 2000 <= 1001 * u128::from(den)
    };
    match NTSC.iter().find(close) {
        Some(nominal) if den > 0 => Rate::reduced(nominal * 1000, 1001),
        _ => Rate::reduced(num, den),
    }
}

fn decimal_rate(text: &str) -> Option<Rate> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // two decimals are too few to come within 0.0005 of 24000/1001
    if (whole, fraction) == ("23", "98") {
        return Some(Rate::reduced(24_000, 1001));
    }
    let den = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let num = whole.parse::<u64>().ok()?.checked_mul(den)? + fraction.parse::<u64>().unwrap_or(0);
    Some(exact(num, den))
}

/// Milliseconds from the many ways to write a length; a bare number is in the column's unit.
fn duration(text: &str, milliseconds: bool, rate: Option<Rate>) -> Outcome<i64> {
    let lower = text.to_ascii_lowercase();
    let found = if let Some(frames) = lower.strip_suffix("frames").or_else(|| lower.strip_suffix("frame")) {
        frames.trim().parse().ok().zip(rate).map(|(frames, rate): (u64, _)| rate.milliseconds(frames))
    } else if let Some(period) = lower.strip_prefix("pt") {
        units(period)
    } else if lower.contains([':', ';']) {
        clock(&lower, rate)
    } else if lower.ends_with(|last: char| last.is_ascii_alphabetic()) {
        units(&lower)
    } else {
        decimal(&lower, if milliseconds { 1 } else { 1000 })
    };
    found.map_or(Outcome::dropped("DURATION_INVALID"), Outcome::of)
}

/// An unsigned decimal times a factor, rounded half to even.
fn decimal(text: &str, factor: u128) -> Option<i64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some(half_to_even((whole * scale + fraction) * factor, scale))
}

/// `2m20.007s`, `1h24m`, `2 min 20 s`, `30 sec`: numbers with units.
fn units(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut rest = text.trim();
    let mut any = false;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, tail) = rest.split_at(end);
        let tail = tail.trim_start();
        let unit_end = tail.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let factor = match unit {
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "s" | "sec" | "secs" | "second" | "seconds" => 1000,
            "ms" => 1,
            _ => return None,
        };
        total += decimal(number, factor)?;
        any = true;
        rest = next.trim_start();
    }
    any.then_some(total)
}

/// `:30`, `0:30`, `00:02:20`, `00:02:20.007`, and with frames `00:02:20:00` or, drop frame, `00:02:20;00`.
fn clock(text: &str, rate: Option<Rate>) -> Option<i64> {
    let drop_frame = text.contains(';');
    let parts: Vec<&str> = text.split([':', ';']).collect();
    if let [hours, minutes, seconds, frames] = parts.as_slice() {
        let seconds_total = hours.parse::<u64>().ok()? * 3600 + sixtieth(minutes)? * 60 + sixtieth(seconds)?;
        let frames: u64 = frames.parse().ok()?;
        let Some(rate) = rate else {
            return (frames == 0).then(|| i64::try_from(seconds_total * 1000).unwrap_or(i64::MAX));
        };
        let nominal = rate.nominal();
        let minutes_total = seconds_total / 60;
        let dropped = if drop_frame { nominal / 15 * (minutes_total - minutes_total / 10) } else { 0 };
        return Some(rate.milliseconds((seconds_total * nominal + frames).checked_sub(dropped)?));
    }
    if drop_frame || parts.len() > 3 {
        return None;
    }
    let (seconds, larger) = parts.split_last()?;
    let mut minutes_total = 0_i64;
    for part in larger.iter().filter(|part| !part.is_empty()) {
        minutes_total = minutes_total * 60 + i64::from(part.parse::<u32>().ok()?);
    }
    Some(minutes_total * 60_000 + decimal(seconds, 1000)?)
}

fn sixtieth(text: &str) -> Option<u64> {
    text.parse().ok().filter(|value| *value < 60)
}

/// `HH:MM:SS:FF`, with `;` before the frames of a drop-frame count.
fn timecode(text: &str, rate: Option<Rate>) -> Outcome<String> {
    let invalid = Outcome::dropped("TIMECODE_INVALID");
    let parts: Vec<&str> = text.split([':', ';', '.']).collect();
    let [hours, minutes, seconds, frames] = parts.as_slice() else {
        return moment(text, rate).map_or(invalid, Outcome::of);
    };
    let drop_frame = text.contains(';');
    let numbers = (hours.parse::<u32>(), sixtieth(minutes), sixtieth(seconds), frames.parse::<u64>());
    let (Ok(hours), Some(minutes), Some(seconds), Ok(frames)) = numbers else { return invalid };
    let nominal = rate.map_or(u64::MAX, Rate::nominal);
    let skipped = drop_frame && seconds == 0 && minutes % 10 != 0 && frames < nominal.min(30) / 15;
    if frames >= nominal || frames > 99 || skipped {
        return invalid;
    }
    let separator = if drop_frame { ';' } else { ':' };
    let value = format!("{hours:02}:{minutes:02}:{seconds:02}{separator}{frames:02}");
    if hours > 23 { Outcome::noted(value, "TIMECODE_OVER_24H") } else { Outcome::of(value) }
}

/// A moment given as seconds with a fraction, as milliseconds or as a period, counted in frames without drops.
fn moment(text: &str, rate: Option<Rate>) -> Option<String> {
    let milliseconds = match text.strip_prefix("PT") {
        Some(period) => units(&period.to_ascii_lowercase())?,
        None if text.contains(':') => return None,
        None => decimal(text, if text.contains('.') { 1000 } else { 1 })?,
    };
    let milliseconds = u64::try_from(milliseconds).ok()?;
    // whole seconds need no rate
    let (seconds, frames) = match rate {
        Some(rate) => {
            let frames = (milliseconds * rate.num + rate.den * 500) / (rate.den * 1000);
            (frames / rate.nominal(), frames % rate.nominal())
        }
        None if milliseconds % 1000 == 0 => (milliseconds / 1000, 0),
        None => return None,
    };
    Some(format!("{:02}:{:02}:{:02}:{frames:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NTSC30: Option<Rate> = Some(Rate { num: 30_000, den: 1001 });
    const PAL: Option<Rate> = Some(Rate { num: 25, den: 1 });

    #[test]
    fn rates_are_rationals() {
        for (raw, expected) in [
            ("29.97", "30000/1001"),
            ("29.970", "30000/1001"),
            ("29.97DF", "30000/1001"),
            ("30000/1001", "30000/1001"),
            ("2997/100", "30000/1001"),
            ("23.98", "24000/1001"),
            ("23.976", "24000/1001"),
            ("24000/1001", "24000/1001"),
            ("25.0", "25/1"),
            ("25", "25/1"),
            ("25 fps", "25/1"),
            ("50i", "25/1"),
            ("59.94p", "60000/1001"),
            ("59.94i", "30000/1001"),
            ("30", "30/1"),
            ("60000/2002", "30000/1001"),
            ("12.5", "25/2"),
        ] {
            assert_eq!(frame_rate(raw), Outcome::of(expected.to_owned()), "{raw}");
        }
        for raw in ["0", "1.0", "VFR", "1000", "30/0", "-25"] {
            assert_eq!(frame_rate(raw), Outcome::dropped("FRAME_RATE_INVALID"), "{raw}");
        }
    }

    #[test]
    fn durations_are_milliseconds() {
        for (raw, milliseconds, rate, expected) in [
            ("140007", true, None, 140_007),
            ("140.00799560546875", false, None, 140_008),
            ("00:02:20", false, None, 140_000),
            ("00:02:20.007", false, None, 140_007),
            ("4195 frames", false, NTSC30, 139_973),
            ("PT2M20.007S", false, None, 140_007),
            ("2 min 20 s", false, None, 140_000),
            (":30", false, None, 30_000),
            ("30s", false, None, 30_000),
            ("0:30", false, None, 30_000),
            ("30 sec", false, None, 30_000),
            ("84 min", false, None, 5_040_000),
            ("PT1H24M", false, None, 5_040_000),
            ("00:00:30:00", false, NTSC30, 30_030),
            ("00:00:30:15", false, NTSC30, 30_530),
            ("00:02:20:00", false, PAL, 140_000),
            ("00:10:00;00", false, NTSC30, 599_999),
            ("30.030", false, None, 30_030),
        ] {
            assert_eq!(duration(raw, milliseconds, rate), Outcome::of(expected), "{raw}");
        }
        for raw in ["-1", "PT", "soon", "1:2:3:4:5", "00:00:61:00"] {
            assert_eq!(duration(raw, false, NTSC30), Outcome::dropped("DURATION_INVALID"), "{raw}");
        }
    }

    #[test]
    fn timecodes_have_one_form() {
        for (raw, rate, expected) in [
            ("01:00:00:00", NTSC30, "01:00:00:00"),
            ("01:00:00;02", NTSC30, "01:00:00;02"),
            ("1:00:00:00", None, "01:00:00:00"),
            ("01.00.00.00", PAL, "01:00:00:00"),
            ("3600.0", None, "01:00:00:00"),
            ("3723167", PAL, "01:02:03:04"),
            ("PT1H2M3S", None, "01:02:03:00"),
            ("00:10:00;00", NTSC30, "00:10:00;00"),
            ("3600.0", PAL, "01:00:00:00"),
        ] {
            assert_eq!(timecode(raw, rate), Outcome::of(expected.to_owned()), "{raw}");
        }
        for raw in ["00:00:00:-1", "00:01:00;00", "00:00:00:30", "00:60:00:00", "now"] {
            assert_eq!(timecode(raw, NTSC30), Outcome::dropped("TIMECODE_INVALID"), "{raw}");
        }
        assert_eq!(timecode("25:00:00:00", PAL), Outcome::noted("25:00:00:00".to_owned(), "TIMECODE_OVER_24H"));
    }
}
