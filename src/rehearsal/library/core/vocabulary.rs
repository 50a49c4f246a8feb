//! Vocabularies: the named picklists of section 7 with their canonical values, then 122 made-up ones; territories,
//! statuses, types of relations, markers and projects.

use std::sync::LazyLock;

use super::dice::{Dice, NOW, index, local};
use super::layout::{FIRST_ID, Layout};
use super::{Value, int, label, text};

/// Details of endpoint images: name, width, height, ratio.
pub const DETAILS: [(&str, u64, u64, &str); 14] = [
    ("16x9 No Title", 1920, 1080, "16:9"),
    ("16x9 Title", 1920, 1080, "16:9"),
    ("1x1", 1400, 1400, "1:1"),
    ("1x1 Detail", 800, 800, "1:1"),
    ("Category Vertical", 540, 810, "2:3"),
    ("Category Vertical Hover", 540, 810, "2:3"),
    ("Detail Banner Tablet", 1536, 640, "2.39:1"),
    ("Home Banner Tablet", 1536, 1152, "4:3"),
    ("Key Art", 2000, 3000, "2:3"),
    ("Spotlight Large", 2560, 1440, "16:9"),
    ("Spotlight Center", 1280, 720, "16:9"),
    ("Spotlight Small", 640, 360, "16:9"),
    ("TV Feature Detail", 3840, 2160, "16:9"),
    ("Web Hero", 2880, 1200, "2.39:1"),
];

const DETAIL_NAMES: [&str; 14] = {
    let mut names = [""; 14];
    let mut number = 0;
    while number < 14 {
        names[number] = DETAILS[number].0;
        number += 1;
    }
    names
};

/// Genres.
pub const GENRES: [&str; 34] = [
    "Action",
    "Adventure",
    "Animation",
    "Anthology",
    "Biography",
    "Children",
    "Comedy",
    "Coming of Age",
    "Concert",
    "Cooking",
    "Crime",
    "Dance",
    "Documentary",
    "Drama",
    "Family",
    "Fantasy",
    "Game Show",
    "History",
    "Holiday",
    "Horror",
    "Lifestyle",
    "Medical",
    "Music",
    "Musical",
    "Mystery",
    "Nature",
    "News",
    "Reality",
    "Romance",
    "Science",
    "Science Fiction",
    "Sports",
    "Thriller",
    "Western",
];

/// Ratings.
pub const RATINGS: [&str; 10] = ["TV-Y", "TV-G", "TV-PG", "TV-14", "TV-MA", "G", "PG", "PG-13", "R", "NR"];
/// Classes of titles.
pub const TITLE_CLASSES: [&str; 5] = ["Film", "Episode", "Mini-Series", "Special", "Short"];
/// Content types; `Promo` is the third.
pub const CONTENT_TYPES: [&str; 7] =
    ["House Master", "Playback Master", "Promo", "Trailer", "Raw Footage", "Deliverable", "Graphic"];
/// What is known about captions.
pub const CAPTIONS: [&str; 4] = ["Not Captioned", "Sidecar File Available", "Embedded 608", "Embedded 608 and 708"];
/// Networks; the first has 61 % of the promos.
pub const NETWORKS: [&str; 4] = ["NLC", "NLM", "NLD", "NLX"];
/// States of approval.
pub const APPROVALS: [&str; 5] = ["Draft", "In Review", "Approved", "Rejected", "Archived"];
/// States of projects.
pub const PROJECT_STATES: [&str; 5] = ["Draft", "Active", "On Hold", "Complete", "Archived"];
/// Languages, the first ones more often.
pub const LANGUAGES: [&str; 16] =
    ["en", "en-US", "es-419", "fr", "de", "en-GB", "es", "pt-BR", "it", "ja", "nl", "sv", "ar", "he", "hi", "fr-CA"];
