//! Collections and their members.

use super::super::{Disposition, Told};
use super::asset::optional;
use super::dice::{Dice, FIRST_DAY, NOW, index, local};
use super::dirt::code::owner;
use super::dirt::draws;
use super::dirt::term::term;
use super::layout::{FIRST_ID, Layout, NOWHERE, Owner, walk};
use super::{Value, dirt, int, label, text, words};

const TABLE: u32 = 74;
const ITEMS: u32 = 75;

/// A collection's name.
pub fn name(layout: &Layout, row: u64) -> String {
    const KINDS: [&str; 6] = ["Selects", "Campaign", "Delivery", "Archive", "Review", "Picks"];
    let dice = layout.dice(TABLE, row);
    format!("{} {}", words::title(dice.below(0, 12_000)), dice.pick(1, &KINDS))
}

/// A row of `asset_collection`.
pub fn row(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let dice = layout.dice(TABLE, row);
    let kind = dirt::out_of_scope_collection(layout, dice)
        .unwrap_or_else(|| term(layout, dice, draws(7), "collectionKind", kind(dice)));
    let facts = Facts {
        id: FIRST_ID + row,
        name: dirt::name::title(layout, dice, name(layout, row)),
        parent: parent_of(layout, dice, row),
        kind,
        object: layout.object_id(Owner::Collection(row)),
        items: layout.items.count(row),
        cover: (layout.deliverable_images > 0).then(|| {
            let image = layout.deliverable_places.at(dice.below(2, layout.deliverable_images));
            FIRST_ID + layout.blocks.nth(super::spread::Kind::Image, image)
        }),
    };
    write(layout, dice, facts, out);
}

/// The reference to the parent. D24: in 0.1 % to itself, to a child of its own, or to nothing.
fn parent_of(layout: &Layout, dice: Dice, row: u64) -> Value {
    let parent = |row: u64| layout.collections.get(index(row)).map_or(0, |place| u64::from(place.0));
    let k = draws(4);
    if dice.chance(k, layout.dirty(1_000)) {
        let child = if parent(row + 1) == row + 1 { row + 1 } else { row };
        return match dice.below(k + 1, 3) {
            0 => dirt::missing(NOWHERE + row),
            1 => knot(FIRST_ID + row),
            _ => knot(FIRST_ID + child),
        };
    }
    match parent(row) {
        0 => Value::Null,
        parent => Value::id(FIRST_ID + parent - 1),
    }
}

/// D24: a reference that closes a circle of parents.
pub fn knot(parent: u64) -> Value {
    Told::kept("D24", Value::id(parent), serde_json::Value::Null).disposed(Disposition::Warned).into()
}

/// What differs between generated collections and fixtures.
pub struct Facts {
    /// The id.
    pub id: u64,
    /// The name.
    pub name: Value,
    /// The reference to the parent.
    pub parent: Value,
    /// `collection_kind`.
    pub kind: Value,
    /// The metadata object's id.
    pub object: Option<u64>,
    /// How many items it has.
    pub items: u64,
    /// An image for its cover.
    pub cover: Option<u64>,
}

fn kind(dice: Dice) -> &'static str {
    if dice.chance(3, 250_000) { "Bin" } else { "Manual" }
}

/// The columns of `asset_collection`.
pub fn write(layout: &Layout, dice: Dice, facts: Facts, out: &mut Vec<Value>) {
    let created = dice.past(4);
    let before = facts.id.checked_sub(FIRST_ID + 1).map(|row| layout.dice(TABLE, row).uuid(6));
    out.extend([
        Value::id(facts.id),
        dirt::identity::uuid(layout, dice, draws(1), dice.uuid(6), before),
        facts.name,
        optional(dice.chance(8, 180_000), || {
            dirt::text::body(layout, dice, draws(3), words::sentences(dice, 30, 3), true)
        }),
        facts.parent,
        owner(layout, dice, draws(5), layout.user(dice, 9)),
        optional(!dice.chance(10, 30_000), || Value::Bool(dice.chance(11, 200_000))),
        facts.kind,
        optional(dice.chance(12, 400_000), || text(format!("/collections/{}", facts.id))),
        int(FIRST_ID + dice.below(13, 61)),
        facts.object.map_or(Value::Null, Value::id),
        item_count(layout, dice, facts.items),
        optional(dice.chance(14, 350_000), || facts.cover.map_or(Value::Null, Value::id)),
        optional(dice.chance(15, 300_000), || color(layout, dice)),
        Value::Bool(false),
        dirt::date::audit(layout, dice, draws(15), created),
        dirt::date::changed(layout, dice, draws(16), (created, dice.later(17, created))),
        expires_at(layout, dice),
    ]);
}

