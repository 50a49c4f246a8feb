//! Identifiers and codes with a form of their own.

use std::borrow::Cow;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::kernel::{Outcome, Text, text_outcome};

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        text_outcome("house_code", &[Utf8], |row| row.stated(house_code)),
        text_outcome("project_code", &[Utf8], |row| row.stated(project_code)),
        text_outcome("eidr", &[Utf8], |row| row.stated(eidr)),
        text_outcome("uuid_text", &[Utf8], |row| row.stated(uuid)),
        text_outcome("color_code", &[Utf8], |row| row.stated(color)),
    ]
}

/// The text itself where that is the value.
fn of(value: String, text: &str) -> Outcome<Text<'_>> {
    Outcome::of(if value == text { Cow::Borrowed(text) } else { Cow::Owned(value) })
}

/// HC and six digits, after NFKC, in upper case, without blanks, hyphens and full stops; anything else as it is (dirt
/// D14, rulings A52). An I is not taken for a 1.
fn house_code(text: &str) -> Outcome<Text<'_>> {
    if is_house_code(text) {
        return Outcome::of(Cow::Borrowed(text));
    }
    let code: String = text
        .nfkc()
        .filter(|character| !character.is_whitespace() && !matches!(character, '-' | '.'))
        .flat_map(char::to_uppercase)
        .collect();
    match is_house_code(&code) {
        true => Outcome::of(Cow::Owned(code)),
        false => Outcome::noted(Cow::Borrowed(text), "HOUSE_CODE_FORMAT"),
    }
}

fn is_house_code(text: &str) -> bool {
    text.strip_prefix("HC")
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// `P-YYYY-NNNN`, after NFKC, in upper case, each blank and `_` as `-`; anything else as it is (rulings A44).
fn project_code(text: &str) -> Outcome<Text<'_>> {
    if is_project_code(text) {
        return Outcome::of(Cow::Borrowed(text));
    }
    let hyphens = |character: char| if character.is_whitespace() || character == '_' { '-' } else { character };
    let code: String = text.nfkc().flat_map(char::to_uppercase).map(hyphens).collect();
    match is_project_code(&code) {
        true => Outcome::of(Cow::Owned(code)),
        false => Outcome::noted(Cow::Borrowed(text), "PROJECT_CODE_FORMAT"),
    }
}

fn is_project_code(text: &str) -> bool {
    let four_digits = |text: &str| text.len() == 4 && text.bytes().all(|digit| digit.is_ascii_digit());
    let parts = text.strip_prefix("P-").and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(year, number)| four_digits(year) && four_digits(number))
}

/// The canonical form of an EIDR content identifier, `10.5240/` and 20 hexadecimal digits in fives, if its check
/// character (ISO 7064 MOD 37,36) is right (dirt D15).
fn eidr(text: &str) -> Outcome<Text<'_>> {
    let upper = text.to_uppercase();
    let id = upper.split_once("10.5240/").and_then(|(before, _)| {
        // behind a scheme and host it begins a part of its own
        let alone = !before.ends_with(|last: char| last.is_alphanumeric() || last == '.');
        alone.then(|| upper.get(before.len()..))?
    });
    match id.filter(|id| is_eidr(id)) {
        Some(id) => of(id.to_owned(), text),
        None => Outcome::dropped("EIDR_CHECKSUM"),
    }
}

fn is_eidr(id: &str) -> bool {
    let Some((groups, check)) = id.strip_prefix("10.5240/").and_then(|suffix| suffix.rsplit_once('-')) else {
        return false;
    };
    let mut count = 0;
    let shaped = groups.split('-').all(|group| {
        count += 1;
        group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let mut check = check.chars();
    shaped && count == 5 && check.next() == check_character(groups) && check.next().is_none()
}

/// The check character of ISO 7064 MOD 37,36 over the digits and letters of a text.
fn check_character(text: &str) -> Option<char> {
    let mut product = 36;
    for digit in text.chars().filter_map(|character| character.to_digit(36)) {
        let sum = (product + digit) % 36;
        product = if sum == 0 { 36 } else { sum } * 2 % 37;
    }
    char::from_digit((37 - product) % 36, 36).map(|check| check.to_ascii_uppercase())
}

/// Lower case with hyphens, from digits with and without hyphens, each perhaps in braces, and from a URN (dirt D30,
/// rulings A27).
fn uuid(text: &str) -> Outcome<Text<'_>> {
    let bare = match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        // only digits stand in braces
        Some(braced) if braced.contains(['{', ':']) => return Outcome::dropped("UUID_INVALID"),
        Some(braced) => braced,
        None => text,
    };
    match Uuid::try_parse(bare) {
        Ok(uuid) => {
            let mut buffer = Uuid::encode_buffer();
            let canonical: &str = uuid.hyphenated().encode_lower(&mut buffer);
            if canonical == text { Outcome::of(Cow::Borrowed(text)) } else { of(canonical.to_owned(), text) }
        }
        Err(_) => Outcome::dropped("UUID_INVALID"),
    }
}

