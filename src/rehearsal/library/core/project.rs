//! Projects and their assets.

use serde_json::Value as Json;

use super::super::{Disposition, Told};
use super::asset::optional;
use super::dice::{Dice, FIRST_DAY, NOW, date, index};
use super::dirt::code::user_named;
use super::dirt::date::Wanted;
use super::dirt::draws;
use super::dirt::term::{lookup, term};
use super::layout::{FIRST_ID, Layout, NOWHERE, Owner, walk};
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
    let name = dirt::name::title(layout, dice, name(layout, row));
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
    let before = ids.0.checked_sub(FIRST_ID + 1).map(|row| layout.dice(TABLE, row).uuid(9));
    let updated = dice.later(30, created.min(NOW - 2));
    let budget = dice.chance(6, 600_000);
    let tags = [words::keyword(dice.below(7, 100)), words::keyword(100 + dice.below(8, 100))];
    out.extend([
        Value::id(ids.0),
        dirt::identity::uuid(layout, dice, draws(1), dice.uuid(9), before),
        name,
        project_code(layout, dice, format!("P-{}-{:04}", 2010 + ids.0 % 15, ids.0 / 15)),
        lookup(layout, dice, draws(4), FIRST_ID + dice.zipf(11, PROJECT_TYPES.len() as u64)),
        optional(dice.chance(12, 500_000), || {
            dirt::text::body(layout, dice, draws(5), words::sentences(dice, 40, 4), true)
        }),
        Value::id(ids.1),
        user_named(layout, dice, draws(7), dice.zipf(13, layout.users)),
        optional(dice.chance(14, 700_000), || text(words::person(dice.below(15, 4096)))),
        optional(dice.chance(16, 800_000), || label(dice.pick(17, &["On-Air", "Marketing", "Creative", "Operations"]))),
        optional(budget, || amount(layout, dice)),
        optional(budget, || {
            term(layout, dice, draws(11), "currency", dice.pick(20, &["USD", "USD", "EUR", "GBP", "CAD"]))
        }),
        optional(dice.chance(21, 850_000), || {
            dirt::date::text_date(layout, dice, draws(12), start, Wanted::Date, false)
        }),
        optional(dice.chance(22, 800_000), || due_date(layout, dice, due)),
        optional(dice.chance(23, 600_000), || air_date(layout, dice, due + 86_400 * (1 + dice.below(24, 90)))),
        Value::Bool(dice.chance(25, 100_000)),
        optional(dice.chance(26, 50_000), || Value::id(layout.user(dice, 27))),
        term(layout, dice, draws(17), "status", PROJECT_STATES[index(dice.below(28, PROJECT_STATES.len() as u64))]),
        ids.2.map_or(Value::Null, Value::id),
        optional(dice.chance(29, 500_000), || Told::clean(array(&tags), tags.to_vec()).into()),
        deleted,
        dirt::date::audit(layout, dice, draws(21), created),
        dirt::date::changed(layout, dice, draws(22), (created, updated)),
    ]);
}

/// The code in one of its spellings (rulings A44), 6 %; one in six is of another form, which is kept with a warning,
/// one in eight is missing.
fn project_code(layout: &Layout, dice: Dice, clean: String) -> Value {
    let k = draws(3);
    if dice.is_fixture() || !dice.chance(k, layout.dirty(60_000)) {
        return text(clean);
    }
    code_form(dice.below(k + 1, 24), &clean)
}

/// A spelling of a project's code, by number (0 to 23).
pub fn code_form(number: u64, clean: &str) -> Value {
    let raw = match number {
        0..3 => clean.to_lowercase(),
        3..6 => clean.replace('-', "_"),
        6..9 => clean.replace('-', " "),
        9..12 => format!(" {clean} "),
        12..15 => clean.replacen('-', " _ ", 1),
        15..17 => clean.chars().map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c)).collect(),
        17..21 => {
            let other = clean.replacen("P-20", "PRJ ", 1);
            return Told::warned("D14", other.clone(), other, "PROJECT_CODE_FORMAT").into();
        }
        21 => return Told::normalised("D07", "", Json::Null).disposed(Disposition::Rejected).into(),
        23 => return Told::dropped("D03", "TBD", "PLACEHOLDER_DROPPED").disposed(Disposition::Rejected).into(),
        _ => return Told::kept("D01", Value::Null, Json::Null).disposed(Disposition::Rejected).into(),
    };
    Told::normalised("D14", raw, clean).into()
}

/// D55: an amount, in 0.2 % negative, in 0.05 % not a number, in 1 % nothing.
fn amount(layout: &Layout, dice: Dice) -> Value {
    let k = draws(10);
    let (whole, cents) = (dice.below(18, 900_000), dice.below(19, 100));
    if dice.is_fixture() {
        return number(false, whole, cents);
    }
    if dice.chance(k, layout.dirty(500)) {
        return no_number();
    }
    if dice.chance(k + 1, layout.dirty(10_000)) {
        return number(false, 0, 0);
    }
    number(dice.chance(k + 2, layout.dirty(2_000)), whole, cents)
}

/// D55: an amount of whole units and cents; a negative one has a warning.
pub fn number(negative: bool, whole: u64, cents: u64) -> Value {
    let raw = format!("{}{whole}.{cents:02}", if negative { "-" } else { "" });
    if negative { Told::warned("D55", raw.clone(), raw, "NEGATIVE_AMOUNT").into() } else { text(raw) }
}

/// D55: a number that is none.
pub fn no_number() -> Value {
    Told::dropped("D55", "NaN", "NOT_A_NUMBER").into()
}

/// A day with a time, which means the day as it is written; D47: 0.5 % without end, D51, D52.
fn due_date(layout: &Layout, dice: Dice, due: u64) -> Value {
    let k = draws(13);
    if !dice.is_fixture() && dice.chance(k + 4, layout.dirty(5_000)) {
        return dirt::date::open(dice.chance(k + 5, 800_000));
    }
    dirt::date::as_day(dirt::date::business(layout, dice, k, due))
}

/// D47, D48: a day, in 1 % one of the sentinels that stand for no end, in 0.5 % without end.
fn air_date(layout: &Layout, dice: Dice, at: u64) -> Value {
    let k = draws(14);
    if !dice.is_fixture() && dice.chance(k, layout.dirty(15_000)) {
        return dirt::date::open_day(dice.below(k + 1, 4));
    }
    text(date(at))
}

/// A row of `project_asset`.
pub fn asset(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (project, k) = layout.project_assets.parent(row);
    let asset = walk(layout.dice(TABLE, project), 1010, k, layout.assets);
    let dice = layout.dice(87, row);
    let lost = dice.chance(draws(1), layout.dirty(3_000));
    out.extend([
        Value::id(FIRST_ID + project),
        if lost { dirt::missing(NOWHERE + asset) } else { Value::id(FIRST_ID + asset) },
        label(dice.pick(0, &["source", "output", "reference"])),
        int(1 + dice.below(1, 5)),
    ]);
}
