//! Why a document cannot be read.

use std::fmt;

use serde::Serialize;

/// What is wrong, as a word of reports and datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// No byte, or white space alone.
    Empty,
    /// It ends before it is closed.
    Truncated,
    /// Not what RFC 8259 allows there.
    Syntax,
    /// `NaN` or `Infinity` in the place of a number.
    NoNumber,
    /// A control character within a string.
    ControlCharacter,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// A key that its object has already.
    DuplicateKey,
    /// Nested too deep.
    TooDeep,
    /// Bytes that are no UTF-8.
    InvalidUtf8,
    /// Units that are no UTF-16.
    InvalidUtf16,
    /// The compressed bytes are damaged or cut.
    Gzip,
    /// More bytes than are read of one object, as it is or decompressed.
    TooLarge,
}

impl Reason {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::Truncated => "TRUNCATED",
            Self::Syntax => "SYNTAX",
            Self::NoNumber => "NO_NUMBER",
            Self::ControlCharacter => "CONTROL_CHARACTER",
            Self::LoneSurrogate => "LONE_SURROGATE",
            Self::DuplicateKey => "DUPLICATE_KEY",
            Self::TooDeep => "TOO_DEEP",
            Self::InvalidUtf8 => "INVALID_UTF8",
            Self::InvalidUtf16 => "INVALID_UTF16",
            Self::Gzip => "GZIP",
            Self::TooLarge => "TOO_LARGE",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A fault and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Bytes from the beginning of the text, decompressed and as UTF-8.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}
