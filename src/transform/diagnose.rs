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
            // Without the context around it, which advises to change settings that telecine does not have.
            let cause = message.clone();
            let message = format!("the memory for queries is used up{operator}; {help}");
            Error::Query { name: name.into(), message, cause: Some(cause.into()) }
        }
        // A telecine error that travelled through DataFusion comes out as it went in.
        DataFusionError::External(cause) if cause.is::<Error>() => Error::from_datafusion(error),
        _ => Error::query(name, "failed while it ran", error),
    }
}

/// The operator a memory error names (`Failed to allocate additional 1 MB for GroupedHashAggregateStream[0] (…) with …`), in
/// the words of a plan where its name there is another.
fn operator(message: &str) -> Option<String> {
    let (_, after) = message.split_once(" for ")?;
    let name = after.split(['[', '#', '(', ' ']).next().filter(|name| !name.is_empty())?;
    let shown = [
        ("ExternalSorter", "a sort (SortExec in the plan)"),
        ("SortPreservingMerge", "the merge of sorted rows (SortPreservingMergeExec in the plan)"),
        ("TopK", "a sort with a limit (SortExec in the plan)"),
        ("HashJoin", "a join (HashJoinExec in the plan)"),
        ("SMJ", "a join (SortMergeJoinExec in the plan)"),
        ("NestedLoopJoin", "a join (NestedLoopJoinExec in the plan)"),
        ("CrossJoin", "a join of all with all (CrossJoinExec in the plan)"),
        ("Repartition", "rows on their way between threads (RepartitionExec in the plan)"),
        ("Window", "a window function (WindowAggExec in the plan)"),
    ];
    let aggregate = || name.contains("Aggregate").then_some("an aggregation (AggregateExec in the plan)");
    let known = shown.iter().find(|(own, _)| name.starts_with(own)).map(|(_, words)| *words);
    Some(known.or_else(aggregate).unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_error_names_what_the_plan_shows_and_no_setting_of_another_program() {
        let root = "Failed to allocate additional 3.9 MB for ExternalSorter[0] with 0.0 B already allocated";
        let error = DataFusionError::ResourcesExhausted(root.to_owned()).context(
            "Not enough memory. Consider increasing the memory limit config: 'datafusion.runtime.memory_limit'",
        );
        let Error::Query { message, cause, .. } = run_error("q", error) else { panic!("another error") };
        assert!(message.contains("used up in a sort (SortExec in the plan); raise [transform] memory"), "{message}");
        assert_eq!(cause.unwrap().to_string(), root);
        let of = |name: &str| operator(&format!("Failed to allocate 1 B for {name}[0] with")).unwrap();
        assert_eq!(of("GroupedHashAggregateStream"), "an aggregation (AggregateExec in the plan)");
        assert_eq!(of("Unknown"), "Unknown");
    }
}
