//! Vocabulary values (D33, D20, D56, D67): the ways in which each is written beside its own spelling, and which of them
//! a reader can still understand.
//!
//! A text column holds the spelling itself ([`term`]); a property value points to a row of `picklist_value`, and each
//! other spelling of a picklist is a row of its own there ([`picked`], [`picklist_rows`]). The table of approved
//! synonyms knows about 60 % of the spellings that case, blanks and width do not explain ([`alias_rows`]).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::super::dice::{Dice, index};
use super::super::layout::{FIRST_ID, FIXTURE_ROWS, Layout, NOWHERE};
use super::super::{Told, Value, array, label, text, vocabulary};
use super::spelling::{double_blank, doubled, full_width, in_reach, look_alike, other_case, swapped};

/// One way of writing a term that is not its own spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    /// The vocabulary.
    pub vocabulary: &'static str,
    /// The term in whose place it stands.
    pub canonical: &'static str,
    /// What is written.
    pub raw: String,
    /// The term a reader gets, if any (not always the one in whose place it stands: JPG means JPEG).
    pub means: Option<&'static str>,
    /// The code a reader has to give.
    pub code: Option<&'static str>,
    /// The kind of dirt.
    pub dirt: &'static str,
    /// Whether the source's table of synonyms knows it, and not the migration's own.
    synonym: bool,
}

impl Spelling {
    fn told(&self) -> Told {
        let raw = text(self.raw.clone());
        match (self.means, self.code) {
            (Some(means), None) => Told::normalised(self.dirt, raw, means),
            (Some(means), Some(code)) => Told::warned(self.dirt, raw, means, code),
            (None, code) => Told::dropped(self.dirt, raw, code.unwrap_or("VOCAB_UNKNOWN")),
        }
    }
}

/// A spelling of a vocabulary that has rules of its own: vocabulary, term, what is written, what it means, the code.
type Special = (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>, &'static str);

/// Vocabularies whose spellings are listed one by one: currencies (three characters wide), codecs (aliases alone, what
/// is unknown is kept).
const SPECIAL: [Special; 25] = [
    ("currency", "USD", "usd", Some("USD"), None, "D56"),
    ("currency", "USD", "US$", Some("USD"), None, "D56"),
    ("currency", "USD", "$", Some("USD"), None, "D56"),
    ("currency", "USD", "XXU", None, Some("CURRENCY_UNKNOWN"), "D56"),
    ("currency", "EUR", "eur", Some("EUR"), None, "D56"),
    ("currency", "EUR", "€", Some("EUR"), None, "D56"),
    ("currency", "EUR", "Eur", Some("EUR"), None, "D56"),
    ("currency", "EUR", "???", None, Some("CURRENCY_UNKNOWN"), "D56"),
    ("currency", "GBP", "gbp", Some("GBP"), None, "D56"),
    ("currency", "GBP", "£", Some("GBP"), None, "D56"),
    ("currency", "CAD", "cad", Some("CAD"), None, "D56"),
    ("currency", "CAD", "C$", Some("CAD"), None, "D56"),
    ("videoCodec", "H.264", "avc1", Some("H.264"), None, "D67"),
    ("videoCodec", "H.264", "AVC", Some("H.264"), None, "D67"),
    ("videoCodec", "H.264", "h264", Some("H.264"), None, "D67"),
    ("videoCodec", "ProRes 422 HQ", "apch", Some("ProRes 422 HQ"), None, "D67"),
    ("videoCodec", "ProRes 422 HQ", "prores 422 hq", Some("ProRes 422 HQ"), None, "D67"),
    ("audioCodec", "AAC", "40", Some("AAC"), None, "D67"),
    ("audioCodec", "AAC", "mp4a", Some("AAC"), None, "D67"),
    ("audioCodec", "AAC", "mp4a-40-2", Some("AAC"), None, "D67"),
    ("audioCodec", "AAC", "aac", Some("AAC"), None, "D67"),
    ("audioCodec", "PCM", "pcm", Some("PCM"), None, "D67"),
    ("colorSpace", "sRGB", "RGB", Some("sRGB"), None, "D33"),
    ("colorSpace", "Adobe RGB", "Adobe RGB (1998)", Some("Adobe RGB"), None, "D33"),
    ("colorSpace", "Gray", "Grayscale", Some("Gray"), None, "D33"),
];

/// The vocabularies of D33, with their terms; the names are those of the picklists where there is one.
fn vocabularies() -> Vec<(&'static str, Vec<&'static str>)> {
    let listed = |name| (name, vocabulary::terms(name).to_vec());
    let mut found: Vec<_> = [
        "contentType",
        "titleClass",
        "closedCaptionInfo",
        "network",
        "approvalStatus",
        "rating",
        "genres",
        "endpointImageDetail",
        "videoScanType",
        "studio",
        "status",
        "licenseTerritory",
    ]
    .into_iter()
    .map(listed)
    .collect();
    found.push(("colorSpace", vec!["sRGB", "Adobe RGB", "CMYK", "Gray"]));
    found.push(("collectionKind", vec!["Manual", "Bin"]));
    found
}

/// Parts of a million, at dirt level 1.
fn rate(vocabulary: &str) -> u64 {
    match vocabulary {
        "currency" => 30_000,
        "videoCodec" | "audioCodec" => 200_000,
        _ => 40_000,
    }
}

/// All spellings, those of a term together.
static SPELLINGS: LazyLock<Vec<Spelling>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (name, terms) in vocabularies() {
        for term in &terms {
            all.extend(spellings_of(name, term, &terms));
        }
    }
    let special = SPECIAL.iter().map(|&(vocabulary, canonical, raw, means, code, dirt)| Spelling {
        vocabulary,
        canonical,
        raw: raw.to_owned(),
        means,
        code,
        dirt,
        synonym: false,
    });
    all.extend(special);
    all.sort_by_key(|spelling| (spelling.vocabulary, spelling.canonical));
    all
});

