//! Keywords with synonyms, categories, and relations between assets.

use super::super::{Disposition, Told};
use super::asset::{Asset, optional};
use super::dice::{Dice, FIRST_DAY, index, instant, local};
use super::layout::{ASSET, FIRST_ID, Layout, NOWHERE, walk};
use super::media::RATES;
use super::vocabulary::RELATIONS;
use super::{Value, dirt, int, label, text, words};

/// Categories.
pub const CATEGORIES: u64 = 84;
/// Most categories of an asset, most keywords.
const MOST_CATEGORIES: u64 = 6;
const MOST_KEYWORDS: u64 = 24;

/// A row of `keyword`.
pub fn keyword(row: u64, dice: Dice, out: &mut Vec<Value>) {
    out.extend([Value::id(FIRST_ID + row), text(words::keyword(row)), int(dice.below(0, 3000) / (row / 50 + 1))]);
}

/// A row of `asset_keyword`: ranks by Zipf, different ones because each of an asset's keywords takes another remainder.
/// D31: in 0.5 % the asset is missing, in 0.2 % the keyword.
pub fn of_asset(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (asset, k) = layout.asset_keywords.parent(row);
    let dice = layout.dice(38, row);
    let rank = dice.zipf(0, layout.keywords / MOST_KEYWORDS);
    let lost = |column: u64, ppm| dice.chance(dirt::draws(column), layout.dirty(ppm));
    let asset = if lost(0, 5_000) { dirt::missing(NOWHERE + row) } else { Value::id(FIRST_ID + asset) };
    let keyword = if lost(1, 2_000) {
        dirt::missing(NOWHERE + row)
    } else {
        Value::id(FIRST_ID + (rank * MOST_KEYWORDS + k) % layout.keywords)
    };
    out.extend([
        asset,
        keyword,
        text(format!("0.{:02}", 1 + dice.below(1, 99))),
        label(dice.pick(2, &["M", "A", "I"])),
    ]);
}

/// A row of `keyword_synonym`: every fourth keyword has a preferred one, a tenth of these by a chain of two. Where the
/// keywords are fewer than the rows want (small scales), those of the lower half have more preferred ones, each with a
/// higher id than the first, which counts.
pub fn synonym(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let firsts = layout.keywords / 4;
    let (keyword, preferred) = if row < firsts {
        (4 * row + 3, if row % 10 == 5 { 4 * row - 1 } else { 4 * row })
    } else {
        let half = (firsts / 2).max(1);
        let (lap, slot) = ((row - firsts) / half, (row - firsts) % half);
        // The keywords after the first preferred one, without the keyword itself.
        (4 * slot + 3, 4 * slot + 1 + lap + u64::from(lap >= 2))
    };
    out.extend([Value::id(FIRST_ID + keyword), Value::id(FIRST_ID + preferred)]);
}

/// The category (its row) of an asset's `k`-th membership.
pub fn category_of(asset: Dice, k: u64) -> u64 {
    asset.zipf(1400 + k, CATEGORIES / MOST_CATEGORIES) * MOST_CATEGORIES + k
}

/// The name of a category.
pub fn category_name(row: u64) -> String {
    const AREAS: [&str; 12] = [
        "Promo",
        "Acquisition",
        "Archive",
        "Music",
        "News",
        "Graphics",
        "Sports",
        "Drama",
        "Kids",
        "Events",
        "Press",
        "Training",
    ];
    const STEPS: [&str; 7] = ["", "Ready For Edit", "In Review", "Approved", "Master", "Online", "Restricted"];
    format!("{} {}", AREAS[index(row % 12)], STEPS[index(row / 12 % 7)]).trim_end().to_owned()
}

/// A row of `asset_category`.
pub fn category(row: u64, dice: Dice, out: &mut Vec<Value>) {
    let created = FIRST_DAY + row * 86_400;
    out.extend([
        Value::id(FIRST_ID + row),
        text(category_name(row)),
        optional(dice.chance(0, 500_000), || text(words::sentences(dice, 1, 1))),
        Value::Bool(row < 12),
        text(instant(created)),
        text(instant(dice.later(9, created))),
    ]);
}

/// A row of `asset_category_asset`.
pub fn category_asset(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (asset, k) = layout.asset_categories.parent(row);
    let category = category_of(layout.dice(ASSET, asset), k);
    let added = layout.dice(42, row).past(0);
    out.extend([Value::id(FIRST_ID + category), Value::id(FIRST_ID + asset), text(local(added))]);
}

