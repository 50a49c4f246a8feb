//! Dates and instants from text and from local time.
//!
//! A zone is a name of the IANA database, UTC where it is NULL or blank. A name that is none places no local time: the
//! value is INVALID_DATE, never a guess (`time_zone` tells the names, so that settings can be checked for one).

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType::{Boolean, Date32, Utf8};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, Duration, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use super::kernel::{Days, Flag, Flagged, Instant, Outcome, Output, column, of_texts, text};
use super::moment::{Moment, Unread, read};
use super::text::{is_placeholder, trim};

/// Days that stand for "without end" in dates of broadcasting (dirt D48), as year, month and day.
const SENTINELS: [(i32, u32, u32); 2] = [(2099, 12, 31), (9999, 12, 31)];

/// Days on which a count of time begins, and which stand for no date (dirt D52), as year, month and day.
const ZEROS: [(i32, u32, u32); 2] = [(1970, 1, 1), (1899, 12, 30)];

/// Whether a date or instant is open: true for one without end, NULL otherwise (rulings A29).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OpenEnded;

impl Flag for OpenEnded {
    const NAME: &'static str = "open_ended";
}

type Found<T> = Flagged<T, OpenEnded>;

fn found<T>(outcome: Outcome<T>) -> Found<T> {
    Flagged { outcome, flag: None, name: OpenEnded }
}

/// No value: the date lies without end ahead.
fn endless<T>() -> Found<T> {
    Flagged { flag: Some(true), ..found(Outcome::dropped("OPEN_ENDED")) }
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    let stamp = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    vec![
        of_texts("date_text", &[Utf8, Boolean], |row| {
            row.trimmed(0).map_or(found(Outcome::ABSENT), |text| date(text, row.text(1) == Some("true")))
        }),
        of_texts("instant_text", &[Utf8, Utf8, Boolean], |row| {
            let zone = zone(row.text(1));
            row.trimmed(0).map_or(found(Outcome::ABSENT), |text| instant(text, zone, row.text(2) == Some("true")))
        }),
        function("to_utc", vec![stamp(None), Utf8], Found::<Instant>::data_type(), to_utc),
        function("bounded_date", vec![Date32], Found::<Days>::data_type(), |arguments| {
            let [dates] = arguments else { return exec_err!("bounded_date takes a date") };
            let dates = dates.as_primitive::<Date32Type>();
            Ok(column(dates.iter().map(|days| days.map_or(found(Outcome::ABSENT), bounded_date))))
        }),
        function("bounded_instant", vec![stamp(Some("UTC"))], Found::<Instant>::data_type(), |arguments| {
            let [instants] = arguments else { return exec_err!("bounded_instant takes an instant") };
            let instants = instants.as_primitive::<TimestampMicrosecondType>();
            Ok(column(instants.iter().map(|micros| micros.map_or(found(Outcome::ABSENT), bounded_instant))))
        }),
        function("zero_date", vec![Date32], Boolean, |arguments| {
            let [dates] = arguments else { return exec_err!("zero_date takes a date") };
            let dates = dates.as_primitive::<Date32Type>();
            Ok(Arc::new(dates.iter().map(|days| days.map(is_zero_date)).collect::<BooleanArray>()))
        }),
        function("zero_moment", vec![stamp(Some("UTC")), Utf8], Boolean, zero_moment),
        text("time_zone", &[Utf8], |row| {
            row.trimmed(0).and_then(|name| Tz::from_str(name).ok()).map(|zone| zone.name().into())
        }),
    ]
}

/// The zone of a name, UTC without one; None where it is none.
fn zone(name: Option<&str>) -> Option<Tz> {
    match name.map(trim) {
        None | Some("") => Some(Tz::UTC),
        Some(name) => Tz::from_str(name).ok(),
    }
}

/// A function of whole columns; constants become columns.
fn function(
    name: &str,
    inputs: Vec<DataType>,
    output: DataType,
    invoke: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    let over_columns = move |arguments: &[ColumnarValue]| {
        Ok(ColumnarValue::Array(invoke(&ColumnarValue::values_to_arrays(arguments)?)?))
    };
    create_udf(name, inputs, output, Volatility::Immutable, Arc::new(over_columns))
}

/// The instant of a local time in a zone. The extremes of the type stand for the infinities and give none.
fn to_utc(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let [times, zones] = arguments else { return exec_err!("to_utc takes a timestamp and a zone") };
    let mut out = Found::<Instant>::builder(times.len());
    each_in_zone(times, zones, |micros, zone| {
        micros.map_or(found(Outcome::ABSENT), |micros| local_time(micros, zone)).append(&mut out);
    })?;
    Ok(Found::<Instant>::finish(out))
}

