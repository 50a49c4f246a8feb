//! Numbers, amounts of money and truth values kept as text.

use std::borrow::Cow;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use unicode_normalization::UnicodeNormalization;

use super::kernel::{Outcome, Text, of_texts, text, text_outcome};
use super::text::trim;

/// Digits before the point of the smallest amount that is too large for its target (rulings A49: 10^15).
const OVERFLOW_DIGITS: usize = 16;

/// The active currencies of ISO 4217, units of account of funds among them (they are options of the target as well),
/// metals and test codes left out. ANG stays beside XCG, which took its place on 2025-03-31: budgets are older than that.
const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD \
    BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP \
    GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD \
    KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR \
    NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP \
    SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER \
    ZAR ZMW ZWG";

/// Other ways to write a currency, in upper case.
const CURRENCY_SIGNS: [(&str, &str); 18] = [
    ("$", "USD"),
    ("US$", "USD"),
    ("USD$", "USD"),
    ("DOLLAR", "USD"),
    ("DOLLARS", "USD"),
    ("US DOLLAR", "USD"),
    ("US DOLLARS", "USD"),
    ("€", "EUR"),
    ("EURO", "EUR"),
    ("EUROS", "EUR"),
    ("£", "GBP"),
    ("¥", "JPY"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("C$", "CAD"),
    ("CA$", "CAD"),
    ("A$", "AUD"),
    ("AU$", "AUD"),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        of_texts("integer_text", &[Utf8], |row| row.stated(integer)),
        text_outcome("decimal_text", &[Utf8], |row| row.stated(decimal)),
        text("plain_digits", &[Utf8], |row| row.text(0).map(plain_digits)),
        of_texts("boolean_text", &[Utf8], |row| row.stated(boolean)),
    ]
}

/// NFKC, trimmed; ASCII as it is, and what holds raised or lowered digits: `5²` is not 52.
pub(super) fn compatible(text: &str) -> Text<'_> {
    let shifted = |digit: char| matches!(digit, '²' | '³' | '¹' | '\u{2070}'..='\u{2089}');
    if text.is_ascii() || text.contains(shifted) {
        return Cow::Borrowed(trim(text));
    }
    let folded: String = text.nfkc().collect();
    Cow::Owned(trim(&folded).to_owned())
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An integer where the text is exactly one: `12`, `1920.0`, `1,920`, `1920px`, `S02`, full-width digits (dirt D54). One of
/// more than 64 bits is over any target's range (dirt D55).
fn integer(text: &str) -> Outcome<i64> {
    let folded = compatible(text);
    let bare = folded.strip_suffix("px").or_else(|| folded.strip_suffix("PX")).unwrap_or(&folded).trim_end();
    let bare = match bare.strip_prefix(['S', 's']) {
        Some(rest) if all_digits(rest) => rest,
        _ => bare,
    };
    let whole = match bare.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => bare,
    };
    let digits = ungrouped(whole);
    match digits {
        Some(digits) if all_digits(digits.strip_prefix(['-', '+']).unwrap_or(&digits)) => {
            digits.parse().map_or(Outcome::dropped("NUMBER_OVERFLOW"), Outcome::of)
        }
        _ => Outcome::dropped("INVALID_NUMBER"),
    }
}

/// A floating point number as it prints (`1e20`, `2019.0`, `NaN`) in plain digits, the shortest that give it back; what is
/// none stays as it is. For columns of such numbers: `1e3` that somebody typed is no number (dirt D54, D55).
fn plain_digits(text: &str) -> Text<'_> {
    match text.parse::<f64>() {
        Ok(number) if text.contains(['e', 'E']) => Cow::Owned(number.to_string()),
        _ => Cow::Borrowed(text),
    }
}

/// A signed whole number without the commas between its thousands; None where commas stand elsewhere.
fn ungrouped(text: &str) -> Option<Text<'_>> {
    if !text.contains(',') {
        return Some(Cow::Borrowed(text));
    }
    let mut groups = text.trim_start_matches('-').split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    grouped.then(|| Cow::Owned(text.replace(',', "")))
}

