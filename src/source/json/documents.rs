//! The documents of a text: one, one a line, or one after the other.
//!
//! Where the first line is a document of its own and more follows, each line is read by itself, so that a broken one takes
//! no other with it. Otherwise documents follow one another until the first fault: what comes after that is a part of the
//! broken document, for nobody can tell where it ends. So is a document that anything but an object or an array follows on its
//! line. A top-level array is one document.

use serde::Serialize;

use super::fault::{Fault, Reason};
use super::scan::{Nobody, Scanner, Visitor};

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

/// What is held and read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one document.
    pub document: usize,
    /// Bytes of one string, number or key, or of a first line that is looked at before it is known how documents are
    /// parted: what has to be held at once.
    pub held: usize,
}

/// How far the first line is looked at on its own.
pub(super) const FIRST_LINE: usize = 8 << 20;

/// How documents are parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// Not known yet.
    Unknown,
    /// Each line is read by itself.
    Lines,
    /// One after the other. With `true` none has ended yet, and the first line was too long to be looked at: where it turns
    /// out to be a document, what follows are lines.
    Sequence(bool),
    /// The text is no document from here on.
    Over,
}

/// A document that has begun.
#[derive(Debug, Clone, Copy)]
struct Begun {
    /// Bytes before it in the text.
    offset: usize,
    kind: Option<Kind>,
    is_seen: bool,
    /// It has a line break within.
    is_broken: bool,
}

/// Finds documents in a text that comes in windows.
#[derive(Debug)]
pub(super) struct Feed {
    limits: Limits,
    /// How far the first line is looked at on its own: [`FIRST_LINE`].
    pub(super) look: usize,
    pub(super) parting: Parting,
    /// Documents so far.
    pub(super) number: u64,
    /// Bytes of the text before the window.
    place: usize,
    /// Where a text begins that may hold no document; none for a part of one.
    start: Option<usize>,
    scanner: Scanner,
    begun: Option<Begun>,
    /// A document has ended here, and what follows on its line is not known.
    ended: Option<(Begun, usize)>,
    /// The rest of the line belongs to a document with a fault.
    skips_line: bool,
}

/// A part of a window that is read by itself: all of it, or a line.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    /// Bytes of the text before it.
    place: usize,
    /// Nothing follows.
    is_last: bool,
    /// What ends it before its time.
    cut: Option<Fault>,
}

impl Feed {
    /// For a text that begins after a mark of so many bytes.
    pub(super) fn new(limits: Limits, mark: usize) -> Self {
        Self { start: Some(mark), ..Self::lines_from(limits, mark) }.parted(Parting::Unknown)
    }

    /// For lines of a text, each to be read by itself, the first of which begins at `place`.
    pub(super) fn lines_from(limits: Limits, place: usize) -> Self {
        Self {
            limits,
            look: FIRST_LINE,
            parting: Parting::Lines,
            number: 0,
            place,
            start: None,
            scanner: Scanner::default(),
            begun: None,
            ended: None,
            skips_line: false,
        }
    }

    fn parted(mut self, parting: Parting) -> Self {
        self.parting = parting;
        self
    }

    /// Leaves out a mark that the text begins with.
    pub(super) fn skip(&mut self, mark: usize) {
        self.place += mark;
    }

    /// Reads a window of the text, which begins where the one before was read to, and tells how many of its bytes were read.
    /// Each document is shown to `visitor` and then told: whether it is whole is known at its end only. `told` gets the
    /// visitor back for what belongs to the document that was seen last. A text of no document has one, with the fault
    /// [`Reason::Empty`].
    ///
    /// With `last`, the text ends here, by the fault if there is one.
    pub(super) fn read<V: Visitor>(
        &mut self,
        window: &[u8],
        last: Option<Option<Fault>>,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) -> usize {
        let mut at = 0;
        if self.parting == Parting::Unknown {
            at = window.iter().position(|byte| !is_blank(*byte)).unwrap_or(window.len());
            self.parting = parting(&window[at..], self.look, last.is_some());
        }
        match self.parting {
            Parting::Unknown => {}
            Parting::Lines => at = self.lines(window, at, last, visitor, told),
            Parting::Sequence(_) => at += self.sequence_of(&window[at..], self.place + at, last, visitor, told),
            Parting::Over => at = window.len(),
        }
        if let Some(broken) = last {
            at = window.len();
            let end = self.place + at;
            if let Some(start) = self.start.filter(|_| self.number == 0) {
                let fault = broken.unwrap_or(Fault { offset: end, reason: Reason::Empty });
                self.tell(start, None, end, Some(fault), visitor, told);
            }
        }
        self.place += at;
        at
    }

