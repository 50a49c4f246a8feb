//! Dates and instants from text and from local time.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType::{Boolean, Utf8};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Duration, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use super::kernel::{Days, Instant, Outcome, Value, outcome, outcome_fields, outcomes};
use super::moment::{Unread, read};
use super::text::is_placeholder;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let local = DataType::Timestamp(TimeUnit::Microsecond, None);
    vec![
        outcome("date_text", &[Utf8, Boolean], |row| {
            row.trimmed(0).map_or(Outcome::ABSENT, |text| date(text, row.text(1) == Some("true")))
        }),
        outcome("instant_text", &[Utf8, Utf8, Boolean], |row| {
            let zone = row.trimmed(1).and_then(|zone| Tz::from_str(zone).ok()).unwrap_or(Tz::UTC);
            row.trimmed(0).map_or(Outcome::ABSENT, |text| instant(text, zone, row.text(2) == Some("true")))
        }),
        create_udf(
            "to_utc",
            vec![local, Utf8],
            DataType::Struct(outcome_fields(Instant::data_type())),
            Volatility::Immutable,
            Arc::new(to_utc),
        ),
    ]
}

/// `to_utc(timestamp, zone)`: the instant of a local time. The extremes of the type stand for the infinities and give none.
fn to_utc(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    let [times, zones] = arrays.as_slice() else {
        return Err(exec_datafusion_err!("to_utc takes a timestamp and a zone"));
    };
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let zones = cast(zones, &Utf8)?;
    let zones = zones.as_string::<i32>();
    let mut known: Option<(String, Tz)> = None;
    let mut found = Vec::with_capacity(times.len());
    for row in 0..times.len() {
        if times.is_null(row) {
            found.push(Outcome::ABSENT);
            continue;
        }
        let name = if zones.is_valid(row) { zones.value(row) } else { "UTC" };
        let zone = match &known {
            Some((last, zone)) if last == name => *zone,
            _ => {
                let zone = Tz::from_str(name)
                    .map_err(|_| exec_datafusion_err!("to_utc: `{name}` is no time zone of the IANA database"))?;
                known = Some((name.to_owned(), zone));
                zone
            }
        };
        let micros = times.value(row);
        found.push(
            match DateTime::from_timestamp_micros(micros).filter(|_| micros != i64::MAX && micros != -i64::MAX) {
                Some(local) => zoned(local.naive_utc(), zone),
                None => Outcome::dropped("OPEN_ENDED"),
            },
        );
    }
    Ok(ColumnarValue::Array(outcomes(found)))
}

/// A local time that exists twice is the earlier instant; one that does not exist is shifted forward by the gap.
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

/// The calendar date as written; of an instant with a zone, its date in UTC.
fn date(text: &str, day_first: bool) -> Outcome<Days> {
    unread(text).unwrap_or_else(|| match read(text, day_first) {
        Ok(moment) => days(moment.utc().map_or(moment.date, |utc| utc.date())),
        Err(reason) => refused(reason),
    })
}

fn days(date: NaiveDate) -> Outcome<Days> {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).map_or(Outcome::dropped("INVALID_DATE"), |days| Outcome::of(Days(days)))
}

/// The instant; a text without a zone is local time, a date alone is local midnight.
fn instant(text: &str, zone: Tz, day_first: bool) -> Outcome<Instant> {
    unread(text).unwrap_or_else(|| match read(text, day_first) {
        Ok(moment) => match moment.utc() {
            Some(utc) => Outcome::of(Instant(utc.and_utc().timestamp_micros())),
            None => zoned(moment.local(), zone),
        },
        Err(reason) => refused(reason),
    })
}

/// Words that stand where a date should.
fn unread<T>(text: &str) -> Option<Outcome<T>> {
    match text {
        "infinity" | "-infinity" => Some(Outcome::dropped("OPEN_ENDED")),
        placeholder if is_placeholder(placeholder) => Some(Outcome::dropped("PLACEHOLDER_DROPPED")),
        _ => None,
    }
}

fn refused<T>(reason: Unread) -> Outcome<T> {
    match reason {
        Unread::Partial => Outcome::dropped("PARTIAL_DATE"),
        Unread::Invalid => Outcome::dropped("INVALID_DATE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(text: &str, day_first: bool) -> String {
        let found = date(text, day_first);
        match found.value {
            Some(Days(days)) => (NaiveDate::default() + Duration::days(i64::from(days))).to_string(),
            None => found.warning.unwrap_or_default().into_owned(),
        }
    }

    fn utc(text: &str) -> String {
        let found = instant(text, Tz::America__Denver, false);
        match found.value {
            Some(Instant(micros)) => DateTime::from_timestamp_micros(micros).unwrap().format("%FT%TZ").to_string(),
            None => found.warning.unwrap_or_default().into_owned(),
        }
    }

    #[test]
    fn dates_have_one_form() {
        for raw in [
            "2019-04-12",
            "2019-04-12T09:30:00Z",
            "04/12/2019",
            "12 Apr 2019",
            "Apr 12, 2019",
            "04122019",
            "20190412",
            "4/12/19",
            "1555061400",
            "1555061400000",
            "43567",
            "2019:04:12 09:30:00",
            "D:20190412093000-07'00'",
            "2019-04-12T09:30:00",
            "12 Apr 2019 10:48:41",
            "2019-04-11T20:00:00-07:00",
        ] {
            assert_eq!(iso(raw, false), "2019-04-12", "{raw}");
        }
        assert_eq!(iso("12/04/2019", true), "2019-04-12");
        assert_eq!(iso("12042019", true), "2019-04-12");
        assert_eq!(iso("1/1/70", false), "1970-01-01");
    }

    #[test]
    fn what_is_no_date_is_told_why() {
        for raw in ["2019-02-30", "13/13/2019", "31/12/2020", "0000-00-00", "0000:00:00 00:00:00", "Spring 2019", "123"]
        {
            assert_eq!(iso(raw, false), "INVALID_DATE", "{raw}");
        }
        for raw in ["2019", "2019-04"] {
            assert_eq!(iso(raw, false), "PARTIAL_DATE", "{raw}");
        }
        assert_eq!(iso("TBD", false), "PLACEHOLDER_DROPPED");
        assert_eq!(iso("infinity", false), "OPEN_ENDED");
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
        ] {
            assert_eq!(utc(raw), expected, "{raw}");
        }
        assert_eq!(
            instant("2019-03-10 02:30:00", Tz::America__Denver, false).warning.as_deref(),
            Some("DST_AMBIGUOUS")
        );
    }
}
