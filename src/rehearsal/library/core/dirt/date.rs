//! Dates as text (D45, D46) and moments (D47, D48, D51, D52).
//!
//! What a cell means is told as an ISO date, or as an instant in RFC 3339 with milliseconds. Local times without a zone
//! are those of [`ZONE`] (rulings A15); nothing here reads a clock or a table of zones.

use serde_json::Value as Json;

use super::super::super::{Told, date_text, days_from_civil, timestamp_text};
use super::super::dice::{Dice, NOW, civil, date, exif, instant, local};
use super::super::layout::Layout;
use super::super::{Value, label, text};

/// The zone of local times: `deployment.timezone`.
pub const ZONE: &str = "America/Denver";

/// What an open end means (`infinity` and the sentinels of D47, D48): no moment, but that there is none.
pub const OPEN: &str = "infinity";

const DAY: u64 = 86_400;
const HOUR: i64 = 3_600;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What the target wants of a date as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The calendar date as written, the UTC date where a zone is given (rulings A15). The clean form is ISO.
    Date,
    /// The instant; a date alone is local midnight. The clean form is EXIF's, a local time.
    Instant,
}

/// D45, D46, D52 (0.2 %): a date as text in one of its forms, or one that is none. `moment` in seconds of the Unix epoch. Takes
/// draws `k` to `k + 3`; a fixture has the clean form. Forms that begin with the day come from source 12 only (`day_first`).
pub fn text_date(layout: &Layout, dice: Dice, k: u64, moment: u64, wanted: Wanted, day_first: bool) -> Value {
    if layout.dirt == 0.0 || dice.is_fixture() {
        return match wanted {
            Wanted::Date => text(date(moment)),
            Wanted::Instant => Told::clean(exif(moment), instant_of_local(moment)).into(),
        };
    }
    if dice.chance(k, layout.dirty(20_000)) {
        return no_date(dice.below(k + 1, 9), moment, day_first);
    }
    if dice.chance(k, layout.dirty(22_000)) {
        return zero_text(dice.below(k + 1, 4));
    }
    let moment = match wanted {
        Wanted::Date => moment / DAY * DAY + dice.below(k + 3, DAY),
        Wanted::Instant => moment,
    };
    date_form(dice.below(k + 2, 14), moment, wanted, day_first)
}

/// D52: a beginning of time as text, by number (0 to 3), which stands for no date.
pub fn zero_text(number: u64) -> Value {
    let raw = match number {
        0 => "1970-01-01",
        1 => "1899-12-30",
        2 => "1969-12-31T17:00:00",
        _ => "1970-01-01T00:00:00Z",
    };
    Told::dropped("D52", label(raw), "EPOCH_ZERO").into()
}

/// D52: a beginning of time with a zone, by number (0 to 2), which stands for no moment.
pub fn zero_instant(number: u64) -> Value {
    let raw = match number {
        0 => "1970-01-01 00:00:00+00",
        1 => "1899-12-30 00:00:00+00",
        _ => "1970-01-01 00:00:00-07",
    };
    Told::dropped("D52", label(raw), "EPOCH_ZERO").into()
}

/// D46: the text of a date that is none, by number (0 to 8).
pub fn no_date(number: u64, moment: u64, day_first: bool) -> Value {
    let (year, month, _) = civil(moment / DAY);
    let (raw, code) = match number {
        0 => (format!("{year}-02-30"), "INVALID_DATE"),
        1 => (format!("13/13/{year}"), "INVALID_DATE"),
        2 => ("0000-00-00".to_owned(), "INVALID_DATE"),
        3 => ("0000:00:00 00:00:00".to_owned(), "INVALID_DATE"),
        4 => ("TBD".to_owned(), "PLACEHOLDER_DROPPED"),
        5 => (format!("Spring {year}"), "INVALID_DATE"),
        6 => (format!("{year}"), "PARTIAL_DATE"),
        7 => (format!("{year}-{month:02}"), "PARTIAL_DATE"),
        // A month over 12 is not taken for a day, nor the other way about (rulings A16).
        _ if day_first => (format!("12/31/{year}"), "INVALID_DATE"),
        _ => (format!("31/12/{year}"), "INVALID_DATE"),
    };
    Told::dropped("D46", raw, code).into()
}

