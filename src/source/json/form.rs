//! What values are, how many there are, and where the first stands.

use serde::{Deserialize, Serialize};

/// What a value is. Integers are of 64 bits; other numbers are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 64 bits.
    Integer,
    /// Any other number.
    Number,
    /// A text.
    String,
    /// An object.
    Object,
    /// A list.
    Array,
    /// Nested so deep that it is not looked at.
    Deep,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Object, Self::Array, Self::Deep];

    /// The word of reports and datasets.
    pub fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Object => "object",
            Self::Array => "array",
            Self::Deep => "deep",
        }
    }
}

/// Where a value stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The object, as it was named to [`super::Census::read`].
    pub object: String,
    /// The document's number in it.
    pub document: u64,
    /// Bytes of the object's text before the value's field; in a list, before the value if it is a string or a number, else
    /// before what was read last. Before the document where the text is not the object's bytes (gzip, UTF-16).
    pub offset: u64,
}

/// How often something is, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// Where first, in the order of reading.
    pub first: Place,
    /// The first value, shortened, where it is told.
    pub example: Option<String>,
}

impl Tally {
    pub(super) fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        if self.count == 0 {
            *self = other;
        }
        self.count = count;
    }
}
