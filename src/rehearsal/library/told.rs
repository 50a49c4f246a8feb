//! What a cell says and what it means: the raw value that reaches the database, and what a right migration reads from
//! it. Generators know both; the answer key is made of the meanings, never by reading a raw value.

use serde_json::Value as Json;

use super::Value;

/// What becomes of a dirty cell (section 8 of the specification).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// N: brought to its one form.
    Normalised,
    /// K: kept as it is.
    Kept,
    /// W: brought to a form or dropped, with a warning; the row loads.
    Warned,
    /// R: the row is rejected.
    Rejected,
    /// O: the row is out of scope.
    OutOfScope,
    /// S: the link, value or row is skipped and counted.
    Skipped,
}

impl Disposition {
    /// The letter of the specification.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Normalised => "N",
            Self::Kept => "K",
            Self::Warned => "W",
            Self::Rejected => "R",
            Self::OutOfScope => "O",
            Self::Skipped => "S",
        }
    }
}

/// A cell whose meaning is not simply its raw value: a form that has to be read (clean ones included), or dirt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What the database gets.
    pub raw: Value,
    /// What it means, in the target's JSON form (dates `YYYY-MM-DD`, instants RFC 3339 with milliseconds, frame rates
    /// as `30000/1001`, sizes as `{"width","height"}`); null where it means nothing.
    pub means: Json,
    /// The warning codes, or the reasons, that a reader of this cell has to give.
    pub codes: Vec<&'static str>,
    /// The kind of dirt (`D61`); none for a clean form.
    pub dirt: Option<&'static str>,
    /// What becomes of it.
    pub disposition: Disposition,
}

impl Told {
    /// A clean form that is not the value itself (`:30` for 30 seconds).
    pub fn clean(raw: impl Into<Value>, means: impl Into<Json>) -> Self {
        Self {
            raw: raw.into(),
            means: means.into(),
            codes: Vec::new(),
            dirt: None,
            disposition: Disposition::Normalised,
        }
    }

    /// Dirt that is brought to its one form without a word.
    pub fn normalised(dirt: &'static str, raw: impl Into<Value>, means: impl Into<Json>) -> Self {
        Self { dirt: Some(dirt), ..Self::clean(raw, means) }
    }

    /// Dirt that stays as it is.
    pub fn kept(dirt: &'static str, raw: impl Into<Value>, means: impl Into<Json>) -> Self {
        Self { disposition: Disposition::Kept, ..Self::normalised(dirt, raw, means) }
    }

    /// Dirt that means something, with a warning.
    pub fn warned(dirt: &'static str, raw: impl Into<Value>, means: impl Into<Json>, code: &'static str) -> Self {
        Self { codes: vec![code], disposition: Disposition::Warned, ..Self::normalised(dirt, raw, means) }
    }

    /// Dirt that means nothing: the value is dropped with a warning.
    pub fn dropped(dirt: &'static str, raw: impl Into<Value>, code: &'static str) -> Self {
        Self::warned(dirt, raw, Json::Null, code)
    }

    /// The same with another disposition.
    #[must_use]
    pub fn disposed(self, disposition: Disposition) -> Self {
        Self { disposition, ..self }
    }

    /// The same with one more code.
    #[must_use]
    pub fn and(mut self, code: &'static str) -> Self {
        self.codes.push(code);
        self
    }
}

impl From<Told> for Value {
    fn from(told: Told) -> Self {
        Self::Told(Box::new(told))
    }
}

impl Value {
    /// The value as the database gets it.
    pub fn raw(&self) -> &Self {
        match self {
            Self::Told(told) => told.raw.raw(),
            plain => plain,
        }
    }

    /// What it means; a plain value means itself.
    pub fn means(&self) -> Json {
        match self {
            Self::Told(told) => told.means.clone(),
            Self::Null => Json::Null,
            Self::Bool(truth) => Json::from(*truth),
            Self::Int(number) => Json::from(*number),
            Self::Label(text) => Json::from(*text),
            Self::Text(text) => Json::from(text.as_str()),
        }
    }

    /// The codes a reader of it has to give.
    pub fn codes(&self) -> &[&'static str] {
        match self {
            Self::Told(told) => &told.codes,
            _ => &[],
        }
    }

    /// The kind of dirt, if it is dirty.
    pub fn dirt(&self) -> Option<&'static str> {
        match self {
            Self::Told(told) => told.dirt,
            _ => None,
        }
    }

    /// Whether the database gets NULL.
    pub fn is_null(&self) -> bool {
        *self.raw() == Self::Null
    }

    /// The raw integer, if it is one.
    pub fn number(&self) -> Option<i64> {
        match self.raw() {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The raw value as PostgreSQL's text, NULL giving none.
    pub fn text(&self) -> Option<String> {
        match self.raw() {
            Self::Null | Self::Told(_) => None,
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Int(number) => Some(number.to_string()),
            Self::Label(text) => Some((*text).to_owned()),
            Self::Text(text) => Some(text.clone()),
        }
    }
}
