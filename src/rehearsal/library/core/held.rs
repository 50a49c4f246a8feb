//! The columns of a row of property values: where a value stands, what stands in for it, and in which order.
//!
//! A value stands in the column of its field's type, as [`super::field`] writes it (a `Told` for what is not simply
//! its raw value). Where there is dirt, a text may stand in for it ([`stand_in`]; the answer key reads that text where
//! the column of the type is NULL), both columns may be filled (the column of the type wins), a field for one value may
//! have two rows, and places have gaps and ties (D26, D27).

use super::super::Told;
use super::dice::{Dice, date, local};
use super::dirt::{self, date::Wanted};
use super::layout::Layout;
use super::property::{Field, Type};
use super::{Value, int, label, text, vocabulary, words};

/// The columns that hold values, in table order.
#[derive(Debug)]
pub struct Held {
    /// `string_value`
    pub string: Value,
    /// `text_id`
    pub text: Value,
    /// `long_value`
    pub long: Value,
    /// `double_value`
    pub double: Value,
    /// `decimal_value`
    pub decimal: Value,
    /// `boolean_value`
    pub boolean: Value,
    /// `date_value`
    pub date: Value,
    /// `picklist_value_id`
    pub picklist: Value,
    /// `hierarchy_path`
    pub path: Value,
}

/// A row that holds nothing.
pub const EMPTY: Held = Held {
    string: Value::Null,
    text: Value::Null,
    long: Value::Null,
    double: Value::Null,
    decimal: Value::Null,
    boolean: Value::Null,
    date: Value::Null,
    picklist: Value::Null,
    path: Value::Null,
};

impl Held {
    /// The value in the column of its field's type (a text's id for long text).
    pub fn typed(kind: Type, value: Value) -> Self {
        match kind {
            Type::Text => Self { text: value, ..EMPTY },
            Type::Picklist => Self { picklist: value, ..EMPTY },
            Type::Integer | Type::User => Self { long: value, ..EMPTY },
            Type::Boolean => Self { boolean: value, ..EMPTY },
            Type::Date | Type::DateTime => Self { date: value, ..EMPTY },
            Type::Decimal => Self { decimal: value, ..EMPTY },
            Type::Double => Self { double: value, ..EMPTY },
            Type::Hierarchy => Self { path: value, ..EMPTY },
            Type::String | Type::Tags => Self { string: value, ..EMPTY },
        }
    }
}

/// Whose value it is: value, metadata object, field.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    /// The row.
    pub value: u64,
    /// The metadata object.
    pub object: u64,
    /// The field.
    pub field: u64,
}

/// A row of property values. `dice` are those of the row.
pub fn finish(ids: Ids, position: Value, held: Held, dice: Dice, layout: &Layout, out: &mut Vec<Value>) {
    out.extend([Value::id(ids.value), Value::id(ids.object), Value::id(ids.field), position]);
    let Held { string, text: long_text, long, double, decimal, boolean, date, picklist, path } = held;
    out.extend([string, long_text, long, double, decimal, boolean, date, picklist, path]);
    let language = if dice.chance(0, 100_000) { label("en") } else { Value::Null };
    out.extend([language, text(local(dice.past(1))), Value::id(layout.user(dice, 3))]);
}

/// Fields by which assets are routed, and those that a candidate must have: they are never left empty.
const NEEDED: [u16; 5] = [1, 8, 15, 43, 44];

/// D26: whether the row of a named field's value holds none (1.5 %). A long text's row is always referred to. `object`
/// are the draws of the object, `row` those of the row.
pub fn empty(layout: &Layout, object: Dice, field: &Field, row: Dice) -> bool {
    let can_be = !object.is_fixture() && field.kind != Type::Text && !NEEDED.contains(&field.id);
    can_be && blank(layout, row)
}

/// D26: the share of rows that hold no value.
pub fn blank(layout: &Layout, row: Dice) -> bool {
    row.chance(dirt::DRAW + 17, layout.dirty(15_000))
}

/// D26: a row of a field of this type that holds no value.
pub fn nothing(kind: Type) -> Held {
    Held::typed(kind, Told::normalised("D26", Value::Null, serde_json::Value::Null).into())
}

/// D27: the place of a value among those of its field, with gaps, ties and negative ones (4 %). Draws are those of
/// the object.
pub fn position(layout: &Layout, dice: Dice, field: &Field, position: u64) -> Value {
    let k = draws(field, position) + 30;
    if dice.is_fixture() || !dice.chance(k, layout.dirty(40_000)) {
        return int(position);
    }
    let place = i64::try_from(position).unwrap_or(0);
    let place = [place + 3, place - 1, -place - 1, 0][dice.share(k + 1, &[40, 30, 15])];
    Told::kept("D27", Value::Int(place), place).into()
}

