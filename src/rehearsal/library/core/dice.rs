//! The random numbers of one row, and what is written with them: uuids, times, chances.

use super::super::random;

/// `NOW` of the library, 2025-03-01T00:00:00Z, in seconds of the Unix epoch.
pub const NOW: u64 = 1_740_787_200;

/// 2008-01-01T00:00:00Z, before which nothing was created.
pub const FIRST_DAY: u64 = 1_199_145_600;

/// Nothing was made or changed after this: a day before `NOW`, since local times without a zone may mean seven hours
/// later than they say.
const LAST: u64 = NOW - DAY;

const DAY: u64 = 86_400;

/// The numbers of one row of one table. Draw numbers are the caller's; facts that several tables share are drawn from
/// the row that owns them, so that all tables see the same.
#[derive(Debug, Clone, Copy)]
pub struct Dice {
    state: u64,
    fixture: bool,
}

impl Dice {
    /// The numbers of a row of the table with this number (section 12 of the specification).
    pub fn new(seed: u64, table: u32, row: u64) -> Self {
        Self { state: random::row_state(seed, table, row), fixture: row > u64::MAX - super::layout::FIRST_ID }
    }

    /// Whether these are a fixture's numbers (its id less the first generated one, below zero): a fixture is dirty by
    /// design only, never by chance.
    pub fn is_fixture(self) -> bool {
        self.fixture
    }

    /// Draw `k`.
    pub fn draw(self, k: u64) -> u64 {
        random::draw(self.state, k)
    }

    /// A number below `n` (0 when `n` is 0).
    pub fn below(self, k: u64, n: u64) -> u64 {
        random::below(self.draw(k), n)
    }

    /// Whether draw `k` falls under so many parts of a million.
    pub fn chance(self, k: u64, ppm: u64) -> bool {
        (self.draw(k) >> 32) < (ppm << 32) / 1_000_000
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<T: Copy>(self, k: u64, choices: &[T]) -> T {
        choices[index(self.below(k, choices.len() as u64))]
    }

    /// The index of a share (parts of a hundred) that draw `k` falls into; the last takes the rest.
    pub fn share(self, k: u64, shares: &[u64]) -> usize {
        let mut at = self.below(k, 100);
        for (number, share) in shares.iter().enumerate() {
            if at < *share {
                return number;
            }
            at -= share;
        }
        shares.len()
    }

    /// A rank below `n`, low ranks more often.
    pub fn zipf(self, k: u64, n: u64) -> u64 {
        random::zipf(self.draw(k), n)
    }

    /// A geometric count with a mean of about `mean`, at most 16 times that.
    pub fn geometric(self, k: u64, mean: u64) -> u64 {
        let mut draw = self.draw(k);
        let mut count = 0;
        while count < mean * 16 && random::below(draw, mean + 1) != 0 {
            draw = random::mix(draw.wrapping_add(1));
            count += 1;
        }
        count
    }

    /// A version 4 uuid, lower case with dashes, from draws `k` and `k + 1`.
    pub fn uuid(self, k: u64) -> String {
        let (high, low) = (self.draw(k), self.draw(k + 1));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// A moment of the past, the recent ones more often, between 2008 and `NOW`.
    pub fn past(self, k: u64) -> u64 {
        let span = (LAST - FIRST_DAY) >> (self.below(k, 5));
        LAST - 1 - self.below(k + 1, span - 1)
    }

    /// A moment from `after` on, a day before `NOW` at the latest.
    pub fn later(self, k: u64, after: u64) -> u64 {
        after + self.below(k, LAST.saturating_sub(after).max(1))
    }
}

/// A number as an index.
pub fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Year, month and day of a day number (days since 1970-01-01); Howard Hinnant's civil-from-days.
pub fn civil(day: u64) -> (u64, u64, u64) {
    let z = day + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// `YYYY-MM-DD` of a moment.
pub fn date(moment: u64) -> String {
    let (year, month, day) = civil(moment / DAY);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The moment as a local time without a zone: `YYYY-MM-DD HH:MM:SS`, never between midnight and three, where clocks
/// are changed. The map keeps the order of moments.
pub fn local(moment: u64) -> String {
    let (hour, minute, second) = clock(moment);
    format!("{} {hour:02}:{minute:02}:{second:02}", date(moment))
}

/// The moment in EXIF's form: `YYYY:MM:DD HH:MM:SS`.
pub fn exif(moment: u64) -> String {
    let (year, month, day) = civil(moment / DAY);
    let (hour, minute, second) = clock(moment);
    format!("{year:04}:{month:02}:{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The moment as an instant: `YYYY-MM-DD HH:MM:SS+00`.
pub fn instant(moment: u64) -> String {
    let second = moment % DAY;
    format!("{} {:02}:{:02}:{:02}+00", date(moment), second / 3600, second / 60 % 60, second % 60)
}

/// Hour, minute and second between three in the morning and midnight.
fn clock(moment: u64) -> (u64, u64, u64) {
    let second = 3 * 3600 + (moment % DAY) * 21 / 24;
    (second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(instant(NOW), "2025-03-01 00:00:00+00");
        assert_eq!(date(FIRST_DAY), "2008-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(local(NOW), "2025-03-01 03:00:00");
        assert_eq!(exif(NOW + DAY - 1), "2025:03:01 23:59:59");
    }

    #[test]
    fn uuids_are_version_4() {
        let uuid = uuid::Uuid::parse_str(&Dice::new(42, 1, 0).uuid(0)).unwrap();
        assert_eq!(uuid.get_version_num(), 4);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn geometric_mean() {
        let sum: u64 = (0..2000).map(|row| Dice::new(42, 1, row).geometric(0, 12)).sum();
        assert!((20_000..28_000).contains(&sum), "{sum}");
    }
}
