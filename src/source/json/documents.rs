//! The documents of an object: one, one a line, or one after the other.
//!
//! Where the first line is a document of its own and more follows, each line is read by itself, so that a broken one takes
//! no other with it. Otherwise documents follow one another until the first fault: what comes after that is a part of the
//! broken document, for nobody can tell where it ends. So is a document that anything but an object or an array follows on its
//! line. A top-level array is one document.

use serde::Serialize;

use super::fault::{Fault, Reason};
use super::scan::{Nobody, Scanner, Visitor};
use super::text::{Encoding, Text};

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An object.
    Object,
    /// An array.
    Array,
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
}

impl Kind {
    /// The word of reports and datasets.
    pub fn word(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
        }
    }

    /// What the value that begins with this byte is.
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'{' => Some(Self::Object),
            b'[' => Some(Self::Array),
            b'"' => Some(Self::String),
            b'-' | b'0'..=b'9' => Some(Self::Number),
            b't' | b'f' => Some(Self::Boolean),
            b'n' => Some(Self::Null),
            _ => None,
        }
    }
}

/// One document of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// From 0, in the order of the object; documents with a fault are counted.
    pub number: u64,
    /// Bytes before it in the object's text, decompressed and as UTF-8, a byte order mark counted.
    pub offset: usize,
    /// Its bytes there; those up to the fault where it has one.
    pub length: usize,
    /// What it is, as far as its first byte tells.
    pub kind: Option<Kind>,
    /// Why it cannot be read; the fault's offset counts like the document's.
    pub fault: Option<Fault>,
}

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writing {
    /// How its characters are written.
    pub encoding: Encoding,
    /// Whether it was compressed.
    pub is_compressed: bool,
}

/// Finds all documents of an object and what is wrong with them. An object of no document has one, with the fault
/// [`Reason::Empty`]: each object is accounted for.
pub fn examine(bytes: &[u8], limit: usize, mut each: impl FnMut(Document)) -> Writing {
    read(bytes, limit, &mut Nobody, |_, document| each(document))
}

/// The same, with each document shown to `visitor`, and then told: whether it is whole is known at its end only. `told` gets the visitor back
/// for what belongs to the document that was seen last.
pub(super) fn read<V: Visitor>(
    bytes: &[u8],
    limit: usize,
    visitor: &mut V,
    mut told: impl FnMut(&mut V, Document),
) -> Writing {
    let (text, broken) = Text::of(bytes, limit);
    let writing = Writing { encoding: text.encoding, is_compressed: text.is_compressed };
    let mut reader = Reader { visitor, told: &mut told, number: 0, mark: text.mark };
    match lines(&text.bytes) {
        Some(lines) => reader.lines(lines, broken),
        None => reader.sequence(&text.bytes, 0, broken),
    }
    if reader.number == 0 {
        let fault = broken.unwrap_or(Fault { offset: text.bytes.len(), reason: Reason::Empty });
        reader.fault(0, None, fault);
    }
    writing
}

/// The lines with their places, if each line is to be read by itself.
fn lines(bytes: &[u8]) -> Option<impl Iterator<Item = (usize, &[u8])>> {
    let begin = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let length = memchr::memchr(b'\n', &bytes[begin..])?;
    let more = bytes[begin + length..].iter().any(|byte| !byte.is_ascii_whitespace());
    let first = std::str::from_utf8(&bytes[begin..begin + length]).ok()?;
    let mut scanner = Scanner::new(first);
    let is_document =
        matches!(bytes[begin], b'{' | b'[') && scanner.document(&mut Nobody, false).is_ok() && !scanner.find_next();
    (more && is_document).then(|| {
        let mut at = 0;
        bytes.split(|byte| *byte == b'\n').map(move |line| {
            let place = at;
            at += line.len() + 1;
            (place, line)
        })
    })
}

struct Reader<'r, V, T> {
    visitor: &'r mut V,
    told: &'r mut T,
    number: u64,
    /// Bytes of a byte order mark before the text.
    mark: usize,
}

impl<V: Visitor, T: FnMut(&mut V, Document)> Reader<'_, V, T> {
    fn lines<'a>(&mut self, lines: impl Iterator<Item = (usize, &'a [u8])>, broken: Option<Fault>) {
        let mut lines = lines.filter(|(_, line)| line.iter().any(|byte| !byte.is_ascii_whitespace())).peekable();
        while let Some((place, line)) = lines.next() {
            let last = lines.peek().is_none();
            self.sequence(line, place, broken.filter(|_| last));
        }
    }

    /// Documents one after the other, in a part of the text that begins at `place`. What is broken at the end of the text
    /// is the last document's fault.
    fn sequence(&mut self, bytes: &[u8], place: usize, broken: Option<Fault>) {
        let (text, invalid) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = error.valid_up_to();
                let fault = Fault { offset: valid, reason: Reason::InvalidUtf8 };
                (std::str::from_utf8(&bytes[..valid]).unwrap_or_default(), Some(fault))
            }
        };
        // A fault of the bytes ends the text, so that there a document is cut.
        let cut = invalid.or(broken.map(|fault| Fault { offset: fault.offset.saturating_sub(place), ..fault }));
        let mut scanner = Scanner::new(text);
        while scanner.find_next() {
            let begin = scanner.place();
            let kind = Kind::of(text.as_bytes()[begin]);
            match scanner.document(self.visitor, true) {
                // More on the line than another object or array: nobody can tell to which of them what is broken belongs.
                Ok(()) if !scanner.may_end_here() => {
                    let fault = Fault { offset: place + scanner.place(), reason: Reason::Syntax };
                    return self.fault(place + begin, kind, fault);
                }
                Ok(()) => self.tell(place + begin, scanner.place() - begin, kind, None),
                Err(fault) => {
                    let fault = match cut {
                        Some(cut) if fault.reason == Reason::Truncated => cut,
                        _ => fault,
                    };
                    return self.fault(place + begin, kind, Fault { offset: place + fault.offset, ..fault });
                }
            }
        }
        if let Some(cut) = cut {
            // The document that would have begun here.
            self.fault(place + text.len(), None, Fault { offset: place + cut.offset, ..cut });
        }
    }

    fn fault(&mut self, offset: usize, kind: Option<Kind>, fault: Fault) {
        let length = fault.offset.saturating_sub(offset);
        self.tell(offset, length, kind, Some(Fault { offset: fault.offset + self.mark, ..fault }));
    }

    fn tell(&mut self, offset: usize, length: usize, kind: Option<Kind>, fault: Option<Fault>) {
        (self.told)(self.visitor, Document { number: self.number, offset: offset + self.mark, length, kind, fault });
        self.number += 1;
    }
}