/// Gives each moment with the zone of its row, if its name is one.
fn each_in_zone(times: &ArrayRef, zones: &ArrayRef, mut give: impl FnMut(Option<i64>, Option<Tz>)) -> Result<()> {
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let zones = cast(zones, &Utf8)?;
    let zones = zones.as_string::<i32>();
    let mut known = (None, Some(Tz::UTC));
    for row in 0..times.len() {
        let name = zones.is_valid(row).then(|| zones.value(row));
        if known.0 != name {
            known = (name, zone(name));
        }
        give(times.is_valid(row).then(|| times.value(row)), known.1);
    }
    Ok(())
}

/// Whether each instant is a beginning of time in its zone; NULL for none.
fn zero_moment(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let [instants, zones] = arguments else { return exec_err!("zero_moment takes an instant and a zone") };
    let mut out = BooleanBuilder::with_capacity(instants.len());
    each_in_zone(instants, zones, |micros, zone| {
        out.append_option(micros.map(|micros| is_zero_moment(micros, zone)));
    })?;
    Ok(Arc::new(out.finish()))
}

/// A beginning of time, of the epoch or of spreadsheets, stands for no date (dirt D52).
fn is_zero_date(days: i32) -> bool {
    NaiveDate::default()
        .checked_add_signed(Duration::days(i64::from(days)))
        .is_some_and(|date| ZEROS.contains(&(date.year(), date.month(), date.day())))
}

/// Midnight of a beginning of time, in UTC or by the clock of the zone; local 1969-12-31T17:00 seven hours west is the
/// first of them. Without a zone only that of UTC.
fn is_zero_moment(micros: i64, zone: Option<Tz>) -> bool {
    DateTime::from_timestamp_micros(micros).is_some_and(|at| {
        let offset = zone.map(|zone| zone.offset_from_utc_datetime(&at.naive_utc()).fix());
        let local = offset.and_then(|offset| at.naive_utc().checked_add_offset(offset));
        [Some(at.naive_utc()), local]
            .into_iter()
            .flatten()
            .any(|at| at.time() == chrono::NaiveTime::MIN && ZEROS.contains(&(at.year(), at.month(), at.day())))
    })
}

fn local_time(micros: i64, zone: Option<Tz>) -> Found<Instant> {
    match DateTime::from_timestamp_micros(micros).map(|local| local.naive_utc()) {
        Some(local) if is_sentinel(local.date()) => endless(),
        Some(local) => found(zoned(local, zone)),
        None => beyond(micros, i64::MAX),
    }
}

/// What lies beyond the days that can be reckoned with: an infinity, which the extremes of the type stand for (dirt D47),
/// or a day of the year 262143 and later, which is none that anybody meant.
fn beyond<T, N: Copy + PartialOrd + std::ops::Neg<Output = N>>(held: N, infinity: N) -> Found<T> {
    if held == infinity {
        endless()
    } else if held <= -infinity {
        found(Outcome::dropped("OPEN_ENDED"))
    } else {
        found(Outcome::dropped("INVALID_DATE"))
    }
}

/// Neither infinity is a value; only the one ahead leaves a period open.
fn infinite<T>(ahead: bool) -> Found<T> {
    if ahead { endless() } else { found(Outcome::dropped("OPEN_ENDED")) }
}

fn is_sentinel(date: NaiveDate) -> bool {
    SENTINELS.contains(&(date.year(), date.month(), date.day()))
}

/// A date that was a date already, without infinities and sentinels (dirt D47, D48).
fn bounded_date(days: i32) -> Found<Days> {
    match NaiveDate::default().checked_add_signed(Duration::days(i64::from(days))) {
        Some(date) if is_sentinel(date) => endless(),
        Some(_) => found(Outcome::of(Days(days))),
        None => beyond(days, i32::MAX),
    }
}

/// An instant that was one already, without infinities and those within twelve hours of a sentinel's day in UTC: its zone
/// is lost, and no inhabited zone lies farther off but those of the Pacific's date line. Where the zone is known, the day as
/// written is judged alone.
fn bounded_instant(micros: i64) -> Found<Instant> {
    let Some(at) = DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc()) else {
        return beyond(micros, i64::MAX);
    };
    let near = [-1, 0, 1].map(|days| at.checked_add_signed(Duration::hours(12 * days)));
    match near.into_iter().flatten().any(|near| is_sentinel(near.date())) {
        true => endless(),
        false => found(Outcome::of(Instant(micros))),
    }
}

