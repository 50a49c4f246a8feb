//! Projects and their assets.

use super::asset::optional;
use super::dice::{Dice, FIRST_DAY, NOW, date, index, local};
use super::dirt::code::user_named;
use super::dirt::draws;
use super::dirt::term::{lookup, term};
use super::layout::{FIRST_ID, Layout, Owner, walk};
use super::vocabulary::{PROJECT_STATES, PROJECT_TYPES};
use super::{Value, array, dirt, int, label, text, words};

const TABLE: u32 = 86;

/// The title a project is about.
pub fn title_id(layout: &Layout, row: u64) -> u64 {
    FIRST_ID + layout.dice(TABLE, row).below(0, layout.titles.titles)
}

/// A project's name.
pub fn name(layout: &Layout, row: u64) -> String {
    let title = super::title::Title::of(layout, title_id(layout, row));
    format!("{} {}", title.name(), layout.dice(TABLE, row).pick(1, &["Launch", "Delivery", "Campaign", "Restoration"]))
}

/// A row of `project`.
pub fn row(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let dice = layout.dice(TABLE, row);
    let name = dirt::title(layout, dice, name(layout, row));
    let deleted = dirt::deleted(layout, dice, 30_000).0;
    let object = layout.object_id(Owner::Project(row));
    write(layout, dice, (FIRST_ID + row, title_id(layout, row), object), name, deleted, out);
}

/// The columns of `project`; `ids` are those of the project, its title and its metadata object.
pub fn write(
    layout: &Layout,
    dice: Dice,
    ids: (u64, u64, Option<u64>),
    name: Value,
    deleted: Value,
    out: &mut Vec<Value>,
) {
    let start = FIRST_DAY + 86_400 * dice.below(2, 6000);
    let due = start + 86_400 * (20 + dice.below(3, 400));
    let created = dice.past(4);
    let code = (2010 + ids.0 % 15, ids.0 / 15);
    let budget = dice.chance(6, 600_000);
    let tags = array(&[words::keyword(dice.below(7, 100)), words::keyword(100 + dice.below(8, 100))]);
    out.extend([
        Value::id(ids.0),
        text(dice.uuid(9)),
        name,
        text(format!("P-{}-{:04}", code.0, code.1)),
        lookup(layout, dice, draws(4), FIRST_ID + dice.zipf(11, PROJECT_TYPES.len() as u64)),
        optional(dice.chance(12, 500_000), || text(words::sentences(dice, 40, 4))),
        Value::id(ids.1),
        user_named(layout, dice, draws(7), dice.zipf(13, layout.users)),
        optional(dice.chance(14, 700_000), || text(words::person(dice.below(15, 4096)))),
        optional(dice.chance(16, 800_000), || label(dice.pick(17, &["On-Air", "Marketing", "Creative", "Operations"]))),
        optional(budget, || text(format!("{}.{:02}", dice.below(18, 900_000), dice.below(19, 100)))),
        optional(budget, || {
            term(layout, dice, draws(11), "currency", dice.pick(20, &["USD", "USD", "EUR", "GBP", "CAD"]))
        }),
        optional(dice.chance(21, 850_000), || text(date(start))),
        optional(dice.chance(22, 800_000), || text(local(due))),
        optional(dice.chance(23, 600_000), || text(date(due + 86_400 * (1 + dice.below(24, 90))))),
        Value::Bool(dice.chance(25, 100_000)),
        optional(dice.chance(26, 50_000), || Value::id(layout.user(dice, 27))),
        term(layout, dice, draws(17), "status", PROJECT_STATES[index(dice.below(28, PROJECT_STATES.len() as u64))]),
        ids.2.map_or(Value::Null, Value::id),
        optional(dice.chance(29, 500_000), || text(tags)),
        deleted,
        text(local(created)),
        text(local(dice.later(30, created.min(NOW - 2)))),
    ]);
}

/// A row of `project_asset`.
pub fn asset(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (project, k) = layout.project_assets.parent(row);
    let asset = walk(layout.dice(TABLE, project), 1010, k, layout.assets);
    let dice = layout.dice(87, row);
    out.extend([
        Value::id(FIRST_ID + project),
        Value::id(FIRST_ID + asset),
        label(dice.pick(0, &["source", "output", "reference"])),
        int(1 + dice.below(1, 5)),
    ]);
}
