//! One asset's way: its row in each dataset, the rows of the source behind it, and what each field was made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::prelude::{col, lit};
use serde::Serialize;
use serde_json::{Map, Value};

use super::contract::COLUMNS;
use super::lineage::Lineage;
use super::opened::OpenRun;
use super::planning::logical_plan;
use super::provenance::{MOST, Traced, each_once};
use super::query::{Level, Query};
use super::{Transform, deep, diagnose};
use crate::dataflow::checksum::row_digests;
use crate::error::{Error, Result};
use crate::staging::{RunFolder, json};

/// Raw values shown of one column.
const MOST_VALUES: usize = 20;

/// One asset's way from the source's rows to its document.
#[derive(Debug, Clone, Serialize)]
pub struct Trace {
    /// The run.
    pub run: String,
    /// The asset's key.
    pub source_key: String,
    /// The query of 4_map that has its row.
    pub query: String,
    /// What became of it: load, reject, out_of_scope, merged.
    pub disposition: Value,
    /// Why, if it is not loaded.
    pub reason: Value,
    /// The reason's details.
    pub details: Value,
    /// Its name in the target.
    pub name: Value,
    /// Its fields in the definition's order.
    pub fields: Vec<FieldTrace>,
    /// Warnings that name none of the fields.
    pub warnings: Vec<Value>,
    /// The rows behind it: raw tables and mappings first, then datasets in running order.
    pub tables: Vec<TableTrace>,
    /// The document that the target gets; `None` when there is none.
    pub document: Option<Value>,
}

/// What a field was made of.
#[derive(Debug, Clone, Serialize)]
pub struct FieldTrace {
    /// The field.
    pub field: String,
    /// Its value; null when it has none.
    pub value: Value,
    /// The columns of the source and of mappings that it can come from.
    pub from: Vec<SourceTrace>,
    /// Its warnings.
    pub warnings: Vec<Value>,
}

/// A column that a field can come from.
#[derive(Debug, Clone, Serialize)]
pub struct SourceTrace {
    /// `schema.table`, or the mapping.
    pub table: String,
    /// The column.
    pub column: String,
    /// Its values in the rows behind the asset's, each once.
    pub values: Vec<Value>,
}

/// Rows of one table behind the asset's.
#[derive(Debug, Clone, Serialize)]
pub struct TableTrace {
    /// `schema.table`, the mapping or the dataset.
    pub table: String,
    /// `raw`, `mapping` or `dataset`.
    pub kind: &'static str,
    /// The rows, without values that are NULL.
    pub rows: Vec<Value>,
    /// Whether there are more.
    pub more: bool,
}

impl Transform {
    /// The way of the asset `key` through what `run` holds. `definitions` names the definition that a query feeds.
    /// Reads nothing but the rows that lead to it.
    ///
    /// # Errors
    /// [`Error::Preflight`] when no query of 4_map has a row of the key; [`Error::Query`] when a dataset cannot be read.
    pub async fn trace(&self, run: &RunFolder, definitions: &BTreeMap<String, String>, key: &str) -> Result<Trace> {
        let (transform, run, key, definitions) = (self.clone(), run.clone(), key.to_owned(), definitions.clone());
        let work = async move {
            let mut open = OpenRun::open(&transform, &run).await?;
            open.register_all().await?;
            let (query, row) = find(&open, &key).await?;
            let mut walk = Walk { open: &open, traced: BTreeMap::new(), ends: BTreeMap::new() };
            walk.walk(query, row.clone()).await.map_err(|cause| diagnose::run_error(&query.name, cause))?;
            let definition = definitions.get(&query.name).unwrap_or(&query.name);
            let document = run.documents(definition).read(&key).await?;
            walk.trace(query, &row, key, document).map_err(|cause| diagnose::run_error(&query.name, cause))
        };
        deep::run("trace", work).await
    }
}

