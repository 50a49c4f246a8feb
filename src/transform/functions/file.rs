//! Files: their names, where they lie, what they are for, and their checksums.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBufferBuilder, StringBuilder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType::{Int64, Utf8};
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;
use unicode_normalization::UnicodeNormalization;

use super::kernel::{Outcome, Text, Value, of_texts, text, text_outcome};
use super::text::{Cleaned, is_placeholder, loses_control, trim};

/// The longest key of an object in S3, in bytes.
const LONGEST_KEY: usize = 1024;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        text("without_extension", &[Utf8], |row| row.text(0).map(|name| Cow::Borrowed(without_extension(name)))),
        text_outcome("file_name", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, file_name)),
        of_texts("s3_uri", &[Utf8], |row| row.stated(s3_uri)),
        text_outcome("checksum_text", &[Utf8, Int64], |row| {
            let digits = row.text(1).and_then(|digits| digits.parse().ok()).unwrap_or_default();
            row.stated(|text| checksum(text, digits))
        }),
    ]
}

/// A name without its extension: a last dot followed by two to five ASCII letters or digits, a letter among them
/// (rulings A38).
fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty()
                && (2..=5).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && extension.bytes().any(|byte| byte.is_ascii_alphabetic()) =>
        {
            stem
        }
        _ => name,
    }
}

/// A file's name as a fact about it: NFC, controls and line breaks removed, outer blanks trimmed; all else stays, a
/// trailing dot and reserved characters, too (dirt D70, rulings A53).
fn file_name(name: &str) -> Outcome<Text<'_>> {
    let trimmed = trim(name);
    if is_placeholder(trimmed) {
        return Outcome::dropped("PLACEHOLDER_DROPPED");
    }
    let plain = trimmed.is_ascii() && !trimmed.bytes().any(|byte| byte.is_ascii_control());
    if plain && !loses_control(name, trimmed) {
        return Outcome { value: Some(Cow::Borrowed(trimmed)).filter(|name| !name.is_empty()), warning: None };
    }
    let cleaned = Cleaned::of(name, false);
    // what a line break parted may join to one character
    let joined: String = cleaned.text.chars().filter(|character| !matches!(character, '\n' | '\t')).nfc().collect();
    match trim(&joined) {
        "" => Outcome::ABSENT,
        placeholder if is_placeholder(placeholder) => Outcome::dropped("PLACEHOLDER_DROPPED"),
        kept if kept == name => Outcome::of(Cow::Borrowed(name)),
        kept => Outcome { value: Some(Cow::Owned(kept.to_owned())), warning: cleaned.warning() },
    }
}

/// Where an object lies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Location {
    bucket: String,
    key: String,
}

impl Value for Location {
    type Builder = (StringBuilder, StringBuilder, BooleanBufferBuilder);
    fn data_type() -> DataType {
        DataType::Struct(location_fields().into())
    }
    fn builder(rows: usize) -> Self::Builder {
        (StringBuilder::with_capacity(rows, 0), StringBuilder::with_capacity(rows, 0), BooleanBufferBuilder::new(rows))
    }
    fn append(value: Option<Self>, (buckets, keys, valid): &mut Self::Builder) {
        valid.append(value.is_some());
        buckets.append_option(value.as_ref().map(|location| &location.bucket));
        keys.append_option(value.as_ref().map(|location| &location.key));
    }
    fn finish((mut buckets, mut keys, mut valid): Self::Builder) -> ArrayRef {
        let columns: Vec<ArrayRef> = vec![Arc::new(buckets.finish()), Arc::new(keys.finish())];
        Arc::new(StructArray::new(location_fields().into(), columns, Some(NullBuffer::new(valid.finish()))))
    }
}

fn location_fields() -> Vec<Field> {
    vec![Field::new("bucket", Utf8, true), Field::new("key", Utf8, true)]
}

/// Bucket and key of `s3://bucket/key`. The key is data: blanks, `+`, `%20`, `#`, `;`, backslashes and dots stay as they
/// are, nothing is decoded (dirt D71). Malformed is what S3 could not hold: another scheme, a bucket whose name breaks the
/// rules, no key, one of more than 1,024 bytes or with control characters. Blanks around the whole address are trimmed
/// like those of any text (D06), so a key's last blank is lost.
fn s3_uri(text: &str) -> Outcome<Location> {
    let rest = text.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("s3://")).and_then(|_| text.get(5..));
    match rest.and_then(|rest| rest.split_once('/')) {
        Some((bucket, key)) if is_bucket(bucket) && is_key(key) => {
            Outcome::of(Location { bucket: bucket.to_owned(), key: key.to_owned() })
        }
        _ => Outcome::dropped("URI_INVALID"),
    }
}