/// Studios.
pub const STUDIOS: [&str; 12] = [
    "Northlight Pictures",
    "Blue Door Films",
    "Harbor Street",
    "Kestrel Media",
    "Lantern House",
    "Meridian Works",
    "Old Mill Studios",
    "Paper Boat",
    "Red Wagon",
    "Silver Birch",
    "Tidewater",
    "Wide Sky",
];
const RATIOS: [&str; 9] = ["16:9", "4:3", "1.85:1", "2.39:1", "1:1", "2:3", "3:2", "9:16", "21:9"];
const FORMATS: [&str; 13] =
    ["DFXP", "DFXP-Flash", "TTML", "SCC", "MCC", "SRT", "MOV", "MXF", "MP4", "PDF", "JPG", "PNG", "TIF"];
/// Asset states by id from 1; the first ten are in use, the last four retired.
pub const STATUSES: [(&str, &str); 14] = [
    ("NEW", "New"),
    ("INGESTED", "Ingested"),
    ("READY", "Ready"),
    ("IN_EDIT", "In Edit"),
    ("IN_QC", "In QC"),
    ("QC_FAILED", "QC Failed"),
    ("APPROVED", "Approved"),
    ("DELIVERED", "Delivered"),
    ("ON_HOLD", "On Hold"),
    ("ARCHIVED", "Archived"),
    ("RDY_OLD", "Ready (old)"),
    ("ARCH_OLD", "Archived (old)"),
    ("X1", "X1"),
    ("X2", "X2"),
];
/// Types of projects.
pub const PROJECT_TYPES: [&str; 11] = [
    "Promo Campaign",
    "Episode Delivery",
    "Series Launch",
    "Restoration",
    "Localization",
    "Trailer",
    "Key Art",
    "Event",
    "Sponsorship",
    "Compilation",
    "Archive",
];
/// Types of relations: forward, reverse name, whether both are the same.
pub const RELATIONS: [(&str, &str, bool); 16] = [
    ("derived from", "source of", false),
    ("version of", "has version", false),
    ("related to", "related to", true),
    ("part of", "has part", false),
    ("promotes", "promoted by", false),
    ("trailer of", "has trailer", false),
    ("artwork of", "has artwork", false),
    ("caption of", "has caption", false),
    ("same shoot", "same shoot", true),
    ("replaces", "replaced by", false),
    ("audio of", "has audio", false),
    ("clip of", "has clip", false),
    ("translation of", "has translation", false),
    ("alternate of", "alternate of", true),
    ("graphics of", "has graphics", false),
    ("reference of", "has reference", false),
];

/// The named picklists: name, the field it belongs to, values. Territories stand in a file.
const NAMED: [(&str, &[&str]); 16] = [
    ("contentType", &CONTENT_TYPES),
    ("titleClass", &TITLE_CLASSES),
    ("assetFormat", &FORMATS),
    ("closedCaptionInfo", &CAPTIONS),
    ("videoResolution", &["SD", "HD", "UHD"]),
    ("network", &NETWORKS),
    ("approvalStatus", &APPROVALS),
    ("rating", &RATINGS),
    ("genres", &GENRES),
    ("licenseTerritory", &[]),
    ("endpointImageDetail", &DETAIL_NAMES),
    ("aspectRatio", &RATIOS),
    ("videoScanType", &["Progressive", "Interlaced", "PsF"]),
    ("language", &LANGUAGES),
    ("studio", &STUDIOS),
    ("status", &PROJECT_STATES),
];
const TERRITORY_LIST: usize = 9;
const PICKLISTS: u64 = 138;
const CUSTOM_LISTS: u64 = PICKLISTS - NAMED.len() as u64;

const TERRITORY_FILE: &str = include_str!("territories.txt");

/// ISO 3166-1 (with three made-up regions): two letters, three letters, name.
pub fn territory(number: u64) -> (&'static str, &'static str, &'static str) {
    let line = TERRITORY_FILE.lines().nth(index(number)).unwrap_or("XX XXX Nowhere");
    let (codes, name) = line.split_at(6);
    (&codes[..2], &codes[3..], name.trim_start())
}

/// How many territories there are.
pub const TERRITORIES: u64 = 252;

