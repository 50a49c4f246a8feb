//! Values of the technical picklists that are no terms of theirs: sizes, ratios, formats and languages in the forms that
//! columns have them in (D60, D61, D65, D66), each a row of `picklist_value` of its own.

use std::sync::LazyLock;

use super::super::super::Told;
use super::super::dice::{Dice, index};
use super::super::layout::{FIXTURE_ROWS, Layout};
use super::super::media::SIZES;
use super::super::{Value, label, text, vocabulary};
use super::{file, media};

/// Where the ids of these rows start, behind those of the spellings of D33.
const FIRST: u64 = FIXTURE_ROWS + 100_000;

/// A value of a picklist, and the fact it tells: a ratio, a language, a format by their terms, a size as `1920x1080`.
struct Form {
    list: &'static str,
    fact: String,
    cell: Value,
}

/// All forms, those of a fact together.
static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let mut all = Vec::new();
    let mut add = |list, fact: &str, cells: Vec<Value>| {
        all.extend(cells.into_iter().map(|cell| Form { list, fact: fact.to_owned(), cell }));
    };
    for ratio in ["16:9", "4:3", "2.39:1", "1:1", "3:2", "2:3"] {
        add("aspectRatio", ratio, (0..6).map(|number| file::ratio_form(number, ratio)).collect());
    }
    for size in &SIZES {
        add(
            "videoResolution",
            &size.text(),
            (0..media::SIZE_FORMS).map(|number| media::size_form(number, size)).collect(),
        );
    }
    for tag in vocabulary::LANGUAGES {
        add("language", tag, [0, 3, 5, 7, 8, 9].map(|number| file::language_form(number, tag)).to_vec());
    }
    for (term, format) in [
        ("MOV", "MOV"),
        ("MP4", "MP4"),
        ("MXF", "MXF"),
        ("JPG", "JPEG"),
        ("PNG", "PNG"),
        ("TIF", "TIFF"),
        ("PDF", "PDF"),
    ] {
        let known = file::format_forms(format).into_iter().flatten();
        let known = known.map(|raw| Told::normalised("D66", raw, format).into());
        add("assetFormat", term, known.chain([13, 14].map(file::format_form)).collect());
    }
    all
});

/// Parts of a million, at dirt level 1; none for lists whose values are soiled as those of other vocabularies are.
fn rate(list: &str) -> Option<u64> {
    Some(match list {
        "aspectRatio" => 80_000,
        "videoResolution" => 400_000,
        "language" => 120_000,
        "assetFormat" => 550_000,
        _ => return None,
    })
}

/// The id of a value that tells this fact in another form than the list's own, at the rate of its kind; draws `k` and
/// `k + 1`. Fixtures have none of their own accord.
pub fn picked(layout: &Layout, dice: Dice, k: u64, list: &'static str, fact: &str) -> Option<Value> {
    let rate = rate(list)?;
    if dice.is_fixture() || !dice.chance(k, layout.dirty(rate)) {
        return None;
    }
    let is = |form: &Form| form.list == list && form.fact == fact;
    let start = FORMS.iter().position(is)?;
    let count = FORMS[start..].iter().take_while(|form| is(form)).count();
    Some(Value::id(FIRST + start as u64 + dice.below(k + 1, count as u64)))
}

/// What the row with this id says.
pub fn value_text(id: u64) -> Option<Value> {
    FORMS.get(index(id.checked_sub(FIRST)?)).map(|form| form.cell.clone())
}

/// The rows of `picklist_value`; they exist where there is dirt.
pub fn picklist_rows() -> Vec<Vec<Value>> {
    let row = |(place, form): (u64, &Form)| {
        Some(vec![
            Value::id(FIRST + place),
            Value::id(vocabulary::list_id(form.list)?),
            form.cell.clone(),
            text(form.cell.text()?),
            Value::Null,
            Value::id(5_000 + place),
            Value::Bool(place.is_multiple_of(2)),
            Value::Null,
            Value::Null,
            label("2016-03-08 10:11:12"),
        ])
    };
    (0..).zip(FORMS.iter()).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    #[test]
    fn facts_are_told_in_other_forms_at_their_rates() {
        for (dirt, wanted) in
            [(0.0, [0; 4]), (1.0, [1_600, 8_000, 2_400, 11_000]), (3.0, [4_800, 8_000, 6_000, 11_000])]
        {
            let layout = layout(0.0001, dirt);
            let facts =
                [("aspectRatio", "16:9"), ("videoResolution", "1920x1080"), ("language", "en"), ("assetFormat", "JPG")];
            for ((list, fact), wanted) in facts.into_iter().zip(wanted) {
                let found: Vec<Value> =
                    (0..20_000).filter_map(|row| picked(&layout, layout.dice(17, row), 4_000, list, fact)).collect();
                assert!(found.len().abs_diff(wanted) <= wanted / 12, "{list} at {dirt}: {} of 20,000", found.len());
                for id in found.iter().filter_map(Value::number) {
                    let form = &FORMS[index(id.unsigned_abs() - FIRST)];
                    assert_eq!((form.list, form.fact.as_str()), (list, fact));
                    assert!(form.cell.dirt().is_some());
                }
            }
        }
        assert_eq!(picklist_rows().len(), FORMS.len());
    }
}