/// The query of 4_map that has the key's row, and that row.
async fn find<'a>(open: &OpenRun<'a>, key: &str) -> Result<(&'a Query, RecordBatch)> {
    let queries = open.transform.project.queries.iter().filter(|query| query.level == Level::Map);
    for query in queries.filter(|query| open.known(&query.name).is_some()) {
        let look = async {
            let rows = open.context.table(query.name.as_str()).await?.filter(col("source_key").eq(lit(key)))?;
            each_once(&rows.collect().await?)
        };
        if let Some(row) = look.await.map_err(|cause| diagnose::run_error(&query.name, cause))?
            && row.num_rows() > 0
        {
            return Ok((query, row));
        }
    }
    let run = open.run.id();
    Err(Error::preflight(format!(
        "no query of 4_map has a row of the key {key} in the run {run}; `telecine sql \"select source_key from candidates\"` \
         lists the keys, and `telecine transform --run {run}` makes what is missing"
    )))
}

struct Walk<'a> {
    open: &'a OpenRun<'a>,
    /// The queries whose rows are behind the asset's, by name.
    traced: BTreeMap<String, Traced>,
    /// The rows of raw tables and mappings, by name.
    ends: BTreeMap<String, Vec<RecordBatch>>,
}

/// The rows of each scan of a query.
type Behind = Arc<Vec<Option<RecordBatch>>>;

