//! Fields of clients' own: they are read by nobody, and are there to be counted.

use super::dice::Dice;
use super::dice::local;
use super::field::day;
use super::held::{EMPTY, Held, Ids, blank, finish, nothing};
use super::layout::{FIRST_ID, Layout};
use super::property::{Type, custom_type};
use super::{Value, int, text, vocabulary, words};

/// A value of a client's own field: by its type, one form each.
pub fn write(layout: &Layout, ids: Ids, dice: Dice, out: &mut Vec<Value>) {
    let field = ids.field;
    let kind = custom_type(field);
    let held = match kind {
        _ if blank(layout, dice) => nothing(kind),
        Type::String => Held { string: text(format!("{} {}", words::keyword(dice.below(10, 400)), field)), ..EMPTY },
        Type::Text => Held { string: text(words::sentences(dice, 11, 3)), ..EMPTY },
        Type::Integer => Held { long: int(dice.below(20, 5_000)), ..EMPTY },
        Type::Double => Held { double: text(format!("{}.5", dice.below(20, 5_000))), ..EMPTY },
        Type::Decimal => {
            Held { decimal: text(format!("{}.{:04}", dice.below(20, 90_000), dice.below(21, 10_000))), ..EMPTY }
        }
        Type::Boolean => Held { boolean: Value::Bool(dice.chance(20, 500_000)), ..EMPTY },
        Type::Date => Held { date: day(dice.past(20)), ..EMPTY },
        Type::DateTime => Held { date: text(local(dice.past(20))), ..EMPTY },
        Type::Picklist => Held { picklist: Value::id(vocabulary::custom(field, dice.below(20, 3)).1), ..EMPTY },
        Type::Hierarchy => {
            let list = format!("{{{},{}}}", FIRST_ID + dice.below(20, 20), FIRST_ID + 20 + dice.below(21, 60));
            Held { path: text(list), ..EMPTY }
        }
        Type::Tags => Held { string: text(words::keyword(dice.zipf(20, 600))), ..EMPTY },
        Type::User => Held { long: Value::id(layout.user(dice, 20)), ..EMPTY },
    };
    finish(ids, int(0), held, dice, layout, out);
}
