//! Dates and instants from text and from local time.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType::{Boolean, Date32, Utf8};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, Duration, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use super::kernel::{Days, Flag, Flagged, Instant, Outcome, Output, column, of_texts};
use super::moment::{Moment, Unread, read};
use super::text::is_placeholder;

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
            let zone = row.trimmed(1).and_then(|zone| Tz::from_str(zone).ok()).unwrap_or(Tz::UTC);
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
        function("is_zone", vec![Utf8], Boolean, |arguments| {
            let [names] = arguments else { return exec_err!("is_zone takes a name") };
            let names = names.as_string::<i32>();
            let is_zone = |name: &str| Tz::from_str(name).is_ok();
            Ok(Arc::new(names.iter().map(|name| name.map(is_zone)).collect::<BooleanArray>()))
        }),
        function("zero_moment", vec![stamp(Some("UTC")), Utf8], Boolean, zero_moment),
    ]
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
    each_in_zone("to_utc", times, zones, |micros, zone| {
        micros.map_or(found(Outcome::ABSENT), |micros| local_time(micros, zone)).append(&mut out);
    })?;
    Ok(Found::<Instant>::finish(out))
}

/// Gives each moment with the zone of its row, UTC where there is none.
fn each_in_zone(
    function: &str,
    times: &ArrayRef,
    zones: &ArrayRef,
    mut give: impl FnMut(Option<i64>, Tz),
) -> Result<()> {
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let zones = cast(zones, &Utf8)?;
    let zones = zones.as_string::<i32>();
    let mut known: Option<(&str, Tz)> = None;
    for row in 0..times.len() {
        let name = if zones.is_valid(row) { zones.value(row) } else { "UTC" };
        let zone = match known {
            Some((last, zone)) if last == name => zone,
            _ => Tz::from_str(name)
                .map_err(|_| exec_datafusion_err!("{function}: `{name}` is no time zone of the IANA database"))?,
        };
        known = Some((name, zone));
        give(times.is_valid(row).then(|| times.value(row)), zone);
    }
    Ok(())
}

/// Whether each instant is a beginning of time in its zone; NULL for none.
fn zero_moment(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let [instants, zones] = arguments else { return exec_err!("zero_moment takes an instant and a zone") };
    let mut out = BooleanBuilder::with_capacity(instants.len());
    each_in_zone("zero_moment", instants, zones, |micros, zone| {
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
/// first of them.
fn is_zero_moment(micros: i64, zone: Tz) -> bool {
    DateTime::from_timestamp_micros(micros).is_some_and(|at| {
        let local = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        let local = at.naive_utc().checked_add_offset(local);
        [Some(at.naive_utc()), local]
            .into_iter()
            .flatten()
            .any(|at| at.time() == chrono::NaiveTime::MIN && ZEROS.contains(&(at.year(), at.month(), at.day())))
    })
}

fn local_time(micros: i64, zone: Tz) -> Found<Instant> {
    match DateTime::from_timestamp_micros(micros).map(|local| local.naive_utc()) {
        Some(local) if is_sentinel(local.date()) => endless(),
        Some(local) => found(zoned(local, zone)),
        None => infinite(micros > 0),
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
        None => infinite(days > 0),
    }
}

/// An instant that was one already, without infinities and those within a day of a sentinel's, since its zone is lost.
fn bounded_instant(micros: i64) -> Found<Instant> {
    let Some(at) = DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc()) else {
        return infinite(micros > 0);
    };
    let near = [-1, 0, 1].map(|days| at.checked_add_signed(Duration::hours(12 * days)));
    match near.into_iter().flatten().any(|near| is_sentinel(near.date())) {
        true => endless(),
        false => found(Outcome::of(Instant(micros))),
    }
}

/// A local time that exists twice is the earlier instant; one that does not exist is shifted forward by the gap (dirt D51).
fn zoned(local: NaiveDateTime, zone: Tz) -> Outcome<Instant> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) => Outcome::of(Instant(at.timestamp_micros())),
        MappedLocalTime::Ambiguous(earlier, _) => Outcome::noted(Instant(earlier.timestamp_micros()), "DST_AMBIGUOUS"),
        MappedLocalTime::None => {
            // gaps are shorter than a day: the offset of the day before is the one in force before the gap
            let before = zone.offset_from_utc_datetime(&(local - Duration::days(1))).fix();
            let utc = local - Duration::seconds(i64::from(before.local_minus_utc()));
            Outcome::noted(Instant(utc.and_utc().timestamp_micros()), "DST_AMBIGUOUS")
        }
    }
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
fn instant(text: &str, zone: Tz, day_first: bool) -> Found<Instant> {
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
        let found = instant(text, Tz::America__Denver, false).outcome;
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
        assert_eq!(local_time(i64::MAX, Tz::UTC), endless());
        assert_eq!(local_time(-i64::MAX, Tz::UTC), found(Outcome::dropped("OPEN_ENDED")));
    }

    #[test]
    fn beginnings_of_time_are_no_dates() {
        let zone = Tz::America__Denver;
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
            ("1555061400000", "2019-04-12T09:30:00Z"),
            ("2099-12-31 00:00:00", "OPEN_ENDED"),
        ] {
            assert_eq!(utc(raw), expected, "{raw}");
        }
        for raw in ["2019-03-10 02:30:00", "2019-11-03 01:30:00"] {
            assert_eq!(instant(raw, Tz::America__Denver, false).outcome.warning, Some("DST_AMBIGUOUS"), "{raw}");
        }
    }
}
