//! How objects are broken: in their bytes, in the shape of what they say, in their names, and by being no documents at all.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Value, json};

use super::content::Document;
use super::{Expected, SampleObject};

/// One way in which an object is not what it should be. Those of the first group are odd and right all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    // Odd bytes that can be read exactly.
    /// UTF-8 with a byte order mark.
    Bom,
    /// UTF-16, little end first, with a byte order mark.
    Utf16Little,
    /// UTF-16, big end first, with a byte order mark.
    Utf16Big,
    /// Compressed, without a name that says so.
    Gzip,
    /// Three documents, a line each.
    Lines,
    /// Indented, with line ends of Windows.
    Indented,
    /// Every character of the texts as an escape.
    Escaped,
    /// A field nested 900 levels deep.
    Deep,
    /// Integers of 40 digits and decimals of 40 places.
    LongNumbers,
    /// A document of as many bytes as asked for.
    Large,
    // Bytes that are no document.
    /// Cut in the midst.
    Truncated,
    /// No byte at all.
    Empty,
    /// Nothing but white space.
    Blank,
    /// More bytes after its end.
    Trailing,
    /// A byte that is no UTF-8.
    InvalidUtf8,
    /// Half of a surrogate pair, as an escape.
    LoneSurrogate,
    /// The same key twice.
    DuplicateKey,
    /// `NaN` for a number.
    NotANumber,
    /// Nested 100,000 levels deep.
    TooDeep,
    /// Compressed, and cut.
    GzipTruncated,
    /// A page of a proxy that had an error.
    Html,
    // Shapes that the target does not take.
    /// A number as a text.
    Retyped,
    /// A required field is not there.
    Missing,
    /// A required field is null.
    Null,
    /// A field that nobody knows.
    New,
    /// A text where others have an object.
    Nested,
    /// An array of documents.
    Array,
    /// A number and nothing else.
    Scalar,
    // Names.
    /// Characters that hot folders refuse.
    NameForbidden,
    /// Letters outside ASCII, composed; and decomposed in a second object.
    NameAccents,
    /// Two names that differ in what has to be replaced only.
    NameTwins,
    /// Two names that differ in case only.
    NameCase,
    /// More bytes than a file's name may have.
    NameLong,
    /// An empty segment.
    NameSlashes,
    /// A control character.
    NameControl,
    /// The name of a device.
    NameDevice,
    /// A segment that means the folder above.
    NameDots,
    /// White space and dots at the end.
    NameEnd,
    // What is to be purged.
    /// What a desktop leaves in folders.
    Desktop,
    /// A copy of an editor.
    Backup,
    /// An upload that was not ended.
    Temporary,
    /// An object that stands for a folder.
    Folder,
}

/// How many documents an object holds that can and cannot be read, and which are delivered.
struct Fate {
    readable: u64,
    unreadable: u64,
    instances: Vec<Value>,
}

impl Fate {
    fn read(document: &Document) -> Self {
        Self { readable: 1, unreadable: 0, instances: vec![document.instance.clone()] }
    }

    /// Well formed, but not what the target takes.
    fn refused() -> Self {
        Self { readable: 1, unreadable: 0, instances: Vec::new() }
    }
}

