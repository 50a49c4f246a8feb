//! Text (D03, D06, D07, D35 to D44), and several values in one cell (D28).
//!
//! What a cell means is put together beside its raw form: both begin with the clean text and end differently.

use serde_json::Value as Json;

use super::super::super::Told;
use super::super::dice::{Dice, index};
use super::super::layout::Layout;
use super::super::{Value, text};

/// Letters of other scripts and signs of four bytes, which stay as they are (D35, D36).
const KEPT: [&str; 6] = ["👨‍👩‍👧‍👦", "🇳🇴🇯🇵", "👍🏽", "🎬 🎉", "مرحبا", "שלום עולם"];
/// The marks that turn the direction of text, each with its end (D36): all of U+202A to 202E and U+2066 to 2069.
const MARKS: [(&str, &str); 7] = [
    ("\u{202a}", "\u{202c}"),
    ("\u{202b}", "\u{202c}"),
    ("\u{202d}", "\u{202c}"),
    ("\u{202e}", "\u{202c}"),
    ("\u{2066}", "\u{2069}"),
    ("\u{2067}", "\u{2069}"),
    ("\u{2068}", "\u{2069}"),
];
/// Decomposed accents, and ligatures and full width that stay (D37): raw, meaning.
const COMPOSED: [(&str, &str); 4] = [
    ("Cafe\u{301}", "Caf\u{e9}"),
    ("A\u{30a}ngstro\u{308}m", "\u{c5}ngstr\u{f6}m"),
    ("\u{fb01}lm", "\u{fb01}lm"),
    ("\u{ff34}\u{ff36}", "\u{ff34}\u{ff36}"),
];
/// Controls that go (D39): raw, meaning.
const CONTROLS: [(&str, &str); 6] = [
    ("take\u{1} two", "take two"),
    ("take\u{b} two", "take two"),
    ("take\u{1f} two", "take two"),
    ("take\u{7f} two", "take two"),
    ("take \u{feff}two", "take two"),
    ("\u{b}take\u{fffd} two", "take\u{fffd} two"),
];
/// Ends of lines (D39).
const LINE_ENDS: [&str; 5] = ["\r\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"];
/// What looks like code and is text (D43, D44).
const LITERAL: [&str; 11] = [
    "\\u0000",
    "\\0",
    "%00",
    "^@",
    "C:\\media\\\"new\" 'cut'",
    "'; DROP TABLE x;--",
    "${jndi:ldap://x}",
    "=cmd()",
    "{{7*7}}",
    ";limit=1",
    "\\N",
];
/// The characters that windows-1252 has at 80 to 9F, as in WHATWG (81, 8D, 8F, 90 and 9D pass through).
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Which text a cell holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Many lines rather than one.
    pub lines: bool,
    /// Perhaps HTML.
    pub html: bool,
    /// A title, which is never blank or a placeholder here ([`super::name`] sees to these).
    pub title: bool,
    /// One of several values, which holds no separator.
    pub item: bool,
}

/// Text of one line: placeholders (D03), blanks (D06, D07), Unicode (D35 to D39), look-alikes of code (D43, D44).
pub fn line(layout: &Layout, dice: Dice, k: u64, clean: String) -> Value {
    from(layout, dice, k, None, clean, Style::default())
}

/// Text of many lines: as [`line`](fn@line), with HTML (D40) where `html` says so.
pub fn body(layout: &Layout, dice: Dice, k: u64, clean: String, html: bool) -> Value {
    from(layout, dice, k, None, clean, Style { lines: true, html, ..Style::default() })
}

/// Text of an asset from a source, by id: that of source 7 may be mojibake (D38). Takes draws `k` to `k + 12`.
pub fn from(layout: &Layout, dice: Dice, k: u64, source: Option<u64>, clean: String, style: Style) -> Value {
    if layout.dirt == 0.0 || dice.is_fixture() {
        return text(clean);
    }
    let hit = |number: u64, ppm: u64| dice.chance(k + number, layout.dirty(ppm));
    let choice = dice.draw(k + 11);
    let found = if !style.title && hit(0, 7_000) {
        Told::dropped("D03", dice.pick(k + 11, &super::PLACEHOLDERS), "PLACEHOLDER_DROPPED")
    } else if hit(1, 30_000) {
        blanks(choice, &clean, style)
    } else if !style.title && hit(2, 50_000) {
        Told::normalised("D07", "", Json::Null)
    } else if style.html && hit(3, 100_000) {
        html(choice, &clean)
    } else if hit(4, 8_000) {
        kept("D35", format!("{clean} {}", dice.pick(k + 11, &KEPT)))
    } else if hit(5, 6_000) {
        bidi(choice, &clean, style)
    } else if hit(6, 8_000) {
        let (raw, means) = dice.pick(k + 11, &COMPOSED);
        Told::normalised("D37", format!("{clean} {raw}"), format!("{clean} {means}"))
    } else if hit(7, if source == Some(7) { 100_000 } else { 500 }) {
        mojibake(choice, &clean, source == Some(7))
    } else if hit(8, 4_000) {
        control(choice, &clean, style)
    } else if hit(9, 700) {
        literal(choice, &clean, style)
    } else {
        return text(clean);
    };
    found.into()
}