impl Walk<'_> {
    /// Goes down from the asset's row, each query once, when all rows of it that lead on are known.
    async fn walk(&mut self, query: &Query, row: RecordBatch) -> Result<(), DataFusionError> {
        let transform = self.open.transform;
        let mut waiting = BTreeMap::from([(query.name.clone(), vec![row])]);
        let order: Vec<&Query> = transform.graph.order(&transform.project).filter(|query| query.is_kept()).collect();
        for query in order.into_iter().rev() {
            let Some(batches) = waiting.remove(&query.name) else { continue };
            let Some(rows) = each_once(&batches)?.filter(|rows| rows.num_rows() > 0) else { continue };
            // What a transform that was broken off has not made cannot be planned over: the way ends here.
            let lineage = if self.open.can_run(query) {
                Lineage::of(&logical_plan(&self.open.context, query).await?)?
            } else {
                Lineage::default()
            };
            let key = query.key.as_deref().unwrap_or_default();
            let traced = Traced::find(&self.open.context, lineage, rows, key).await?;
            for (table, found) in traced.lineage.scans.iter().zip(&traced.found) {
                let Some(found) = found.as_ref().filter(|found| found.num_rows() > 0) else { continue };
                let name = table.to_string();
                let to = if self.is_dataset(&name) { &mut waiting } else { &mut self.ends };
                to.entry(name).or_default().push(found.clone());
            }
            self.traced.insert(query.name.clone(), traced);
        }
        Ok(())
    }

    fn is_dataset(&self, name: &str) -> bool {
        self.open.transform.project.queries.iter().any(|query| query.name == name)
    }

    fn trace(
        &self,
        query: &Query,
        row: &RecordBatch,
        key: String,
        document: Option<Value>,
    ) -> Result<Trace, DataFusionError> {
        let mut values = shown(row, 0);
        let mut value = |name: &str| values.shift_remove(name).unwrap_or_default();
        let mut warnings = match value("warnings") {
            Value::Array(warnings) => warnings,
            _ => Vec::new(),
        };
        let (disposition, reason) = (value("disposition"), value("reason"));
        let (details, name) = (value("details"), value("name"));
        let (mut fields, mut sources) = (Vec::new(), Sources::default());
        for (index, field) in row.schema().fields().iter().enumerate().filter(|(_, f)| !is_head(f.name())) {
            self.sources(&query.name, index, row, &mut sources)?;
            let of_field = |warning: &Value| warning.get("field").and_then(Value::as_str) == Some(field.name());
            let (own, others) = warnings.into_iter().partition(of_field);
            warnings = others;
            fields.push(FieldTrace {
                field: field.name().clone(),
                value: value(field.name()),
                from: sources.take(),
                warnings: own,
            });
        }
        let (run, query) = (self.open.run.id().to_owned(), query.name.clone());
        let tables = self.tables()?;
        Ok(Trace {
            run,
            source_key: key,
            query,
            disposition,
            reason,
            details,
            name,
            fields,
            warnings,
            tables,
            document,
        })
    }

    /// The columns that become column `index` of the query's `rows`, and their values.
    fn sources(&self, query: &str, index: usize, rows: &RecordBatch, out: &mut Sources) -> Result<(), DataFusionError> {
        let Some(traced) = self.traced.get(query) else { return Ok(()) };
        let digests = row_digests(rows.columns()).map_err(Error::into_datafusion)?;
        if !out.seen.insert((query.to_owned(), index, digests.clone())) {
            return Ok(());
        }
        let Some(course) = traced.lineage.outputs.get(index) else { return Ok(()) };
        let behind = match out.behind.get(&(query.to_owned(), digests.clone())) {
            Some(known) => Arc::clone(known),
            None => {
                let found = Arc::new(traced.behind(&self.open.context, rows)?);
                out.behind.insert((query.to_owned(), digests), Arc::clone(&found));
                found
            }
        };
        let dead = traced.dead(rows);
        let living = course.branches.iter().enumerate().filter(|(at, _)| !dead.contains(&(course.union, *at)));
        for origin in living.flat_map(|(_, branch)| &branch.origins) {
            let Some(table) = traced.lineage.scans.get(origin.scan).map(ToString::to_string) else { continue };
            let Some(found) = traced.counting(&self.open.context, origin, &behind)? else { continue };
            let Ok(column) = found.schema().index_of(&origin.column) else { continue };
            if self.is_dataset(&table) {
                if found.num_rows() > 0 {
                    self.sources(&table, column, &found, out)?;
                }
            } else {
                let values = out.values.entry((table, origin.column.clone())).or_default();
                for row in 0..found.num_rows() {
                    let value = shown(&found, row).shift_remove(&origin.column);
                    if let Some(value) = value.filter(|value| !values.contains(value) && values.len() < MOST_VALUES) {
                        values.push(value);
                    }
                }
            }
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<TableTrace>, DataFusionError> {
        let mut tables = Vec::new();
        for (name, batches) in &self.ends {
            let is_mapping = self.open.transform.project.mappings.iter().any(|mapping| mapping.name == *name);
            if let Some(rows) = each_once(batches)? {
                tables.push(TableTrace::of(name, if is_mapping { "mapping" } else { "raw" }, &rows));
            }
        }
        let transform = self.open.transform;
        for query in transform.graph.order(&transform.project) {
            if let Some(traced) = self.traced.get(&query.name) {
                tables.push(TableTrace::of(&query.name, "dataset", &traced.rows));
            }
        }
        Ok(tables)
    }
}

/// The columns found for one field, with their values.
#[derive(Debug, Default)]
struct Sources {
    values: BTreeMap<(String, String), Vec<Value>>,
    /// What has been looked at: query, column, rows.
    seen: BTreeSet<(String, usize, Vec<u128>)>,
    /// The rows behind some of a query's, by the query and the digests of the rows: the same for many fields.
    behind: BTreeMap<(String, Vec<u128>), Behind>,
}

impl Sources {
    /// What was found for one field; the next begins anew.
    fn take(&mut self) -> Vec<SourceTrace> {
        self.seen.clear();
        let list = std::mem::take(&mut self.values).into_iter();
        list.map(|((table, column), values)| SourceTrace { table, column, values }).collect()
    }
}

impl TableTrace {
    fn of(table: &str, kind: &'static str, rows: &RecordBatch) -> Self {
        let all = (0..rows.num_rows()).map(|row| Value::Object(shown(rows, row))).collect();
        Self { table: table.to_owned(), kind, rows: all, more: rows.num_rows() >= MOST }
    }
}

fn is_head(column: &str) -> bool {
    COLUMNS.contains(&column)
}

/// A row as JSON without its NULLs; a value that has no JSON form is given as text.
fn shown(rows: &RecordBatch, row: usize) -> Map<String, Value> {
    let mut object = Map::new();
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        match json::value(column.as_ref(), row) {
            Ok(Some(value)) => drop(object.insert(field.name().clone(), value)),
            Ok(None) => {}
            Err(cause) => drop(object.insert(field.name().clone(), Value::from(format!("({cause})")))),
        }
    }
    object
}