/// Where the spellings of a term stand in [`SPELLINGS`].
static PLACES: LazyLock<HashMap<(&str, &str), Range<u64>>> = LazyLock::new(|| {
    let mut places: HashMap<(&str, &str), Range<u64>> = HashMap::new();
    for (place, spelling) in (0..).zip(SPELLINGS.iter()) {
        let range = places.entry((spelling.vocabulary, spelling.canonical)).or_insert(place..place);
        range.end = place + 1;
    }
    places
});

/// The spellings of one term: what folding explains, approved synonyms, misspellings, look-alikes, unknown values and a
/// placeholder (D03).
fn spellings_of(name: &'static str, term: &'static str, terms: &[&'static str]) -> Vec<Spelling> {
    let spelling = |raw: String, means, code, synonym| Spelling {
        vocabulary: name,
        canonical: term,
        raw,
        means,
        code,
        dirt: "D33",
        synonym,
    };
    let mut found = Vec::new();
    for raw in [Some(format!("{term} ")), other_case(term), full_width(term), double_blank(term)].into_iter().flatten()
    {
        found.push(spelling(raw, Some(term), None, false));
    }
    for alias in vocabulary::synonyms(name, term) {
        found.push(spelling(alias.to_owned(), Some(term), None, false));
    }
    let known = |raw: &str| terms.iter().any(|term| term.to_lowercase() == raw.to_lowercase());
    for (number, raw) in (0..).zip([doubled(term), swapped(term), Some(format!("{term}."))].into_iter().flatten()) {
        if known(&raw) || vocabulary::is_synonym(name, &raw) {
            continue;
        }
        // The synonyms know 60 % of these.
        let place = terms.iter().position(|other| *other == term).unwrap_or(0);
        if (place * 3 + number) % 5 < 3 && vocabulary::list_id(name).is_some() {
            found.push(spelling(raw, Some(term), None, true));
        } else if in_reach(&raw, terms) == Some(term) {
            found.push(spelling(raw, Some(term), Some("VOCAB_FUZZY"), false));
        } else {
            found.push(spelling(raw, None, Some("VOCAB_UNKNOWN"), false));
        }
    }
    if name != "licenseTerritory" {
        found.extend(look_alike(term).map(|raw| spelling(raw, None, Some("VOCAB_UNKNOWN"), false)));
        found.push(spelling("Foo".to_owned(), None, Some("VOCAB_UNKNOWN"), false));
        let placeholder = spelling("N/A".to_owned(), None, Some("PLACEHOLDER_DROPPED"), false);
        found.push(Spelling { dirt: "D03", ..placeholder });
    }
    found
}

/// The place of the spelling that a cell has instead of the canonical one; draws `k` and `k + 1`. Fixtures have none of
/// their own accord.
fn soiled(layout: &Layout, dice: Dice, k: u64, vocabulary: &str, canonical: &str) -> Option<u64> {
    if dice.is_fixture() || !dice.chance(k, layout.dirty(rate(vocabulary))) {
        return None;
    }
    let places = PLACES.get(&(vocabulary, canonical))?;
    Some(places.start + dice.below(k + 1, places.end - places.start))
}

/// D33: a vocabulary value in one of its spellings, or one that is unknown. The clean form is the canonical value.
/// D56 for vocabulary `currency`, D67 for `videoCodec` and `audioCodec`.
pub fn term(layout: &Layout, dice: Dice, k: u64, vocabulary: &'static str, canonical: &'static str) -> Value {
    let spelling = soiled(layout, dice, k, vocabulary, canonical).and_then(|place| SPELLINGS.get(index(place)));
    spelling.map_or_else(|| label(canonical), |spelling| spelling.told().into())
}

/// The spelling of a term with this text, as a cell; the term itself where there is none.
pub fn spelled(vocabulary: &'static str, canonical: &'static str, raw: &str) -> Value {
    let found = SPELLINGS
        .iter()
        .find(|spelling| spelling.vocabulary == vocabulary && spelling.canonical == canonical && spelling.raw == raw);
    found.map_or_else(|| label(canonical), |spelling| spelling.told().into())
}

/// The first spelling of a vocabulary that has this code.
pub fn spelled_otherwise(vocabulary: &'static str, code: &'static str) -> Value {
    let found = SPELLINGS.iter().find(|spelling| spelling.vocabulary == vocabulary && spelling.code == Some(code));
    found.map_or(Value::Null, |spelling| spelling.told().into())
}

/// The id of the picklist value that holds this spelling of a term; NULL where there is none.
pub fn picked_as(list: &'static str, canonical: &'static str, raw: &str) -> Value {
    let is =
        |spelling: &Spelling| spelling.vocabulary == list && spelling.canonical == canonical && spelling.raw == raw;
    let found = (0..).zip(SPELLINGS.iter()).find(|(_, spelling)| is(spelling));
    found.map_or(Value::Null, |(place, _): (u64, _)| Value::id(FIXTURE_ROWS + place))
}

/// The id of the first picklist value whose spelling has this code.
pub fn picked_otherwise(list: &'static str, code: &'static str) -> Value {
    let is = |spelling: &Spelling| spelling.vocabulary == list && spelling.code == Some(code);
    let found = (0..).zip(SPELLINGS.iter()).find(|(_, spelling)| is(spelling));
    found.map_or(Value::Null, |(place, _): (u64, _)| Value::id(FIXTURE_ROWS + place))
}

/// D20: a reference to a picklist value that is lost.
pub fn lost(number: u64) -> Value {
    Told::dropped("D20", Value::id(NOWHERE + number), "PICKLIST_VALUE_MISSING").into()
}

/// D33: the id of the picklist value that a property value points to, whose row holds one of the term's spellings.
pub fn picked(layout: &Layout, dice: Dice, k: u64, list: &'static str, canonical: &'static str) -> Value {
    match soiled(layout, dice, k, list, canonical) {
        Some(place) => Value::id(FIXTURE_ROWS + place),
        None => vocabulary::value_named(list, canonical).map_or(Value::Null, Value::id),
    }
}

/// D20: a reference to a picklist value that is lost, with the text that may stand beside it (half of them), instead of
/// the reference in order; draws `k` to `k + 2`.
pub fn held(layout: &Layout, dice: Dice, k: u64, picked: Value) -> (Value, Value) {
    if picked.is_null() || dice.is_fixture() || !dice.chance(k, layout.dirty(3_000)) {
        return (picked, Value::Null);
    }
    let nowhere = NOWHERE + dice.below(k + 1, 1_000_000);
    let beside = dice.chance(k + 2, 500_000).then(|| picked.number().and_then(value_text)).flatten();
    let lost = match &beside {
        Some(_) => Told::normalised("D20", Value::id(nowhere), Json::Null),
        None => Told::dropped("D20", Value::id(nowhere), "PICKLIST_VALUE_MISSING"),
    };
    (lost.into(), beside.unwrap_or(Value::Null))
}

/// D20: a reference to a picklist value that is lost (0.3 %) where no text can stand beside it. Draws `k` and `k + 1`.
pub fn referred(layout: &Layout, dice: Dice, k: u64, picked: Value) -> Value {
    if picked.is_null() || dice.is_fixture() || !dice.chance(k, layout.dirty(3_000)) {
        return picked;
    }
    lost(dice.below(k + 1, 1_000_000))
}

/// What a picklist value's row holds, by its id.
fn value_text(id: i64) -> Option<Value> {
    let id = u64::try_from(id).ok()?;
    match id.checked_sub(FIXTURE_ROWS) {
        Some(place) => {
            let spelled = SPELLINGS.get(index(place)).map(|spelling| spelling.told().into());
            spelled.or_else(|| super::described::value_text(id))
        }
        None => vocabulary::value_text(id).map(label),
    }
}

/// D28: 12 % of the cells of genres and territories hold several terms as text; what it means is the list of terms. Draws `k`, `k + 1`.
pub fn several(layout: &Layout, dice: Dice, k: u64, list: &'static str, term: &'static str) -> Option<Value> {
    if dice.is_fixture() || !matches!(list, "genres" | "licenseTerritory") || !dice.chance(k, layout.dirty(120_000)) {
        return None;
    }
    let count = vocabulary::terms(list).len() as u64;
    let choice = dice.draw(k + 1);
    let terms = [
        term,
        vocabulary::term_at(list, (choice >> 8) % count),
        term,
        vocabulary::term_at(list, (choice >> 24) % count),
    ];
    let terms = &terms[..2 + index(choice >> 40) % 3];
    // A place whose name holds a comma would be parted.
    if terms.iter().any(|term| term.contains([',', ';', '/', '|'])) {
        return None;
    }
    let mut raws: Vec<String> = terms.iter().map(|term| (*term).to_owned()).collect();
    if let Some(again) = raws.get_mut(2) {
        *again = again.to_uppercase();
    }
    let told = super::text::list(choice, &raws, false);
    Some(Told { means: Json::from(terms.to_vec()), ..told }.into())
}

/// D33: several terms as an array of texts, each in one of its spellings. The cell means a list of
/// `{"raw", "means", "code"}`. Draws `k + 4 * n`.
pub fn terms(layout: &Layout, dice: Dice, k: u64, vocabulary: &'static str, canonical: &[&'static str]) -> Value {
    let cells: Vec<Value> =
        (0..).zip(canonical).map(|(n, canonical)| term(layout, dice, k + 4 * n, vocabulary, canonical)).collect();
    let raws: Vec<String> = cells.iter().filter_map(Value::text).collect();
    let means: Vec<Json> = cells
        .iter()
        .map(|cell| json!({"raw": cell.text(), "means": cell.means(), "code": cell.codes().first()}))
        .collect();
    let dirt = cells.iter().find_map(Value::dirt);
    Told { dirt, ..Told::clean(array(&raws), means) }.into()
}

