//! Where in a query's text a name stands, so that messages can point at it.

use std::fmt;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// A place in a file; both numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The first place where `parts`, joined by dots, are named (`["public", "asset"]`), outside comments and literals.
pub(super) fn of_name(sql: &str, parts: &[&str]) -> Option<Position> {
    let tokens = tokens(sql);
    let length = (2 * parts.len()).checked_sub(1)?;
    tokens.windows(length).find(|window| names(window, parts)).and_then(|window| window.first()).map(start)
}

/// The first place where `text` stands as a name or as a string literal.
pub(super) fn of_text(sql: &str, text: &str) -> Option<Position> {
    let is_text = |token: &&TokenWithSpan| match &token.token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(text),
        Token::SingleQuotedString(value) => value == text,
        _ => false,
    };
    tokens(sql).iter().find(is_text).map(start)
}

/// Every name and every string literal of a text, in order, and whether it is a literal.
pub(super) fn words_and_literals(sql: &str) -> Vec<(String, bool)> {
    let word = |token: TokenWithSpan| match token.token {
        Token::Word(word) => Some((word.value, false)),
        Token::SingleQuotedString(value) => Some((value, true)),
        _ => None,
    };
    tokens(sql).into_iter().filter_map(word).collect()
}

/// The words of a text in their order, in lower case, outside comments and literals.
pub(super) fn words(sql: &str) -> Vec<String> {
    let word = |token: TokenWithSpan| match token.token {
        Token::Word(word) => Some(word.value.to_lowercase()),
        _ => None,
    };
    tokens(sql).into_iter().filter_map(word).collect()
}

fn tokens(sql: &str) -> Vec<TokenWithSpan> {
    let all = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap_or_default();
    all.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect()
}

fn names(window: &[TokenWithSpan], parts: &[&str]) -> bool {
    window.iter().enumerate().all(|(index, token)| match &token.token {
        Token::Period => index % 2 == 1,
        Token::Word(word) => parts.get(index / 2).is_some_and(|part| {
            index % 2 == 0
                && if word.quote_style.is_some() { word.value == *part } else { word.value.to_lowercase() == *part }
        }),
        _ => false,
    })
}

fn start(token: &TokenWithSpan) -> Position {
    Position { line: token.span.start.line, column: token.span.start.column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_outside_comments_and_literals() {
        let sql = "-- public.asset\nselect 'asset'\nfrom  public . \"Asset\" join Public.ASSET";
        assert_eq!(of_name(sql, &["public", "Asset"]), Some(Position { line: 3, column: 7 }));
        assert_eq!(of_name(sql, &["public", "asset"]), Some(Position { line: 3, column: 29 }));
        assert_eq!(of_name(sql, &["absent"]), None);
        assert_eq!(of_text(sql, "asset"), Some(Position { line: 2, column: 8 }));
    }
}