/// The relation types, the frequent ones first.
fn relation_type(dice: Dice) -> u64 {
    dice.zipf(0, RELATIONS.len() as u64)
}

/// A row of `asset_relation`. In a clean library the right side stands at most half of all assets after the left, so no
/// pair is stored in both directions, none relates an asset to itself, and the rights of one left differ.
pub fn relation(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (pair, k) = pair(layout, row);
    let dice = layout.dice(79, row);
    let rate = dice.pick(1, &[&RATES[0], &RATES[1], &RATES[3]]);
    let start = rate.nominal * (3600 + dice.below(2, 600));
    let range = if dice.chance(3, 700_000) {
        let end = rate.timecode(start + rate.nominal * 10, false);
        format!("({},{end},{})", rate.timecode(start, false), rate.text)
    } else {
        format!("({},,)", rate.timecode(start, false))
    };
    let Pair { left, right, kind } = soiled(layout, row, k, pair);
    out.extend([
        Value::id(FIRST_ID + row),
        left,
        right,
        int(1 + kind),
        int(k),
        optional(dice.chance(4, 250_000), || text(range)),
        text(local(dice.past(5))),
    ]);
}

/// The two sides of a relation and its type's row.
struct Pair {
    left: Value,
    right: Value,
    kind: u64,
}

/// The relation of a row in a clean library, and its place among those of its left side.
fn pair(layout: &Layout, row: u64) -> (Pair, u64) {
    let (left, k) = layout.relations.parent(row);
    let half = (layout.assets - 1) / 2;
    let right = (left + 1 + walk(layout.dice(79, left), 1001, k, half)) % layout.assets;
    let (left, right) = (Value::id(FIRST_ID + left), Value::id(FIRST_ID + right));
    (Pair { left, right, kind: relation_type(layout.dice(79, row)) }, k)
}

/// D31: the other direction of the relation before it, if that is of a symmetric type (22 %), or the same once more
/// (0.3 %); a right side that is missing (0.9 %) or the left one (0.05 %).
fn soiled(layout: &Layout, row: u64, k: u64, clean: Pair) -> Pair {
    let dice = layout.dice(79, row);
    let at = dirt::draws(2);
    if k > 0 {
        let before = pair(layout, row - 1).0;
        let symmetric = RELATIONS[index(before.kind)].2;
        if symmetric && dice.chance(at, layout.dirty(220_000)) {
            return Pair { left: linked(before.right), right: linked(before.left), kind: before.kind };
        }
        if dice.chance(at + 1, layout.dirty(3_000)) {
            return Pair { left: before.left, right: linked(before.right), kind: before.kind };
        }
    }
    if dice.chance(at + 2, layout.dirty(9_000)) {
        return Pair { right: dirt::missing(NOWHERE + row), ..clean };
    }
    if dice.chance(at + 3, layout.dirty(500)) {
        return Pair { right: linked(clean.left.clone()), ..clean };
    }
    clean
}

/// D31: a reference in order by which another link is repeated, or an asset is linked to itself.
fn linked(id: Value) -> Value {
    Told::kept("D31", id, serde_json::Value::Null).disposed(Disposition::Skipped).into()
}

/// The names of the category rows of an asset, as ids.
pub fn category_ids(layout: &Layout, asset: &Asset) -> Vec<String> {
    asset.categories(layout).iter().map(|category| (FIRST_ID + category).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    /// Links without asset, and without keyword, of how many.
    fn lost(dirt: f64) -> (usize, usize, u64) {
        let layout = layout(0.01, dirt);
        let links = layout.asset_keywords.total();
        let mut found = (0, 0);
        for number in 0..links {
            let mut row = Vec::new();
            of_asset(&layout, number, &mut row);
            found.0 += usize::from(row[0].dirt() == Some("D31"));
            found.1 += usize::from(row[1].dirt() == Some("D31"));
        }
        (found.0, found.1, links)
    }

    #[test]
    fn links_to_keywords_lead_nowhere_at_about_their_rates() {
        let (assets, keywords, links) = lost(1.0);
        let near = |found: usize, wanted: u64| found.abs_diff(index(wanted)) < index(wanted / 4);
        assert!(near(assets, links / 200) && near(keywords, links / 500), "{assets}, {keywords} of {links}");
        assert_eq!((lost(0.0).0, lost(0.0).1), (0, 0));
    }
}