impl Flaw {
    /// All but [`Flaw::Large`].
    pub const ALL: &'static [Self] = &[
        Self::Bom,
        Self::Utf16Little,
        Self::Utf16Big,
        Self::Gzip,
        Self::Lines,
        Self::Indented,
        Self::Escaped,
        Self::Deep,
        Self::LongNumbers,
        Self::Truncated,
        Self::Empty,
        Self::Blank,
        Self::Trailing,
        Self::InvalidUtf8,
        Self::LoneSurrogate,
        Self::DuplicateKey,
        Self::NotANumber,
        Self::TooDeep,
        Self::GzipTruncated,
        Self::Html,
        Self::Retyped,
        Self::Missing,
        Self::Null,
        Self::New,
        Self::Nested,
        Self::Array,
        Self::Scalar,
        Self::NameForbidden,
        Self::NameAccents,
        Self::NameTwins,
        Self::NameCase,
        Self::NameLong,
        Self::NameSlashes,
        Self::NameControl,
        Self::NameDevice,
        Self::NameDots,
        Self::NameEnd,
        Self::Desktop,
        Self::Backup,
        Self::Temporary,
        Self::Folder,
    ];

    /// The object that this flaw makes of a document; two, where the flaw is what two have in common.
    pub(super) fn strike(self, document: &Document, large: usize) -> Vec<SampleObject> {
        if let Some(objects) = self.names(document) {
            return objects;
        }
        let key = self.key(document);
        let is_document = !matches!(self, Self::Desktop | Self::Backup | Self::Temporary | Self::Folder);
        let (body, fate) = match self.shape(document) {
            Some((source, fate)) => (source.to_string().into(), fate),
            None => self.bytes(document, large),
        };
        vec![SampleObject {
            key: key.clone(),
            body,
            expected: Expected {
                key,
                flaw: Some(self),
                readable: fate.readable,
                unreadable: fate.unreadable,
                definition: is_document.then_some(document.definition),
                instances: fate.instances,
            },
        }]
    }

    fn key(self, document: &Document) -> String {
        let folder = document.key.rsplit_once('/').map_or("", |(folder, _)| folder);
        match self {
            Self::Desktop => format!("{folder}/{}.DS_Store", document.key.len()),
            Self::Backup => format!("{}~", document.key),
            Self::Temporary => format!("{}.part", document.key),
            Self::Folder => format!("{}/", document.key.trim_end_matches(".json")),
            _ => document.key.clone(),
        }
    }

    /// What the object's bytes are, where they are not just the document's text.
    fn bytes(self, document: &Document, large: usize) -> (Bytes, Fate) {
        let text = document.source.to_string();
        let open = text.strip_suffix('}').unwrap_or_default();
        let with = |name: &str, json: &str| Bytes::from(format!("{open},\"{name}\":{json}}}"));
        let half = &text.as_bytes()[..text.len() / 2];
        let body = match self {
            Self::Bom => [b"\xEF\xBB\xBF", text.as_bytes()].concat().into(),
            Self::Utf16Little => utf16(&text, u16::to_le_bytes),
            Self::Utf16Big => utf16(&text, u16::to_be_bytes),
            Self::Gzip => gzip(text.as_bytes()),
            Self::Indented => indented(&document.source).into(),
            Self::Escaped => escaped(&text).into(),
            Self::Deep => with("_history", &nested(900)),
            Self::LongNumbers => with("_checks", LONG_NUMBERS),
            Self::Large => with("_log", &format!("\"{}\"", "x".repeat(large.saturating_sub(text.len())))),
            Self::Lines => return lines(document),
            Self::Truncated => half.to_vec().into(),
            Self::Blank => Bytes::from_static(b" \r\n\t\n"),
            Self::Trailing => format!("{text}}}").into(),
            Self::InvalidUtf8 => [open.as_bytes(), b",\"note\":\"caf\xE9\"}"].concat().into(),
            Self::LoneSurrogate => with("note", r#""\ud83d""#),
            Self::DuplicateKey => with("title", r#""another""#),
            Self::NotANumber => with("rating", "NaN"),
            Self::TooDeep => with("_history", &nested(100_000)),
            Self::GzipTruncated => {
                let whole = gzip(text.as_bytes());
                whole.slice(..whole.len() / 2)
            }
            Self::Html => Bytes::from_static(b"<html><head><title>502 Bad Gateway</title></head></html>\r\n"),
            Self::Desktop => Bytes::from_static(b"\0\0\0\x01Bud1\0\0"),
            Self::Temporary => half.to_vec().into(),
            Self::Backup => text.into(),
            _ => Bytes::new(),
        };
        let fate = if self < Self::Truncated {
            Fate::read(document)
        } else if self >= Self::Desktop {
            Fate { readable: 0, unreadable: 0, instances: Vec::new() }
        } else {
            Fate { readable: 0, unreadable: 1, instances: Vec::new() }
        };
        (body, fate)
    }

    /// What the document says, where that is changed.
    fn shape(self, document: &Document) -> Option<(Value, Fate)> {
        let mut source = document.source.clone();
        let fate = match self {
            // What the words mean is the same, and a query can read both.
            Self::Retyped => {
                source["createdMs"] = json!(source["createdMs"].to_string());
                Fate::read(document)
            }
            Self::New => {
                source["clientNotes"] = json!({"by": "desk", "text": "see mail"});
                Fate::read(document)
            }
            Self::Missing => {
                source.as_object_mut()?.remove("title");
                Fate::refused()
            }
            Self::Null => {
                source["title"] = Value::Null;
                Fate::refused()
            }
            Self::Nested => {
                source["title"] = json!({"en": source["title"]});
                Fate::refused()
            }
            Self::Array => {
                source = json!([source]);
                Fate::refused()
            }
            Self::Scalar => {
                source = json!(42);
                Fate::refused()
            }
            _ => return None,
        };
        Some((source, fate))
    }

    /// Clean documents under names that are not.
    fn names(self, document: &Document) -> Option<Vec<SampleObject>> {
        let (folder, name) = document.key.rsplit_once('/')?;
        let stem = name.trim_end_matches(".json");
        let names = match self {
            Self::NameForbidden => vec![format!("{folder}/{stem} <50%> \"a|b\"?.json")],
            Self::NameAccents => {
                vec![format!("{folder}/{stem} caf\u{e9}.json"), format!("{folder}/{stem} cafe\u{301}.json")]
            }
            Self::NameTwins => vec![format!("{folder}/{stem}:1.json"), format!("{folder}/{stem}?1.json")],
            Self::NameCase => vec![format!("{folder}/{stem}-x.json"), format!("{folder}/{stem}-X.json")],
            Self::NameLong => vec![format!("{folder}/{stem}{}.json", "-long".repeat(60))],
            Self::NameSlashes => vec![format!("{folder}//{name}")],
            Self::NameControl => vec![format!("{folder}/{stem}\n\u{7}.json")],
            Self::NameDevice => vec![format!("{folder}/{stem}/con.json")],
            Self::NameDots => vec![format!("{folder}/../{stem}/..{name}")],
            Self::NameEnd => vec![format!("{folder}/{stem}.json . ")],
            _ => return None,
        };
        let twins = names.into_iter().enumerate().map(|(index, key)| {
            let twin = document.twin(index);
            SampleObject {
                key: key.clone(),
                body: twin.source.to_string().into(),
                expected: Expected {
                    key,
                    flaw: Some(self),
                    readable: 1,
                    unreadable: 0,
                    definition: Some(twin.definition),
                    instances: vec![twin.instance],
                },
            }
        });
        Some(twins.collect())
    }
}

const LONG_NUMBERS: &str =
    "[1234567890123456789012345678901234567890,0.1234567890123456789012345678901234567890,-0,1e400]";

fn lines(document: &Document) -> (Bytes, Fate) {
    let all: Vec<Document> = (0..3).map(|index| document.twin(index)).collect();
    let text: String = all.iter().map(|document| format!("{}\n", document.source)).collect();
    let instances = all.into_iter().map(|document| document.instance).collect();
    (text.into(), Fate { readable: 3, unreadable: 0, instances })
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Bytes {
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(bytes).collect()
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

fn indented(value: &Value) -> String {
    format!("{value:#}\n").replace('\n', "\r\n")
}

/// Texts and keys as escapes, all of them.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for character in text.chars() {
        match character {
            '"' => {
                inside = !inside;
                out.push('"');
            }
            other if inside => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            other => out.push(other),
        }
    }
    out
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}