fn length(list: usize) -> u64 {
    if list == TERRITORY_LIST { TERRITORIES } else { NAMED[list].1.len() as u64 }
}

fn named_values() -> u64 {
    (0..NAMED.len()).map(length).sum()
}

/// The id of a picklist by its name.
pub fn list_id(name: &str) -> Option<u64> {
    NAMED.iter().position(|named| named.0 == name).map(|list| FIRST_ID + list as u64)
}

/// The id of the value at a place of a named picklist.
pub fn value_id(name: &str, place: u64) -> Option<u64> {
    let list = NAMED.iter().position(|named| named.0 == name)?;
    Some(FIRST_ID + (0..list).map(length).sum::<u64>() + place)
}

/// The place of a named picklist's term.
pub fn place_of(name: &str, term: &str) -> Option<u64> {
    terms(name).iter().position(|known| *known == term).map(|place| place as u64)
}

/// The term at a place of a named picklist.
pub fn term_at(name: &str, place: u64) -> &'static str {
    terms(name).get(index(place)).copied().unwrap_or_default()
}

/// The id of a named picklist's value by its text.
pub fn value_named(name: &str, value: &str) -> Option<u64> {
    value_id(name, place_of(name, value)?)
}

/// The terms of a named picklist; none for others.
pub fn terms(name: &str) -> &'static [&'static str] {
    match NAMED.iter().position(|named| named.0 == name) {
        Some(TERRITORY_LIST) => &TERRITORY_NAMES,
        Some(list) => NAMED[list].1,
        None => &[],
    }
}

static TERRITORY_NAMES: LazyLock<Vec<&str>> =
    LazyLock::new(|| (0..TERRITORIES).map(|number| territory(number).2).collect());

/// The term that a row of `picklist_value` holds, by its id.
pub fn value_text(id: u64) -> Option<&'static str> {
    let mut place = index(id.checked_sub(FIRST_ID)?);
    for named in &NAMED {
        let terms = terms(named.0);
        match terms.get(place) {
            Some(term) => return Some(term),
            None => place -= terms.len(),
        }
    }
    None
}

/// The approved synonyms of a term.
pub fn synonyms(name: &str, term: &str) -> impl Iterator<Item = &'static str> {
    ALIASES.iter().filter(move |alias| alias.0 == name && alias.1 == term).map(|alias| alias.2)
}

/// Whether a text is a synonym in this vocabulary, whatever its case.
pub fn is_synonym(name: &str, text: &str) -> bool {
    ALIASES.iter().any(|alias| alias.0 == name && alias.2.to_lowercase() == text.to_lowercase())
}

/// The id of a made-up picklist, and of one of its first three values.
pub fn custom(field: u64, place: u64) -> (u64, u64) {
    let list = field % CUSTOM_LISTS;
    (FIRST_ID + NAMED.len() as u64 + list, FIRST_ID + named_values() + place % 3 * CUSTOM_LISTS + list)
}

/// At least three values for each made-up picklist.
pub fn value_rows(wanted: u64) -> u64 {
    wanted.max(named_values() + 3 * CUSTOM_LISTS)
}

/// A row of `picklist`.
pub fn picklist(row: u64, out: &mut Vec<Value>) {
    let name = NAMED.get(index(row)).map_or_else(|| format!("custom list {:02}", row - 15), |named| named.0.to_owned());
    out.extend([
        Value::id(FIRST_ID + row),
        text(name.clone()),
        text(name),
        Value::Bool(row.is_multiple_of(7)),
        text(local(NOW - (row + 9) * 7_000_000 / 10)),
    ]);
}

