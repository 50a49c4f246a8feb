//! Numbers and booleans as text (D53, D54), and odd amounts (D55).

use serde_json::Value as Json;

use super::super::super::Told;
use super::super::dice::{Dice, index};
use super::super::layout::Layout;
use super::super::{Value, text};

/// The ways in which an integer is written (D54).
pub const FORMS: u64 = 11;

/// D54: an integer in one of its forms, or a text that is none.
pub fn integer_form(form: u64, number: u64) -> Value {
    let invalid = |raw: String| Told::dropped("D54", raw, "INVALID_NUMBER");
    let told = match form {
        0 => Told::normalised("D54", format!("{number}.0"), number),
        1 if number >= 1000 => Told::normalised("D54", grouped(number), number),
        1 | 2 => Told::normalised("D54", format!(" {number} "), number),
        3 => Told::normalised("D54", format!("{number}px"), number),
        4 => Told::normalised("D54", format!("{number:03}"), number),
        5 => Told::normalised("D54", format!("S{number:02}"), number),
        6 => Told::normalised("D54", "-1", -1),
        7 => Told::normalised("D54", full_width(number), number),
        8 => invalid(format!("{number}.5")),
        9 => invalid("1e3".to_owned()),
        _ => Told::clean(number.to_string(), number),
    };
    told.into()
}

fn grouped(number: u64) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

fn full_width(number: u64) -> String {
    const DIGITS: [char; 10] = ['０', '１', '２', '３', '４', '５', '６', '７', '８', '９'];
    number.to_string().bytes().map(|digit| DIGITS[index(u64::from(digit - b'0')) % 10]).collect()
}

/// D54: the number of an episode, kept as text: an integer in its digits, a fraction as it is. Takes draws `k` to
/// `k + 1`.
pub fn episode(layout: &Layout, dice: Dice, k: u64, number: u64) -> Value {
    if dice.is_fixture() || !dice.chance(k, layout.dirty(50_000)) {
        return text(number.to_string());
    }
    episode_form(dice.below(k + 1, FORMS), number)
}

/// D54: such a number in one of its forms.
pub fn episode_form(form: u64, number: u64) -> Value {
    let cell = integer_form(form, number);
    let raw = cell.text().unwrap_or_default();
    match cell.means() {
        Json::Number(digits) => Told::normalised("D54", raw, digits.to_string()).into(),
        _ if form == 8 => Told::kept("D54", raw.clone(), raw).into(),
        _ => cell,
    }
}

/// Forms of an odd amount (D55).
pub const AMOUNTS: u64 = 5;

/// An amount of whole units and cents; D55: in 0.2 % one of its odd forms. Draws `k` and `k + 1`.
pub fn amount(layout: &Layout, dice: Dice, k: u64, clean: (u64, u64)) -> Value {
    if dice.is_fixture() || !dice.chance(k, layout.dirty(2_000)) {
        return text(format!("{}.{:02}", clean.0, clean.1));
    }
    amount_form(dice.below(k + 1, AMOUNTS), clean)
}

/// D55: an amount that is not a number, negative, over the range (by one digit, and of 45 digits), or of 20 places.
pub fn amount_form(form: u64, (whole, cents): (u64, u64)) -> Value {
    let over = |raw: String| Told::dropped("D55", raw, "NUMBER_OVERFLOW");
    let told = match form {
        0 => Told::dropped("D55", "NaN", "NOT_A_NUMBER"),
        1 => {
            let raw = format!("-{}.{cents:02}", whole + 1);
            Told::warned("D55", raw.clone(), raw, "NEGATIVE_AMOUNT")
        }
        2 => over(format!("1{whole:015}.{cents:02}")),
        3 => over(format!("9{whole:024}.{cents:020}")),
        _ => {
            let raw = format!("{whole}.{cents:02}345678901234567891");
            Told::kept("D55", raw.clone(), raw)
        }
    };
    told.into()
}

/// D53: a truth value as text; the clean form is `true` or `false`.
pub fn boolean(layout: &Layout, dice: Dice, k: u64, truth: bool) -> Value {
    if layout.dirt == 0.0 || dice.is_fixture() {
        return Told::clean(if truth { "true" } else { "false" }, truth).into();
    }
    if dice.chance(k, layout.dirty(20_000)) {
        return boolean_form(9, truth);
    }
    if dice.chance(k + 1, layout.dirty(20_000)) {
        return boolean_form(8, truth);
    }
    boolean_form(dice.below(k + 2, 8), truth)
}

/// D53: a truth value in one of its forms: the ninth is blank, the tenth none at all.
pub fn boolean_form(form: u64, truth: bool) -> Value {
    const TRUE: [&str; 8] = ["TRUE", "true", "Y", "yes", "1", "t", "T", "✓"];
    const FALSE: [&str; 8] = ["FALSE", "false", "N", "No", "0", "f", "F", "no"];
    match form {
        8 => Told::normalised("D53", "", Json::Null).into(),
        9 => Told::dropped("D53", "maybe", "INVALID_BOOLEAN").into(),
        form => Told::normalised("D53", if truth { TRUE } else { FALSE }[index(form) % 8], truth).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    #[test]
    fn forms_mean_the_number_or_nothing() {
        for form in 0..FORMS {
            let cell = integer_form(form, 2019);
            let invalid = cell.codes().contains(&"INVALID_NUMBER");
            assert_eq!(cell.means().is_null(), invalid, "{cell:?}");
            assert!(invalid || form == 6 || cell.means() == 2019, "{cell:?}");
        }
        assert_eq!(integer_form(1, 2019).text().as_deref(), Some("2,019"));
        assert_eq!(integer_form(7, 12).text().as_deref(), Some("１２"));
        assert_eq!(episode_form(8, 3).means(), "3.5");
        assert_eq!(episode_form(5, 3).means(), "3");
    }

    #[test]
    fn odd_amounts_are_of_the_digits_they_should_be() {
        let digits = |form| amount_form(form, (1_250, 5)).text().unwrap().chars().filter(char::is_ascii_digit).count();
        assert_eq!([2, 3, 4].map(digits), [18, 45, 24]);
        assert_eq!(amount_form(1, (1_250, 5)).means(), "-1251.05");
        assert_eq!(amount_form(4, (1_250, 5)).means(), "1250.05345678901234567891");
        let means_nothing = |form: &u64| amount_form(*form, (1_250, 5)).means().is_null();
        assert_eq!((0..AMOUNTS).filter(means_nothing).collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn a_clean_library_has_digits_and_words() {
        let clean = layout(0.0001, 0.0);
        for row in 0..500 {
            assert_eq!(amount(&clean, clean.dice(1, row), 0, (12, 5)), text("12.05"));
            assert_eq!(episode(&clean, clean.dice(1, row), 0, 7).dirt(), None);
            assert_eq!(boolean(&clean, clean.dice(1, row), 0, true).text().as_deref(), Some("true"));
        }
    }
}