/// D20: a reference to a row of a lookup, or (0.3 %) to one that does not exist. Draws `k`, `k + 1`.
pub fn lookup(layout: &Layout, dice: Dice, k: u64, id: u64) -> Value {
    if dice.is_fixture() || !dice.chance(k, layout.dirty(3_000)) {
        return Value::id(id);
    }
    Told::dropped("D20", Value::id(9_000 + dice.below(k + 1, 1_000)), "VOCAB_UNKNOWN").into()
}

/// D34: the id of an asset's status, or (0.5 %) one of the four retired ones, 11 to 14. Column 7 of `asset_master`.
pub fn status(layout: &Layout, dice: Dice, id: u64) -> Value {
    let k = super::draws(7);
    let retired = !dice.is_fixture() && dice.chance(k, layout.dirty(5_000));
    if retired { retired_status(11 + dice.below(k + 1, 4)) } else { Value::id(id) }
}

/// D34: the id of a retired status (11 to 14); what its key means is told there ([`status_key`]).
pub fn retired_status(id: u64) -> Value {
    Told::normalised("D34", Value::id(id), id).into()
}

/// D34: the id of a status that has no row, which stands for nothing.
pub fn no_status(id: u64) -> Value {
    Told::dropped("D34", Value::id(id), "VOCAB_UNKNOWN").into()
}

