//! Durations, in exact integers.

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Outcome, of_texts};
use super::rate::{Rate, half_to_even, rate_argument};

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![of_texts("duration_ms", &[Utf8, Utf8, Utf8], |row| {
        row.stated(|text| duration(text, row.text(1) == Some("ms"), rate_argument(row, 2)))
    })]
}

/// Milliseconds, rounded half to even, from the many ways to write a length; a bare number is in the column's unit, frames
/// need the rate (dirt D63).
fn duration(text: &str, milliseconds: bool, rate: Option<Rate>) -> Outcome<i64> {
    let lower = text.to_ascii_lowercase();
    let found = if let Some(frames) = lower.strip_suffix("frames").or_else(|| lower.strip_suffix("frame")) {
        whole(frames.trim()).zip(rate).and_then(|(frames, rate)| rate.milliseconds(frames))
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

/// A number of at most nine digits.
pub(super) fn whole(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && text.len() <= 9).then(|| text.parse().ok())?
}

/// A number below 60.
pub(super) fn sixtieth(text: &str) -> Option<u64> {
    whole(text).filter(|value| *value < 60)
}

/// An unsigned decimal times a factor, rounded half to even.
fn decimal(text: &str, factor: u128) -> Option<i64> {
    let (dividend, divisor) = amount(text, factor)?;
    half_to_even(dividend, divisor)
}

/// An unsigned decimal times a factor, exact: a fraction over a power of ten.
pub(super) fn amount(text: &str, factor: u128) -> Option<(u128, u128)> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some(((whole * scale + fraction).checked_mul(factor)?, scale))
}

/// Milliseconds of numbers with units, rounded half to even.
fn units(text: &str) -> Option<i64> {
    let (dividend, divisor) = period(text)?;
    half_to_even(dividend, divisor)
}

/// `2m20.007s`, `1h24m`, `2 min 20 s`, `30 sec`: exact milliseconds, a fraction over a power of ten.
pub(super) fn period(text: &str) -> Option<(u128, u128)> {
    let mut total = None;
    let mut rest = text.trim();
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
        let (more, scale) = amount(number, factor)?;
        let (sum, base) = total.unwrap_or((0_u128, 1));
        let common = scale.max(base);
        total = Some((sum.checked_mul(common / base)?.checked_add(more.checked_mul(common / scale)?)?, common));
        rest = next.trim_start();
    }
    total
}

/// `:30`, `0:30`, `00:02:20`, `00:02:20.007`, and with frames `00:02:20:00` or, drop frame, `00:02:20;00`.
fn clock(text: &str, rate: Option<Rate>) -> Option<i64> {
    let drop_frame = text.contains(';');
    let parts: Vec<&str> = text.split([':', ';']).collect();
    if let [hours, minutes, seconds, frames] = parts.as_slice() {
        let seconds_total = whole(hours)? * 3600 + sixtieth(minutes)? * 60 + sixtieth(seconds)?;
        return framed(seconds_total, whole(frames)?, drop_frame, rate);
    }
    if drop_frame {
        return None;
    }
    let (minutes, seconds) = match parts.as_slice() {
        // `:30`
        ["", seconds] => (0, seconds),
        [minutes, seconds] => (whole(minutes)?, seconds),
        [hours, minutes, seconds] => (whole(hours)? * 60 + sixtieth(minutes)?, seconds),
        _ => return None,
    };
    let rest = decimal(seconds, 1000).filter(|rest| minutes == 0 || *rest < 60_000)?;
    i64::try_from(minutes * 60_000).ok()?.checked_add(rest)
}

/// Frames are counted at the nominal rate and played at the true one (rulings A19); a drop-frame count skips numbers, which
/// therefore are none (`00:01:00;00`, as in D64).
/// Without a rate only whole seconds have a length.
fn framed(seconds: u64, frames: u64, drop_frame: bool, rate: Option<Rate>) -> Option<i64> {
    let Some(rate) = rate else {
        return (frames == 0).then(|| i64::try_from(seconds * 1000).ok())?;
    };
    let minutes = seconds / 60;
    if frames >= rate.nominal() || (drop_frame && rate.skips(minutes, seconds % 60, frames)) {
        return None;
    }
    let skipped = if drop_frame { rate.dropped() * (minutes - minutes / 10) } else { 0 };
    rate.milliseconds((seconds.checked_mul(rate.nominal())? + frames).checked_sub(skipped)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NTSC30: Option<Rate> = Some(Rate { num: 30_000, den: 1001 });
    const PAL: Option<Rate> = Some(Rate { num: 25, den: 1 });

    #[test]
    fn durations_are_milliseconds() {
        for (raw, milliseconds, rate, expected) in [
            ("140007", true, None, 140_007),
            ("140007.5", true, None, 140_008),
            ("140.00799560546875", false, None, 140_008),
            ("00:02:20", false, None, 140_000),
            ("00:02:20.007", false, None, 140_007),
            ("4195 frames", false, NTSC30, 139_973),
            ("PT2M20.007S", false, None, 140_007),
            ("2 min 20 s", false, None, 140_000),
            (":30", false, None, 30_000),
            (":90", false, None, 90_000),
            ("30s", false, None, 30_000),
            ("0:30", false, None, 30_000),
            ("20", false, None, 20_000),
            ("30 sec", false, None, 30_000),
            ("84 min", false, None, 5_040_000),
            ("90:00", false, None, 5_400_000),
            ("PT1H24M", false, None, 5_040_000),
            ("00:02:20:00", false, None, 140_000),
            ("00:00:30:00", false, NTSC30, 30_030),
            ("00:00:30:15", false, NTSC30, 30_530),
            ("00:02:20:00", false, PAL, 140_000),
            ("00:10:00;00", false, NTSC30, 599_999),
            ("00:01:00;02", false, NTSC30, 60_060),
            ("30.030", false, None, 30_030),
            ("0.0005", false, None, 0),
            ("0.0015", false, None, 2),
        ] {
            assert_eq!(duration(raw, milliseconds, rate), Outcome::of(expected), "{raw}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told() {
        let long = "9".repeat(30);
        for raw in [
            "-1",
            "PT",
            "soon",
            "1:2:3:4:5",
            "00:00:61:00",
            "00:00:00:30",
            "1:75",
            "00:99:00",
            "01:60:00",
            "00:01:00;00",
            "00:02:00;01",
            "::",
            "",
            ".",
            "1e3",
            &long,
        ] {
            assert_eq!(duration(raw, false, NTSC30), Outcome::dropped("DURATION_INVALID"), "{raw}");
        }
        assert_eq!(duration("4195 frames", false, None), Outcome::dropped("DURATION_INVALID"));
        assert_eq!(duration("00:02:20:12", false, None), Outcome::dropped("DURATION_INVALID"));
    }
}
