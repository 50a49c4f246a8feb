//! Languages.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use isolang::Language;
use oxilangtag::LanguageTag;

use super::kernel::{Outcome, Text, text_outcome};
use super::text::fold_key;

/// ISO 639-2's bibliographic codes where they differ from the terminological ones, which are those of ISO 639-3.
const BIBLIOGRAPHIC: [(&str, &str); 20] = [
    ("alb", "sq"),
    ("arm", "hy"),
    ("baq", "eu"),
    ("bur", "my"),
    ("chi", "zh"),
    ("cze", "cs"),
    ("dut", "nl"),
    ("fre", "fr"),
    ("geo", "ka"),
    ("ger", "de"),
    ("gre", "el"),
    ("ice", "is"),
    ("mac", "mk"),
    ("mao", "mi"),
    ("may", "ms"),
    ("per", "fa"),
    ("rum", "ro"),
    ("slo", "sk"),
    ("tib", "bo"),
    ("wel", "cy"),
];

/// ISO 639-1's codes of once that BCP 47 replaces.
const WITHDRAWN: [(&str, &str); 4] = [("in", "id"), ("iw", "he"), ("ji", "yi"), ("mo", "ro")];

/// The languages that BCP 47 knows as extensions of Chinese, `zh-yue` for `yue`.
const CHINESE: [&str; 14] =
    ["cdo", "cjy", "cmn", "cpx", "czh", "czo", "gan", "hak", "hsn", "lzh", "mnp", "nan", "wuu", "yue"];

/// Regions as they stand in brackets behind a language's name, folded, with their subtag (ISO 3166-1 or UN M.49).
const REGIONS: [(&str, &str); 22] = [
    ("latam", "419"),
    ("latin america", "419"),
    ("latin american", "419"),
    ("us", "US"),
    ("usa", "US"),
    ("united states", "US"),
    ("uk", "GB"),
    ("gb", "GB"),
    ("united kingdom", "GB"),
    ("canada", "CA"),
    ("australia", "AU"),
    ("ireland", "IE"),
    ("spain", "ES"),
    ("castilian", "ES"),
    ("mexico", "MX"),
    ("brazil", "BR"),
    ("portugal", "PT"),
    ("france", "FR"),
    ("germany", "DE"),
    ("austria", "AT"),
    ("switzerland", "CH"),
    ("taiwan", "TW"),
];

/// The countries of ISO 3166-1, alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The regions of UN M.49 that a tag may name by number: those of many countries, as BCP 47's registry lists them (a
/// country's own number is none).
const MACRO_REGIONS: &str = "001 002 003 005 009 011 013 014 015 017 018 019 021 029 030 034 035 039 053 054 057 061 142 143 145 \
    150 151 154 155 202 419";

/// Names by which ISO 639 does not list a language.
const NAMES: [(&str, &str); 15] = [
    ("punjabi", "pa"),
    ("pashto", "ps"),
    ("kyrgyz", "ky"),
    ("uyghur", "ug"),
    ("divehi", "dv"),
    ("haitian creole", "ht"),
    ("cantonese", "yue"),
    ("slovene", "sl"),
    ("greek", "el"),
    ("mandarin", "zh"),
    ("farsi", "fa"),
    ("norwegian bokmal", "nb"),
    ("flemish", "nl"),
    ("castilian", "es"),
    ("no linguistic content", "zxx"),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![text_outcome("language_tag", &[Utf8], |row| row.stated(language))]
}

/// A BCP 47 tag in its usual case: `en`, `en-US`, `es-419`, `zh-Hant`, from a tag, an ISO 639-1, 639-2 (T or B) or 639-3
/// code or an English name, perhaps with a region in brackets (dirt D65, rulings A39). A tag whose region is none of ISO
/// 3166-1 or UN M.49 is unknown as a whole: what it meant is not guessed. So are codes of groups of languages (ISO 639-5,
/// `sgn` too) and of private use: D65 is about languages, and no target lists them. `zxx` stays; `und` says that none is
/// stated and is no value. The lists are those of the crate `isolang`, the form of a tag is judged by `oxilangtag`.
fn language(text: &str) -> Outcome<Text<'_>> {
    let written = text.replace('_', "-");
    let tag = match LanguageTag::parse_and_normalize(&written) {
        Ok(tag) => known_tag(&tag),
        Err(_) => None,
    };
    match tag.or_else(|| named(text)) {
        Some(tag) if tag == "und" || tag.starts_with("und-") => Outcome::ABSENT,
        Some(tag) if tag == text => Outcome::of(Cow::Borrowed(text)),
        Some(tag) => Outcome::of(Cow::Owned(tag)),
        None => Outcome::dropped("LANGUAGE_UNKNOWN"),
    }
}

