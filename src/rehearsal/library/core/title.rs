//! Titles with their series, seasons and episodes, licence windows and the scheduling system's copy.

use super::super::Told;
use super::dice::{Dice, FIRST_DAY, date, index, instant, local};
use super::dirt::code::eidr as eidr_cell;
use super::dirt::draws;
use super::dirt::term::{term, terms};
use super::layout::{FIRST_ID, Layout};
use super::vocabulary::{GENRES, RATINGS, STUDIOS, TERRITORIES, TITLE_CLASSES};
use super::{Value, dirt, int, label, text, words};

const TABLE: u32 = 99;

/// How many titles, series, seasons and episodes there are. Episode `e` is title `e`.
#[derive(Debug, Clone, Copy)]
pub struct Titles {
    /// Titles.
    pub titles: u64,
    series: u64,
    seasons: u64,
    /// Episodes, never more than titles.
    pub episodes: u64,
}

impl Titles {
    /// From the tables' size classes.
    pub fn new(rows: &impl Fn(&str) -> u64) -> Self {
        let titles = rows("title");
        Self { titles, series: rows("series"), seasons: rows("season"), episodes: rows("episode").min(titles) }
    }

    /// Season and episode number (from 1) of an episode.
    fn season(&self, episode: u64) -> (u64, u64) {
        let season = episode * self.seasons / self.episodes;
        (season, episode - (season * self.episodes).div_ceil(self.seasons) + 1)
    }

    /// Series and season number (from 1) of a season.
    fn series(&self, season: u64) -> (u64, u64) {
        let series = season * self.series / self.seasons;
        (series, season - (series * self.seasons).div_ceil(self.series) + 1)
    }
}

/// Where a title stands in a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The series' row.
    pub series: u64,
    /// The season's number.
    pub season: u64,
    /// The episode's number.
    pub episode: u64,
}

/// A title; its facts are drawn from its id.
#[derive(Debug, Clone, Copy)]
pub struct Title {
    /// The id.
    pub id: u64,
    dice: Dice,
    /// The place in a series, for episodes.
    pub place: Option<Place>,
}

impl Title {
    /// The title with an id (a fixture's below [`FIRST_ID`]).
    pub fn of(layout: &Layout, id: u64) -> Self {
        let row = id.wrapping_sub(FIRST_ID);
        let titles = layout.titles;
        let place = (row < titles.episodes).then(|| {
            let (season, episode) = titles.season(row);
            let (series, season) = titles.series(season);
            Place { series, season, episode }
        });
        Self { id, dice: layout.dice(TABLE, row), place }
    }

    /// `HC` and six digits.
    pub fn house_code(&self) -> String {
        format!("HC{}", 100_000 + self.id)
    }

    /// The name.
    pub fn name(&self) -> String {
        words::title(if self.id < FIRST_ID { 12_300 + self.id } else { self.id - FIRST_ID })
    }

    /// The class.
    pub fn class(&self) -> &'static str {
        if self.place.is_some() {
            return "Episode";
        }
        TITLE_CLASSES[[0, 2, 3, 4][self.dice.share(0, &[60, 10, 20])]]
    }

    /// The year of release.
    pub fn year(&self) -> u64 {
        2024 - self.dice.zipf(1, 74)
    }

    /// Genres, one to three.
    pub fn genres(&self) -> Vec<u64> {
        let first = self.dice.zipf(2, GENRES.len() as u64);
        (0..=self.dice.below(3, 3)).map(|k| (first + k * 11) % GENRES.len() as u64).collect()
    }

    /// Index in the vocabulary of ratings.
    pub fn rating(&self) -> u64 {
        self.dice.below(4, RATINGS.len() as u64)
    }

    /// Index in the vocabulary of studios.
    pub fn studio(&self) -> u64 {
        self.dice.zipf(5, STUDIOS.len() as u64)
    }

    /// Names of the cast, two to five, different ones.
    pub fn cast(&self) -> Vec<String> {
        let first = self.dice.below(6, 4096);
        (0..2 + self.dice.below(7, 4)).map(|k| words::person((first + k * 331) % 4096)).collect()
    }

    /// The director.
    pub fn director(&self) -> String {
        words::person(self.dice.below(8, 4096))
    }

    /// The identifier of the Entertainment Identifier Registry, with its check character.
    pub fn eidr(&self) -> String {
        let high = self.dice.draw(9);
        let low = self.dice.draw(10) >> 48;
        eidr(&format!("{high:016X}{low:04X}"))
    }

    /// The name of the series, if any, and its code.
    pub fn series(&self) -> Option<(String, String)> {
        self.place.map(|place| (series_name(place.series), series_code(place.series)))
    }

    fn synopsis(&self, k: u64, most: u64) -> String {
        words::sentences(self.dice, k, most)
    }
}

