//! HTML to plain text, on the tokenizer of `html5gum`: that of the HTML standard, without the tree that a browser builds.
//!
//! Two points of rulings A12 differ from the standard and are seen to before it: a `<` that no letter, `/` or `!` follows is
//! text (the standard takes `<?` for a comment), and `&nbsp;` is a plain blank while a U+00A0 of the text itself stays.

use std::borrow::Cow;
use std::convert::Infallible;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, State, Tokenizer};

use super::kernel::{Outcome, Text, text_outcome};
use super::text::clean_text;

/// Elements that end a line.
const BLOCKS: [&[u8]; 22] = [
    b"p",
    b"div",
    b"br",
    b"li",
    b"ul",
    b"ol",
    b"tr",
    b"table",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"hr",
    b"blockquote",
    b"pre",
    b"section",
    b"article",
    b"dd",
    b"dt",
    b"dl",
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![text_outcome("plain_text", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, plain_text))]
}

/// Text as a reader of the page would see it: block tags as line breaks, scripts, styles and comments gone with their
/// content, entities decoded once and after the tags. What holds no `<` and no `&` is no HTML.
fn plain_text(html: &str) -> Outcome<Text<'_>> {
    if !html.contains(['<', '&']) {
        return clean_text(html);
    }
    let page = rendered(html);
    let Outcome { value, warning } = clean_text(&page);
    Outcome { value: value.map(|text| Cow::Owned(text.into_owned())), warning }
}

/// A part of the page.
enum Piece {
    Text(String),
    /// A block begins or ends.
    Boundary,
    /// A `script` or `style` has begun: what follows up to its end tag is no HTML.
    Hidden,
    /// An end tag of no block.
    Shown,
}

fn rendered(html: &str) -> String {
    let html = html.replace("<?", "&lt;?").replace("&nbsp;", " ");
    let mut opening = false;
    let emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| piece(&event, &mut opening));
    let mut pieces = Tokenizer::new_with_emitter(html.as_str(), emitter);
    let mut page = Page { text: String::with_capacity(html.len()), boundary: false };
    let mut hidden = false;
    while let Some(piece) = pieces.next() {
        let piece: Result<Piece, Infallible> = piece;
        match piece {
            Ok(Piece::Text(text)) if !hidden => page.push(&text),
            Ok(Piece::Text(_)) => {}
            Ok(Piece::Boundary) => page.boundary = true,
            Ok(Piece::Hidden) => {
                hidden = true;
                pieces.set_state(State::RawText);
            }
            Ok(Piece::Shown) => hidden = false,
            Err(never) => match never {},
        }
    }
    page.text
}

/// What an event of the tokenizer means; `opening` tells from one to the next that the start tag of a script or style is
/// being read, whose content begins behind its attributes.
fn piece(event: &CallbackEvent<'_>, opening: &mut bool) -> Option<Piece> {
    match event {
        CallbackEvent::String { value } => Some(Piece::Text(String::from_utf8_lossy(value).into_owned())),
        CallbackEvent::OpenStartTag { name: b"script" | b"style" } => {
            *opening = true;
            None
        }
        CallbackEvent::CloseStartTag { .. } => std::mem::take(opening).then_some(Piece::Hidden),
        CallbackEvent::OpenStartTag { name } | CallbackEvent::EndTag { name } if BLOCKS.contains(name) => {
            Some(Piece::Boundary)
        }
        CallbackEvent::EndTag { .. } => Some(Piece::Shown),
        _ => None,
    }
}

/// The text so far, and whether a block ended behind it.
struct Page {
    text: String,
    boundary: bool,
}

impl Page {
    /// Appends text; a boundary before it, with the white space around, becomes one line break.
    fn push(&mut self, text: &str) {
        if !self.boundary {
            self.text.push_str(text);
            return;
        }
        let text = text.trim_start();
        if !text.is_empty() {
            self.text.truncate(self.text.trim_end().len());
            if !self.text.is_empty() {
                self.text.push('\n');
            }
            self.text.push_str(text);
            self.boundary = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_as_its_page() {
        for (raw, expected) in [
            ("<p>One</p>\n<p>Two</p>", "One\nTwo"),
            ("<p>One</p> \n\n <div><p>Two</p></div>", "One\nTwo"),
            ("One<br/>Two <b>three</b>", "One\nTwo three"),
            ("a &amp;amp; b", "a &amp; b"),
            ("a < b and c <d>e</d>", "a < b and c e"),
            ("1 <2 <= 3 <", "1 <2 <= 3 <"),
            ("a <? b", "a <? b"),
            ("a &lt;b&gt; c", "a <b> c"),
            ("x<script>alert('</p>')</script>y<STYLE>p{}</STYLE>z", "xyz"),
            ("x<script src=\"a>b\">1 < 2</script >y", "xy"),
            ("x<style>p{}", "x"),
            ("<!-- note -->text", "text"),
            ("a<!-- b > c -->d", "ad"),
            ("<!DOCTYPE html><html><body>text</body></html>", "text"),
            ("<p>unclosed", "unclosed"),
            ("<b>bold <i>both</b>", "bold both"),
            ("<a title=\"x > y\">link</a>", "link"),
            ("<o:p>Word</o:p><![if !supportLists]>1<![endif]>", "Word1"),
            ("caf&#233; &#x2014; R&D", "café — R&D"),
            ("&eacute;&hellip;&euro;&#8364;&#128;", "é…€€€"),
            ("a&nbsp;b\u{A0}c", "a b\u{A0}c"),
            ("a &amp;nbsp; b", "a &nbsp; b"),
        ] {
            assert_eq!(plain_text(raw).value.as_deref(), Some(expected), "{raw}");
        }
        assert_eq!(plain_text("<p> </p><br>"), Outcome::ABSENT);
        assert_eq!(plain_text("<p>N/A</p>"), Outcome::dropped("PLACEHOLDER_DROPPED"));
        assert_eq!(plain_text("no HTML\n\nat all").value.as_deref(), Some("no HTML\n\nat all"));
        assert_eq!(plain_text("<p>a\u{1}b</p>"), Outcome::noted("ab".into(), "CONTROL_REMOVED"));
    }
}
