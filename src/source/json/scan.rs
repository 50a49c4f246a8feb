//! One JSON document, byte by byte, as RFC 8259 has it: what is let through is JSON, and every value reaches the visitor
//! exactly as it stands. Nothing recurses, so no depth of nesting ends the process, and a document may come in parts: where
//! one ends within a token, that token is read again with the next.

use super::fault::{Fault, Reason};
use super::keys::Keys;
use super::token::{ESCAPE, Number, Quoted, plain_until, unit};

/// Levels of nesting that are read. (RFC 8259, section 9, leaves the limit to the reader.)
pub(super) const DEEPEST: usize = 1_000;

/// What becomes of the values of a document, in their order. Strings and keys come as they stand between their quotes.
pub(super) trait Visitor {
    /// Whether the document with this number is to be seen.
    fn wants_document(&mut self, _number: u64) -> bool {
        true
    }
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
    /// How the key that is likely to come next is written, with its quotes and its colon.
    fn likely_key(&self) -> Option<&[u8]> {
        None
    }
    /// The likely key came; its place among the fields of its object.
    fn take_likely_key(&mut self) -> usize {
        0
    }
    /// A key; its place among the fields of its object, where the visitor knows them.
    fn key(&mut self, _key: Quoted<'_>) -> Option<usize> {
        None
    }
    fn end_object(&mut self) {}
    fn begin_array(&mut self) {}
    fn end_array(&mut self) {}
}

/// Looks at nothing.
pub(super) struct Nobody;

impl Visitor for Nobody {}

/// What comes next in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A value, or the end of the array that has just begun.
    FirstItem,
    /// A key, or the end of the object that has just begun.
    FirstKey,
    Key,
    /// A comma, or the end of what the value before is in.
    After,
}

/// Reads a text that is one document.
///
/// # Errors
/// The first fault.
pub(super) fn document(text: &str, visitor: &mut impl Visitor) -> Result<(), Fault> {
    Scanner::default().read(text, &mut 0, true, visitor, false).map(|_| ())
}

/// Where the reading of a document stands.
#[derive(Debug)]
pub(super) struct Scanner {
    next: Next,
    /// Whether each open container is an object.
    open: Vec<bool>,
    keys: Keys,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { next: Next::Value, open: Vec::new(), keys: Keys::default() }
    }
}

impl Scanner {
    /// Begins a document.
    pub(super) fn begin(&mut self) {
        self.next = Next::Value;
        self.open.clear();
        self.keys.clear();
    }

