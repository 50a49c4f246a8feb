//! Options that rows to load hold and the target does not have yet, in fields whose list the settings call open.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Definitions;
use crate::error::{Error, Result};
use crate::staging::json;
use crate::transform::diagnose;
use crate::transform::rows::{quoted, stream};

/// Values that one field lets through and its list does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// The definition.
    pub definition: String,
    /// The field.
    pub field: String,
    /// Rows to load by value.
    pub values: BTreeMap<String, u64>,
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.values.iter().map(|(value, rows)| format!("{value} ({rows})")).collect();
        let (definition, field) = (&self.definition, &self.field);
        write!(f, "{definition} lacks options of {field}, to be added before a load: {}", values.join(", "))
    }
}

/// What the lists of open fields lack, by the datasets of the queries that feed them; queries without one are passed over.
///
/// # Errors
/// [`Error::Query`] when a dataset cannot be read.
pub(in crate::transform) async fn lacking(context: &SessionContext, definitions: &Definitions) -> Result<Vec<Lacking>> {
    let mut found = Vec::new();
    for (query, definition) in definitions {
        let Ok(table) = context.table(query.as_str()).await else { continue };
        for field in definition.fields.iter().filter(|field| field.open && field.option_values().next().is_some()) {
            if !table.schema().has_column_with_unqualified_name(&field.name) {
                continue;
            }
            let options: BTreeSet<&str> = field.option_values().collect();
            let mut values = used(context, query, &field.name, field.is_multiple()).await?;
            values.retain(|value, _| !options.contains(value.as_str()));
            if !values.is_empty() {
                found.push(Lacking { definition: definition.name.clone(), field: field.name.clone(), values });
            }
        }
    }
    Ok(found)
}

async fn used(context: &SessionContext, query: &str, field: &str, is_list: bool) -> Result<BTreeMap<String, u64>> {
    let (column, table) = (quoted(field), quoted(query));
    let value = if is_list { format!("unnest({column})") } else { column };
    let sql = format!(
        "select value, count(*) as n from (select {value} as value from {table} where disposition = 'load') \
         where value is not null group by value"
    );
    let frame = context.sql(&sql).await.map_err(|cause| diagnose::run_error(query, cause))?;
    let mut batches = stream(query, frame).await?;
    let mut values = BTreeMap::new();
    while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
        for index in 0..batch.num_rows() {
            let row = json::row(&batch, index)?;
            let value = row.get("value").and_then(Value::as_str).unwrap_or_default();
            values.insert(value.to_owned(), row.get("n").and_then(Value::as_u64).unwrap_or_default());
        }
    }
    Ok(values)
}
