//! What values of documents are to be, as far as it is told value by value.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a value is to be. Values of a form that the rule says nothing about are let through: which forms are right is seen
/// from their counts.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    /// Whether the field must be there and not null.
    pub required: bool,
    /// The only texts.
    pub options: Option<HashSet<String>>,
    /// The most characters.
    pub longest: Option<usize>,
    /// Whether an integer must be one of 32 bits.
    pub is_short: bool,
    /// What a text says.
    pub says: Saying,
    /// The fields of an object.
    pub fields: BTreeMap<String, Arc<Rule>>,
    /// The items of a list.
    pub item: Option<Arc<Rule>>,
}

/// What a text says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Saying {
    /// Anything.
    #[default]
    Anything,
    /// `YYYY-MM-DD`.
    Date,
    /// A moment with its zone (RFC 3339).
    Moment,
}

/// In which way a value is not what it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Breach {
    /// Absent or null.
    Missing,
    /// None of the options.
    Option,
    /// Too long.
    Length,
    /// Beyond 32 bits.
    Range,
    /// No date.
    Date,
    /// No moment.
    Moment,
}

impl Breach {
    /// The word of reports and datasets.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Option => "option",
            Self::Length => "length",
            Self::Range => "range",
            Self::Date => "date",
            Self::Moment => "moment",
        }
    }
}

impl Rule {
    pub(super) fn breach_of_integer(&self, value: i64) -> Option<Breach> {
        (self.is_short && i32::try_from(value).is_err()).then_some(Breach::Range)
    }

    pub(super) fn breach_of_text(&self, text: &str) -> Option<Breach> {
        if self.options.as_ref().is_some_and(|options| !options.contains(text)) {
            return Some(Breach::Option);
        }
        // No text has more characters than bytes.
        if self.longest.is_some_and(|longest| text.len() > longest && text.chars().count() > longest) {
            return Some(Breach::Length);
        }
        match self.says {
            Saying::Anything => None,
            Saying::Date => (text.len() != 10 || text.parse::<chrono::NaiveDate>().is_err()).then_some(Breach::Date),
            Saying::Moment => chrono::DateTime::parse_from_rfc3339(text).is_err().then_some(Breach::Moment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_integers() {
        let says = |says| Rule { says, ..Rule::default() };
        for (rule, right, wrong, breach) in [
            (says(Saying::Date), "2021-02-28", "2021-02-29", Breach::Date),
            (says(Saying::Date), "2021-02-28", "2021-2-28", Breach::Date),
            (says(Saying::Moment), "2021-02-28T00:00:00.5Z", "2021-02-28T00:00:00", Breach::Moment),
            (Rule { longest: Some(2), ..Rule::default() }, "\u{e9}\u{e9}", "abc", Breach::Length),
        ] {
            assert_eq!(rule.breach_of_text(right), None, "{right}");
            assert_eq!(rule.breach_of_text(wrong), Some(breach), "{wrong}");
        }
        let short = Rule { is_short: true, ..Rule::default() };
        assert_eq!(short.breach_of_integer(1 << 31), Some(Breach::Range));
        assert_eq!(short.breach_of_integer(-(1 << 31)), None);
    }
}