    /// Reads on from `at`, which comes to where the document ends, or to the token that the text cuts: then, unless the text
    /// is the last, the document is read on with a text that begins there. Whether it ended. With `unique`, a key that an
    /// object has twice is a fault.
    ///
    /// # Errors
    /// The first fault; what was visited until then is a part of the document.
    pub(super) fn read(
        &mut self,
        text: &str,
        at: &mut usize,
        is_last: bool,
        visitor: &mut impl Visitor,
        unique: bool,
    ) -> Result<bool, Fault> {
        let Self { next, open, keys } = self;
        let mut walk =
            Walk { text, bytes: text.as_bytes(), at: *at, token: *at, is_last, outer: 0, unique, open, keys };
        let walked = walk.walk(next, visitor);
        let (place, token) = (walk.at, walk.token);
        match walked {
            Ok(()) => {
                *at = place;
                Ok(true)
            }
            // More text may follow.
            Err(fault) if !is_last && fault.reason == Reason::Truncated => {
                *at = token;
                Ok(false)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// A document on its way through one text.
struct Walk<'a, 's> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where the token at hand begins.
    token: usize,
    is_last: bool,
    /// Levels around what is walked.
    outer: usize,
    unique: bool,
    open: &'s mut Vec<bool>,
    keys: &'s mut Keys,
}

impl<'a> Walk<'a, '_> {
    fn walk<V: Visitor>(&mut self, next: &mut Next, visitor: &mut V) -> Result<(), Fault> {
        loop {
            if *next == Next::After && self.open.is_empty() {
                return Ok(());
            }
            self.skip_blanks();
            self.token = self.at;
            match *next {
                Next::After => {
                    self.after(next, visitor)?;
                    continue;
                }
                Next::FirstKey if self.peek() == Some(b'}') => {
                    self.end_object(next, visitor);
                    continue;
                }
                Next::FirstItem if self.peek() == Some(b']') => {
                    self.end_array(next, visitor);
                    continue;
                }
                Next::FirstKey | Next::Key => {
                    self.key(visitor)?;
                    *next = Next::Value;
                    self.skip_blanks();
                    self.token = self.at;
                }
                Next::FirstItem | Next::Value => {}
            }
            self.value(next, visitor)?;
        }
    }

    #[inline]
    fn after<V: Visitor>(&mut self, next: &mut Next, visitor: &mut V) -> Result<(), Fault> {
        match (self.peek(), self.open.last() == Some(&true)) {
            (Some(b','), is_object) => {
                self.at += 1;
                *next = if is_object { Next::Key } else { Next::Value };
            }
            (Some(b'}'), true) => self.end_object(next, visitor),
            (Some(b']'), false) => self.end_array(next, visitor),
            (None, _) => return Err(self.fault(Reason::Truncated)),
            _ => return Err(self.fault(Reason::Syntax)),
        }
        Ok(())
    }

    #[inline]
    fn value<V: Visitor>(&mut self, next: &mut Next, visitor: &mut V) -> Result<(), Fault> {
        *next = if visitor.wants_text() {
            self.unseen()?;
            visitor.text(&self.text[self.token..self.at]);
            Next::After
        } else {
            match self.peek() {
                Some(b'"') => {
                    visitor.string(self.string()?);
                    Next::After
                }
                Some(b'{') => {
                    self.enter(true)?;
                    visitor.begin_object();
                    Next::FirstKey
                }
                Some(b'[') => {
                    self.enter(false)?;
                    visitor.begin_array();
                    Next::FirstItem
                }
                Some(b'-' | b'0'..=b'9') => {
                    visitor.number(self.number()?);
                    Next::After
                }
                _ => {
                    self.word(visitor)?;
                    Next::After
                }
            }
        };
        Ok(())
    }

    /// A value that is wanted as its text.
    fn unseen(&mut self) -> Result<(), Fault> {
        let mark = self.keys.mark();
        let mut open = Vec::new();
        let mut inner = Walk {
            text: self.text,
            bytes: self.bytes,
            at: self.at,
            token: self.token,
            is_last: self.is_last,
            outer: self.outer + self.open.len(),
            unique: self.unique,
            open: &mut open,
            keys: self.keys,
        };
        let walked = inner.walk(&mut Next::Value, &mut Nobody);
        self.at = inner.at;
        self.keys.back_to(mark);
        walked
    }

    fn enter(&mut self, is_object: bool) -> Result<(), Fault> {
        if self.outer + self.open.len() >= DEEPEST {
            return Err(self.fault(Reason::TooDeep));
        }
        self.at += 1;
        self.open.push(is_object);
        if is_object && self.unique {
            self.keys.enter();
        }
        Ok(())
    }

    fn end_object<V: Visitor>(&mut self, next: &mut Next, visitor: &mut V) {
        self.at += 1;
        self.open.pop();
        if self.unique {
            self.keys.leave();
        }
        visitor.end_object();
        *next = Next::After;
    }

    fn end_array<V: Visitor>(&mut self, next: &mut Next, visitor: &mut V) {
        self.at += 1;
        self.open.pop();
        visitor.end_array();
        *next = Next::After;
    }

    /// A key and its colon. Nobody is told of it until it is known what follows: without that it is read again.
    #[inline]
    fn key<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), Fault> {
        if let Some(likely) = visitor.likely_key()
            && self.bytes[self.at..].starts_with(likely)
        {
            self.at += likely.len();
            let place = visitor.take_likely_key();
            return if self.unique && !self.keys.add(place as u64) { self.twice() } else { Ok(()) };
        }
        match self.peek() {
            Some(b'"') => {}
            None => return Err(self.fault(Reason::Truncated)),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        let key = self.string()?;
        self.skip_blanks();
        let follows = self.peek();
        if follows.is_none() && !self.is_last {
            return Err(self.fault(Reason::Truncated));
        }
        let place = visitor.key(key);
        if self.unique && !self.keys.is_new(key, place) {
            return self.twice();
        }
        match follows {
            Some(b':') => self.at += 1,
            None => return Err(self.fault(Reason::Truncated)),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        Ok(())
    }

    fn twice(&self) -> Result<(), Fault> {
        Err(Fault { offset: self.token, reason: Reason::DuplicateKey })
    }

    fn word<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), Fault> {
        match self.peek() {
            Some(b't') => {
                self.expect("true")?;
                visitor.boolean(true);
            }
            Some(b'f') => {
                self.expect("false")?;
                visitor.boolean(false);
            }
            Some(b'n') => {
                self.expect("null")?;
                visitor.null();
            }
            None => return Err(self.fault(Reason::Truncated)),
            Some(b'N' | b'I') => return Err(self.fault(Reason::NoNumber)),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        Ok(())
    }

    fn expect(&mut self, word: &str) -> Result<(), Fault> {
        let rest = &self.bytes[self.at..];
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
        if self.at == self.bytes.len() && !self.is_last {
            return Err(self.fault(Reason::Truncated));
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

    #[inline]
    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    /// A string, from its first quote to its last.
    #[inline]
    fn string(&mut self) -> Result<Quoted<'a>, Fault> {
        self.at += 1;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at = plain_until(self.bytes, self.at);
            match self.peek() {
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
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let high = self.hexadecimal(self.at + 2)?;
                match high {
                    0xD800..0xDC00 => {
                        let low = self.bytes.get(self.at + 6..).unwrap_or_default();
                        if low.len() < 2 && b"\\u".starts_with(low) {
                            return Err(Fault { offset: self.bytes.len(), reason: Reason::Truncated });
                        }
                        if !low.starts_with(b"\\u") || !(0xDC00..0xE000).contains(&self.hexadecimal(self.at + 8)?) {
                            return Err(self.fault(Reason::LoneSurrogate));
                        }
                        self.at += ESCAPE;
                    }
                    0xDC00..0xE000 => return Err(self.fault(Reason::LoneSurrogate)),
                    _ => self.at += 6,
                }
            }
            None => return Err(Fault { offset: self.bytes.len(), reason: Reason::Truncated }),
            Some(_) => return Err(self.fault(Reason::Syntax)),
        }
        Ok(())
    }

    fn hexadecimal(&self, at: usize) -> Result<u32, Fault> {
        let is_cut = at + 4 > self.bytes.len();
        unit(self.bytes, at).ok_or(if is_cut {
            Fault { offset: self.bytes.len(), reason: Reason::Truncated }
        } else {
            self.fault(Reason::Syntax)
        })
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&self, reason: Reason) -> Fault {
        Fault { offset: self.at, reason }
    }
}