/// A local time that exists twice is the earlier instant; one that does not exist is shifted forward by the gap (dirt D51).
/// One that no zone places, or beyond the last day there is, is none.
fn zoned(local: NaiveDateTime, zone: Option<Tz>) -> Outcome<Instant> {
    let Some(zone) = zone else { return Outcome::dropped("INVALID_DATE") };
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) => Outcome::of(Instant(at.timestamp_micros())),
        MappedLocalTime::Ambiguous(earlier, _) => Outcome::noted(Instant(earlier.timestamp_micros()), "DST_AMBIGUOUS"),
        MappedLocalTime::None => in_gap(local, zone).map_or(Outcome::dropped("INVALID_DATE"), |utc| {
            Outcome::noted(Instant(utc.and_utc().timestamp_micros()), "DST_AMBIGUOUS")
        }),
    }
}

/// Gaps are shorter than a day: the offset of the day before is the one in force before the gap. None where the calendar
/// ends, where no time has an instant either.
fn in_gap(local: NaiveDateTime, zone: Tz) -> Option<NaiveDateTime> {
    let before = zone.offset_from_utc_datetime(&local.checked_sub_signed(Duration::days(1))?).fix();
    local.checked_sub_signed(Duration::seconds(i64::from(before.local_minus_utc())))
}

/// The calendar date as written; of an instant with a zone, its date in UTC (rulings A15).
fn date(text: &str, day_first: bool) -> Found<Days> {
    dated(text, day_first, |moment| days(moment.utc().map_or(moment.date, |utc| utc.date())))
}

fn days(date: NaiveDate) -> Outcome<Days> {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).map_or(Outcome::dropped("INVALID_DATE"), |days| Outcome::of(Days(days)))
}

/// The instant; a text without a zone is local time, a date alone is local midnight (rulings A15).
fn instant(text: &str, zone: Option<Tz>, day_first: bool) -> Found<Instant> {
    dated(text, day_first, |moment| match moment.utc() {
        Some(utc) => Outcome::of(Instant(utc.and_utc().timestamp_micros())),
        None => zoned(moment.local(), zone),
    })
}