fn series_name(row: u64) -> String {
    format!("{} Chronicles", words::title(row + 11_800))
}

fn series_code(row: u64) -> String {
    format!("SER{:05}", row + 1)
}

/// The identifier for 20 hexadecimal digits: ISO 7064 MOD 37,36 gives the check character.
fn eidr(digits: &str) -> String {
    let mut product = 36;
    for digit in digits.chars() {
        let sum = (product + digit.to_digit(36).unwrap_or(0)) % 36;
        product = (if sum == 0 { 36 } else { sum }) * 2 % 37;
    }
    let check = char::from_digit((37 - product) % 36, 36).unwrap_or('0').to_ascii_uppercase();
    let groups: Vec<&str> = (0..5).map(|group| &digits[group * 4..group * 4 + 4]).collect();
    format!("10.5240/{}-{check}", groups.join("-"))
}

/// A row of `title`.
pub fn row(layout: &Layout, id: u64, out: &mut Vec<Value>) {
    let title = Title::of(layout, id);
    let dice = title.dice;
    let (hour, minute) = (dice.below(16, 3), 5 + dice.below(17, 55));
    let genres: Vec<&str> = title.genres().iter().map(|genre| GENRES[index(*genre)]).collect();
    out.extend([
        Value::id(id),
        text(title.house_code()),
        dirt::text::line(layout, dice, draws(2), title.name()),
        term(layout, dice, draws(3), "titleClass", title.class()),
        int(title.year()),
        if dice.chance(18, 800_000) {
            dirt::text::body(layout, dice, draws(5), title.synopsis(20, 1), true)
        } else {
            Value::Null
        },
        optional(dice, 19, 600_000, || title.synopsis(30, 3)),
        optional(dice, 29, 400_000, || title.synopsis(40, 6)),
        text(format!("{hour:02}:{minute:02}:00")),
        term(layout, dice, draws(9), "rating", RATINGS[index(title.rating())]),
        if dice.chance(50, 700_000) { eidr_cell(layout, dice, draws(10), title.eidr(), 4) } else { Value::Null },
        terms(layout, dice, draws(11), "genres", &genres),
        cast(layout, dice, &title.cast()),
        title.place.map_or(Value::Null, |place| Value::id(FIRST_ID + place.series)),
        title.place.map_or(Value::Null, |place| text(place.season.to_string())),
        title.place.map_or(Value::Null, |place| text(place.episode.to_string())),
        term(layout, dice, draws(16), "studio", STUDIOS[index(title.studio())]),
        text(local(dice.past(51))),
    ]);
}

/// D74: the names of a cast as JSON, in one of its five forms as soon as there is dirt.
fn cast(layout: &Layout, dice: Dice, names: &[String]) -> Value {
    let form = if layout.dirt == 0.0 || dice.is_fixture() { 0 } else { dice.below(draws(12), 5) };
    cast_form(form, names)
}

/// D74: an array of names, or of names with roles, one such object, a text with all names, null.
pub fn cast_form(form: u64, names: &[String]) -> Value {
    let roles = ["Host", "", "Guest"].iter().cycle();
    let with_role = |(name, role): (&String, &&str)| match *role {
        "" => (serde_json::json!({ "name": name }), name.clone()),
        role => (serde_json::json!({ "name": name, "role": role }), format!("{name} ({role})")),
    };
    let told = |raw: serde_json::Value, means: Vec<String>| Told::normalised("D74", raw.to_string(), means);
    match form {
        0 => Told::clean(serde_json::json!(names).to_string(), names.to_vec()).into(),
        1 => {
            let (raw, means): (Vec<_>, Vec<_>) = names.iter().zip(roles).map(with_role).unzip();
            told(raw.into(), means).into()
        }
        2 => {
            let (raw, means) = names.first().into_iter().zip(roles).map(with_role).next().unwrap_or_default();
            told(raw, vec![means]).into()
        }
        3 => told(names.join("; ").into(), names.to_vec()).into(),
        _ => Told::normalised("D74", "null", serde_json::Value::Null).into(),
    }
}