    fn lines<V: Visitor>(
        &mut self,
        window: &[u8],
        mut at: usize,
        last: Option<Option<Fault>>,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) -> usize {
        let place = self.place;
        let mut valid = Valid::new(window, at);
        loop {
            let rest = &window[at..];
            let end = memchr::memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            let is_last = end.is_some() || last.is_some();
            if !is_last && line.len() < self.look && self.begun.is_none() && self.ended.is_none() && !self.skips_line {
                return at;
            }
            let broken = if end.is_none() { last.flatten() } else { None };
            let read = if self.skips_line {
                line.len()
            } else {
                let (text, cut) = valid.text(at..at + line.len(), is_last);
                let cut = valid.cut(cut, place, broken);
                let part = Part { text, place: place + at, is_last: is_last || cut.is_some(), cut };
                let (read, whole) = self.sequence(part, visitor, told);
                self.skips_line = !whole;
                if whole { read } else { line.len() }
            };
            match end {
                Some(end) => {
                    at += end + 1;
                    self.skips_line = false;
                }
                None => return at + read,
            }
        }
    }

    fn sequence_of<V: Visitor>(
        &mut self,
        window: &[u8],
        place: usize,
        last: Option<Option<Fault>>,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) -> usize {
        let mut valid = Valid::new(window, 0);
        let (text, cut) = valid.text(0..window.len(), last.is_some());
        let cut = valid.cut(cut, place, last.flatten());
        let part = Part { text, place, is_last: last.is_some() || cut.is_some(), cut };
        let (read, whole) = self.sequence(part, visitor, told);
        if !whole {
            self.parting = Parting::Over;
            return window.len();
        }
        if self.parting == Parting::Lines {
            // The first line was a document.
            let before = std::mem::replace(&mut self.place, place);
            let read = self.lines(window, read, last, visitor, told);
            self.place = before;
            return read;
        }
        read
    }

    /// Documents one after the other. How much was read, and whether none had a fault.
    fn sequence<V: Visitor>(
        &mut self,
        part: Part<'_>,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) -> (usize, bool) {
        let bytes = part.text.as_bytes();
        let mut at = 0;
        loop {
            if let Some((begun, end)) = self.ended {
                let blanks = bytes[at..].iter().position(|byte| !matches!(byte, b' ' | b'\t'));
                let follows = blanks.map(|blanks| bytes[at + blanks]);
                match follows {
                    None if !part.is_last => return (bytes.len(), true),
                    None | Some(b'\n' | b'\r' | b'{' | b'[') => {}
                    // Nobody can tell to which of the two what is broken belongs.
                    Some(_) => {
                        let fault = Fault { offset: end, reason: Reason::Syntax };
                        return (at, self.fault(begun, fault, visitor, told));
                    }
                }
                let turns = self.turns(begun, follows);
                self.ended = None;
                self.end(begun, end, visitor, told);
                if turns {
                    self.parting = Parting::Lines;
                    return (at, true);
                }
            }
            if self.begun.is_none() {
                at += bytes[at..].iter().position(|byte| !is_blank(*byte)).unwrap_or(bytes.len() - at);
                if at == bytes.len() {
                    break;
                }
                let is_seen = visitor.wants_document(self.number);
                self.scanner.begin();
                let kind = Kind::of(bytes[at]);
                self.begun = Some(Begun { offset: part.place + at, kind, is_seen, is_broken: false });
            }
            let Some(begun) = self.begun.as_mut() else { break };
            let start = at;
            let read = if begun.is_seen {
                self.scanner.read(part.text, &mut at, part.is_last, visitor, true)
            } else {
                self.scanner.read(part.text, &mut at, part.is_last, &mut Nobody, true)
            };
            let begun =
                Begun { is_broken: begun.is_broken || memchr::memchr(b'\n', &bytes[start..at]).is_some(), ..*begun };
            self.begun = Some(begun);
            let most = begun.offset.saturating_add(self.limits.document);
            let too_large = Fault { offset: most, reason: Reason::TooLarge };
            match read {
                Ok(_) if part.place + at > most => return (at, self.fault(begun, too_large, visitor, told)),
                Ok(true) => {
                    self.begun = None;
                    self.ended = Some((begun, part.place + at));
                }
                Ok(false) if bytes.len() - at > self.limits.held => {
                    let fault = Fault { offset: part.place + at + self.limits.held, ..too_large };
                    return (at, self.fault(begun, fault, visitor, told));
                }
                Ok(false) => return (at, true),
                Err(fault) => {
                    let fault = match part.cut {
                        Some(cut) if fault.reason == Reason::Truncated => cut,
                        _ => Fault { offset: part.place + fault.offset, ..fault },
                    };
                    let fault = if fault.offset > most { too_large } else { fault };
                    return (at, self.fault(begun, fault, visitor, told));
                }
            }
        }
        let Some(cut) = part.cut else { return (at, true) };
        // The document that would have begun here.
        self.tell(part.place + at, None, cut.offset, Some(cut), visitor, told);
        (at, false)
    }

