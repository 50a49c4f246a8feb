//! One JSON document, byte by byte, as RFC 8259 has it: what is let through is JSON, and every value reaches the visitor
//! exactly as it stands. Nothing recurses, so no depth of nesting ends the process.

use super::fault::{Fault, Reason};

/// Levels of nesting that are read. (RFC 8259, section 9, leaves the limit to the reader.)
pub(super) const DEEPEST: usize = 1_000;
/// Keys of one object above which they are looked up by hash.
const FEW_KEYS: usize = 64;

/// What becomes of the values of a document, in their order. Strings and keys come as they stand between their quotes.
pub(super) trait Visitor {
    /// Whether the value that follows is wanted as its text.
    fn wants_text(&self) -> bool {
        false
    }
    /// The value's text, where that was wanted.
    fn text(&mut self, _text: &str) {}
    fn null(&mut self) {}
    fn boolean(&mut self, _value: bool) {}
    fn number(&mut self, _number: Number<'_>) {}
    fn string(&mut self, _string: Quoted<'_>) {}
    fn begin_object(&mut self) {}
    fn key(&mut self, _key: Quoted<'_>) {}
    fn end_object(&mut self) {}
    fn begin_array(&mut self) {}
    fn end_array(&mut self) {}
}

/// Looks at nothing.
pub(super) struct Nobody;

impl Visitor for Nobody {}

/// A number as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    /// Neither fraction nor exponent.
    pub(super) is_integer: bool,
}

/// A string as it stands between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    pub(super) raw: &'a str,
    pub(super) has_escapes: bool,
}

impl<'a> Quoted<'a> {
    /// What it says; `buffer` holds it where escapes had to be replaced.
    pub(super) fn decoded<'b>(&self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        if !self.has_escapes {
            return self.raw;
        }
        buffer.clear();
        let mut rest = self.raw;
        while let Some(at) = rest.find('\\') {
            buffer.push_str(&rest[..at]);
            let (character, length) = escape(rest.as_bytes(), at);
            buffer.push(character);
            rest = &rest[at + length..];
        }
        buffer.push_str(rest);
        buffer
    }
}