/// A tag whose language and region are listed and which repeats no variant, with the shortest code of the language.
fn known_tag(tag: &LanguageTag<String>) -> Option<String> {
    let primary = tag.primary_language();
    let code = match tag.extended_language() {
        None => shortest(primary)?,
        Some(extension) if primary == "zh" => CHINESE.into_iter().find(|known| *known == extension)?,
        Some(_) => return None,
    };
    let variants = || tag.variant_subtags().enumerate();
    if variants().any(|(place, variant)| tag.variant_subtags().skip(place + 1).any(|other| other == variant)) {
        return None;
    }
    let listed =
        |region: &str| [COUNTRIES, MACRO_REGIONS].iter().any(|list| list.split(' ').any(|known| known == region));
    tag.region().is_none_or(listed).then_some(())?;
    Some(format!("{code}{}", tag.as_str().get(tag.full_language().len()..)?))
}

fn shortest(code: &str) -> Option<&'static str> {
    if let Some((_, short)) = BIBLIOGRAPHIC.iter().chain(&WITHDRAWN).find(|(known, _)| *known == code) {
        return Some(short);
    }
    let language = if code.len() == 2 { Language::from_639_1(code) } else { Language::from_639_3(code) };
    language.map(|language| language.to_639_1().unwrap_or(language.to_639_3()))
}

/// `Spanish`, `Spanish (LatAm)`.
fn named(text: &str) -> Option<String> {
    let folded = fold_key(text);
    let (name, region) = match folded.strip_suffix(')').and_then(|rest| rest.split_once('(')) {
        Some((name, region)) => (name.trim_end(), Some(region.trim())),
        None => (folded.as_str(), None),
    };
    // the list has languages named E, En and Ma: so short a text is a code
    let code = code_of_name(name).filter(|_| name.chars().count() > 3)?;
    let Some(region) = region else { return Some(code.to_owned()) };
    let (_, subtag) = REGIONS.iter().find(|(known, _)| *known == region)?;
    Some(format!("{code}-{subtag}"))
}

fn code_of_name(name: &str) -> Option<&'static str> {
    static LISTED: OnceLock<HashMap<String, &'static str>> = OnceLock::new();
    if let Some((_, code)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(code);
    }
    let listed = LISTED.get_or_init(|| {
        let mut listed = HashMap::new();
        for language in isolang::languages() {
            let name = fold_key(language.to_name());
            // of two languages of one name the one with a short code is meant
            match language.to_639_1() {
                Some(short) => drop(listed.insert(name, short)),
                None => drop(listed.entry(name).or_insert(language.to_639_3())),
            }
        }
        listed
    });
    listed.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_tags() {
        for (raw, expected) in [
            ("en", "en"),
            ("eng", "en"),
            ("English", "en"),
            ("ENGLISH", "en"),
            ("en_US", "en-US"),
            ("EN-us", "en-US"),
            ("eng-US", "en-US"),
            ("es-419", "es-419"),
            ("Spanish (LatAm)", "es-419"),
            ("Spanish", "es"),
            ("French (Canada)", "fr-CA"),
            ("Portuguese (Brazil)", "pt-BR"),
            ("fra", "fr"),
            ("fre", "fr"),
            ("ger", "de"),
            ("deu", "de"),
            ("German", "de"),
            ("chi", "zh"),
            ("Chinese", "zh"),
            ("Japanese", "ja"),
            ("Greek", "el"),
            ("zxx", "zxx"),
            ("zh-hant", "zh-Hant"),
            ("yue", "yue"),
            ("en-150", "en-150"),
            ("zh_hant_tw", "zh-Hant-TW"),
            ("zh-yue-HK", "yue-HK"),
            ("iw", "he"),
            ("in-ID", "id-ID"),
            ("ji", "yi"),
            ("mo", "ro"),
            ("Punjabi", "pa"),
            ("Pashto", "ps"),
            ("Kyrgyz", "ky"),
            ("Uyghur", "ug"),
            ("Divehi", "dv"),
            ("Haitian Creole", "ht"),
            ("Cantonese", "yue"),
            ("Slovene", "sl"),
            ("Slovenian", "sl"),
            ("de-DE-1996", "de-DE-1996"),
        ] {
            assert_eq!(language(raw), Outcome::of(expected.into()), "{raw}");
        }
        for raw in [
            "xx",
            "qq-US",
            "en-!",
            "Klingonese",
            "en-XX",
            "en-UK",
            "en-840",
            "en-USA",
            "zh-CHT",
            "de-DE-1996-1996",
            "sgn",
            "nah",
            "qaa",
            "zh-Hant-QQ",
            "Spanish (Moon)",
            "x-private",
            "e",
            "Xxx",
            "En (US)",
        ] {
            assert_eq!(language(raw), Outcome::dropped("LANGUAGE_UNKNOWN"), "{raw}");
        }
        assert_eq!(language("und"), Outcome::ABSENT);
        assert_eq!(language("UND"), Outcome::ABSENT);
    }
}