/// D45: a date in one of its 14 forms, by number. Where a form cannot tell this date (`20042019` would begin with a
/// year), ISO stands.
pub fn date_form(number: u64, moment: u64, wanted: Wanted, day_first: bool) -> Value {
    let (year, month, day) = civil(moment / DAY);
    let name = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    let (first, second) = if day_first { (day, month) } else { (month, day) };
    let days = moment / DAY;
    // Without a zone the calendar date is the one written, and so it is by the clock of UTC where one is given.
    let alone = |raw: String| told(raw, wanted, days, utc_of_local(signed(days * DAY)));
    let zoned = |raw: String| told(raw, wanted, days, signed(moment));
    let naive = |raw: String| told(raw, wanted, days, utc_of_local(local_seconds(moment)));
    match number {
        1 => zoned(rfc3339(signed(moment)).replace(".000Z", "Z")),
        2 => alone(format!("{first:02}/{second:02}/{year}")),
        3 => alone(format!("{day} {name} {year}")),
        4 => alone(format!("{name} {day}, {year}")),
        5 => naive(format!("{day} {name} {year} {}", local(moment).split_off(11))),
        6 if !(day_first && matches!(day, 19 | 20)) => alone(format!("{first:02}{second:02}{year}")),
        7 => alone(format!("{year}{month:02}{day:02}")),
        8 => alone(format!("{first}/{second}/{:02}", year % 100)),
        9 => zoned(moment.to_string()),
        10 => zoned((moment * 1000).to_string()),
        11 => alone((days + 25_569).to_string()),
        12 => naive(exif(moment)),
        13 => {
            let digits = timestamp_text((signed(moment) - 7 * HOUR) * 1_000_000).replace(['-', ' ', ':'], "");
            zoned(format!("D:{digits}-07'00'"))
        }
        _ => match wanted {
            Wanted::Date => text(date(moment)),
            Wanted::Instant => alone(date(moment)),
        },
    }
}

fn told(raw: String, wanted: Wanted, days: u64, instant: i64) -> Value {
    match wanted {
        Wanted::Date => Told::normalised("D45", raw, date_text(signed(days))).into(),
        Wanted::Instant => Told::normalised("D45", raw, rfc3339(instant)).into(),
    }
}

/// A local time without a zone of when a row was made or changed. D51: 0.05 % in the gap or the overlap of summer
/// time; D52: 0.2 % at the beginning of time (kept) or in the future (kept, with a warning). Draws `k` to `k + 3`.
pub fn audit(layout: &Layout, dice: Dice, k: u64, moment: u64) -> Value {
    if !dice.is_fixture() && dice.chance(k + 2, layout.dirty(2_000)) {
        return match dice.below(k + 3, 4) {
            0 => future(1 + dice.below(k + 1, 700)),
            number => early(number),
        };
    }
    naive(layout, dice, k, moment)
}

/// When a row was changed, a local time ([`audit`]); D49: in 0.4 % before it was made. Draws `k` to `k + 5`.
pub fn changed(layout: &Layout, dice: Dice, k: u64, (created, updated): (u64, u64)) -> Value {
    if !dice.is_fixture() && dice.chance(k + 4, layout.dirty(4_000)) {
        return before(created, 2 + dice.below(k + 5, 400));
    }
    audit(layout, dice, k, updated)
}

/// D49: a local time so many days before a moment; by itself it is a good one.
pub fn before(moment: u64, days: u64) -> Value {
    let moment = moment - DAY * days;
    Told::kept("D49", local(moment), instant_of_local(moment)).into()
}

