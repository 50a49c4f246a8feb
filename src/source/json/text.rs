//! An object's bytes as text: decompressed where they are gzip, and brought to UTF-8 where they are UTF-16. Told by the
//! bytes, not by the object's name.

use std::io::{self, ErrorKind, Read};

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use super::documents::{Document, Feed, Limits};
use super::fault::{Fault, Reason};
use super::scan::{Nobody, Visitor};

/// How many times its compressed bytes a text may be, beyond [`Limits::held`]; gzip can make a thousand of one, and JSON does
/// not.
const MOST_EXPANDED: u64 = 200;
/// Bytes that are read at a time.
const READ: usize = 1 << 20;

/// How the characters of an object are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
}

impl Encoding {
    /// The word of reports and datasets.
    pub fn word(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Utf16Le => "utf16le",
            Self::Utf16Be => "utf16be",
        }
    }
}

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writing {
    /// How its characters are written.
    pub encoding: Encoding,
    /// Whether it was compressed.
    pub is_compressed: bool,
}

/// How bytes that begin so are written, and the bytes of a byte order mark.
pub(super) fn writing(bytes: &[u8]) -> (Writing, usize) {
    let is_compressed = bytes.starts_with(&[0x1F, 0x8B]);
    let (encoding, mark) = if is_compressed { (Encoding::Utf8, 0) } else { encoding_of(bytes) };
    (Writing { encoding, is_compressed }, mark)
}

/// Finds all documents of an object and what is wrong with them. An object of no document has one, with the fault
/// [`Reason::Empty`]: each object is accounted for. `limit` is both of [`Limits`].
pub fn examine(bytes: &[u8], limit: usize, mut each: impl FnMut(Document)) -> Writing {
    let limits = Limits { document: limit, held: limit };
    read(bytes, limits, &mut Nobody, &mut |_, document| each(document))
}

/// The same of an object that is read bit by bit: held is what [`Limits::held`] says and some MiB more, however large it is.
///
/// # Errors
/// When `input` cannot be read. What it says is never an error.
pub fn examine_from(input: impl Read, limits: Limits, mut each: impl FnMut(Document)) -> io::Result<Writing> {
    read_from(input, limits, &mut Nobody, &mut |_, document| each(document))
}

/// Shows each document to `visitor`, and tells it; see [`Feed::read`].
pub(super) fn read<V: Visitor>(
    bytes: &[u8],
    limits: Limits,
    visitor: &mut V,
    told: &mut impl FnMut(&mut V, Document),
) -> Writing {
    let (writing, mark) = writing(bytes);
    if writing.is_compressed || writing.encoding != Encoding::Utf8 {
        // Bytes in memory can be read.
        return read_from(bytes, limits, visitor, told).unwrap_or(writing);
    }
    Feed::new(limits, mark).read(&bytes[mark..], Some(None), visitor, told);
    writing
}

/// The same, from a reader.
pub(super) fn read_from<V: Visitor>(
    input: impl Read,
    limits: Limits,
    visitor: &mut V,
    told: &mut impl FnMut(&mut V, Document),
) -> io::Result<Writing> {
    let text = Text::open(input, limits)?;
    let writing = text.writing();
    text.read(visitor, told)?;
    Ok(writing)
}

/// The same of lines of UTF-8.
pub(super) fn read_lines_from<V: Visitor>(
    mut input: impl Read,
    mut feed: Feed,
    visitor: &mut V,
    told: &mut impl FnMut(&mut V, Document),
) -> io::Result<()> {
    let mut window = Vec::new();
    loop {
        let more = input.by_ref().take(READ.max(window.len()) as u64).read_to_end(&mut window)?;
        let last = (more == 0).then_some(None);
        let read = feed.read(&window, last, visitor, told);
        if last.is_some() {
            return Ok(());
        }
        window.drain(..read);
    }
}

/// The text of an object as it is read.
pub(super) struct Text<R: Read> {
    input: Input<R>,
    limits: Limits,
    encoding: Encoding,
    /// Bytes of the mark before it, of what is UTF-8.
    mark: usize,
    /// Bytes that are not text yet: the first ones, or those of a character that is cut.
    pending: Vec<u8>,
    /// How the first bytes could not be read.
    failed: Option<io::Error>,
    /// Bytes before they were brought to UTF-8, and after that.
    plain: u64,
    written: usize,
}

enum Input<R: Read> {
    Plain(Counted<Prefixed<R>>),
    Gzip(Box<MultiGzDecoder<Counted<Prefixed<R>>>>),
}

type Prefixed<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// A reader that knows how much was read of it, and whether it failed.
struct Counted<R> {
    inner: R,
    read: u64,
    has_failed: bool,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        match &read {
            Ok(read) => self.read += *read as u64,
            Err(cause) => self.has_failed |= cause.kind() != ErrorKind::Interrupted,
        }
        read
    }
}