/// What a text that should hold a date holds: an infinity, a placeholder (before all else: rulings A17), a date without end,
/// one, or none.
fn dated<T>(text: &str, day_first: bool, read_moment: impl FnOnce(Moment) -> Outcome<T>) -> Found<T> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("infinity") || is("+infinity") || is("-infinity") {
        return infinite(!text.starts_with('-'));
    }
    if is_placeholder(text) {
        return found(Outcome::dropped("PLACEHOLDER_DROPPED"));
    }
    match read(text, day_first) {
        Ok(moment) if is_sentinel(moment.date) => endless(),
        Ok(moment) => found(read_moment(moment)),
        Err(Unread::Partial) => found(Outcome::dropped("PARTIAL_DATE")),
        Err(Unread::Invalid) => found(Outcome::dropped("INVALID_DATE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The date, or the warning and `+` where it is open.
    fn iso(text: &str, day_first: bool) -> String {
        let Flagged { outcome, flag, .. } = date(text, day_first);
        match outcome.value {
            Some(Days(days)) => (NaiveDate::default() + Duration::days(i64::from(days))).to_string(),
            None => format!("{}{}", outcome.warning.unwrap_or_default(), if flag == Some(true) { "+" } else { "" }),
        }
    }

    fn utc(text: &str) -> String {
        let found = instant(text, Some(Tz::America__Denver), false).outcome;
        match found.value {
            Some(Instant(micros)) => DateTime::from_timestamp_micros(micros).unwrap().format("%FT%TZ").to_string(),
            None => found.warning.unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn dates_have_one_form() {
        for raw in [
            "2019-04-12",
            "2019-04-12T09:30:00Z",
            "04/12/2019",
            "12 Apr 2019",
            "12 April 2019",
            "Apr 12, 2019",
            "04122019",
            "20190412",
            "4/12/19",
            "1555061400",
            "1555061400000",
            "43567",
            "2019:04:12 09:30:00",
            "D:20190412093000-07'00'",
            "D:20190412093000Z",
            "D:20190412",
            "2019-04-12T09:30:00",
            "2019-04-12 09:30:00.123+00",
            "12 Apr 2019 10:48:41",
            "2019-04-11T20:00:00-07:00",
        ] {
            assert_eq!(iso(raw, false), "2019-04-12", "{raw}");
        }
        for (raw, expected) in [
            ("12/04/2019", "2019-04-12"),
            ("12042019", "2019-04-12"),
            ("31122020", "2020-12-31"),
            ("20190412", "2019-04-12"),
            ("2019-04-12", "2019-04-12"),
            ("12/4/19", "2019-04-12"),
        ] {
            assert_eq!(iso(raw, true), expected, "{raw}");
        }
        for (raw, expected) in [
            ("24 Jun 2021 10:48:41", "2021-06-24"),
            ("1/1/69", "2069-01-01"),
            ("1/1/70", "1970-01-01"),
            ("12/31/99", "1999-12-31"),
            ("2027-06-01", "2027-06-01"),
            ("20000", "1954-10-03"),
            ("60000", "2064-04-08"),
            ("2020-02-29", "2020-02-29"),
        ] {
            assert_eq!(iso(raw, false), expected, "{raw}");
        }
    }

    #[test]
    fn what_is_no_date_is_told_why() {
        for raw in [
            "2019-02-30",
            "13/13/2019",
            "31/12/2020",
            "0000-00-00",
            "0000:00:00 00:00:00",
            "Spring 2019",
            "Q1 2019",
            "2019-13",
            "123",
            "19999",
            "60001",
            "12345678901",
            "12345678901234",
            "+1/+2/2019",
            "2019-04-12T25:00:00",
            "2019-04-12T09:30:00+99:00",
            "Mayhem 1 2019",
            "D:2019",
            "D:20190412xyz",
            "D:20190412093",
            "D:2019041209300000",
            "D:20190412Z",
            "D:201904122500",
            "D:20190412093000Zulu",
        ] {
            assert_eq!(iso(raw, false), "INVALID_DATE", "{raw}");
        }
        for raw in ["2019", "2019-04"] {
            assert_eq!(iso(raw, false), "PARTIAL_DATE", "{raw}");
        }
        for raw in ["TBD", "n/a", "-"] {
            assert_eq!(iso(raw, false), "PLACEHOLDER_DROPPED", "{raw}");
        }
    }

    #[test]
    fn a_long_text_costs_its_length() {
        // quadratic work on a megabyte would take minutes
        let started = std::time::Instant::now();
        for part in ["1 ", "T1", "1T1:", "1 12:"] {
            assert_eq!(iso(&part.repeat(1 << 20), false), "INVALID_DATE");
        }
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }

    #[test]
    fn what_has_no_end_is_open() {
        for raw in
            ["infinity", "+infinity", "Infinity", "2099-12-31", "9999-12-31", "12/31/2099", "2099-12-31T23:59:59Z"]
        {
            assert_eq!(iso(raw, false), "OPEN_ENDED+", "{raw}");
        }
        assert_eq!(iso("-infinity", false), "OPEN_ENDED");
        let day =
            |text: &str| text.parse::<NaiveDate>().unwrap().signed_duration_since(NaiveDate::default()).num_days();
        let days = |text: &str| i32::try_from(day(text)).unwrap();
        assert_eq!(bounded_date(days("2027-01-01")), found(Outcome::of(Days(days("2027-01-01")))));
        assert_eq!(bounded_date(days("2099-12-31")), endless());
        assert_eq!(bounded_date(i32::MAX), endless());
        assert_eq!(bounded_date(-i32::MAX), found(Outcome::dropped("OPEN_ENDED")));
        let micros = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_micros();
        for open in [micros("2099-12-31T07:00:00Z"), micros("9999-12-31T23:59:59Z"), i64::MAX] {
            assert_eq!(bounded_instant(open), endless());
        }
        assert_eq!(bounded_instant(-i64::MAX), found(Outcome::dropped("OPEN_ENDED")));
        let kept = micros("2027-06-01T00:00:00Z");
        assert_eq!(bounded_instant(kept), found(Outcome::of(Instant(kept))));
        for zone in [Some(Tz::UTC), None] {
            assert_eq!(local_time(i64::MAX, zone), endless());
            assert_eq!(local_time(-i64::MAX, zone), found(Outcome::dropped("OPEN_ENDED")));
        }
    }

    #[test]
    fn beyond_the_calendar_is_no_date_and_no_infinity() {
        let last = NaiveDateTime::MAX.and_utc().timestamp_micros();
        let first = NaiveDateTime::MIN.and_utc().timestamp_micros();
        for zone in [Tz::UTC, Tz::America__Denver, Tz::Asia__Tokyo, Tz::Pacific__Kiritimati] {
            // a finite year that PostgreSQL holds, and the hours in which only one of UTC and local time is a day
            for micros in [i64::MAX - 1, 1 - i64::MAX + 1, last + 1, first - 1] {
                assert_eq!(local_time(micros, Some(zone)), found(Outcome::dropped("INVALID_DATE")), "{zone} {micros}");
                assert_eq!(bounded_instant(micros), found(Outcome::dropped("INVALID_DATE")), "{micros}");
                assert!(!is_zero_moment(micros, Some(zone)));
            }
            for micros in [last, last - 10_800_000_000, first, first + 10_800_000_000] {
                let held = local_time(micros, Some(zone));
                assert!(held.outcome.value.is_some() != (held.outcome.warning == Some("INVALID_DATE")), "{held:?}");
                assert!(!is_zero_moment(micros, Some(zone)));
            }
        }
        assert_eq!(bounded_date(i32::MAX - 1), found(Outcome::dropped("INVALID_DATE")));
        assert_eq!(bounded_date(2 - i32::MAX), found(Outcome::dropped("INVALID_DATE")));
        assert_eq!(bounded_date(i32::MIN), found(Outcome::dropped("OPEN_ENDED")));
    }

    #[test]
    fn a_zone_that_is_none_places_no_local_time() {
        assert_eq!(zone(None), Some(Tz::UTC));
        assert_eq!(zone(Some(" America/Denver ")), Some(Tz::America__Denver));
        assert_eq!(zone(Some("Mountain Time")), None);
        assert_eq!(local_time(0, None), found(Outcome::dropped("INVALID_DATE")));
        assert_eq!(instant("2019-04-12 09:30:00", None, false), found(Outcome::dropped("INVALID_DATE")));
        assert!(instant("2019-04-12T09:30:00Z", None, false).outcome.value.is_some());
        assert!(is_zero_moment(0, None) && !is_zero_moment(-25_200_000_000, None));
    }

    #[test]
    fn beginnings_of_time_are_no_dates() {
        let zone = Some(Tz::America__Denver);
        for raw in ["1970-01-01", "1969-12-31 17:00:00", "1970-01-01T00:00:00Z", "1899-12-30", "1899-12-30T00:00:00Z"] {
            let Some(Instant(micros)) = instant(raw, zone, false).outcome.value else { panic!("{raw} is an instant") };
            assert!(is_zero_moment(micros, zone), "{raw}");
        }
        for raw in ["1969-12-31", "1970-01-01 00:00:01", "1970-01-02", "1969-12-31 16:00:00"] {
            let Some(Instant(micros)) = instant(raw, zone, false).outcome.value else { panic!("{raw} is an instant") };
            assert!(!is_zero_moment(micros, zone), "{raw}");
        }
        assert!(is_zero_date(0) && is_zero_date(-25_569));
        assert!(!is_zero_date(1) && !is_zero_date(-1));
    }

    #[test]
    fn instants_take_the_zone_where_none_is_given() {
        for (raw, expected) in [
            ("2019:04:12 09:30:00", "2019-04-12T15:30:00Z"),
            ("2019-04-12T09:30:00Z", "2019-04-12T09:30:00Z"),
            ("2019-01-12", "2019-01-12T07:00:00Z"),
            // the gap: 02:30 does not exist and is read as 03:30 summer time
            ("2019-03-10 02:30:00", "2019-03-10T09:30:00Z"),
            // the overlap: the earlier of two
            ("2019-11-03 01:30:00", "2019-11-03T07:30:00Z"),
            ("D:20190412093000-07'00'", "2019-04-12T16:30:00Z"),
            ("D:201904120930", "2019-04-12T15:30:00Z"),
            ("D:201904120930Z", "2019-04-12T09:30:00Z"),
            ("D:2019041209+02'00", "2019-04-12T07:00:00Z"),
            ("1555061400000", "2019-04-12T09:30:00Z"),
            ("2099-12-31 00:00:00", "OPEN_ENDED"),
        ] {
            assert_eq!(utc(raw), expected, "{raw}");
        }
        for raw in ["2019-03-10 02:30:00", "2019-11-03 01:30:00"] {
            assert_eq!(instant(raw, Some(Tz::America__Denver), false).outcome.warning, Some("DST_AMBIGUOUS"), "{raw}");
        }
    }
}