/// A row of `picklist_value`.
pub fn picklist_value(row: u64, dice: Dice, out: &mut Vec<Value>) {
    let (mut list, mut place) = (0, row);
    while list < NAMED.len() && place >= length(list) {
        place -= length(list);
        list += 1;
    }
    let mut code = Value::Null;
    let (picklist, value) = if list == NAMED.len() {
        (list as u64 + place % CUSTOM_LISTS, format!("Option {}", place / CUSTOM_LISTS + 1))
    } else if list == TERRITORY_LIST {
        code = label(territory(place).0);
        (list as u64, territory(place).2.to_owned())
    } else {
        if NAMED[list].0 == "endpointImageDetail" {
            code = text(format!("{}x{}", DETAILS[index(place)].1, DETAILS[index(place)].2));
        }
        (list as u64, NAMED[list].1[index(place)].to_owned())
    };
    out.extend([
        Value::id(FIRST_ID + row),
        Value::id(FIRST_ID + picklist),
        text(value.clone()),
        text(value),
        Value::Null,
        Value::id(place),
        Value::Bool(true),
        Value::Null,
        code,
        text(local(dice.past(0))),
    ]);
}

/// Approved synonyms: picklist, value, alias.
const ALIASES: [(&str, &str, &str); 36] = [
    ("titleClass", "Film", "Movie"),
    ("titleClass", "Film", "Feature"),
    ("titleClass", "Episode", "Epsiode"),
    ("titleClass", "Episode", "Ep"),
    ("titleClass", "Mini-Series", "Mini Series"),
    ("titleClass", "Mini-Series", "Miniseries"),
    ("titleClass", "Short", "Short Film"),
    ("contentType", "Promo", "Promo."),
    ("contentType", "Promo", "Promotion"),
    ("contentType", "House Master", "HouseMaster"),
    ("contentType", "Playback Master", "Playback"),
    ("contentType", "Raw Footage", "Raw"),
    ("contentType", "Graphic", "GFX"),
    ("approvalStatus", "Approved", "Appproved"),
    ("approvalStatus", "Approved", "OK"),
    ("approvalStatus", "In Review", "Review"),
    ("approvalStatus", "Rejected", "Declined"),
    ("approvalStatus", "Archived", "Archive"),
    ("network", "NLC", "NL Classic"),
    ("network", "NLM", "NL Movies"),
    ("network", "NLD", "NL Drama"),
    ("network", "NLX", "NL Extra"),
    ("closedCaptionInfo", "Not Captioned", "No Captions"),
    ("closedCaptionInfo", "Embedded 608", "CEA-608"),
    ("closedCaptionInfo", "Sidecar File Available", "Sidecar"),
    ("videoScanType", "Progressive", "P"),
    ("videoScanType", "Interlaced", "i"),
    ("videoScanType", "PsF", "Segmented"),
    ("rating", "NR", "Not Rated"),
    ("rating", "NR", "Unrated"),
    ("genres", "Science Fiction", "Sci-Fi"),
    ("genres", "Documentary", "Docu"),
    ("genres", "Children", "Kids"),
    ("endpointImageDetail", "Key Art", "KeyArt"),
    ("endpointImageDetail", "16x9 No Title", "16x9 NoTitle"),
    ("status", "On Hold", "Paused"),
];

/// A row of `picklist_value_alias`: the named synonyms, then some for made-up values.
pub fn alias(row: u64, out: &mut Vec<Value>) {
    let (value, alias) = match ALIASES.get(index(row)) {
        Some((list, value, alias)) => (value_named(list, value).unwrap_or(FIRST_ID), (*alias).to_owned()),
        None => (custom(row, row / 3).1, format!("Choice {row}")),
    };
    let source = ["import", "librarian", "cleanup 2019"][index(row % 3)];
    out.extend([Value::id(FIRST_ID + row), Value::id(value), text(alias), label(source)]);
}

