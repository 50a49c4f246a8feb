//! Identifiers, languages, and numbers and truth values kept as text.

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::kernel::{Outcome, Row, outcome};
use super::text::{is_placeholder, trim};

/// The two-letter codes of ISO 639-1, and `zxx` (no linguistic content).
const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da \
    de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io \
    is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my \
    na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq \
    sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu zxx";

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        outcome("house_code", &[Utf8], |row| present(row, house_code)),
        outcome("eidr", &[Utf8], |row| present(row, eidr)),
        outcome("uuid_text", &[Utf8], |row| present(row, uuid)),
        outcome("language_tag", &[Utf8], |row| present(row, language)),
        outcome("integer_text", &[Utf8], |row| present(row, integer)),
        outcome("boolean_text", &[Utf8], |row| present(row, boolean)),
    ]
}

/// Blanks are no value, and neither is a placeholder.
fn present<T>(row: &Row, read: impl Fn(&str) -> Outcome<T>) -> Outcome<T> {
    match row.trimmed(0) {
        None => Outcome::ABSENT,
        Some(text) if is_placeholder(text) => Outcome::dropped("PLACEHOLDER_DROPPED"),
        Some(text) => read(text),
    }
}

/// HC and six digits, after NFKC, in upper case, without blanks, hyphens and full stops; anything else as it is.
fn house_code(text: &str) -> Outcome<String> {
    let code: String = text
        .nfkc()
        .filter(|character| !character.is_whitespace() && !matches!(character, '-' | '.'))
        .flat_map(char::to_uppercase)
        .collect();
    match code.strip_prefix("HC") {
        Some(digits) if digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit()) => Outcome::of(code),
        _ => Outcome::noted(text.to_owned(), "HOUSE_CODE_FORMAT"),
    }
}

/// The canonical form of an EIDR content identifier, `10.5240/` and 20 hexadecimal digits in fives, if its check
/// character (ISO 7064 MOD 37,36) is right.
fn eidr(text: &str) -> Outcome<String> {
    let upper = text.to_uppercase();
    let start = upper.find("10.5240/").unwrap_or(0);
    let id = upper.get(start..).unwrap_or_default();
    let Some(suffix) = id.strip_prefix("10.5240/") else { return Outcome::dropped("EIDR_CHECKSUM") };
    let groups: Vec<&str> = suffix.split('-').collect();
    let shaped = groups.len() == 6
        && groups.iter().take(5).all(|group| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && groups.last().is_some_and(|check| check.len() == 1);
    let digits: String = groups.iter().take(5).copied().collect();
    let check = groups.last().and_then(|check| check.chars().next());
    if shaped && check == check_character(&digits) {
        return Outcome::of(id.to_owned());
    }
    Outcome::dropped("EIDR_CHECKSUM")
}

/// The check character of ISO 7064 MOD 37,36 over digits and letters.
fn check_character(digits: &str) -> Option<char> {
    let mut product = 36;
    for digit in digits.chars() {
        let sum = (product + digit.to_digit(36)?) % 36;
        product = if sum == 0 { 36 } else { sum } * 2 % 37;
    }
    char::from_digit((37 - product) % 36, 36).map(|check| check.to_ascii_uppercase())
}

/// Lower case with hyphens, from any of the usual forms.
fn uuid(text: &str) -> Outcome<String> {
    match Uuid::try_parse(text) {
        Ok(uuid) => Outcome::of(uuid.hyphenated().to_string()),
        Err(_) => Outcome::dropped("UUID_INVALID"),
    }
}

/// A BCP 47 tag in its usual case: `en`, `en-US`, `es-419`, `zh-Hant`. The language must be one of ISO 639-1, or `zxx`.
fn language(text: &str) -> Outcome<String> {
    let mut parts = text.split(['-', '_']);
    let primary = parts.next().unwrap_or_default().to_ascii_lowercase();
    if !LANGUAGES.split_ascii_whitespace().any(|known| known == primary) {
        return Outcome::dropped("LANGUAGE_UNKNOWN");
    }
    let mut tag = primary;
    for part in parts {
        if !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) || !(2..=8).contains(&part.len()) {
            return Outcome::dropped("LANGUAGE_UNKNOWN");
        }
        tag.push('-');
        match part.len() {
            2 => tag.push_str(&part.to_ascii_uppercase()),
            4 => {
                let (first, rest) = part.split_at(1);
                tag.push_str(&first.to_ascii_uppercase());
                tag.push_str(&rest.to_ascii_lowercase());
            }
            _ => tag.push_str(&part.to_ascii_lowercase()),
        }
    }
    Outcome::of(tag)
}