/// D49: the day on which a period ends that has not begun yet, in a column of moments; by itself it is a good one.
pub fn reversed_day(moment: u64) -> Value {
    Told::kept("D49", format!("{} 00:00:00", date(moment)), date(moment)).into()
}

/// The instant at which a row was made. D52 as in [`audit`]. Draws `k`, `k + 1`.
pub fn made(layout: &Layout, dice: Dice, k: u64, moment: u64) -> Value {
    if !dice.is_fixture() && dice.chance(k, layout.dirty(2_000)) {
        if dice.chance(k + 1, 300_000) {
            let moment = NOW + DAY * (1 + dice.below(k + 1, 700));
            return Told::warned("D52", instant(moment), rfc3339(signed(moment)), "FUTURE_TIMESTAMP").into();
        }
        return Told::kept("D52", instant(0), rfc3339(0)).into();
    }
    Told::clean(instant(moment), rfc3339(signed(moment))).into()
}

/// A local time without a zone of an event. D51 as in [`audit`]; D52: 0.2 % at the beginning of time, dropped. Draws
/// `k` to `k + 3`.
pub fn business(layout: &Layout, dice: Dice, k: u64, moment: u64) -> Value {
    if !dice.is_fixture() && dice.chance(k + 2, layout.dirty(2_000)) {
        return Told::dropped("D52", zero(1 + dice.below(k + 3, 3)).0, "EPOCH_ZERO").into();
    }
    naive(layout, dice, k, moment)
}

/// D51: a local time without a zone, 0.05 % in the gap or the overlap of summer time. Draws `k` and `k + 1`.
pub fn naive(layout: &Layout, dice: Dice, k: u64, moment: u64) -> Value {
    if !dice.is_fixture() && dice.chance(k, layout.dirty(500)) {
        // Not after now, whatever the day.
        return change(civil(moment / DAY).0.min(2024), dice.below(k + 1, 2) == 0);
    }
    Told::clean(local(moment), instant_of_local(moment)).into()
}

/// D51: half past two on the day on which summer time begins (shifted forward), or half past one on the day on which
/// it ends (the earlier of the two).
pub fn change(year: u64, gap: bool) -> Value {
    let year = i64::try_from(year).unwrap_or(2020);
    let seconds = if gap { change_day(year, 3) * 24 * HOUR + 9_000 } else { change_day(year, 11) * 24 * HOUR + 5_400 };
    Told::warned("D51", timestamp_text(seconds * 1_000_000), rfc3339(utc_of_local(seconds)), "DST_AMBIGUOUS").into()
}

/// D52: a local time so many days after now.
pub fn future(days: u64) -> Value {
    let moment = NOW + DAY * days;
    Told::warned("D52", local(moment), instant_of_local(moment), "FUTURE_TIMESTAMP").into()
}

/// D52: a beginning of time by number (1 to 3), which is kept.
pub fn early(number: u64) -> Value {
    let (raw, seconds) = zero(number);
    Told::kept("D52", raw, rfc3339(utc_of_local(seconds))).into()
}

/// D52: a beginning of time (1 to 3) as a local time, and its seconds.
pub fn zero(number: u64) -> (&'static str, i64) {
    match number {
        1 => ("1970-01-01 00:00:00", 0),
        2 => ("1899-12-30 00:00:00", days_from_civil(1899, 12, 30) * 24 * HOUR),
        _ => ("1969-12-31 17:00:00", -7 * HOUR),
    }
}

/// D47: a moment with a zone, or with so many parts of a million an open end (one in eight without a beginning, which
/// means nothing). Draws `k` and `k + 1`.
pub fn open_end(layout: &Layout, dice: Dice, k: u64, ppm: u64, moment: u64) -> Value {
    if !dice.is_fixture() && dice.chance(k, layout.dirty(ppm)) {
        return open(dice.below(k + 1, 8) > 0);
    }
    Told::clean(instant(moment), rfc3339(signed(moment))).into()
}