/// The key of a status; of the retired ones two stand for others, two for nothing. The keys are there in every library,
/// so they are no dirt; that an asset has one is.
pub fn status_key(key: &'static str) -> Value {
    match key {
        "RDY_OLD" => Told::clean(key, "READY").into(),
        "ARCH_OLD" => Told::clean(key, "ARCHIVED").into(),
        "X1" | "X2" => Told::clean(key, serde_json::Value::Null).and("VOCAB_UNKNOWN").into(),
        _ => label(key),
    }
}

/// Whether a spelling is a row of `picklist_value`.
fn is_picked(spelling: &Spelling) -> bool {
    vocabulary::list_id(spelling.vocabulary).is_some()
}

/// The rows of `picklist_value` for all spellings; they exist where there is dirt.
pub fn picklist_rows() -> Vec<Vec<Value>> {
    let row = |(place, spelling): (u64, &Spelling)| {
        let list = vocabulary::list_id(spelling.vocabulary)?;
        Some(vec![
            Value::id(FIXTURE_ROWS + place),
            Value::id(list),
            spelling.told().into(),
            text(spelling.raw.clone()),
            Value::Null,
            Value::id(1000 + place),
            Value::Bool(place.is_multiple_of(2)),
            Value::Null,
            Value::Null,
            label("2016-03-08 10:11:12"),
        ])
    };
    (0..).zip(SPELLINGS.iter()).filter_map(row).collect()
}

