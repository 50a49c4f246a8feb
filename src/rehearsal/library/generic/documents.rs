//! Documents: JSON and XML of about a wanted size.

use super::super::random::Draws;
use super::words;

/// Bytes of a JSON text around its note.
const JSON_FRAME: usize = 70;

/// A JSON object of about `bytes` bytes with nested values. With `odd`, which only json (not jsonb) can hold: a
/// duplicate key, an escaped NUL, a lone surrogate and a number of 40 digits.
pub(super) fn json(draws: &mut Draws, bytes: usize, odd: bool) -> String {
    let mut text = String::with_capacity(bytes + 96);
    text.push_str("{\"id\": ");
    text.push_str(&draws.below(1_000_000).to_string());
    if bytes >= JSON_FRAME {
        text.push_str(", \"ok\": ");
        text.push_str(draws.pick(&["true", "false", "null"]));
        text.push_str(", \"list\": [1, 2.50, -3e2, null, \"Größe \\\"x\\\" \\\\ \\n\", {\"a\": []}]");
    }
    if bytes > 2 * JSON_FRAME {
        text.push_str(", \"note\": \"");
        words::push_text(&mut text, draws, bytes - JSON_FRAME - 50);
        text.push('"');
    }
    if odd {
        text.push_str(
            ", \"id\": 1234567890123456789012345678901234567890, \"bad\": \"a\\u0000b\", \"half\": \"\\ud83d\"",
        );
    }
    text.push('}');
    text
}

/// An XML document of about `bytes` bytes: a report of tracks with attributes, entities, CDATA and a comment.
pub(super) fn xml(draws: &mut Draws, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 256);
    text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<report version=\"2\">\n");
    let mut track = 0u32;
    while text.len() + 160 < bytes || track == 0 {
        track += 1;
        text.push_str("<track type=\"");
        text.push_str(draws.pick(&["General", "Video", "Audio", "Text"]));
        text.push_str("\" order=\"");
        text.push_str(&track.to_string());
        text.push_str("\"><title>R&amp;D &lt;Größe&gt; ");
        let room = bytes.saturating_sub(text.len() + 90).clamp(16, 400);
        words::push_text(&mut text, draws, room);
        text.push_str("</title><![CDATA[a < b]]></track>\n");
    }
    text.push_str("<!-- end --></report>");
    text
}

/// A tsvector of about `bytes` bytes in its text form.
pub(super) fn tsvector(draws: &mut Draws, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 24);
    let mut position = 1;
    while text.len() + 12 < bytes || position == 1 {
        text.push('\'');
        text.push_str(words::word(draws));
        text.push_str(&draws.below(1000).to_string());
        text.push_str("':");
        text.push_str(&position.to_string());
        text.push_str(draws.pick(&["", "A", "B"]));
        text.push(' ');
        position += 1;
    }
    text
}
