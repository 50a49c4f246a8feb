//! House codes (D14, D25), EIDRs (D15) and the users that rows name (D21).

use super::super::dice::Dice;
use super::super::layout::{FIRST_ID, Layout, NOWHERE};
use super::super::{Told, Value, text, user, words};
use super::PLACEHOLDERS;

/// D14 (9 %): a house code in one of its forms, or one that is none and stays as it is; D03 (0.7 %): a placeholder.
/// Draws `k` to `k + 2`.
pub fn house_code(layout: &Layout, dice: Dice, k: u64, code: String) -> Value {
    if dice.is_fixture() {
        return text(code);
    }
    if dice.chance(k, layout.dirty(90_000)) {
        return house_code_form(dice.below(k + 1, HOUSE_CODE_FORMS), code);
    }
    if dice.chance(k + 2, layout.dirty(7_000)) {
        return Told::dropped("D03", dice.pick(k + 1, &PLACEHOLDERS), "PLACEHOLDER_DROPPED").into();
    }
    text(code)
}

/// How many forms of a house code there are.
pub const HOUSE_CODE_FORMS: u64 = 9;

/// D14 (9 %): a series code (`SER` and five digits, as the catalogue of series has it) in a form of
/// [`house_code_form`]; D03 (0.7 %) a placeholder, D07 (5 %) blank. What D14 means for a series code is not said; it is
/// taken to have the same noise, the same way back, and the same warning where that leads to no series code. Draws `k`
/// to `k + 3`.
pub fn series_code(layout: &Layout, dice: Dice, k: u64, code: String) -> Value {
    if !dice.is_fixture() && dice.chance(k + 3, layout.dirty(50_000)) {
        return Told::normalised("D07", "", serde_json::Value::Null).into();
    }
    house_code(layout, dice, k, code)
}

/// A form of a house code (`HC` and six digits) by its number: the last two are none, and kept with a warning.
pub fn house_code_form(form: u64, code: String) -> Value {
    let (letters, digits) = code.split_at(code.find(|sign: char| sign.is_ascii_digit()).unwrap_or(0));
    let wide: String = digits.chars().filter_map(|digit| char::from_u32(u32::from(digit) + 0xFEE0)).collect();
    let raw = match form {
        0 => code.to_lowercase(),
        1 => format!("{letters} {digits}"),
        2 => format!("{letters}-{digits}"),
        3 => format!("{code}."),
        4 => format!("{letters}{wide}"),
        5 => format!(" {code} "),
        6 => format!("{}-{digits}", letters.to_lowercase()),
        7 if digits.contains('1') => code.replacen('1', "I", 1),
        _ => format!("{code}7"),
    };
    if form < 7 {
        return Told::normalised("D14", raw, code).into();
    }
    Told::warned("D14", raw.clone(), raw, "HOUSE_CODE_FORMAT").into()
}

/// D25 (0.6 %): the house code of another title in one of the three fields for house codes. Draw `k`.
pub fn disagreeing(layout: &Layout, dice: Dice, k: u64, title: u64) -> Option<Value> {
    let drawn = !dice.is_fixture() && dice.chance(k, layout.dirty(6_000));
    drawn.then(|| disagreeing_form(title))
}

/// The house code of the title behind one.
pub fn disagreeing_form(title: u64) -> Value {
    let other = format!("HC{}", 100_000 + title + 1);
    Told::kept("D25", other.clone(), other).into()
}

/// D15 (10 %): an EIDR as URL, in lower case, with blanks, or with a wrong check character, in one of the
/// first `forms`. Draws `k`,
/// `k + 1`.
pub fn eidr(layout: &Layout, dice: Dice, k: u64, id: String, forms: u64) -> Value {
    if dice.is_fixture() || !dice.chance(k, layout.dirty(100_000)) {
        return text(id);
    }
    eidr_form(dice.below(k + 1, forms), id)
}

/// How many forms of an EIDR there are, the first four short enough for 40 characters.
pub const EIDR_FORMS: u64 = 6;

