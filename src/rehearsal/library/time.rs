//! Dates and times as PostgreSQL writes them, from whole numbers.

/// The library's present, 2025-03-01T00:00:00Z, in microseconds since 1970. No clock is ever read.
pub const NOW_MICROS: i64 = 1_740_787_200_000_000;

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// `YYYY-MM-DD` of a day counted from 1970-01-01 (years 1 to 9999).
pub fn date_text(days: i64) -> String {
    let mut text = String::with_capacity(10);
    push_date(&mut text, days);
    text
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff]` of microseconds since 1970, without a zone.
pub fn timestamp_text(micros: i64) -> String {
    let mut text = String::with_capacity(29);
    push_date(&mut text, micros.div_euclid(DAY));
    text.push(' ');
    push_time(&mut text, micros.rem_euclid(DAY));
    text
}

/// Appends `HH:MM:SS[.ffffff]` of the microseconds of a day.
pub(super) fn push_time(text: &mut String, micros: i64) {
    let seconds = micros / 1_000_000;
    push_number(text, seconds / 3600, 2);
    text.push(':');
    push_number(text, seconds / 60 % 60, 2);
    text.push(':');
    push_number(text, seconds % 60, 2);
    if micros % 1_000_000 != 0 {
        text.push('.');
        push_number(text, micros % 1_000_000, 6);
    }
}

fn push_date(text: &mut String, days: i64) {
    let (year, month, day) = civil(days);
    push_number(text, year, 4);
    text.push('-');
    push_number(text, month, 2);
    text.push('-');
    push_number(text, day, 2);
}

/// Appends a number with leading zeros.
pub(super) fn push_number(text: &mut String, number: i64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = u8::try_from(number / 10i64.pow(place) % 10).unwrap_or(0);
        text.push(char::from(b'0' + digit));
    }
}

/// The days since 1970-01-01 of a date of the proleptic Gregorian calendar.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of days since 1970-01-01 (the algorithm of H. Hinnant, "chrono-compatible low-level date
/// algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(timestamp_text(NOW_MICROS), "2025-03-01 00:00:00");
        assert_eq!(timestamp_text(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(date_text(days_from_civil(2024, 2, 29)), "2024-02-29");
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(1899, 12, 30), -25_569);
    }
}