/// The number of items as the source keeps it, stale in 12 %: nobody reads it.
fn item_count(layout: &Layout, dice: Dice, items: u64) -> Value {
    let k = draws(11);
    let stale = !dice.is_fixture() && dice.chance(k, layout.dirty(120_000));
    Value::id(if stale { items + 1 + dice.below(k + 1, 40) } else { items })
}

/// A colour; where there is dirt a third in the short form or in lower case.
fn color(layout: &Layout, dice: Dice) -> Value {
    let k = draws(13);
    let number = dice.below(16, 0x0100_0000);
    if dice.is_fixture() || !dice.chance(k, layout.dirty(330_000)) {
        return text(format!("#{number:06X}"));
    }
    if dice.chance(k + 1, 500_000) {
        return Told::clean(format!("#{number:06x}"), format!("#{number:06X}")).into();
    }
    let [red, green, blue] = [16, 8, 0].map(|shift| number >> shift & 0xF);
    Told::clean(format!("#{red:x}{green:x}{blue:x}"), format!("#{red:X}{red:X}{green:X}{green:X}{blue:X}{blue:X}"))
        .into()
}

/// Until when a collection is kept: 4 % have a day, past ones among them (D58), D47: 2 % have no end, D52: 0.2 % a
/// beginning of time.
fn expires_at(layout: &Layout, dice: Dice) -> Value {
    let k = draws(17);
    if !dice.is_fixture() && dice.chance(k, layout.dirty(20_000)) {
        return dirt::date::open(dice.below(k + 1, 8) > 0);
    }
    if !dice.is_fixture() && dice.chance(k + 4, layout.dirty(2_000)) {
        return dirt::date::zero_instant(dice.below(k + 5, 3));
    }
    optional(dice.chance(18, 40_000), || {
        dirt::date::open_end(layout, dice, k + 2, 0, FIRST_DAY + 86_400 * dice.below(19, 8000))
    })
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Asset(u64),
    Timeline(u64),
    Clip(u64),
    Project(u64),
    Collection(u64),
}

/// The `k`-th member of a collection: of each hundred 84 assets, 2 timelines, 9 clips, 1 project, 4 collections, spread
/// over the hundred. No two are the same, since each class walks its rows; where a class has no more, an asset stands.
fn member(layout: &Layout, collection: u64, k: u64) -> Member {
    let dice = layout.dice(TABLE, collection);
    let asset = Member::Asset(walk(dice, 1010, k, layout.assets));
    let slot = (k + dice.below(1011, 100)) * 37 % 100;
    let (class, from, size): (fn(u64) -> Member, u64, u64) = match slot {
        0..84 => return asset,
        84..86 => (Member::Timeline, 84, layout.timelines),
        86..95 => (Member::Clip, 86, layout.clips.total()),
        95..96 => (Member::Project, 95, layout.projects),
        _ => (Member::Collection, 96, layout.collections.len() as u64),
    };
    let width = [2, 9, 1, 4][match from {
        84 => 0,
        86 => 1,
        95 => 2,
        _ => 3,
    }];
    let number = k / 100 * width + (slot - from);
    match class(0) {
        Member::Collection(_) if number + 1 < size => Member::Collection((collection + 1 + number) % size),
        Member::Collection(_) => asset,
        _ if number < size => class(walk(dice, 1012 + from, number, size)),
        _ => asset,
    }
}

/// The columns of the references of an item, from `asset_id` on.
const CLASSES: [&str; 5] = ["AssetMaster", "Timeline", "Clip", "Project", "AssetCollection"];

impl Member {
    /// The place of the column and the id in it.
    fn target(self) -> (usize, u64) {
        let (column, row) = match self {
            Self::Asset(row) => (0, row),
            Self::Timeline(row) => (1, row),
            Self::Clip(row) => (2, row),
            Self::Project(row) => (3, row),
            Self::Collection(row) => (4, row),
        };
        (column, FIRST_ID + row)
    }
}

