//! The rows of a statement: as a stream in the shape in which they are kept, or counted and the first of them shown.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{FutureExt, TryStreamExt};
use serde_json::{Map, Value};

use super::{diagnose, shape};
use crate::error::{Error, Result};
use crate::staging::json;

/// Rows a check or a broken key shows.
pub(super) const SHOWN: usize = 5;

/// The rows of a query in the shape in which they are kept; its errors name it.
pub(super) async fn stream(name: &str, frame: DataFrame) -> Result<SendableRecordBatchStream> {
    Ok(execute(name, frame).await?.1)
}

/// The plan that runs, whose figures can be read when it has run, and its rows as [`stream`] gives them.
pub(super) async fn execute(
    name: &str,
    frame: DataFrame,
) -> Result<(Arc<dyn ExecutionPlan>, SendableRecordBatchStream)> {
    let failed = |cause| diagnose::run_error(name, cause);
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.map_err(failed)?;
    let rows = shape::kept(execute_stream(Arc::clone(&plan), task).map_err(failed)?);
    let (schema, name) = (rows.schema(), name.to_owned());
    let named = rows.map_err(move |cause| diagnose::run_error(&name, cause).into_datafusion());
    Ok((plan, Box::pin(RecordBatchStreamAdapter::new(schema, named))))
}

/// Bytes that the operators of a plan that has run wrote to disk for want of memory.
pub(super) fn spilled(plan: &dyn ExecutionPlan) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or_default() as u64;
    own + plan.children().into_iter().map(|child| spilled(child.as_ref())).sum::<u64>()
}

/// The work's result; a panic of a function on the way is an error that names the query.
pub(super) async fn caught<T>(name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Error::Query { name: name.into(), message: format!("a function panicked: {text}"), cause: None })
    })
}

/// How many rows a statement of the engine's own gives, and the first of them.
pub(super) async fn sample(context: &SessionContext, name: &str, sql: &str) -> Result<(u64, Vec<Map<String, Value>>)> {
    let frame = context.sql(sql).await.map_err(|cause| diagnose::run_error(name, cause))?;
    first_rows(stream(name, frame).await?).await
}

/// How many rows there are, and the first of them.
pub(super) async fn first_rows(mut rows: SendableRecordBatchStream) -> Result<(u64, Vec<Map<String, Value>>)> {
    let (mut count, mut first) = (0, Vec::new());
    while let Some(batch) = rows.try_next().await.map_err(Error::from_datafusion)? {
        count += batch.num_rows() as u64;
        for index in 0..batch.num_rows().min(SHOWN - first.len()) {
            // An infinite date or a NaN has no JSON form; the row is shown as far as that.
            let no_json = |cause: Error| Map::from_iter([("row".to_owned(), Value::from(cause.to_string()))]);
            first.push(json::row(&batch, index).unwrap_or_else(no_json));
        }
    }
    Ok((count, first))
}

/// Rows as JSON on one line.
pub(super) fn lines(rows: &[Map<String, Value>]) -> String {
    rows.iter().map(|row| Value::Object(row.clone()).to_string()).collect::<Vec<_>>().join(", ")
}

/// A name as SQL quotes it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_names_the_query() {
        let work = async { if true { panic!("no {}", "way") } else { Ok(()) } };
        let error = caught("promo", work).await.unwrap_err();
        assert_eq!(error.to_string(), "query promo: a function panicked: no way");
    }
}