/// The draws for the dirt of a value: 16 for its content, 16 for where it stands.
pub fn draws(field: &Field, position: u64) -> u64 {
    dirt::draws(u64::from(field.id)) + 20_000 * position
}

/// What a typed value is, for the text that may stand in for it.
#[derive(Debug, Clone, Copy)]
pub enum Fact {
    /// A day or a moment, in seconds of the Unix epoch.
    Moment(u64),
    /// A whole number.
    Number(u64),
    /// Yes or no.
    Truth(bool),
    /// A value of a vocabulary: its name and the value.
    Term(&'static str, &'static str),
}

/// D26: where the field is typed, a text that stands in for its value; 2 % have a second column filled ([`rival`]). Draws are those of the object.
pub fn soil(
    layout: &Layout,
    dice: Dice,
    field: &Field,
    fact: Option<Fact>,
    day_first: bool,
    position: u64,
    mut held: Held,
) -> Held {
    let k = draws(field, position) + 16;
    let own = matches!(field.kind, Type::String | Type::Tags);
    // What references to vocabularies become is settled with them (D20, D28, D33).
    if dice.is_fixture() || (!own && !held.string.is_null()) {
        return held;
    }
    let instead = match fact {
        None => 0,
        // D54: 5 % of the numbers are kept as text.
        Some(Fact::Number(_)) => 50_000,
        Some(Fact::Term(..)) => 3_000,
        Some(_) => 15_000,
    };
    if let Some(fact) = fact
        && dice.chance(k, layout.dirty(instead))
    {
        return Held { string: stand_in(layout, dice, k + 2, fact, day_first), ..EMPTY };
    }
    if held.picklist.dirt() != Some("D20") && dice.chance(k + 1, layout.dirty(20_000)) {
        let beside = Told::normalised("D26", rival(dice, k + 2, field.kind, fact), serde_json::Value::Null).into();
        *(if own { &mut held.long } else { &mut held.string }) = beside;
    }
    held
}

/// D26: what stands in a second column as plausibly as the value does in that of its type, which counts: another day as
/// text, another number, the opposite, another term, another title; a number beside text.
fn rival(dice: Dice, k: u64, kind: Type, fact: Option<Fact>) -> Value {
    match fact {
        Some(Fact::Moment(moment)) => text(date(moment + 86_400 * (1 + dice.below(k, 400)))),
        Some(Fact::Number(number)) => text((number + 1 + dice.below(k, 9)).to_string()),
        Some(Fact::Truth(truth)) => label(if truth { "No" } else { "Yes" }),
        Some(Fact::Term(list, _)) => {
            label(vocabulary::term_at(list, dice.below(k, vocabulary::terms(list).len() as u64)))
        }
        None if kind == Type::Text => text(words::title(dice.below(k, 4096))),
        None if matches!(kind, Type::String | Type::Tags) => int(1 + dice.below(k, 5_000)),
        None => text((1 + dice.below(k, 5_000)).to_string()),
    }
}

/// D26: the property of a row that is a second one of a field for one value.
pub fn doubled(property: u64) -> Value {
    Told::warned("D26", Value::id(property), property, "MULTI_FOR_SINGLE").into()
}

/// A typed value as text: dates in the forms of D45 and D46, numbers of D54, truth values of D53, terms of D33.
fn stand_in(layout: &Layout, dice: Dice, k: u64, fact: Fact, day_first: bool) -> Value {
    match fact {
        Fact::Moment(moment) => dirt::date::text_date(layout, dice, k, moment, Wanted::Date, day_first),
        Fact::Number(number) => dirt::number::integer_form(dice.below(k, dirt::number::FORMS), number),
        Fact::Truth(truth) => dirt::number::boolean(layout, dice, k, truth),
        Fact::Term(vocabulary, value) => dirt::term::term(layout, dice, k, vocabulary, value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::property::FIELDS;
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    #[test]
    fn values_are_left_empty_at_about_their_rate_but_where_one_is_needed() {
        let (clean, dirty) = (layout(0.0001, 0.0), layout(0.0001, 1.0));
        let of = |id: u16| FIELDS.iter().find(|field| field.id == id).expect("a named field");
        let count = |layout: &Layout, id: u16| {
            let object = layout.dice(17, 1);
            (0..20_000).filter(|row| empty(layout, object, of(id), layout.dice(18, *row))).count()
        };
        assert!(count(&dirty, 9).abs_diff(300) < 75, "{} of 20,000", count(&dirty, 9));
        assert_eq!([count(&dirty, 8), count(&dirty, 3), count(&clean, 9)], [0; 3]);
    }
}