/// A row of `asset_collection_item`.
pub fn item(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (collection, k) = layout.items.parent(row);
    let dice = layout.dice(ITEMS, row);
    let at = draws(2);
    // D31: 1.9 % are the member before them once more, 0.7 % point to nothing.
    let twice = k > 0 && dice.chance(at, layout.dirty(19_000));
    let (column, id) = member(layout, collection, if twice { k - 1 } else { k }).target();
    let mut item = Item::of(column, Value::id(id), k);
    if dice.chance(at + 1, layout.dirty(7_000)) {
        item = Item::of(column, dirt::missing(NOWHERE + id), k);
    } else if dice.chance(at + 2, layout.dirty(3_000)) {
        item = Item::misfiled(dice.below(at + 3, 3), column, id, k);
    }
    // Ties and gaps in the order; the id decides.
    if dice.chance(at + 4, layout.dirty(20_000)) {
        item.order = if dice.chance(at + 5, 100_000) { Value::Null } else { Value::id(k / 3) };
    }
    write_item(layout, (FIRST_ID + row, FIRST_ID + collection), item, dice, out);
}

/// What an item of a collection names.
#[derive(Debug)]
pub struct Item {
    /// `member_class`.
    pub class: Value,
    /// The columns of references, from `asset_id` on: asset, timeline, clip, project, collection.
    pub targets: [Value; 5],
    /// `sort_order`.
    pub order: Value,
}

impl Item {
    /// An item in order: its class is that of the column which is filled.
    pub fn of(column: usize, id: Value, order: u64) -> Self {
        let mut targets = [const { Value::Null }; 5];
        targets[column] = id;
        Self { class: label(CLASSES[column]), targets, order: Value::id(order) }
    }

    /// D57: 0 another class than the column's (the column counts), 1 no column filled, 2 two.
    pub fn misfiled(number: u64, column: usize, id: u64, order: u64) -> Self {
        let mut item = Self::of(column, Value::id(id), order);
        let other = (column + 1) % 5;
        match number {
            0 => item.class = Told::warned("D57", CLASSES[other], CLASSES[column], "MEMBER_CLASS_MISMATCH").into(),
            1 => item.targets[column] = misfiled(Value::Null),
            _ => item.targets[other] = misfiled(Value::id(id)),
        }
        item
    }
}

fn misfiled(raw: Value) -> Value {
    Told::kept("D57", raw, serde_json::Value::Null).and("BAD_MEMBERSHIP").disposed(Disposition::Skipped).into()
}

/// The columns of `asset_collection_item`; `ids` are those of the item and its collection.
pub fn write_item(layout: &Layout, ids: (u64, u64), item: Item, dice: Dice, out: &mut Vec<Value>) {
    out.extend([Value::id(ids.0), Value::id(ids.1), item.class]);
    out.extend(item.targets);
    let added = local(NOW - 1 - dice.below(1, 300_000_000));
    out.extend([item.order, Value::id(layout.user(dice, 0)), text(added)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;
    use std::collections::HashSet;

    #[test]
    fn members_of_a_collection_differ() {
        for scale in [0.0001, 0.001] {
            let layout = layout(scale, 0.0);
            for collection in 0..layout.collections.len() as u64 {
                let count = layout.items.count(collection);
                let members: HashSet<String> = (0..count)
                    .map(|k| member(&layout, collection, k))
                    .inspect(|member| assert_ne!(*member, Member::Collection(collection)))
                    .map(|member| format!("{member:?}"))
                    .collect();
                assert_eq!(members.len() as u64, count, "collection {collection} at {scale}");
            }
        }
    }

    #[test]
    fn shares_of_the_items() {
        let layout = layout(0.01, 0.0);
        let total = layout.items.total();
        assert_eq!(total, 47_200);
        assert!(layout.items.count(0) * 1000 / total == 85 || layout.items.count(0) * 1000 / total == 84);
        let twenty: u64 = (0..20).map(|collection| layout.items.count(collection)).sum();
        assert!((330..370).contains(&(twenty * 1000 / total)), "{twenty} of {total}");
        let few = (0..426).filter(|collection| layout.items.count(*collection) < 5).count();
        assert!((180..230).contains(&few), "{few} of 426 hold fewer than five");
        assert_eq!(layout.collections.iter().map(|place| place.1).max(), Some(9));
    }
}
