//! Long texts: what values of text fields refer to.

use super::super::held;
use super::super::layout::{FIRST_ID, Layout};
use super::super::property::Type;
use super::super::{Value, dirt, label, text, words};
use super::{Slot, Subject, subject};

/// A row of `metadata_property_text`: the text a value refers to, or one that none refers to.
pub fn text_row(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let texts = &layout.values().1;
    let long = if row < texts.total() {
        let (object, number) = texts.parent(row);
        let made = subject(layout, object);
        let slot = made.1.iter().find(|slot| slot.field.kind == Type::Text && slot.text == number);
        slot.map_or(Value::Null, |slot| body(layout, &made.0, slot))
    } else {
        text(words::sentences(layout.dice(19, row), 0, 6))
    };
    out.extend([Value::id(FIRST_ID + row), long, label("text/plain")]);
}

/// The text of a value of a text field.
pub(super) fn body(layout: &Layout, subject: &Subject, slot: &Slot) -> Value {
    let other;
    let subject = if slot.position > 0 {
        other = subject.other(layout);
        &other
    } else {
        subject
    };
    let k = 700 + u64::from(slot.field.id) * 16;
    let clean = match slot.field.id {
        3 | 46 => words::body(subject.dice, k + 1, 100 << subject.dice.below(k, 6)),
        _ => words::sentences(subject.dice, k, 4),
    };
    let dice = subject.dice;
    let draws = held::draws(slot.field, slot.position);
    if matches!(slot.field.id, 3 | 46) && !dice.is_fixture() && dice.chance(draws + 13, layout.dirty(200)) {
        return dirt::text::long(&clean, dice.pick(draws + 14, &[70_000, 300_000, 1 << 20])).into();
    }
    let style = dirt::text::Style { lines: true, html: true, ..dirt::text::Style::default() };
    dirt::text::from(layout, dice, draws, subject.source(), clean, style)
}