/// An integer where the text is exactly one: `12`, `1920.0`, `1,920`, `1920px`, `S02`, full-width digits.
fn integer(text: &str) -> Outcome<i64> {
    let folded: String = text.nfkc().collect();
    let bare = trim(&folded);
    let bare = bare.strip_suffix("px").unwrap_or(bare).trim_end();
    let bare = match bare.strip_prefix(['S', 's']) {
        Some(rest) if rest.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => bare,
    };
    let whole = match bare.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => bare,
    };
    let digits = if grouped(whole) { whole.replace(',', "") } else { whole.to_owned() };
    digits.parse().map_or(Outcome::dropped("INVALID_NUMBER"), Outcome::of)
}

/// Whether commas stand where thousands are separated, and only there.
fn grouped(text: &str) -> bool {
    let mut groups = text.trim_start_matches('-').split(',');
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3)
}

fn boolean(text: &str) -> Outcome<bool> {
    match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" | "✓" => Outcome::of(true),
        "false" | "f" | "no" | "n" | "0" => Outcome::of(false),
        _ => Outcome::dropped("INVALID_BOOLEAN"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn house_codes_have_one_form() {
        for raw in ["HC100123", "hc100123", "HC 100123", "HC-100123", "HC100123.", "HC１００１２３"] {
            assert_eq!(house_code(raw), Outcome::of("HC100123".to_owned()), "{raw}");
        }
        for raw in ["HCI00123", "HC1001234", "HC\u{2013}100123"] {
            assert_eq!(house_code(raw), Outcome::noted(raw.to_owned(), "HOUSE_CODE_FORMAT"), "{raw}");
        }
    }

    #[test]
    fn an_eidr_stands_or_falls_with_its_check_character() {
        // the example of the EIDR registry's own documentation
        let canonical = "10.5240/7791-8534-2C23-9030-8610-5";
        for raw in
            [canonical, "https://doi.org/10.5240/7791-8534-2C23-9030-8610-5", "10.5240/7791-8534-2c23-9030-8610-5"]
        {
            assert_eq!(eidr(raw), Outcome::of(canonical.to_owned()), "{raw}");
        }
        assert_eq!(eidr("10.5240/7791-8534-2C23-9030-8610-6"), Outcome::dropped("EIDR_CHECKSUM"));
        assert_eq!(eidr("nonsense"), Outcome::dropped("EIDR_CHECKSUM"));
    }

    #[test]
    fn uuids_have_one_form() {
        let canonical = "9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
        for raw in [canonical, "9F2C1A34-5B6D-4E7F-8A9B-0C1D2E3F4A5B", "9f2c1a345b6d4e7f8a9b0c1d2e3f4a5b"] {
            assert_eq!(uuid(raw), Outcome::of(canonical.to_owned()));
        }
        assert_eq!(uuid("9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5"), Outcome::dropped("UUID_INVALID"));
    }

    #[test]
    fn languages_are_tags() {
        for (raw, expected) in [
            ("en", "en"),
            ("en_US", "en-US"),
            ("EN-us", "en-US"),
            ("es-419", "es-419"),
            ("zxx", "zxx"),
            ("zh-hant", "zh-Hant"),
        ] {
            assert_eq!(language(raw), Outcome::of(expected.to_owned()), "{raw}");
        }
        for raw in ["xx", "English", "und", "en-!"] {
            assert_eq!(language(raw), Outcome::dropped("LANGUAGE_UNKNOWN"), "{raw}");
        }
    }

    #[test]
    fn integers_are_exact_or_none() {
        for (raw, expected) in [
            ("1920", 1920),
            ("1920.0", 1920),
            ("1,920", 1920),
            (" 12 ", 12),
            ("1920px", 1920),
            ("007", 7),
            ("S02", 2),
            ("-1", -1),
            ("１２", 12),
        ] {
            assert_eq!(integer(raw), Outcome::of(expected), "{raw}");
        }
        for raw in ["3.5", "1e3", "1,92", "abc", "1,,920"] {
            assert_eq!(integer(raw), Outcome::dropped("INVALID_NUMBER"), "{raw}");
        }
    }

    #[test]
    fn truth_has_many_words() {
        for raw in ["TRUE", "true", "Y", "yes", "1", "t", "✓"] {
            assert_eq!(boolean(raw), Outcome::of(true), "{raw}");
        }
        for raw in ["No", "0", "F", "false"] {
            assert_eq!(boolean(raw), Outcome::of(false), "{raw}");
        }
        assert_eq!(boolean("maybe"), Outcome::dropped("INVALID_BOOLEAN"));
    }
}