fn kept(dirt: &'static str, raw: String) -> Told {
    Told::kept(dirt, raw.clone(), raw)
}

fn chosen<T: Copy>(choice: u64, choices: &[T]) -> T {
    choices[index(choice % choices.len() as u64)]
}

/// D06: blanks around, and double ones inside, which stay in text of many lines.
fn blanks(choice: u64, clean: &str, style: Style) -> Told {
    let (before, behind) = chosen(choice, &[("  ", ""), ("", " \t"), ("\u{a0}", "\u{2003}"), ("\t", "\u{200b}")]);
    let double = clean.replacen(' ', "  ", 1);
    let means = if style.lines { double.clone() } else { clean.to_owned() };
    Told::normalised("D06", format!("{before}{double}{behind}"), means)
}

/// D36: controls of the direction of text, which go from a line and stay in text of many lines.
fn bidi(choice: u64, clean: &str, style: Style) -> Told {
    let (open, close) = chosen(choice, &MARKS);
    let raw = format!("{clean} {open}שלום{close} end");
    if style.lines {
        return kept("D36", raw);
    }
    Told::warned("D36", raw, format!("{clean} שלום end"), "BIDI_REMOVED")
}

/// D38: UTF-8 that was read as windows-1252, once or twice. Elsewhere than in source 7 what looks like it is genuine.
pub fn mojibake(choice: u64, clean: &str, misread: bool) -> Told {
    if !misread {
        return kept("D38", format!("{clean} CafÃ©"));
    }
    let means = format!("{clean} {}", chosen(choice, &["Café", "It’s", "Niño", "“Über”"]));
    let once = read_wrongly(&means);
    let raw = if choice.is_multiple_of(3) { read_wrongly(&once) } else { once };
    Told::warned("D38", raw, means, "MOJIBAKE_FIXED")
}

fn read_wrongly(text: &str) -> String {
    let character = |byte: u8| match byte {
        0x80..=0x9f => WINDOWS[usize::from(byte - 0x80)],
        other => char::from(other),
    };
    text.bytes().map(character).collect()
}

/// D39: control characters and ends of lines.
fn control(choice: u64, clean: &str, style: Style) -> Told {
    let number = choice % 11;
    match CONTROLS.get(index(number)) {
        Some((raw, means)) => {
            Told::warned("D39", format!("{clean} {raw}"), format!("{clean} {means}"), "CONTROL_REMOVED")
        }
        None => {
            let end = LINE_ENDS[index(number) - CONTROLS.len()];
            let means = if style.lines { "\n" } else { " " };
            Told::normalised("D39", format!("{clean}{end}next"), format!("{clean}{means}next"))
        }
    }
}

/// D43, D44: what looks like code.
fn literal(choice: u64, clean: &str, style: Style) -> Told {
    let number = index(choice % LITERAL.len() as u64);
    let number = if style.item && LITERAL[number].contains(';') { 0 } else { number };
    kept(if number < 5 { "D43" } else { "D44" }, format!("{clean} {}", LITERAL[number]))
}

/// D40: text as HTML in one of its forms.
pub fn html(choice: u64, clean: &str) -> Told {
    let lines: Vec<&str> = clean.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect();
    let paragraphs: String = lines.iter().map(|line| format!("<p>{line}</p>\n")).collect();
    let means = lines.join("\n");
    let first = lines.first().copied().unwrap_or_default();
    let (raw, means) = match choice % 15 {
        0 => (paragraphs, means),
        1 => (lines.join("<br/>") + "<BR>more", format!("{means}\nmore")),
        2 => (format!("{first} &amp;amp; more"), format!("{first} &amp; more")),
        3 => (format!("<p>{first} <b>bold"), format!("{first} bold")),
        4 => (format!("<script>alert('x < y')</script>{paragraphs}"), means),
        5 => (format!("<style>p {{color: red}}</style>{paragraphs}"), means),
        6 => {
            let word = "<!--[if gte mso 9]><xml><w:WordDocument></w:WordDocument></xml><![endif]-->";
            (format!("{word}<p class=\"MsoNormal\">{first}<o:p></o:p></p>"), first.to_owned())
        }
        7 => return kept("D40", format!("{first} where a < b")),
        8 => (format!("{first} &lt;b&gt;"), format!("{first} <b>")),
        9 => (format!("{first}&nbsp;&#8212; &eacute;t&#xE9;"), format!("{first} — été")),
        10 => (format!("<ul>\n<li>{first}</li>\n<li>more</li>\n</ul>"), format!("{first}\nmore")),
        11 => {
            let table = "<tr><th>Name</th><th>Role</th></tr>\n<tr><td>Ann</td><td>Host</td></tr>";
            (format!("{first}<table>{table}</table>"), format!("{first}\nName\nRole\nAnn\nHost"))
        }
        12 => (format!("<h2>{first}</h2>more<hr/>end"), format!("{first}\nmore\nend")),
        13 => (format!("<div>{first}\n\n more<br><br>end</div>"), format!("{first}\nmore\nend")),
        _ => (format!("{first}\n\nR&amp;D"), format!("{first}\n\nR&D")),
    };
    Told::normalised("D40", raw, means)
}

