//! Queries in FQL, the part of the language that lists of assets are asked with: `field=value`, `field~value` (contains,
//! in any case), `AND`, `OR`, parentheses; values with spaces and dates in double quotes. `AND` binds more tightly.
//! Fields are those of an asset, then those of its instance. Dates are `yyyy-MM-dd HH:mm:ss` or `yyyy-MM-dd` (the
//! whole day), UTC, and may also be compared by `<`, `<=`, `>` and `>=` (assumed).

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::store::Stored;

/// How deeply parentheses may stand in each other.
const DEPTH: usize = 32;

/// A query taken apart.
#[derive(Debug, PartialEq, Eq)]
pub enum Query {
    /// All of them hold.
    And(Vec<Query>),
    /// One of them holds.
    Or(Vec<Query>),
    /// Some value of a field compares in this way.
    Test(String, Operator, String),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`.
    Equal,
    /// `~`.
    Contains,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    Greater,
    /// `>=`.
    AtLeast,
}

/// Spellings, the longer before those they begin with.
const OPERATORS: [(&str, Operator); 6] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("~", Operator::Contains),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// A sentence that shows the rest of the text that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let query = parser.any(0)?;
        parser.skip();
        if parser.rest.is_empty() { Ok(query) } else { Err(parser.wrong("AND, OR or the end")) }
    }

    /// Whether an asset is among what the query asks for.
    pub fn matches(&self, stored: &Stored) -> bool {
        match self {
            Self::And(all) => all.iter().all(|query| query.matches(stored)),
            Self::Or(any) => any.iter().any(|query| query.matches(stored)),
            Self::Test(field, operator, wanted) => {
                values(stored, field).iter().any(|held| compares(held, *operator, wanted))
            }
        }
    }
}

/// The values of a field as text; none where the asset does not have it.
fn values(stored: &Stored, field: &str) -> Vec<String> {
    let asset = &stored.asset;
    let time = |seconds: i64| {
        let time = DateTime::<Utc>::from_timestamp(seconds, 0).unwrap_or_default();
        vec![time.format("%Y-%m-%d %H:%M:%S").to_string()]
    };
    let texts = |value: &Value| match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().map(|item| item.as_str().map_or(item.to_string(), str::to_owned)).collect(),
        other => vec![other.to_string()],
    };
    match field {
        "id" => vec![asset.id.to_string()],
        "uuid" => vec![asset.uuid.clone()],
        "name" => vec![asset.name.clone()],
        "objectType" | "type" => vec![asset.kind.clone()],
        "variant" => asset.variant.iter().cloned().collect(),
        "created" => time(asset.created),
        "lastModified" => time(asset.modified),
        "externalIds" => asset.external_ids.iter().map(|id| id.value.clone()).collect(),
        // A placeholder has no file.
        "mimetype" => Vec::new(),
        other => match asset.properties.get(other) {
            Some(value) => texts(value),
            None => {
                serde_json::from_str::<Value>(&stored.instance).map_or_else(|_| Vec::new(), |own| texts(&own[other]))
            }
        },
    }
}

fn compares(held: &str, operator: Operator, wanted: &str) -> bool {
    // A day stands for each of its seconds.
    let held_part = if wanted.len() == 10 && held.len() == 19 { held.get(..10).unwrap_or(held) } else { held };
    let order = match (held.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(held), Ok(wanted)) => held.partial_cmp(&wanted).unwrap_or(Ordering::Equal),
        _ => held_part.cmp(wanted),
    };
    match operator {
        Operator::Equal => held_part == wanted,
        Operator::Contains => held.to_lowercase().contains(&wanted.to_lowercase()),
        Operator::Less => order.is_lt(),
        Operator::AtMost => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::AtLeast => order.is_ge(),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn wrong(&self, wanted: &str) -> String {
        let shown: String = self.rest.chars().take(40).collect();
        format!("Parameter fql: {wanted} is expected before \"{shown}\"")
    }

    fn any(&mut self, depth: usize) -> Result<Query, String> {
        let mut parts = vec![self.all(depth)?];
        while self.word("OR") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Query::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Query, String> {
        let mut parts = vec![self.one(depth)?];
        while self.word("AND") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Query::And(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Query, String> {
        self.skip();
        if self.take("(") {
            if depth == DEPTH {
                return Err(self.wrong("no deeper parenthesis"));
            }
            let inner = self.any(depth + 1)?;
            self.skip();
            return if self.take(")") { Ok(inner) } else { Err(self.wrong("a closing parenthesis")) };
        }
        let field = self.run(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'));
        if field.is_empty() {
            return Err(self.wrong("a field"));
        }
        self.skip();
        let found = OPERATORS.iter().find(|(spelling, _)| self.rest.starts_with(spelling));
        let Some((spelling, operator)) = found else { return Err(self.wrong("one of = ~ < <= > >=")) };
        self.take(spelling);
        self.skip();
        let value = if self.take("\"") {
            let value = self.run(|letter| letter != '"');
            if !self.take("\"") {
                return Err(self.wrong("a closing quotation mark"));
            }
            value
        } else {
            self.run(|letter| !letter.is_whitespace() && !matches!(letter, '(' | ')' | '"'))
        };
        Ok(Query::Test(field, *operator, value))
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes `word` where it stands by itself.
    fn word(&mut self, word: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(word) {
            Some(rest) if rest.starts_with(|next: char| next.is_whitespace() || next == '(') => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|letter| !belongs(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Operator, Query, compares};

    fn test(field: &str, operator: Operator, value: &str) -> Query {
        Query::Test(field.to_owned(), operator, value.to_owned())
    }

    #[test]
    fn and_binds_more_tightly_than_or_and_parentheses_more_than_both() {
        let [a, b, c] = ["a", "b", "c"].map(|name| move || test(name, Operator::Equal, "1"));
        assert_eq!(Query::parse("a=1 OR b=1 AND c=1"), Ok(Query::Or(vec![a(), Query::And(vec![b(), c()])])));
        assert_eq!(Query::parse("(a = 1 OR b=1)AND c=1"), Ok(Query::And(vec![Query::Or(vec![a(), b()]), c()])));
        assert_eq!(
            Query::parse("created>=\"2024-01-01 10:00:00\""),
            Ok(test("created", Operator::AtLeast, "2024-01-01 10:00:00"))
        );
        assert_eq!(Query::parse("(mimetype~mp4)"), Ok(test("mimetype", Operator::Contains, "mp4")));
    }

    #[test]
    fn what_is_no_query_is_told() {
        for (text, part) in [
            ("", "a field"),
            ("a", "one of"),
            ("(a=1", "closing parenthesis"),
            ("a=\"x", "quotation"),
            ("a=1 b=2", "AND, OR"),
            ("a=1 AND", "AND, OR"),
        ] {
            let problem = Query::parse(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn days_stand_for_their_seconds_and_numbers_are_compared_as_such() {
        let held = "2024-02-29 23:59:59";
        assert!(compares(held, Operator::Equal, "2024-02-29") && compares(held, Operator::AtMost, "2024-02-29"));
        assert!(!compares(held, Operator::Greater, "2024-02-29") && compares(held, Operator::Less, "2024-03-01"));
        assert!(compares("10", Operator::Greater, "9") && compares("Video/MP4", Operator::Contains, "mp4"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_fail_other_than_by_an_error(text in "[a-z()=~<>\" ANDOR]{0,60}") {
            let _ = Query::parse(&text);
        }
    }
}
