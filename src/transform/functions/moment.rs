//! A date, or a date and time, read from one of the forms in which people and programs write them.

use std::str::FromStr;

use chrono::{Duration, NaiveDate, NaiveDateTime, NaiveTime};

/// Two-digit years up to here belong to 2000; 70 itself to 1970.
const PIVOT: i32 = 69;

const MONTHS: [(&str, &str); 12] = [
    ("january", "1"),
    ("february", "2"),
    ("march", "3"),
    ("april", "4"),
    ("may", "5"),
    ("june", "6"),
    ("july", "7"),
    ("august", "8"),
    ("september", "9"),
    ("october", "10"),
    ("november", "11"),
    ("december", "12"),
];

/// What was read: the date as written, the time if one was given, the distance from UTC in seconds if one was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) date: NaiveDate,
    pub(super) time: Option<NaiveTime>,
    pub(super) offset: Option<i64>,
}

impl Moment {
    /// The date and time as written, midnight without a time.
    pub(super) fn local(self) -> NaiveDateTime {
        self.date.and_time(self.time.unwrap_or(NaiveTime::MIN))
    }

    /// The instant in UTC where the distance from it was given.
    pub(super) fn utc(self) -> Option<NaiveDateTime> {
        self.local().checked_sub_signed(Duration::seconds(self.offset?))
    }
}

/// Why a text gives no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// A year, or a year and a month.
    Partial,
    /// No date.
    Invalid,
}

/// Reads a trimmed text.
pub(super) fn read(text: &str, day_first: bool) -> Result<Moment, Unread> {
    let found = if let Some(pdf) = text.strip_prefix("D:") {
        read_pdf(pdf)
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        if text.len() == 4 {
            return Err(Unread::Partial);
        }
        read_digits(text, day_first)
    } else if is_year_month(text) {
        return Err(Unread::Partial);
    } else {
        read_words(text, day_first)
    };
    found.ok_or(Unread::Invalid)
}

fn is_year_month(text: &str) -> bool {
    text.len() == 7
        && text.split_once('-').is_some_and(|(year, month)| {
            year.len() == 4
                && digits::<u16>(year).is_some()
                && digits::<u8>(month).is_some_and(|month| (1..=12).contains(&month))
        })
}

fn on(date: NaiveDate) -> Moment {
    Moment { date, time: None, offset: None }
}

/// Dates of eight digits, epoch seconds and milliseconds, day numbers of spreadsheets.
fn read_digits(text: &str, day_first: bool) -> Option<Moment> {
    let number: i64 = text.parse().ok()?;
    match text.len() {
        5 if (20_000..=60_000).contains(&number) => {
            NaiveDate::from_ymd_opt(1899, 12, 30)?.checked_add_signed(Duration::days(number)).map(on)
        }
        8 if text.starts_with("19") || text.starts_with("20") => {
            ymd(text.get(..4)?, text.get(4..6)?, text.get(6..)?).map(on)
        }
        8 if day_first => ymd(text.get(4..)?, text.get(2..4)?, text.get(..2)?).map(on),
        8 => ymd(text.get(4..)?, text.get(..2)?, text.get(2..4)?).map(on),
        9 | 10 => instant(number.checked_mul(1000)?),
        12 | 13 => instant(number),
        _ => None,
    }
}

fn instant(milliseconds: i64) -> Option<Moment> {
    let at = chrono::DateTime::from_timestamp_millis(milliseconds)?.naive_utc();
    Some(Moment { date: at.date(), time: Some(at.time()), offset: Some(0) })
}

fn ymd(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    let year: i32 = match year.len() {
        4 => digits(year)?,
        2 => {
            let short: i32 = digits(year)?;
            if short <= PIVOT { 2000 + short } else { 1900 + short }
        }
        _ => return None,
    };
    let short = |text: &str| (1..=2).contains(&text.len()).then(|| digits(text)).flatten();
    NaiveDate::from_ymd_opt(year, short(month)?, short(day)?).filter(|_| year > 0)
}