impl<R: Read> Text<R> {
    /// Finds out how the text is written.
    pub(super) fn open(mut input: R, limits: Limits) -> io::Result<Self> {
        let mut first = Vec::new();
        input.by_ref().take(4).read_to_end(&mut first)?;
        let is_gzip = first.starts_with(&[0x1F, 0x8B]);
        let counted = Counted { inner: io::Cursor::new(first).chain(input), read: 0, has_failed: false };
        let mut input =
            if is_gzip { Input::Gzip(Box::new(MultiGzDecoder::new(counted))) } else { Input::Plain(counted) };
        let mut pending = Vec::new();
        let failed = input.fill(&mut pending, 4).err();
        let (encoding, mark) = encoding_of(&pending);
        pending.drain(..mark);
        let plain = (pending.len() + mark) as u64;
        let written = if encoding == Encoding::Utf8 { mark } else { 0 };
        Ok(Self { input, limits, encoding, mark: written, pending, failed, plain, written })
    }

    /// How it is written.
    pub(super) fn writing(&self) -> Writing {
        Writing { encoding: self.encoding, is_compressed: self.is_compressed() }
    }

    /// Reads it to its end.
    pub(super) fn read<V: Visitor>(
        mut self,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) -> io::Result<()> {
        let mut feed = Feed::new(self.limits, self.mark);
        let mut window = Vec::new();
        loop {
            let last = self.read_into(&mut window)?;
            let read = feed.read(&window, last, visitor, told);
            if last.is_some() {
                return Ok(());
            }
            window.drain(..read);
        }
    }

    fn is_compressed(&self) -> bool {
        matches!(self.input, Input::Gzip(_))
    }

    /// Adds text to a window. Something once it has ended: the fault that it ends by, if there is one.
    fn read_into(&mut self, window: &mut Vec<u8>) -> io::Result<Option<Option<Fault>>> {
        // A window that must grow doubles, so that what is in it is not read again and again.
        let wanted = READ.max(window.len());
        let before = self.pending.len();
        let read = match self.failed.take() {
            Some(cause) => Err(cause),
            None => self.input.fill(&mut self.pending, wanted),
        };
        self.plain += (self.pending.len() - before) as u64;
        let mut ends = match read {
            Ok(0) => Some(None),
            Ok(_) => None,
            Err(cause) if self.input.counted().has_failed => return Err(cause),
            Err(_) => Some(Some(Reason::Gzip)),
        };
        let most = (self.limits.held as u64).max(self.input.counted().read.saturating_mul(MOST_EXPANDED));
        if self.is_compressed() && self.plain > most {
            let beyond = usize::try_from(self.plain - most).unwrap_or(usize::MAX);
            self.pending.truncate(self.pending.len().saturating_sub(beyond));
            ends = Some(Some(Reason::TooLarge));
        }
        let start = window.len();
        let is_valid = self.decode(window, ends == Some(None));
        self.written += window.len() - start;
        let fault = |reason| Fault { offset: self.written, reason };
        if !is_valid {
            return Ok(Some(Some(fault(Reason::InvalidUtf16))));
        }
        Ok(ends.map(|reason| reason.map(fault)))
    }

    /// Moves what is pending to a window, as UTF-8. Whether it could be; a character that is cut is pending still.
    fn decode(&mut self, window: &mut Vec<u8>, is_last: bool) -> bool {
        let unit: fn([u8; 2]) -> u16 = match self.encoding {
            Encoding::Utf8 => {
                window.append(&mut self.pending);
                return true;
            }
            Encoding::Utf16Le => u16::from_le_bytes,
            Encoding::Utf16Be => u16::from_be_bytes,
        };
        let units: Vec<u16> = self.pending.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        let is_cut = !is_last && units.last().is_some_and(|unit| (0xD800..0xDC00).contains(unit));
        let whole = units.len() - usize::from(is_cut);
        for character in char::decode_utf16(units[..whole].iter().copied()) {
            let Ok(character) = character else { return false };
            window.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.pending.drain(..2 * whole);
        !is_last || self.pending.is_empty()
    }
}

impl<R: Read> Input<R> {
    /// Reads so many bytes, or to the end: none, then.
    fn fill(&mut self, into: &mut Vec<u8>, wanted: usize) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.take(wanted as u64).read_to_end(into),
            Self::Gzip(input) => input.take(wanted as u64).read_to_end(into),
        }
    }

    fn counted(&self) -> &Counted<Prefixed<R>> {
        match self {
            Self::Plain(input) => input,
            Self::Gzip(input) => input.get_ref(),
        }
    }
}

/// By the mark; without one by where the zeros of the first two characters stand, which in JSON are ASCII.
fn encoding_of(bytes: &[u8]) -> (Encoding, usize) {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => (Encoding::Utf8, 3),
        [0xFF, 0xFE, ..] => (Encoding::Utf16Le, 2),
        [0xFE, 0xFF, ..] => (Encoding::Utf16Be, 2),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => (Encoding::Utf16Be, 0),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => (Encoding::Utf16Le, 0),
        _ => (Encoding::Utf8, 0),
    }
}
