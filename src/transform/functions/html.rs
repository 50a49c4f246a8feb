//! HTML to plain text.

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Outcome, outcome};
use super::text::clean_text;

/// Elements that end a line.
const BLOCKS: [&str; 22] = [
    "p",
    "div",
    "br",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "blockquote",
    "pre",
    "section",
    "article",
    "dd",
    "dt",
    "dl",
];

/// Named entities beside the numeric ones.
const ENTITIES: [(&str, char); 24] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("hellip", '…'),
    ("mdash", '—'),
    ("ndash", '–'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bull", '•'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("agrave", 'à'),
    ("ccedil", 'ç'),
    ("uuml", 'ü'),
    ("ouml", 'ö'),
    ("auml", 'ä'),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![outcome("plain_text", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, plain_text))]
}

/// Text as a reader of the page would see it: block tags as line breaks, scripts, styles and comments gone with their
/// content, entities decoded once and after the tags. A `<` that begins no tag is text.
fn plain_text(html: &str) -> Outcome<String> {
    if !html.contains(['<', '&']) {
        return clean_text(html);
    }
    clean_text(&decode(&without_tags(html)))
}

fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let mut boundary = false;
    while let Some(start) = rest.find('<') {
        push_text(&mut out, rest.get(..start).unwrap_or_default(), &mut boundary);
        let tag = rest.get(start..).unwrap_or_default();
        match read_tag(tag) {
            Some(read) => {
                boundary |= read.block;
                rest = tag.get(read.length..).unwrap_or_default();
            }
            None => {
                push_text(&mut out, "<", &mut boundary);
                rest = tag.get(1..).unwrap_or_default();
            }
        }
    }
    push_text(&mut out, rest, &mut boundary);
    out
}

/// Appends text; a boundary before it, with the white space around, becomes one line break.
fn push_text(out: &mut String, text: &str, boundary: &mut bool) {
    if !*boundary {
        out.push_str(text);
        return;
    }
    let text = text.trim_start();
    if !text.is_empty() {
        out.truncate(out.trim_end().len());
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(text);
        *boundary = false;
    }
}

struct Tag {
    /// Bytes from `<` to behind the tag, or behind the element where its content goes with it.
    length: usize,
    block: bool,
}

/// The tag, comment or declaration that begins the text; None where `<` is text.
fn read_tag(text: &str) -> Option<Tag> {
    let first = text.chars().nth(1)?;
    if text.starts_with("<!--") {
        return Some(Tag { length: text.find("-->").map_or(text.len(), |end| end + 3), block: false });
    }
    if !(first.is_ascii_alphabetic() || matches!(first, '/' | '!')) {
        return None;
    }
    let length = text.find('>').map_or(text.len(), |end| end + 1);
    let name: String = text
        .get(1..)?
        .trim_start_matches('/')
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == ':')
        .collect::<String>()
        .to_ascii_lowercase();
    if first != '/' && (name == "script" || name == "style") {
        let closing = format!("</{name}");
        let lower = text.to_ascii_lowercase();
        let end = lower.find(&closing).map_or(text.len(), |start| {
            lower.get(start..).and_then(|rest| rest.find('>')).map_or(text.len(), |end| start + end + 1)
        });
        return Some(Tag { length: end, block: false });
    }
    Some(Tag { length, block: BLOCKS.contains(&name.as_str()) })
}

/// Entities decoded once; an `&` that begins none is text.
fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(rest.get(..start).unwrap_or_default());
        let entity = rest.get(start + 1..).unwrap_or_default();
        let decoded = entity.find(';').filter(|end| *end <= 10).and_then(|end| {
            let name = entity.get(..end)?;
            Some((entity_character(name)?, end))
        });
        match decoded {
            Some((character, end)) => {
                out.push(character);
                rest = entity.get(end + 1..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = entity;
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity_character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, character)| *character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_as_its_page() {
        for (raw, expected) in [
            ("<p>One</p>\n<p>Two</p>", "One\nTwo"),
            ("One<br/>Two <b>three</b>", "One\nTwo three"),
            ("a &amp;amp; b", "a &amp; b"),
            ("a < b and c <d>e</d>", "a < b and c e"),
            ("a &lt;b&gt; c", "a <b> c"),
            ("x<script>alert('</p>')</script>y<STYLE>p{}</STYLE>z", "xyz"),
            ("<!-- note -->text", "text"),
            ("<p>unclosed", "unclosed"),
            ("<o:p>Word</o:p>", "Word"),
            ("caf&#233; &#x2014; R&D", "café — R&D"),
            ("a&nbsp;b", "a b"),
        ] {
            assert_eq!(plain_text(raw).value.as_deref(), Some(expected), "{raw}");
        }
    }
}