/// `#RRGGBB` in upper case, from that or `#rgb` in any case (rulings A53).
fn color(text: &str) -> Outcome<Text<'_>> {
    let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let upper = |digit: char| digit.to_ascii_uppercase();
    match digits {
        Some(long) if long.len() == 6 => of(text.to_ascii_uppercase(), text),
        Some(short) if short.len() == 3 => {
            let doubled = short.chars().map(upper).flat_map(|digit| [digit, digit]);
            Outcome::of(Cow::Owned(std::iter::once('#').chain(doubled).collect()))
        }
        _ => Outcome::dropped("COLOR_INVALID"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn house_codes_have_one_form() {
        for raw in ["HC100123", "hc100123", "HC 100123", "HC-100123", "HC100123.", "HC１００１２３", "ＨＣ１００１２３"]
        {
            assert_eq!(house_code(raw), Outcome::of("HC100123".into()), "{raw}");
        }
        for raw in ["HCI00123", "HC1001234", "HC10012", "HC\u{2013}100123", "HC/100123", "100123", "HC１００１２"]
        {
            assert_eq!(house_code(raw), Outcome::noted(raw.into(), "HOUSE_CODE_FORMAT"), "{raw}");
        }
    }

    #[test]
    fn project_codes_have_one_form() {
        for raw in ["P-2019-0042", "p-2019-0042", "P 2019 0042", "p_2019_0042", "P-2019 0042", "Ｐ-２０１９-００４２"]
        {
            assert_eq!(project_code(raw), Outcome::of("P-2019-0042".into()), "{raw}");
        }
        for raw in ["P-19-42", "2019-0042", "P20190042", "P-2019-00421", "P__2019_0042", "P-2019--0042"] {
            assert_eq!(project_code(raw), Outcome::noted(raw.into(), "PROJECT_CODE_FORMAT"), "{raw}");
        }
    }

    #[test]
    fn an_eidr_stands_or_falls_with_its_check_character() {
        // the example of the EIDR registry's own documentation
        let canonical = "10.5240/7791-8534-2C23-9030-8610-5";
        for raw in
            [canonical, "https://doi.org/10.5240/7791-8534-2C23-9030-8610-5", "10.5240/7791-8534-2c23-9030-8610-5"]
        {
            assert_eq!(eidr(raw), Outcome::of(canonical.into()), "{raw}");
        }
        for raw in [
            "10.5240/7791-8534-2C23-9030-8610-6",
            "10.5240/7791-8534-2C23-9030-8610",
            "10.5240/7791-8534-2C23-9030-8610-55",
            "10.5240/7791-8534-2C23-9030-5",
            "garbage10.5240/7791-8534-2C23-9030-8610-5",
            "nonsense",
        ] {
            assert_eq!(eidr(raw), Outcome::dropped("EIDR_CHECKSUM"), "{raw}");
        }
    }

    #[test]
    fn uuids_have_one_form() {
        let canonical = "9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
        for raw in [
            canonical,
            "9F2C1A34-5B6D-4E7F-8A9B-0C1D2E3F4A5B",
            "9f2c1a345b6d4e7f8a9b0c1d2e3f4a5b",
            "{9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b}",
            "{9F2C1A345B6D4E7F8A9B0C1D2E3F4A5B}",
            "urn:uuid:9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
        ] {
            assert_eq!(uuid(raw), Outcome::of(canonical.into()), "{raw}");
        }
        for raw in [
            "9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5",
            "{9f2c1a345b6d4e7f8a9b0c1d2e3f4a5b",
            "{{9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b}}",
            "{urn:uuid:9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b}",
            "none of it",
        ] {
            assert_eq!(uuid(raw), Outcome::dropped("UUID_INVALID"), "{raw}");
        }
    }

    #[test]
    fn colors_have_six_digits() {
        for raw in ["#00FF88", "#00ff88", "#0f8", "#0F8"] {
            assert_eq!(color(raw), Outcome::of("#00FF88".into()), "{raw}");
        }
        for raw in ["red", "00FF88", "#00FF8", "#00FF8G", "#0é"] {
            assert_eq!(color(raw), Outcome::dropped("COLOR_INVALID"), "{raw}");
        }
    }
}