fn optional(dice: Dice, k: u64, ppm: u64, make: impl FnOnce() -> String) -> Value {
    if dice.chance(k, ppm) { text(make()) } else { Value::Null }
}

/// A row of `series`, `season`, `episode`, `license_window` or `metabase_title_cache`.
pub fn around(layout: &Layout, table: &str, row: u64, dice: Dice, out: &mut Vec<Value>) {
    let titles = layout.titles;
    match table {
        "series" => {
            let start = FIRST_DAY + dice.below(0, 4000) * 86_400;
            let first = (row * titles.seasons).div_ceil(titles.series);
            let next = ((row + 1) * titles.seasons).div_ceil(titles.series);
            let end = if dice.chance(1, 300_000) {
                Value::Null
            } else {
                text(date(start + 86_400 * (90 + dice.below(2, 2000))))
            };
            out.extend([
                Value::id(FIRST_ID + row),
                text(series_code(row)),
                text(series_name(row)),
                Value::id(next - first),
                text(date(start)),
                end,
            ]);
        }
        "season" => {
            let (series, number) = titles.series(row);
            out.extend([Value::id(FIRST_ID + row), Value::id(FIRST_ID + series), int(number), int(2007 + number)]);
        }
        "episode" => {
            let (season, number) = titles.season(row);
            let id = FIRST_ID + row;
            out.extend([Value::id(id), Value::id(FIRST_ID + season), text(format!("{number}.00")), Value::id(id)]);
        }
        "license_window" => {
            let start = FIRST_DAY + 86_400 * dice.below(0, 5000);
            let end = start + 86_400 * (30 + dice.below(1, 1500));
            out.extend([
                Value::id(FIRST_ID + row),
                Value::id(FIRST_ID + dice.below(2, titles.titles)),
                int(FIRST_ID + dice.zipf(3, TERRITORIES)),
                label(dice.pick(4, &["SVOD", "AVOD", "Linear", "EST"])),
                text(format!("[\"{}\",\"{}\")", instant(start), instant(end))),
                Value::Bool(dice.chance(5, 300_000)),
                text(date(start)),
                text(date(end)),
            ]);
        }
        _ => cached(layout, row, dice, out),
    }
}

fn cached(layout: &Layout, row: u64, dice: Dice, out: &mut Vec<Value>) {
    let title = Title::of(layout, FIRST_ID + row);
    let genres: Vec<&str> = title.genres().iter().map(|genre| GENRES[index(*genre)]).collect();
    let payload = serde_json::json!({
        "houseCode": title.house_code(), "titleName": title.name(), "titleClass": title.class(),
        "releaseYear": title.year(), "genres": genres, "rating": RATINGS[index(title.rating())],
        "studio": STUDIOS[index(title.studio())], "cast": title.cast(), "directors": [title.director()],
        "synopsis": title.synopsis(40, 6), "notes": words::body(dice, 8, 1200),
    });
    // Its meaning is itself, for whoever looks up a value in it; D41: a number of forty digits is a text.
    let told = if dice.chance(draws(1), layout.dirty(3_000)) {
        let digits = "1234567890123456789012345678901234567890";
        let mut means = payload.clone();
        means["synopsis"] = digits.into();
        let raw = means.to_string().replace(&format!("\"{digits}\""), digits);
        Told::normalised("D41", raw, means)
    } else {
        Told::clean(payload.to_string(), payload)
    };
    out.extend([
        text(title.house_code()),
        told.into(),
        text(format!("W/\"{:016x}\"", dice.draw(0))),
        text(instant(dice.past(1))),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_check_character() {
        assert_eq!(eidr("779185342C2390308610"), "10.5240/7791-8534-2C23-9030-8610-5");
    }

    #[test]
    fn the_chain_from_title_to_series_holds() {
        let titles = Titles { titles: 118, series: 20, seasons: 20, episodes: 98 };
        let big = Titles { titles: 11_800, series: 480, seasons: 1350, episodes: 9800 };
        for titles in [titles, big] {
            let mut last = (u64::MAX, 0);
            for episode in 0..titles.episodes {
                let (season, number) = titles.season(episode);
                assert!(season < titles.seasons && number >= 1);
                assert!(
                    if season == last.0 { number == last.1 + 1 } else { number == 1 },
                    "{episode} {season} {number}"
                );
                last = (season, number);
                let (series, number) = titles.series(season);
                assert!(series < titles.series && number >= 1);
            }
        }
    }
}
