//! An object's bytes as text: decompressed where they are gzip, and brought to UTF-8 where they are UTF-16. Told by the
//! bytes, not by the object's name.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use super::fault::{Fault, Reason};

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

/// The text of an object. Still bytes: whether they are UTF-8 is found out document by document.
#[derive(Debug)]
pub(super) struct Text<'a> {
    /// Without a byte order mark.
    pub(super) bytes: Cow<'a, [u8]>,
    /// Bytes of the mark that was left out, of what is UTF-8.
    pub(super) mark: usize,
    pub(super) encoding: Encoding,
    pub(super) is_compressed: bool,
}

impl<'a> Text<'a> {
    /// The text of these bytes, of which not more than `limit` are taken once they are decompressed.
    ///
    /// # Errors
    /// With the text so far, [`Reason::Gzip`] or [`Reason::TooLarge`] at its end, or [`Reason::InvalidUtf16`].
    pub(super) fn of(bytes: &'a [u8], limit: usize) -> (Self, Option<Fault>) {
        let (bytes, is_compressed, mut fault) = if bytes.starts_with(&[0x1F, 0x8B]) {
            let (plain, fault) = decompressed(bytes, limit);
            (Cow::Owned(plain), true, fault)
        } else if bytes.len() > limit {
            (Cow::Borrowed(&bytes[..0]), false, Some(Fault { offset: limit, reason: Reason::TooLarge }))
        } else {
            (Cow::Borrowed(bytes), false, None)
        };
        let (encoding, mark) = encoding_of(&bytes);
        let wide: Option<fn([u8; 2]) -> u16> = match encoding {
            Encoding::Utf8 => None,
            Encoding::Utf16Le => Some(u16::from_le_bytes),
            Encoding::Utf16Be => Some(u16::from_be_bytes),
        };
        if let Some(unit) = wide {
            let (text, broken) = from_utf16(&bytes[mark..], unit);
            fault = fault.or(broken);
            return (Self { bytes: Cow::Owned(text.into_bytes()), mark: 0, encoding, is_compressed }, fault);
        }
        let bytes = match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[mark..]),
            Cow::Owned(mut bytes) => {
                bytes.drain(..mark);
                Cow::Owned(bytes)
            }
        };
        (Self { bytes, mark, encoding, is_compressed }, fault)
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

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> (String, Option<Fault>) {
    let pairs = bytes.chunks_exact(2);
    let is_odd = !pairs.remainder().is_empty();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(pairs.map(|pair| unit([pair[0], pair[1]]))) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => {
                let offset = text.len();
                return (text, Some(Fault { offset, reason: Reason::InvalidUtf16 }));
            }
        }
    }
    let fault = is_odd.then_some(Fault { offset: text.len(), reason: Reason::InvalidUtf16 });
    (text, fault)
}

fn decompressed(bytes: &[u8], limit: usize) -> (Vec<u8>, Option<Fault>) {
    let mut plain = Vec::new();
    let room = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(bytes).take(room).read_to_end(&mut plain);
    let reason = match read {
        Err(_) => Some(Reason::Gzip),
        Ok(_) if plain.len() > limit => Some(Reason::TooLarge),
        Ok(_) => None,
    };
    plain.truncate(limit);
    let offset = plain.len();
    (plain, reason.map(|reason| Fault { offset, reason }))
}
