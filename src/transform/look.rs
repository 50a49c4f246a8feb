//! A look at what a run holds: any query over its tables, and nothing else.

use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{SQLOptions, SessionContext};

use super::nearest::did_you_mean;
use super::opened::OpenRun;
use super::query::parse_problem;
use super::rows::stream;
use super::session::{CATALOG, QUERIES};
use super::{Transform, deep, diagnose};
use crate::error::{Error, Result};
use crate::staging::RunFolder;

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
            open.warn_between_two_states().await?;
            let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            let frame = open.context.sql_with_options(&sql, read_only).await;
            stream("sql", frame.map_err(|cause| Error::preflight(problem(&open.context, &cause)))?).await
        };
        deep::run("sql", work).await
    }
}

/// What is wrong with a statement, in a line.
fn problem(context: &SessionContext, error: &DataFusionError) -> String {
    let root = error.find_root();
    if let DataFusionError::SQL(..) = root {
        return format!("sql{}", parse_problem(&error.strip_backtrace()));
    }
    let message = diagnose::plan_message(root);
    if let Some(name) = message.strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found")) {
        let own = format!("{CATALOG}.");
        let name = name.strip_prefix(&own).unwrap_or(name);
        let name = name.strip_prefix(QUERIES).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        let known = tables(context);
        return format!("sql: no table `{name}`{}", did_you_mean(name, known.iter().map(String::as_str)));
    }
    if let Some(kind) = message.split_once(" not supported: ").map(|(_, kind)| kind) {
        return format!("sql: {kind} would change something; a look may only read");
    }
    format!("sql: {message}")
}

/// The names of all tables, as SQL writes them.
fn tables(context: &SessionContext) -> Vec<String> {
    let Some(catalog) = context.catalog(CATALOG) else { return Vec::new() };
    let schemas = catalog.schema_names().into_iter().filter_map(|name| Some((catalog.schema(&name)?, name)));
    let named = schemas.flat_map(|(schema, name)| {
        let bare = name == QUERIES;
        schema.table_names().into_iter().map(move |table| if bare { table } else { format!("{name}.{table}") })
    });
    named.collect()
}