    /// Whether the document that has ended is a first line that was too long to be looked at, so that lines follow.
    fn turns(&mut self, begun: Begun, follows: Option<u8>) -> bool {
        let is_first = self.parting == Parting::Sequence(true);
        if is_first {
            self.parting = Parting::Sequence(false);
        }
        is_first && !begun.is_broken && matches!(follows, Some(b'\n' | b'\r'))
    }

    fn end<V: Visitor>(&mut self, begun: Begun, end: usize, visitor: &mut V, told: &mut impl FnMut(&mut V, Document)) {
        self.tell(begun.offset, begun.kind, end, None, visitor, told);
    }

    /// Tells a document with a fault; `false`, for no more can be read.
    fn fault<V: Visitor>(
        &mut self,
        begun: Begun,
        fault: Fault,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) -> bool {
        (self.begun, self.ended) = (None, None);
        self.tell(begun.offset, begun.kind, fault.offset, Some(fault), visitor, told);
        false
    }

    fn tell<V: Visitor>(
        &mut self,
        offset: usize,
        kind: Option<Kind>,
        end: usize,
        fault: Option<Fault>,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) {
        let document = Document { number: self.number, offset, length: end.saturating_sub(offset), kind, fault };
        told(visitor, document);
        self.number += 1;
    }
}

/// What of a window is UTF-8, found once for as much as is.
struct Valid<'a> {
    window: &'a [u8],
    /// From here on.
    begin: usize,
    text: &'a str,
    /// Whether the text ends where the bytes are no UTF-8, and not by the window's end.
    is_broken: bool,
}

impl<'a> Valid<'a> {
    fn new(window: &'a [u8], begin: usize) -> Self {
        let (text, is_broken) = match std::str::from_utf8(&window[begin..]) {
            Ok(text) => (text, false),
            Err(error) => {
                let valid = &window[begin..begin + error.valid_up_to()];
                (std::str::from_utf8(valid).unwrap_or_default(), error.error_len().is_some())
            }
        };
        Self { window, begin, text, is_broken }
    }

    /// The text in a range, which does not begin before the one that was asked for last, as far as it is text, and the fault
    /// that ends it. Where more may follow, the beginning of a character is none.
    fn text(&mut self, range: std::ops::Range<usize>, is_last: bool) -> (&'a str, Option<Fault>) {
        if range.start > self.begin + self.text.len() {
            *self = Self::new(self.window, range.start);
        }
        let end = (range.end - self.begin).min(self.text.len());
        let text = self.text.get(range.start - self.begin..end).unwrap_or_default();
        let is_cut = range.start + text.len() < range.end && (self.is_broken || is_last);
        let fault = Fault { offset: range.start + text.len(), reason: Reason::InvalidUtf8 };
        (text, is_cut.then_some(fault))
    }

    /// What ends a part before its time: bytes that are no UTF-8, in a window that begins at `place`, or what breaks the text,
    /// in a character or not.
    fn cut(&self, invalid: Option<Fault>, place: usize, broken: Option<Fault>) -> Option<Fault> {
        let invalid = invalid.filter(|_| self.is_broken || broken.is_none());
        invalid.map(|fault| Fault { offset: place + fault.offset, ..fault }).or(broken)
    }
}

/// What a document may stand between.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// How the documents of a text are parted that begins with a document; the first line is looked at as far as `look`.
pub(super) fn parting(bytes: &[u8], look: usize, is_last: bool) -> Parting {
    let near = &bytes[..bytes.len().min(look)];
    let Some(end) = memchr::memchr(b'\n', near) else {
        return match bytes.len() {
            0 => Parting::Unknown,
            length if is_last || length >= look => Parting::Sequence(true),
            _ => Parting::Unknown,
        };
    };
    if is_last && bytes[end..].iter().all(|byte| is_blank(*byte)) {
        return Parting::Sequence(false);
    }
    let Ok(first) = std::str::from_utf8(&bytes[..end]) else { return Parting::Sequence(false) };
    let mut at = 0;
    let is_document = matches!(bytes[0], b'{' | b'[')
        && matches!(Scanner::default().read(first, &mut at, true, &mut Nobody, false), Ok(true))
        && first.bytes().skip(at).all(is_blank);
    if is_document { Parting::Lines } else { Parting::Sequence(false) }
}