/// D42: text of so many bytes.
pub fn long(clean: &str, bytes: usize) -> Told {
    let sentence = if clean.is_empty() { "All of it." } else { clean };
    let mut raw = String::with_capacity(bytes + sentence.len());
    while raw.len() < bytes {
        raw.push_str(sentence);
        raw.push('\n');
    }
    raw.truncate(raw.floor_char_boundary(bytes - 1));
    let raw = format!("{}.", raw.trim_end());
    kept("D42", raw)
}

/// D28: several values in one cell; what it means is their list. Names of people are parted by `|` and `;` alone.
pub fn list(choice: u64, items: &[String], people: bool) -> Told {
    let quoted = serde_json::to_string(items).unwrap_or_default();
    let raw = match choice % 6 {
        0 => format!("|{}|", items.join("|")),
        1 => items.join("; "),
        2 => quoted,
        3 if !people => items.join(", "),
        4 if !people => items.join(" / "),
        5 if !people => format!("\"{}\"", items.join(",")),
        3 => items.join(" | "),
        _ => items.join(";"),
    };
    Told::normalised("D28", raw, Json::from(items.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    fn told(value: &Value) -> Option<&Told> {
        match value {
            Value::Told(told) => Some(told),
            _ => None,
        }
    }

    #[test]
    fn a_clean_library_has_clean_text() {
        let layout = layout(0.0001, 0.0);
        let style = Style { lines: true, html: true, ..Style::default() };
        for row in 0..2000 {
            assert_eq!(from(&layout, layout.dice(1, row), 0, Some(7), "Text".to_owned(), style), text("Text"));
        }
    }

    #[test]
    fn every_kind_comes_at_about_its_rate() {
        let layout = layout(0.0001, 1.0);
        let mut found = std::collections::BTreeMap::<&str, u32>::new();
        for row in 0..200_000 {
            let style = Style { lines: row % 2 == 0, html: row % 2 == 0, ..Style::default() };
            let value = from(&layout, layout.dice(1, row), 0, Some(1 + row % 38), "Clean text".to_owned(), style);
            *found.entry(told(&value).map_or("", |told| told.dirt.unwrap_or(""))).or_default() += 1;
        }
        for (kind, expected) in
            [("D03", 1400), ("D06", 6000), ("D07", 9600), ("D35", 1500), ("D36", 1100), ("D39", 750)]
        {
            assert!(
                found[kind].abs_diff(expected) < expected / 5,
                "{kind}: {} of 200,000, not {expected}",
                found[kind]
            );
        }
        assert!(found["D40"] > 7000 && found["D38"] > 300 && found["D43"] > 20 && found["D44"] > 20, "{found:?}");
    }

    #[test]
    fn texts_read_wrongly_are_those_of_the_specification() {
        assert_eq!(read_wrongly("Café"), "CafÃ©");
        assert_eq!(read_wrongly("’"), "â€™");
        assert_eq!(read_wrongly(&read_wrongly("é")), "ÃƒÂ©");
    }

    #[test]
    fn long_text_is_as_long_as_asked_for() {
        for bytes in [70_000, 300_000, 1 << 20] {
            let long = long("Ein Markt öffnet.\nAnd closes", bytes);
            let Value::Text(raw) = long.raw else { panic!("a text") };
            assert!(raw.len() <= bytes && raw.len() + 8 > bytes, "{}", raw.len());
        }
    }

    #[test]
    fn people_are_not_parted_by_commas() {
        for choice in 0..6 {
            let names = ["Smith, John".to_owned(), "Null, Jack".to_owned()];
            let told = list(choice, &names, true);
            let Value::Text(raw) = told.raw else { panic!("a text") };
            assert!(raw.contains('|') || raw.contains(';') || raw.starts_with('['), "{raw}");
        }
    }
}