/// The rules for the names of buckets: 3 to 63 lower case letters, digits, dots and hyphens, a letter or digit at both ends.
/// S3 refuses a few more names (`a..b`, those like an IP address); D71 is about forms, and such a name harms nobody here.
fn is_bucket(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| letter(byte) || matches!(byte, b'.' | b'-'))
        && name.bytes().next().is_some_and(letter)
        && name.bytes().last().is_some_and(letter)
}

fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len()) && !key.chars().any(char::is_control)
}

/// A checksum of so many hexadecimal digits in lower case; zeros alone are none (dirt D72).
fn checksum(text: &str, digits: usize) -> Outcome<Text<'_>> {
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() != digits || !hexadecimal || text.bytes().all(|byte| byte == b'0') {
        return Outcome::dropped("CHECKSUM_INVALID");
    }
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Outcome::of(Cow::Owned(text.to_ascii_lowercase())),
        false => Outcome::of(Cow::Borrowed(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_only_what_looks_like_an_extension() {
        for (raw, expected) in [
            ("NLC_HC100234_v1_h264.mov", "NLC_HC100234_v1_h264"),
            ("Mr. Smith", "Mr. Smith"),
            ("Vol. 2", "Vol. 2"),
            ("Vol.22", "Vol.22"),
            ("a.mp4", "a"),
            ("a.tar.gz", "a.tar"),
            ("No. 5.J", "No. 5.J"),
            ("a.toolong", "a.toolong"),
            ("a.", "a."),
            (".mov", ".mov"),
        ] {
            assert_eq!(without_extension(raw), expected);
        }
    }

    #[test]
    fn file_names_are_kept_as_facts() {
        for (raw, expected) in [
            ("CON.mov", "CON.mov"),
            ("a:b\"c?d%e/f", "a:b\"c?d%e/f"),
            ("trailing dot.", "trailing dot."),
            (" trailing blank.mov ", "trailing blank.mov"),
            ("two\nlines.mov\n", "twolines.mov"),
            ("two  blanks.mov", "two  blanks.mov"),
            ("-leading.mov", "-leading.mov"),
            ("🎬 e\u{301}.mov", "🎬 é.mov"),
            ("e\n\u{301}.mov", "é.mov"),
        ] {
            assert_eq!(file_name(raw), Outcome::of(expected.into()), "{raw:?}");
        }
        for raw in ["a\u{1}b", "\u{FEFF}ab", "ab\u{B}", "\u{C} ab"] {
            assert_eq!(file_name(raw), Outcome::noted("ab".into(), "CONTROL_REMOVED"), "{raw:?}");
        }
        assert_eq!(file_name("n/a"), Outcome::dropped("PLACEHOLDER_DROPPED"));
        assert_eq!(file_name(" \n"), Outcome::ABSENT);
    }

    #[test]
    fn storage_addresses_are_taken_apart_and_nothing_is_decoded() {
        for (raw, bucket, key) in [
            ("s3://media-1/a/b.mov", "media-1", "a/b.mov"),
            ("S3://media-1/a", "media-1", "a"),
            ("s3://media/a b+c%20d%2520e#f;g\\h/../i", "media", "a b+c%20d%2520e#f;g\\h/../i"),
            ("s3://media//a", "media", "/a"),
        ] {
            assert_eq!(s3_uri(raw), Outcome::of(Location { bucket: bucket.into(), key: key.into() }), "{raw}");
        }
        let long = format!("s3://media/{}", "k".repeat(1025));
        for raw in
            ["s3:/media/a", "s3:\\\\media\\a", "s3://media", "s3://media/", "s3:///a", "s3://Me/a", "/a/b", &long]
        {
            assert_eq!(s3_uri(raw), Outcome::dropped("URI_INVALID"), "{raw}");
        }
    }

    #[test]
    fn checksums_are_lower_case_digits_of_one_length() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(checksum(md5, 32), Outcome::of(md5.into()));
        assert_eq!(checksum(&md5.to_uppercase(), 32), Outcome::of(md5.into()));
        for raw in ["d41d8cd9", "00000000000000000000000000000000", "g41d8cd98f00b204e9800998ecf8427e"] {
            assert_eq!(checksum(raw, 32), Outcome::dropped("CHECKSUM_INVALID"), "{raw}");
        }
        assert_eq!(checksum(md5, 64), Outcome::dropped("CHECKSUM_INVALID"));
    }
}