/// A number of digits alone: no sign, no blank.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `20190412093000-07'00'`: what follows `D:` in a PDF. Behind the day hours, minutes and seconds may each be left out
/// from the end, and with the hours the zone.
fn read_pdf(text: &str) -> Option<Moment> {
    let date = ymd(text.get(..4)?, text.get(4..6)?, text.get(6..8)?)?;
    let behind = text.get(8..)?;
    if behind.is_empty() {
        return Some(on(date));
    }
    let end = behind.find(|character: char| !character.is_ascii_digit()).unwrap_or(behind.len());
    let (clock, zone) = behind.split_at(end);
    if !matches!(clock.len(), 2 | 4 | 6) {
        return None;
    }
    let part = |place: usize| clock.get(place..place + 2).map_or(Some(0), digits);
    let time = NaiveTime::from_hms_opt(part(0)?, part(2)?, part(4)?)?;
    let offset = if zone.is_empty() { None } else { Some(read_offset(&zone.replace('\'', ""))?) };
    Some(Moment { date, time: Some(time), offset })
}

/// Everything with separators or month names, with or without a time behind it.
fn read_words(text: &str, day_first: bool) -> Option<Moment> {
    let (date_text, time_text) = split_time(text);
    let date = read_date(date_text, day_first)?;
    let Some(time_text) = time_text else { return Some(on(date)) };
    let zone_start = time_text.find(['Z', 'z', '+', '-']).unwrap_or(time_text.len());
    let (clock, zone) = time_text.split_at(zone_start);
    let clock = clock.trim();
    let time = ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(clock, form).ok())?;
    Some(Moment { date, time: Some(time), offset: if zone.is_empty() { None } else { Some(read_offset(zone)?) } })
}

/// The date, and the time where one follows after `T` or a blank. One pass: what is tried at each place looks at three
/// characters, so that a long text costs its length.
fn split_time(text: &str) -> (&str, Option<&str>) {
    let bytes = text.as_bytes();
    let digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
    let colon = |place: usize| bytes.get(place) == Some(&b':');
    let joint = bytes.iter().enumerate().skip(1).position(|(place, byte)| {
        matches!(byte, b'T' | b' ')
            && digit(place - 1)
            && digit(place + 1)
            && (colon(place + 2) || (digit(place + 2) && colon(place + 3)))
    });
    match joint {
        Some(behind_first) => {
            let place = behind_first + 1;
            (text.get(..place).unwrap_or_default(), text.get(place + 1..))
        }
        None => (text, None),
    }
}

fn read_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let number: String = zone.get(1..)?.chars().filter(|character| *character != ':').collect();
    let minutes = if number.len() == 4 { number.get(2..)? } else { "00" };
    let (hours, minutes): (i64, i64) = (digits(number.get(..2)?)?, digits(minutes)?);
    // the farthest zones are 14 hours off
    let plausible = matches!(number.len(), 2 | 4) && hours < 16 && minutes < 60;
    plausible.then_some(sign * (hours * 3600 + minutes * 60))
}

fn read_date(text: &str, day_first: bool) -> Option<NaiveDate> {
    let mut parts = text.split(['-', '/', ':', ' ', ',', '.']).filter(|part| !part.is_empty());
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    if let Some(month) = month_number(second) {
        return ymd(third, month, first);
    }
    if let Some(month) = month_number(first) {
        return ymd(third, month, second);
    }
    if first.len() == 4 {
        return ymd(first, second, third);
    }
    if !text.contains('/') {
        return None;
    }
    if day_first { ymd(third, second, first) } else { ymd(third, first, second) }
}

/// The number of a month by its English name or the first three letters or more of it.
fn month_number(name: &str) -> Option<&'static str> {
    let begins =
        |month: &&(&str, &str)| month.0.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    (name.len() >= 3).then(|| MONTHS.iter().find(begins))?.map(|(_, number)| *number)
}