/// The character of an escape that was found valid, and the bytes it takes.
fn escape(bytes: &[u8], at: usize) -> (char, usize) {
    let plain = |character| (character, 2);
    match bytes.get(at + 1) {
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'u') => {
            let high = unit(bytes, at + 2).unwrap_or_default();
            if !(0xD800..0xDC00).contains(&high) {
                return (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6);
            }
            let low = unit(bytes, at + 8).unwrap_or_default();
            let both = 0x10000 + ((high - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
            (char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        other => plain(other.copied().map_or('\\', char::from)),
    }
}

/// The four hexadecimal digits at a place.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// A text of documents, and the place that has been reached.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    keys: Keys,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, keys: Keys::default() }
    }

    /// Bytes that have been read.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// Passes over white space; whether anything follows.
    pub(super) fn find_next(&mut self) -> bool {
        self.skip_blanks();
        self.at < self.text.len()
    }

    /// Whether the line ends here, or goes on with an object or an array.
    pub(super) fn may_end_here(&self) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let next = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        matches!(next, None | Some(b'\n' | b'\r' | b'{' | b'['))
    }

    /// Reads one document from the place that has been reached. With `unique`, a key that an object has twice is a fault.
    ///
    /// # Errors
    /// The first fault; what was visited until then is a part of the document.
    pub(super) fn document(&mut self, visitor: &mut impl Visitor, unique: bool) -> Result<(), Fault> {
        self.keys.clear();
        self.walk(visitor, unique, 0)
    }

    fn walk(&mut self, visitor: &mut impl Visitor, unique: bool, outer: usize) -> Result<(), Fault> {
        // Whether each open container is an object.
        let mut open: Vec<bool> = Vec::new();
        loop {
            self.skip_blanks();
            if visitor.wants_text() {
                let start = self.at;
                self.walk_unseen(unique, outer + open.len())?;
                visitor.text(&self.text[start..self.at]);
            } else {
                match self.peek() {
                    Some(b'{') => {
                        self.enter(outer + open.len())?;
                        visitor.begin_object();
                        self.keys.enter(unique);
                        self.skip_blanks();
                        if self.peek() != Some(b'}') {
                            open.push(true);
                            self.key(visitor, unique)?;
                            continue;
                        }
                        self.at += 1;
                        self.keys.leave(unique);
                        visitor.end_object();
                    }
                    Some(b'[') => {
                        self.enter(outer + open.len())?;
                        visitor.begin_array();
                        self.skip_blanks();
                        if self.peek() != Some(b']') {
                            open.push(false);
                            continue;
                        }
                        self.at += 1;
                        visitor.end_array();
                    }
                    _ => self.scalar(visitor)?,
                }
            }
            // After a value: the next one, or the end of what it is in.
            loop {
                let Some(is_object) = open.last().copied() else { return Ok(()) };
                self.skip_blanks();
                match (self.peek(), is_object) {
                    (Some(b','), true) => {
                        self.at += 1;
                        self.skip_blanks();
                        self.key(visitor, unique)?;
                        break;
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), true) => {
                        self.at += 1;
                        open.pop();
                        self.keys.leave(unique);
                        visitor.end_object();
                    }
                    (Some(b']'), false) => {
                        self.at += 1;
                        open.pop();
                        visitor.end_array();
                    }
                    (None, _) => return Err(self.fault(Reason::Truncated)),
                    _ => return Err(self.fault(Reason::Syntax)),
                }
            }
        }
    }

    /// A value that is wanted as text.
    fn walk_unseen(&mut self, unique: bool, depth: usize) -> Result<(), Fault> {
        self.walk(&mut Nobody, unique, depth)
    }

    fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        if depth >= DEEPEST {
            return Err(self.fault(Reason::TooDeep));
        }
        self.at += 1;
        Ok(())
    }

    fn key(&mut self, visitor: &mut impl Visitor, unique: bool) -> Result<(), Fault> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {}
            None => return Err(self.fault(Reason::Truncated)),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        let key = self.string()?;
        if unique && !self.keys.is_new(key) {
            return Err(Fault { offset: start, reason: Reason::DuplicateKey });
        }
        visitor.key(key);
        self.skip_blanks();
        match self.peek() {
            Some(b':') => self.at += 1,
            None => return Err(self.fault(Reason::Truncated)),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        Ok(())
    }

    fn scalar(&mut self, visitor: &mut impl Visitor) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => visitor.string(self.string()?),
            Some(b'-' | b'0'..=b'9') => visitor.number(self.number()?),
            Some(b't') => {
                self.word("true")?;
                visitor.boolean(true);
            }
            Some(b'f') => {
                self.word("false")?;
                visitor.boolean(false);
            }
            Some(b'n') => {
                self.word("null")?;
                visitor.null();
            }
            None => return Err(self.fault(Reason::Truncated)),
            Some(b'N' | b'I') => return Err(self.fault(Reason::NoNumber)),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        let is_cut = word.as_bytes().starts_with(rest);
        Err(self.fault(if is_cut { Reason::Truncated } else { Reason::Syntax }))
    }

    fn number(&mut self) -> Result<Number<'a>, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            None => return Err(self.fault(Reason::Truncated)),
            Some(b'I' | b'N') => return Err(self.fault(Reason::NoNumber)),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(Number { text: &self.text[start..self.at], is_integer })
    }

    fn some_digits(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'0'..=b'9') => self.digits(),
            None => return Err(self.fault(Reason::Truncated)),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    /// A string, from its first quote to its last.
    fn string(&mut self) -> Result<Quoted<'a>, Fault> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at = plain_until(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Quoted { raw: &self.text[start..self.at - 1], has_escapes });
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escaped()?;
                }
                Some(_) => return Err(self.fault(Reason::ControlCharacter)),
                None => return Err(self.fault(Reason::Truncated)),
            }
        }
    }

    fn escaped(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let high = self.hexadecimal(self.at + 2)?;
                match high {
                    0xD800..0xDC00 => {
                        let is_pair = bytes.get(self.at + 6..self.at + 8) == Some(b"\\u");
                        if !is_pair || !(0xDC00..0xE000).contains(&self.hexadecimal(self.at + 8)?) {
                            return Err(self.fault(Reason::LoneSurrogate));
                        }
                        self.at += 12;
                    }
                    0xDC00..0xE000 => return Err(self.fault(Reason::LoneSurrogate)),
                    _ => self.at += 6,
                }
            }
            None => return Err(Fault { offset: bytes.len(), reason: Reason::Truncated }),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        Ok(())
    }

    fn hexadecimal(&self, at: usize) -> Result<u32, Fault> {
        let is_cut = at + 4 > self.text.len();
        unit(self.text.as_bytes(), at).ok_or(if is_cut {
            Fault { offset: self.text.len(), reason: Reason::Truncated }
        } else {
            self.fault(Reason::Syntax)
        })
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self, reason: Reason) -> Fault {
        Fault { offset: self.at, reason }
    }
}

/// The next place of a quote, a backslash or a control character; eight bytes are looked at at a time.
fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(word) = bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes) {
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let below_blank = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5C)) | below_blank;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(rest.len())
}

/// The keys of the objects that are open, by their hashes: two of the same object are the same key where these are equal,
/// but once in 2^64.
#[derive(Debug, Default)]
struct Keys {
    hashes: Vec<u64>,
    /// Where the hashes of each open object begin.
    begins: Vec<usize>,
    /// The hashes of the innermost object, once they are many.
    many: Vec<std::collections::HashSet<u64>>,
    buffer: String,
}

impl Keys {
    /// What a document with a fault has left.
    fn clear(&mut self) {
        self.hashes.clear();
        self.begins.clear();
        self.many.clear();
    }

    fn enter(&mut self, unique: bool) {
        if unique {
            self.begins.push(self.hashes.len());
            self.many.push(std::collections::HashSet::new());
        }
    }

    fn leave(&mut self, unique: bool) {
        if unique {
            self.many.pop();
            self.hashes.truncate(self.begins.pop().unwrap_or(0));
        }
    }

    fn is_new(&mut self, key: Quoted<'_>) -> bool {
        let hash = xxhash_rust::xxh3::xxh3_64(key.decoded(&mut self.buffer).as_bytes());
        let begin = self.begins.last().copied().unwrap_or(0);
        let own = &self.hashes[begin..];
        let is_new = if own.len() < FEW_KEYS {
            !own.contains(&hash)
        } else {
            let Some(many) = self.many.last_mut() else { return true };
            if many.is_empty() {
                many.extend(own);
            }
            many.insert(hash)
        };
        self.hashes.push(hash);
        is_new
    }
}