/// D47: `infinity`, or `-infinity`, which means nothing (rulings A29).
pub fn open(end: bool) -> Value {
    if end {
        Told::warned("D47", label("infinity"), OPEN, "OPEN_ENDED").into()
    } else {
        Told::dropped("D47", label("-infinity"), "OPEN_ENDED").into()
    }
}

/// A local time that means the day on which it is written (rulings A15), with the same codes.
pub fn as_day(told: Value) -> Value {
    let Value::Told(mut told) = told else { return told };
    if !told.means.is_null() {
        told.means = told.raw.text().map_or(Json::Null, |raw| raw.chars().take(10).collect::<String>().into());
    }
    Value::Told(told)
}

/// The day of a first airing, in a column of moments; D48: 1 % sentinels, 3 % real future dates, D47: 0.5 % infinities.
/// Draws `k` to `k + 5`.
pub fn aired(layout: &Layout, dice: Dice, k: u64, moment: u64) -> Value {
    let hit = |draw, ppm| !dice.is_fixture() && dice.chance(k + draw, layout.dirty(ppm));
    if hit(0, 10_000) {
        return sentinel(dice.below(k + 1, 2));
    }
    if hit(2, 30_000) {
        return as_day(to_come(1 + dice.below(k + 3, 670)));
    }
    if hit(4, 5_000) {
        return open(dice.below(k + 5, 4) > 0);
    }
    Told::clean(local(moment), date(moment)).into()
}

/// D47, D48: a day that stands for no end: the two sentinels, infinity; -infinity means nothing.
pub fn open_day(number: u64) -> Value {
    match number {
        0 => Told::warned("D48", label("2099-12-31"), OPEN, "OPEN_ENDED").into(),
        1 => Told::warned("D48", label("9999-12-31"), OPEN, "OPEN_ENDED").into(),
        number => open(number == 2),
    }
}

/// D48: a moment of the target's sentinels, which are open ends: the last day of 2099 or of 9999, local.
pub fn sentinel(number: u64) -> Value {
    let raw = if number == 0 { "2099-12-31 00:00:00" } else { "9999-12-31 00:00:00" };
    Told::warned("D48", label(raw), OPEN, "OPEN_ENDED").into()
}

/// D48: a local time so many days after now, which is kept: the date of something planned.
pub fn to_come(days: u64) -> Value {
    let moment = NOW + DAY * days;
    Told::kept("D48", local(moment), instant_of_local(moment)).into()
}

/// The instant of what [`local`] and [`exif`] write of a moment.
pub fn instant_of_local(moment: u64) -> String {
    rfc3339(utc_of_local(local_seconds(moment)))
}

/// Seconds of the Unix epoch as RFC 3339 with milliseconds.
pub fn rfc3339(seconds: i64) -> String {
    format!("{}.000Z", timestamp_text(seconds * 1_000_000).replace(' ', "T"))
}

/// UTC of a local time, both as seconds since 1970: seven hours later, six in summer time by the rule of 2007 (from the
/// second Sunday of March to the first of November, two in the morning). A time in the gap is shifted forward, of the
/// overlap the earlier one counts (D51).
pub fn utc_of_local(seconds: i64) -> i64 {
    let year = i64::try_from(civil(u64::try_from(seconds.div_euclid(24 * HOUR)).unwrap_or(0)).0).unwrap_or(1970);
    let from = change_day(year, 3) * 24 * HOUR + 3 * HOUR;
    let until = change_day(year, 11) * 24 * HOUR + 2 * HOUR;
    seconds + if (from..until).contains(&seconds) { 6 * HOUR } else { 7 * HOUR }
}

/// The day number of the second Sunday of March, or of the first of November.
fn change_day(year: i64, month: i64) -> i64 {
    let first = days_from_civil(year, month, if month == 3 { 8 } else { 1 });
    // 1970-01-01 was a Thursday.
    first + (3 - first).rem_euclid(7)
}