/// The exact decimal that a text holds, `-1234.50`, perhaps with a currency before or behind it; never by way of a binary
/// fraction (dirt D55, D56). Not a number, out of range and negative are told apart.
fn decimal(text: &str) -> Outcome<Text<'_>> {
    let folded = compatible(text);
    let negative = folded.contains('-');
    let bare = folded.trim_start_matches('-').trim_matches(|character: char| !number_part(character));
    let lower = bare_word(&folded);
    if matches!(lower.as_str(), "nan" | "infinity" | "inf") {
        return Outcome::dropped("NOT_A_NUMBER");
    }
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let (Some(whole), true) = (ungrouped(whole), fraction.is_empty() || all_digits(fraction)) else {
        return Outcome::dropped("INVALID_NUMBER");
    };
    if !(all_digits(&whole) || (whole.is_empty() && !fraction.is_empty())) || !signs_fit(&folded, bare) {
        return Outcome::dropped("INVALID_NUMBER");
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    if whole.len() >= OVERFLOW_DIGITS {
        return Outcome::dropped("NUMBER_OVERFLOW");
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let zero = whole == "0" && fraction.bytes().all(|byte| byte == b'0');
    let sign = if negative && !zero { "-" } else { "" };
    let value = format!("{sign}{whole}{point}{fraction}");
    let value = if value == text { Cow::Borrowed(text) } else { Cow::Owned(value) };
    if sign.is_empty() { Outcome::of(value) } else { Outcome::noted(value, "NEGATIVE_AMOUNT") }
}

fn number_part(character: char) -> bool {
    character.is_ascii_digit() || matches!(character, '.' | ',')
}

/// The letters of a text in lower case.
fn bare_word(text: &str) -> String {
    text.trim_start_matches(['-', '+']).to_ascii_lowercase()
}

/// Whether what stands around a number is at most one sign before it and a currency.
fn signs_fit(text: &str, number: &str) -> bool {
    let Some((before, behind)) = text.split_once(number) else { return false };
    let before = before.trim();
    let unsigned = before.strip_prefix(['-', '+']).or_else(|| before.strip_suffix('-')).unwrap_or(before);
    match (trim(unsigned), trim(behind)) {
        ("", "") => true,
        (around, "") | ("", around) => iso_code(around).is_some(),
        _ => false,
    }
}

/// The ISO 4217 code of a currency, from its code, sign or name in any case.
fn iso_code(text: &str) -> Option<&'static str> {
    let upper = text.to_uppercase();
    let listed = || CURRENCIES.split_ascii_whitespace().find(|code| *code == upper);
    CURRENCY_SIGNS.iter().find(|(sign, _)| *sign == upper).map(|(_, code)| *code).or_else(listed)
}

