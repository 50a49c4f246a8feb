//! Timecodes.

use std::borrow::Cow;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;

use super::duration::{amount, period, sixtieth, whole};
use super::kernel::{Outcome, Text, text_outcome};
use super::rate::{Rate, half_to_even, rate_argument};

/// The rate of a drop-frame count whose own is not known.
const USUAL_DROP_FRAME: Rate = Rate { num: 30_000, den: 1001 };

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![text_outcome("timecode", &[Utf8, Utf8], |row| row.stated(|text| timecode(text, rate_argument(row, 1))))]
}

/// `HH:MM:SS:FF`, with `;` before the frames of a drop-frame count (dirt D64). Frame numbers that the rate does not reach or
/// the drop-frame count skips are no timecodes; hours above 23 stay. Short forms are short numbers (`1:0:0:0`): three numbers
/// may be a time or lack their hours, and are none. A `;` at a rate without a drop-frame count stays, too: D64 does not say
/// which of the two is wrong.
fn timecode(text: &str, rate: Option<Rate>) -> Outcome<Text<'_>> {
    let invalid = Outcome::dropped("TIMECODE_INVALID");
    let mut parts = text.split([':', ';', '.']);
    let four = (parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(hours), Some(minutes), Some(seconds), Some(frames), None) = four else {
        return moment(text, rate).unwrap_or(invalid);
    };
    let drop_frame = text.contains(';');
    let numbers = (whole(hours), sixtieth(minutes), sixtieth(seconds), whole(frames));
    let (Some(hours), Some(minutes), Some(seconds), Some(frames)) = numbers else { return invalid };
    let skipped = drop_frame && rate.unwrap_or(USUAL_DROP_FRAME).skips(minutes, seconds, frames);
    if frames >= rate.map_or(100, Rate::nominal) || skipped {
        return invalid;
    }
    let separator = if drop_frame { ';' } else { ':' };
    let value = format!("{hours:02}:{minutes:02}:{seconds:02}{separator}{frames:02}");
    of_day(if value == text { Cow::Borrowed(text) } else { Cow::Owned(value) }, hours)
}

/// A timecode of a day and more is kept and told.
fn of_day(value: Text<'_>, hours: u64) -> Outcome<Text<'_>> {
    if hours > 23 { Outcome::noted(value, "TIMECODE_OVER_24H") } else { Outcome::of(value) }
}

/// A moment given as seconds with a fraction, as milliseconds or as a period, rounded once to a frame. Its seconds are
/// those that a timecode counts, so that `3600.0` is `01:00:00:00` at any rate.
fn moment<'a>(text: &str, rate: Option<Rate>) -> Option<Outcome<Text<'a>>> {
    let (dividend, divisor) = match text.strip_prefix("PT") {
        Some(stated) => period(&stated.to_ascii_lowercase())?,
        None if text.contains(':') => return None,
        None => amount(text, if text.contains('.') { 1000 } else { 1 })?,
    };
    let divisor = divisor * 1000;
    // whole seconds need no rate
    let base = match rate {
        Some(rate) => rate.nominal(),
        None if dividend % divisor == 0 => 1,
        None => return None,
    };
    let frames = half_to_even(dividend.checked_mul(u128::from(base))?, divisor)?.unsigned_abs();
    let (seconds, frames) = (frames / base, frames % base);
    let hours = seconds / 3600;
    Some(of_day(format!("{hours:02}:{:02}:{:02}:{frames:02}", seconds / 60 % 60, seconds % 60).into(), hours))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NTSC30: Option<Rate> = Some(Rate { num: 30_000, den: 1001 });
    const PAL: Option<Rate> = Some(Rate { num: 25, den: 1 });

    #[test]
    fn timecodes_have_one_form() {
        for (raw, rate, expected) in [
            ("01:00:00:00", NTSC30, "01:00:00:00"),
            ("01:00:00;02", NTSC30, "01:00:00;02"),
            ("01:00:00;02", None, "01:00:00;02"),
            ("01:00:00;02", PAL, "01:00:00;02"),
            ("1:00:00:00", None, "01:00:00:00"),
            ("1:2:3:4", PAL, "01:02:03:04"),
            ("01.00.00.00", PAL, "01:00:00:00"),
            ("3600.0", None, "01:00:00:00"),
            ("3600.0", NTSC30, "01:00:00:00"),
            ("3723167", PAL, "01:02:03:04"),
            ("PT1H2M3S", None, "01:02:03:00"),
            ("00:10:00;00", NTSC30, "00:10:00;00"),
            ("00:01:00;02", NTSC30, "00:01:00;02"),
            ("3600.0", PAL, "01:00:00:00"),
            ("23:59:59:24", PAL, "23:59:59:24"),
        ] {
            assert_eq!(timecode(raw, rate), Outcome::of(expected.into()), "{raw}");
        }
        // rounded once: by way of 60 ms it would be the second frame
        assert_eq!(timecode("0.0599", PAL), Outcome::of("00:00:00:01".into()));
        assert_eq!(timecode("0.0601", PAL), Outcome::of("00:00:00:02".into()));
    }

    #[test]
    fn a_day_and_more_is_kept_and_told() {
        for (raw, rate, expected) in [
            ("25:00:00:00", PAL, "25:00:00:00"),
            ("90000.0", None, "25:00:00:00"),
            ("86399.99", PAL, "24:00:00:00"),
            ("PT24H", PAL, "24:00:00:00"),
        ] {
            assert_eq!(timecode(raw, rate), Outcome::noted(expected.into(), "TIMECODE_OVER_24H"), "{raw}");
        }
    }

    #[test]
    fn what_is_no_timecode_is_told() {
        for raw in [
            "00:00:00:-1",
            "00:01:00;00",
            "00:01:00;01",
            "00:00:00:30",
            "00:60:00:00",
            "00:00:60:00",
            "now",
            "::",
            "1:0:0",
        ] {
            assert_eq!(timecode(raw, NTSC30), Outcome::dropped("TIMECODE_INVALID"), "{raw}");
        }
        for raw in ["00:01:00;01", "00:00:00:100", "3600.5"] {
            assert_eq!(timecode(raw, None), Outcome::dropped("TIMECODE_INVALID"), "{raw}");
        }
        assert_eq!(timecode("00:00:00:25", PAL), Outcome::dropped("TIMECODE_INVALID"));
    }
}