/// Rows of the small lookups.
pub fn lookup(table: &str, row: u64, out: &mut Vec<Value>) {
    let place = index(row);
    match table {
        "asset_type" => {
            let name = ["Video", "Image", "Audio", "Document", "Other", "Placeholder", "Sequence"][place % 7];
            out.extend([Value::id(1 + row), label(name), label(name), Value::id(row * 10)]);
        }
        "asset_status" => {
            let (key, name) = STATUSES[place % 14];
            let key = super::dirt::term::status_key(key);
            out.extend([Value::id(1 + row), key, label(name), Value::Bool(row > 6), Value::id(row)]);
        }
        "asset_source" => {
            let name = match row + 1 {
                7 => "MAM 1 import 2013".to_owned(),
                12 => "European office".to_owned(),
                21 => "Traffic system".to_owned(),
                number => format!("Ingest station {number}"),
            };
            let kind = ["watch folder", "upload", "import", "api"][place % 4];
            out.extend([Value::id(1 + row), text(name), label(kind), label("Y")]);
        }
        "asset_content_use" => {
            const USES: [(&str, &str); 9] = [
                ("SOURCE", "Source"),
                ("MEZZANINE", "Mezzanine"),
                ("PROXY", "Proxy"),
                ("THUMBNAIL", "Thumbnail"),
                ("THUMBNAIL_VIDEO", "Thumbnail video"),
                ("CAPTION", "Caption"),
                ("SIDECAR", "Sidecar"),
                ("AUDIO", "Audio"),
                ("ARCHIVE", "Archive"),
            ];
            out.extend([Value::id(1 + row), label(USES[place % 9].0), label(USES[place % 9].1)]);
        }
        "asset_relation_type" => {
            let (forward, reverse, symmetric) = RELATIONS[place % 16];
            out.extend([Value::id(1 + row), label(forward), label(reverse), Value::Bool(symmetric)]);
        }
        "marker_type" => {
            let name = ["Comment", "Cut", "Black", "Logo", "Credit", "Break", "Quality", "Audio"][place % 8];
            out.extend([Value::id(1 + row), text(format!("{name} {}", row / 8 + 1)), text(format!("icon-{row}"))]);
        }
        "project_type" => out.extend([Value::id(FIRST_ID + row), label(PROJECT_TYPES[place % 11])]),
        _ => {
            let (two, three, name) = territory(row);
            out.extend([Value::id(FIRST_ID + row), label(two), label(three), label(name)]);
        }
    }
}

/// A row of `deliverable_image_spec`.
pub fn spec(row: u64, out: &mut Vec<Value>) {
    let (detail, width, height, _) = DETAILS[index(row % 14)];
    let endpoint = ["web", "tv", "mobile", "tablet", "partner"][index(row / 14 % 5)];
    let format = if row % 3 == 2 { "PNG" } else { "JPEG" };
    let size = int(width);
    out.extend([
        Value::id(FIRST_ID + row),
        label(endpoint),
        label(detail),
        size,
        int(height),
        label(format),
        int(500 + row * 50),
        Value::Bool(row % 4 != 3),
    ]);
}

/// A network, the first of them for 61 %.
pub fn network(dice: Dice, k: u64) -> usize {
    dice.share(k, &[61, 18, 12])
}

/// A language, English for the most part.
pub fn language(layout: &Layout, table: u32, row: u64) -> &'static str {
    let dice = layout.dice(table, row);
    LANGUAGES[index(dice.zipf(2020, LANGUAGES.len() as u64))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn territories_are_complete() {
        assert_eq!(TERRITORY_FILE.lines().count() as u64, TERRITORIES);
        assert_eq!(territory(0), ("AD", "AND", "Andorra"));
    }

    #[test]
    fn values_are_where_the_ids_say() {
        for (list, value) in [("contentType", "Promo"), ("endpointImageDetail", "Web Hero"), ("status", "Archived")] {
            let id = value_named(list, value).unwrap();
            let mut row = Vec::new();
            picklist_value(id - FIRST_ID, Dice::new(1, 33, 0), &mut row);
            assert_eq!(row[1], Value::id(list_id(list).unwrap()));
            assert_eq!(row[2], text(value.to_owned()));
        }
        let (list, value) = custom(70, 2);
        let mut row = Vec::new();
        picklist_value(value - FIRST_ID, Dice::new(1, 33, 0), &mut row);
        assert_eq!(row[1], Value::id(list));
        assert!(ALIASES.iter().all(|(list, value, _)| value_named(list, value).is_some()));
    }
}