/// Truth in many words (dirt D53, rulings A41 for the tick).
fn boolean(text: &str) -> Outcome<bool> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_one_of(&["true", "t", "yes", "y", "1", "✓"]) {
        Outcome::of(true)
    } else if is_one_of(&["false", "f", "no", "n", "0"]) {
        Outcome::of(false)
    } else {
        Outcome::dropped("INVALID_BOOLEAN")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A currency that is read must be an option of the target, and the other way about.
    #[test]
    fn currencies_are_those_of_the_vocabulary() {
        let vocabulary = include_str!("../../../queries/mappings/vocabulary.csv");
        let mut options: Vec<&str> = vocabulary.lines().filter_map(|line| line.strip_prefix("currency,")).collect();
        options.sort_unstable();
        assert_eq!(CURRENCIES.split_ascii_whitespace().collect::<Vec<_>>(), options);
    }

    #[test]
    fn integers_are_exact_or_none() {
        for (raw, expected) in [
            ("1920", 1920),
            ("1920.0", 1920),
            ("1,920", 1920),
            ("1,234,567", 1_234_567),
            (" 12 ", 12),
            ("1920px", 1920),
            ("1920 px", 1920),
            ("007", 7),
            ("S02", 2),
            ("-1", -1),
            ("１２", 12),
            ("Ｓ０２", 2),
        ] {
            assert_eq!(integer(raw), Outcome::of(expected), "{raw}");
        }
        for raw in ["3.5", "1e3", "1,92", "abc", "1,,920", "S", "-", "12.", "1.920", "+", "5²", "１₂"] {
            assert_eq!(integer(raw), Outcome::dropped("INVALID_NUMBER"), "{raw}");
        }
        for raw in ["99999999999999999999", "-99999999999999999999.0", "S99999999999999999999"] {
            assert_eq!(integer(raw), Outcome::dropped("NUMBER_OVERFLOW"), "{raw}");
        }
    }

    #[test]
    fn floating_point_numbers_are_read_in_plain_digits() {
        for (raw, expected) in [
            ("1e20", "100000000000000000000"),
            ("-2.5e17", "-250000000000000000"),
            ("1e-7", "0.0000001"),
            ("2019.0", "2019.0"),
            ("NaN", "NaN"),
            ("Infinity", "Infinity"),
            ("one", "one"),
        ] {
            assert_eq!(plain_digits(raw), expected, "{raw}");
        }
        assert_eq!(decimal(&plain_digits("1e20")), Outcome::dropped("NUMBER_OVERFLOW"));
        assert_eq!(integer(&plain_digits("1e20")), Outcome::dropped("NUMBER_OVERFLOW"));
        assert_eq!(decimal(&plain_digits("1e3")), Outcome::of("1000".into()));
    }

    #[test]
    fn decimals_stay_exact() {
        for (raw, expected) in [
            ("1234.50", "1234.50"),
            ("$1,234.50", "1234.50"),
            ("1,234.50 USD", "1234.50"),
            ("US$ 5", "5"),
            ("007.10", "7.10"),
            (".5", "0.5"),
            ("0.00", "0.00"),
            ("-0", "0"),
            ("12.", "12"),
            ("１２．５", "12.5"),
            ("1.12345678901234567890", "1.12345678901234567890"),
            ("999999999999999.9999", "999999999999999.9999"),
        ] {
            assert_eq!(decimal(raw), Outcome::of(expected.into()), "{raw}");
        }
        for (raw, expected) in [("-5.20", "-5.20"), ("-$1,000", "-1000"), ("$-1", "-1")] {
            assert_eq!(decimal(raw), Outcome::noted(expected.into(), "NEGATIVE_AMOUNT"), "{raw}");
        }
        for (raw, code) in [
            ("NaN", "NOT_A_NUMBER"),
            ("Infinity", "NOT_A_NUMBER"),
            ("-Infinity", "NOT_A_NUMBER"),
            ("1000000000000000", "NUMBER_OVERFLOW"),
            ("-123456789012345678901234567890123456789012345", "NUMBER_OVERFLOW"),
            ("1e3", "INVALID_NUMBER"),
            ("1,23.4", "INVALID_NUMBER"),
            ("1.2.3", "INVALID_NUMBER"),
            ("5 bananas", "INVALID_NUMBER"),
            ("1-2", "INVALID_NUMBER"),
            ("--5", "INVALID_NUMBER"),
            (".", "INVALID_NUMBER"),
            ("a lot", "INVALID_NUMBER"),
        ] {
            assert_eq!(decimal(raw), Outcome::dropped(code), "{raw}");
        }
    }

    #[test]
    fn currencies_beside_an_amount_have_a_code() {
        for raw in ["USD", "usd", "US$", "us$", "$", "US Dollars"] {
            assert_eq!(iso_code(raw), Some("USD"), "{raw}");
        }
        assert_eq!(iso_code("€"), Some("EUR"));
        for raw in ["XXX", "doubloons", "$$"] {
            assert_eq!(iso_code(raw), None, "{raw}");
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