/// The rows of `picklist_value_alias` for the spellings that are approved synonyms.
pub fn alias_rows() -> Vec<Vec<Value>> {
    let known = (0..).zip(SPELLINGS.iter()).filter(|(_, spelling)| spelling.synonym && is_picked(spelling));
    let row = |(place, spelling): (u64, &Spelling)| {
        let value = vocabulary::value_named(spelling.vocabulary, spelling.canonical).unwrap_or(FIRST_ID);
        vec![Value::id(FIXTURE_ROWS + place), Value::id(value), text(spelling.raw.clone()), label("cleanup 2019")]
    };
    known.map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    fn find(vocabulary: &str, raw: &str) -> &'static Spelling {
        SPELLINGS.iter().find(|spelling| spelling.vocabulary == vocabulary && spelling.raw == raw).unwrap()
    }

    #[test]
    fn spellings_mean_what_the_order_of_matching_gives() {
        for (vocabulary, raw, means, code) in [
            ("titleClass", "EPISODE", Some("Episode"), None),
            ("titleClass", "Epsiode", Some("Episode"), None),
            ("titleClass", "Mini Series", Some("Mini-Series"), None),
            ("titleClass", "Foo", None, Some("VOCAB_UNKNOWN")),
            ("network", "NLC.", Some("NLC"), None),
            ("network", "N/A", None, Some("PLACEHOLDER_DROPPED")),
            ("currency", "US$", Some("USD"), None),
        ] {
            let found = find(vocabulary, raw);
            assert_eq!((found.means, found.code), (means, code), "{raw}");
        }
        assert!(SPELLINGS.iter().any(|spelling| spelling.code == Some("VOCAB_FUZZY")));
        let alike = SPELLINGS.iter().find(|spelling| spelling.vocabulary == "contentType" && !spelling.raw.is_ascii());
        assert!(alike.is_some());
    }

    #[test]
    fn a_spelling_means_the_same_wherever_it_stands() {
        let mut meanings: HashMap<(&str, String), HashSet<Option<&str>>> = HashMap::new();
        for spelling in SPELLINGS.iter() {
            let raw = spelling.raw.trim().to_lowercase();
            meanings.entry((spelling.vocabulary, raw)).or_default().insert(spelling.means);
        }
        for (spelling, means) in meanings {
            assert_eq!(means.len(), 1, "{spelling:?} means {means:?}");
        }
    }

    #[test]
    fn about_six_in_ten_misspellings_have_a_synonym() {
        let odd = |spelling: &&Spelling| spelling.synonym || spelling.code == Some("VOCAB_FUZZY");
        let all = SPELLINGS.iter().filter(odd).count();
        let known = SPELLINGS.iter().filter(|spelling| spelling.synonym).count();
        assert!((50..75).contains(&(known * 100 / all)), "{known} of {all}");
        assert_eq!(alias_rows().len(), known);
    }

    #[test]
    fn rates_are_about_right_and_clean_libraries_have_none() {
        for (dirt, least, most) in [(0.0, 0, 0), (1.0, 3_500, 4_500), (3.0, 11_000, 13_000)] {
            let layout = layout(0.0001, dirt);
            let soiled = (0..100_000)
                .filter(|row| term(&layout, layout.dice(90, *row), 5000, "network", "NLC") != label("NLC"))
                .count();
            assert!((least..=most).contains(&soiled), "{soiled} at {dirt}");
        }
    }
}
