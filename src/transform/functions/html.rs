//! HTML to plain text, on the tokenizer of `html5gum`: that of the HTML standard, without the tree that a browser builds.
//!
//! Two points of rulings A12 differ from the standard and are seen to before it: a `<` that no letter, `/` or `!` follows is
//! text (the standard takes `<?` for a comment), and `&nbsp;`, by name or number, is a plain blank while a U+00A0 of the text
//! itself stays. As in the standard, `<![CDATA[x]]>` is a comment, and the first `-->` ends one.

use std::borrow::Cow;
use std::convert::Infallible;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, State, Tokenizer};

use super::kernel::{Outcome, Text, text_outcome};
use super::text::clean_text;

/// Elements that begin and end a line: those that the HTML standard shows as blocks, `br`, and the parts of a table. A cell
/// of a table is a line as well (rulings A12 names no other sign between blocks than one LF).
const BLOCKS: [&[u8]; 53] = [
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
    b"td",
    b"th",
    b"thead",
    b"tbody",
    b"tfoot",
    b"caption",
    b"address",
    b"aside",
    b"body",
    b"center",
    b"details",
    b"dialog",
    b"dir",
    b"fieldset",
    b"figcaption",
    b"figure",
    b"footer",
    b"form",
    b"head",
    b"header",
    b"hgroup",
    b"html",
    b"legend",
    b"main",
    b"menu",
    b"nav",
    b"optgroup",
    b"option",
    b"search",
    b"summary",
    b"title",
];

/// The ways to write the entity of U+00A0; the standard takes the name without its semicolon as well.
const HARD_BLANKS: [&str; 5] = ["&nbsp;", "&nbsp", "&#160;", "&#xA0;", "&#xa0;"];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![text_outcome("plain_text", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, plain_text))]
}

/// Text as a reader of the page would see it: block tags as line breaks, scripts, styles and comments gone with their
/// content, entities decoded once and after the tags. Each run of block boundaries and of white space with a line break in
/// it is one LF (rulings A12); text without any tag keeps its lines, of HTML it has at most entities. What holds no `<` and no
/// `&` is no HTML.
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
    /// A start tag of no block, or a comment.
    Other,
}

fn rendered(html: &str) -> String {
    let mut html = html.replace("<?", "&lt;?");
    for blank in HARD_BLANKS {
        if html.contains(blank) {
            html = html.replace(blank, " ");
        }
    }
    let mut opening = false;
    let emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| piece(&event, &mut opening));
    let mut pieces = Tokenizer::new_with_emitter(html.as_str(), emitter);
    let mut page = Page { text: String::with_capacity(html.len()), boundary: false };
    let (mut hidden, mut tagged) = (false, false);
    while let Some(piece) = pieces.next() {
        let piece: Result<Piece, Infallible> = piece;
        tagged |= !matches!(piece, Ok(Piece::Text(_)));
        match piece {
            Ok(Piece::Other) => {}
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
    if tagged { one_break(&page.text) } else { page.text }
}

/// Each run of white space with a line break in it as one LF.
fn one_break(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_whitespace) {
        let (before, behind) = rest.split_at(start);
        let end = behind.find(|character: char| !character.is_whitespace()).unwrap_or(behind.len());
        let (blanks, after) = behind.split_at(end);
        out.push_str(before);
        out.push_str(if blanks.contains(is_break) { "\n" } else { blanks });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The white space that ends a line (dirt D39).
fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
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
        CallbackEvent::CloseStartTag { .. } if std::mem::take(opening) => Some(Piece::Hidden),
        CallbackEvent::OpenStartTag { name } | CallbackEvent::EndTag { name } if BLOCKS.contains(name) => {
            Some(Piece::Boundary)
        }
        CallbackEvent::EndTag { .. } => Some(Piece::Shown),
        CallbackEvent::OpenStartTag { .. } | CallbackEvent::Comment { .. } | CallbackEvent::Doctype { .. } => {
            Some(Piece::Other)
        }
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
            ("a&nbsp b&#160;c&#xA0;d", "a  b c d"),
            ("a<![CDATA[x]]>b<!-- <script> -->c", "abc"),
            ("<table><tr><th>a</th><th>b</th></tr>\n<tr><td>1</td><td>2</td></tr></table>end", "a\nb\n1\n2\nend"),
            ("<h1>Head</h1>Text<hr>more<h6>x</h6>", "Head\nText\nmore\nx"),
            ("<ol><li>one<li>two<ul><li> three </li></ul></ol>", "one\ntwo\nthree"),
            ("<header>a</header><nav>b</nav><figure>c<figcaption>d</figcaption></figure>", "a\nb\nc\nd"),
            ("<head><title>Name</title></head><body>text", "Name\ntext"),
            ("One<br><br/>\n<br>Two", "One\nTwo"),
            ("<p>One \n\n Two</p>three\r\n\r\nfour", "One\nTwo\nthree\nfour"),
            ("<b>One</b>\n \n<b>Two</b>  three", "One\nTwo  three"),
            ("R&amp;D\n\nunit", "R&D\n\nunit"),
            ("a < b\n\nunit", "a < b\n\nunit"),
        ] {
            assert_eq!(plain_text(raw).value.as_deref(), Some(expected), "{raw}");
        }
        assert_eq!(plain_text("<p> </p><br>"), Outcome::ABSENT);
        assert_eq!(plain_text("<p>N/A</p>"), Outcome::dropped("PLACEHOLDER_DROPPED"));
        assert_eq!(plain_text("no HTML\n\nat all").value.as_deref(), Some("no HTML\n\nat all"));
        assert_eq!(plain_text("<p>a\u{1}b</p>"), Outcome::noted("ab".into(), "CONTROL_REMOVED"));
    }
}