/// A form of an EIDR (in its canonical form) by its number: 3 means nothing.
pub fn eidr_form(form: u64, id: String) -> Value {
    let raw = match form {
        0 => id.to_lowercase(),
        1 => format!(" {id}"),
        2 => format!("{id} "),
        4 => format!("https://doi.org/{id}"),
        5 => format!("http://dx.doi.org/{}", id.to_lowercase()),
        _ => {
            let wrong = if id.ends_with('A') { 'B' } else { 'A' };
            let mut raw = id.clone();
            raw.pop();
            raw.push(wrong);
            return Told::dropped("D15", raw, "EIDR_CHECKSUM").into();
        }
    };
    Told::normalised("D15", raw, id).into()
}

/// D21 (0.8 %): the id of a user, or one that no user has. Draws `k`, `k + 1`.
pub fn owner(layout: &Layout, dice: Dice, k: u64, id: u64) -> Value {
    if dice.is_fixture() || !dice.chance(k, layout.dirty(8_000)) {
        return Value::id(id);
    }
    lost_owner(NOWHERE + dice.below(k + 1, 1_000_000))
}

/// The id of no user.
pub fn lost_owner(id: u64) -> Value {
    Told::dropped("D21", Value::id(id), "OWNER_UNRESOLVED").into()
}

/// The user that a text names: by user name; D21 (0.8 % each) by e-mail, by display name, or nobody. It means the
/// user's id. Draws `k`, `k + 1`.
pub fn user_named(layout: &Layout, dice: Dice, k: u64, row: u64) -> Value {
    let form = if dice.is_fixture() || !dice.chance(k, layout.dirty(24_000)) { 0 } else { 1 + dice.below(k + 1, 4) };
    user_form(form, row)
}

/// A text that names the user of a row: 0 the user name, 1 the e-mail, 2 the display name, 3 the user name in upper
/// case, 4 a person that is no user, others the display name of two users (fixtures 187 and 188).
pub fn user_form(form: u64, row: u64) -> Value {
    let id = Value::id(FIRST_ID + row).means();
    let name = user::name(row);
    match form {
        0 => Told::clean(name, id).into(),
        1 => Told::normalised("D21", user::email(row), id).into(),
        2 => Told::normalised("D21", words::person(row), id).into(),
        3 => Told::normalised("D21", name.to_uppercase(), id).into(),
        4 => Told::dropped("D21", format!("former.user{row}"), "OWNER_UNRESOLVED").into(),
        _ => Told::dropped("D21", words::person(4000), "OWNER_UNRESOLVED").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn house_codes_are_read_or_kept() {
        let forms: Vec<Value> =
            (0..HOUSE_CODE_FORMS).map(|form| house_code_form(form, "HC100123".to_owned())).collect();
        let texts: Vec<String> = forms.iter().filter_map(Value::text).collect();
        assert_eq!(texts[..5], ["hc100123", "HC 100123", "HC-100123", "HC100123.", "HC１００１２３"]);
        assert!(forms[..7].iter().all(|form| form.means() == "HC100123" && form.codes().is_empty()));
        assert_eq!((forms[7].means(), forms[7].codes()), ("HCI00123".into(), &["HOUSE_CODE_FORMAT"][..]));
        assert_eq!(forms[8].means(), "HC1001237");
    }

    #[test]
    fn series_codes_have_the_noise_of_house_codes() {
        for form in 0..HOUSE_CODE_FORMS {
            let value = house_code_form(form, "SER00123".to_owned());
            assert_ne!(value.text().as_deref(), Some("SER00123"));
            assert_eq!(value.means() == "SER00123", form < 7, "{form}");
        }
        assert_eq!(house_code_form(7, "SER00020".to_owned()).codes(), ["HOUSE_CODE_FORMAT"]);
    }

    #[test]
    fn an_eidr_with_a_wrong_check_character_means_nothing() {
        let id = "10.5240/7791-8534-2C23-9030-8610-5";
        for form in 0..EIDR_FORMS {
            let value = eidr_form(form, id.to_owned());
            assert_ne!(value.text().as_deref(), Some(id));
            assert_eq!(value.means(), if form == 3 { serde_json::Value::Null } else { id.into() });
        }
    }

    #[test]
    fn users_are_named_in_four_ways() {
        let texts: Vec<Option<String>> = (0..5).map(|form| user_form(form, 0).text()).collect();
        let expected = ["ada.abbott", "ada.abbott@studio.example", "Ada Abbott", "ADA.ABBOTT", "former.user0"];
        assert_eq!(texts, expected.map(|text| Some(text.to_owned())));
        assert!((0..4).all(|form| user_form(form, 0).means() == FIRST_ID));
    }
}
