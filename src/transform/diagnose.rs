//! DataFusion's errors in telecine's words: the file and line, what is wrong, the nearest names, what to do next.

use datafusion::common::{DataFusionError, SchemaError};

use super::nearest::did_you_mean;
use super::position::{self, Position};
use super::query::Query;
use crate::error::Error;

/// One line for each error met while a query was planned.
pub(super) fn plan_problems(query: &Query, error: &DataFusionError) -> Vec<String> {
    let mut lines: Vec<String> = error
        .iter()
        .map(|error| {
            let message = plan_message(error.find_root());
            match place(&query.sql, error, &message) {
                Some(place) => format!("{}:{place}: {message}", query.path.display()),
                None => format!("{}: {message}", query.path.display()),
            }
        })
        .collect();
    lines.dedup();
    lines
}

/// The parser's span where the error carries one; else the first mention of a name the message quotes.
pub(super) fn place(sql: &str, error: &DataFusionError, message: &str) -> Option<Position> {
    if let Some(span) = error.diagnostic().and_then(|diagnostic| diagnostic.span) {
        return Some(Position { line: span.start.line, column: span.start.column });
    }
    if let DataFusionError::SchemaError(schema_error, _) = error.find_root() {
        let column = match schema_error.as_ref() {
            SchemaError::FieldNotFound { field, .. } | SchemaError::AmbiguousReference { field } => field.name(),
            SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => name,
        };
        return position::of_text(sql, column);
    }
    message.split(['\'', '`', '"']).skip(1).step_by(2).find_map(|quoted| position::of_text(sql, quoted))
}

/// What is wrong with a plan, in a line, with the nearest names of columns.
pub(super) fn plan_message(error: &DataFusionError) -> String {
    if let DataFusionError::SchemaError(schema_error, _) = error
        && let SchemaError::FieldNotFound { field, valid_fields } = schema_error.as_ref()
    {
        let near = did_you_mean(field.name(), valid_fields.iter().map(|field| field.name()));
        return format!("no column `{}`{near}", field.flat_name());
    }
    error.message().trim().lines().collect::<Vec<_>>().join(" ")
}

/// The error of a query that failed while it ran.
pub(super) fn run_error(name: &str, error: DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(message) => {
            let operator = operator(message).map(|operator| format!(" in {operator}")).unwrap_or_default();
            let help = "raise [transform] memory (or --memory), or lower [transform] threads";
            let message = format!("the memory for queries is used up{operator}; {help}");
            Error::Query { name: name.into(), message, cause: Some(error.into()) }
        }
        // A telecine error that travelled through DataFusion comes out as it went in.
        DataFusionError::External(cause) if cause.is::<Error>() => Error::from_datafusion(error),
        _ => Error::query(name, "failed while it ran", error),
    }
}

/// The operator a memory error names: `Failed to allocate additional 1 MB for GroupedHashAggregateStream[0] (…) with …`.
fn operator(message: &str) -> Option<&str> {
    let (_, after) = message.split_once(" for ")?;
    after.split(['[', '#', '(', ' ']).next().filter(|name| !name.is_empty())
}
