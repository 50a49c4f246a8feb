//! A look at what a run holds: any query over its tables, and nothing else.

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{SQLOptions, SessionContext};

use super::nearest::did_you_mean;
use super::opened::OpenRun;
use super::query::parse_problem;
use super::rows::stream;
use super::session::{CATALOG, QUERIES};
use super::{Transform, deep, diagnose, position, tables};
use crate::error::{Error, Result};
use crate::staging::RunFolder;

/// Columns that a message lists at most.
const SHOWN: usize = 12;

/// Words between `create` and what is created, at most (`or replace external table`).
const MOST_WORDS: usize = 4;

impl Transform {
    /// The rows of a `select`, `explain`, `explain analyze`, `describe` or `show` over everything the run holds: raw tables
    /// as `schema.table`, mappings, queries' datasets and `rejected` by name, and `raw._exceptions`. Statements that write
    /// or set something are refused, also below an `explain`.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the statement is not a query or cannot be planned, with the nearest names; later failures
    /// come through the stream.
    pub async fn sql(&self, run: &RunFolder, sql: &str) -> Result<SendableRecordBatchStream> {
        let (transform, run, sql) = (self.clone(), run.clone(), sql.to_owned());
        let work = async move {
            let mut open = OpenRun::open(&transform, &run).await?;
            open.register_all().await?;
            for (table, file) in transform.files.iter() {
                tables::register_file(&open.context, run.area(), table, file).await?;
            }
            for (table, dataset, manifest) in transform.datasets.iter() {
                tables::register_source(&open.context, table, tables::provider(dataset, manifest).await?)?;
            }
            open.warn_between_two_states().await?;
            let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            let frame = open.context.sql_with_options(&sql, read_only).await;
            stream("sql", frame.map_err(|cause| Error::preflight(problem(&open.context, &sql, &cause)))?).await
        };
        deep::run("sql", work).await
    }
}

/// What is wrong with a statement, in a line: where, what, and the nearest names.
fn problem(context: &SessionContext, sql: &str, error: &DataFusionError) -> String {
    let root = error.find_root();
    if let DataFusionError::SQL(..) = root {
        return format!("sql{}", parse_problem(&error.strip_backtrace()));
    }
    let message = diagnose::plan_message(root);
    if message.contains(" not supported: ") {
        return format!(
            "sql: {} would change something; a look may only read (select, explain, describe, show)",
            act(sql)
        );
    }
    let place = diagnose::place(sql, error, &message).map_or(String::new(), |place| format!(":{place}"));
    if let Some(name) = message.strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found")) {
        let own = format!("{CATALOG}.");
        let name = name.strip_prefix(&own).unwrap_or(name);
        let name = name.strip_prefix(QUERIES).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        let parts: Vec<&str> = name.split('.').collect();
        let place = position::of_name(sql, &parts).map_or(place, |place| format!(":{place}"));
        let known = names(context);
        return format!("sql{place}: no table `{name}`{}", did_you_mean(name, known.iter().map(String::as_str)));
    }
    format!("sql{place}: {message}{}", columns(root, &message))
}

/// The columns there are, where none is like the one that was asked for.
fn columns(error: &DataFusionError, message: &str) -> String {
    if let DataFusionError::SchemaError(schema_error, _) = error
        && let SchemaError::FieldNotFound { valid_fields, .. } = schema_error.as_ref()
        && !message.contains("did you mean")
        && !valid_fields.is_empty()
    {
        let mut names: Vec<&str> = valid_fields.iter().take(SHOWN).map(|field| field.name()).collect();
        if valid_fields.len() > SHOWN {
            names.push("…");
        }
        return format!("; there are {}", names.join(", "));
    }
    String::new()
}

/// What a statement that is refused does, in the words it begins with: `create table`.
fn act(sql: &str) -> String {
    let words = position::words(sql);
    let mut words =
        words.iter().map(String::as_str).skip_while(|word| matches!(*word, "explain" | "analyze" | "verbose"));
    let Some(verb) = words.next() else { return "the statement".to_owned() };
    let mut act = vec![verb];
    if matches!(verb, "create" | "drop" | "alter") {
        for word in words.take(MOST_WORDS) {
            act.push(word);
            if matches!(word, "table" | "view" | "schema" | "database" | "function" | "index" | "catalog") {
                break;
            }
        }
    }
    format!("`{}`", act.join(" "))
}

/// The names of all tables, as SQL writes them.
fn names(context: &SessionContext) -> Vec<String> {
    let Some(catalog) = context.catalog(CATALOG) else { return Vec::new() };
    let schemas = catalog.schema_names().into_iter().filter_map(|name| Some((catalog.schema(&name)?, name)));
    let named = schemas.flat_map(|(schema, name)| {
        let bare = name == QUERIES;
        schema.table_names().into_iter().map(move |table| if bare { table } else { format!("{name}.{table}") })
    });
    named.collect()
}