/// The local time that [`local`] writes, in seconds since 1970.
fn local_seconds(moment: u64) -> i64 {
    signed(moment / DAY * DAY + 3 * 3_600 + (moment % DAY) * 21 / 24)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    /// 2019-04-12T09:30:00Z.
    const MOMENT: u64 = 1_555_061_400;

    #[test]
    fn forms_of_a_date() {
        let raw = |number, day_first| date_form(number, MOMENT, Wanted::Date, day_first).text().unwrap();
        let forms: Vec<String> = (0..14).map(|number| raw(number, false)).collect();
        let wanted = [
            "2019-04-12",
            "2019-04-12T09:30:00Z",
            "04/12/2019",
            "12 Apr 2019",
            "Apr 12, 2019",
            "12 Apr 2019 11:18:45",
            "04122019",
            "20190412",
            "4/12/19",
            "1555061400",
            "1555061400000",
            "43567",
            "2019:04:12 11:18:45",
            "D:20190412023000-07'00'",
        ];
        assert_eq!(forms, wanted);
        assert_eq!(raw(2, true), "12/04/2019");
        assert_eq!(raw(6, true), "12042019");
        for number in 0..14 {
            assert_eq!(date_form(number, MOMENT, Wanted::Date, true).means(), "2019-04-12");
        }
        let instants: Vec<_> = [1, 3, 5, 9, 13]
            .map(|number| date_form(number, MOMENT, Wanted::Instant, false).means())
            .into_iter()
            .collect();
        let wanted = ["09:30:00", "06:00:00", "17:18:45", "09:30:00", "09:30:00"];
        assert_eq!(instants, wanted.map(|time| serde_json::json!(format!("2019-04-12T{time}.000Z"))));
    }

    /// The zone's rule against the table of zones that the migration uses.
    #[test]
    fn local_times_are_those_of_the_zone() {
        use chrono::{LocalResult, TimeZone};
        let zone: chrono_tz::Tz = ZONE.parse().unwrap();
        for step in 0..30_000 {
            let seconds = 1_199_145_600 + step * 21_600 + 1_800;
            let naive = chrono::DateTime::from_timestamp(seconds, 0).unwrap().naive_utc();
            match zone.from_local_datetime(&naive) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => {
                    assert_eq!(utc_of_local(seconds), at.timestamp(), "{naive}");
                }
                LocalResult::None => panic!("{naive} is in the gap"),
            }
        }
        let means = |gap| change(2019, gap).means();
        assert_eq!(change(2019, true).text().unwrap(), "2019-03-10 02:30:00");
        assert_eq!(change(2019, false).text().unwrap(), "2019-11-03 01:30:00");
        assert_eq!([means(true), means(false)], ["2019-03-10T09:30:00.000Z", "2019-11-03T07:30:00.000Z"]);
    }

    #[test]
    fn clean_dates_and_dirty_ones() {
        let (clean, dirty) = (layout(0.0001, 0.0), layout(0.0001, 1.0));
        let mut found = [0; 3];
        for row in 0..20_000 {
            let dice = clean.dice(1, row);
            assert_eq!(text_date(&clean, dice, 4000, MOMENT, Wanted::Date, false), text("2019-04-12"));
            assert!(audit(&clean, dice, 4000, MOMENT).dirt().is_none());
            let told = text_date(&dirty, dirty.dice(1, row), 4000, MOMENT, Wanted::Date, false);
            found[0] += usize::from(told.dirt() == Some("D46"));
            found[1] += usize::from(told.dirt() == Some("D45"));
            found[2] += usize::from(audit(&dirty, dirty.dice(1, row), 4000, MOMENT).dirt() == Some("D52"));
        }
        assert!((320..480).contains(&found[0]), "{found:?}");
        assert!((17_500..18_700).contains(&found[1]), "{found:?}");
        assert!((25..60).contains(&found[2]), "{found:?}");
    }
}
