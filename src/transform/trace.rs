//! One asset's way: its row in each dataset, the rows of the source behind it, and what each field was made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::common::DataFusionError;
use datafusion::functions::expr_fn::lower;
use datafusion::prelude::{col, lit};
use serde::Serialize;
use serde_json::{Map, Value};

use super::chosen::holding;
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

/// Cells named of one column.
const MOST_VALUES: usize = 20;

/// Columns that a value is said to be computed from, at most: of more, some were merely asked.
const MOST_PARTS: usize = 2;

/// Rows of a raw table that are shown because joins led to them: more are those of a lookup, or of other assets.
const FEW: usize = 8;

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
    /// The rows behind it: raw tables and mappings first, then datasets in running order. Rows of other assets lead to none.
    /// Of a raw table that more than eight rows were found in, those that a field's value can come from.
    pub tables: Vec<TableTrace>,
    /// Where the document is; `None` when there is none.
    pub document_url: Option<String>,
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
    /// The cells of the source and of mappings that it came from; none of a field without a value.
    ///
    /// The plan tells which cells a value can come from, and the value which of those hold it (`chosen`); of the rows of a
    /// query that declares `alternatives`, those of the least. What this cannot know: which of several columns was taken
    /// that hold the same value, where all are named, and what a value that no cell holds was computed from, unless the
    /// plan leaves two columns at most: none is named.
    pub from: Vec<SourceTrace>,
    /// Its warnings.
    pub warnings: Vec<Value>,
}

/// Cells of a column that a field came from.
#[derive(Debug, Clone, Serialize)]
pub struct SourceTrace {
    /// `schema.table`, or the mapping.
    pub table: String,
    /// The column.
    pub column: String,
    /// Whether it is a mapping's: the spelling of a value, not its source.
    pub is_mapping: bool,
    /// The cells, each once.
    pub cells: Vec<CellTrace>,
}

/// One cell of the source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellTrace {
    /// The key of the cell's row; empty for a table without one.
    pub row: Map<String, Value>,
    /// What the source has there.
    pub raw: Value,
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
            let mut walk = Walk { open: &open, key: key.clone(), traced: BTreeMap::new(), ends: BTreeMap::new() };
            walk.walk(query, row.clone()).await.map_err(|cause| diagnose::run_error(&query.name, cause))?;
            let definition = definitions.get(&query.name).unwrap_or(&query.name);
            let documents = run.documents(definition);
            let document = documents.read(&key).await?.map(|document| (documents.url(&key), document));
            walk.trace(query, &row, document).map_err(|cause| diagnose::run_error(&query.name, cause))
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
    let near = other_case(open, key).await.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Err(Error::preflight(format!(
        "no query of 4_map has a row of the key {key} in the run {run}{near}; `telecine sql \"select source_key from candidates\"` \
         lists the keys, and `telecine transform --run {run}` makes what is missing"
    )))
}

/// The key that differs from `key` in its case alone.
async fn other_case(open: &OpenRun<'_>, key: &str) -> Option<String> {
    let queries = open.transform.project.queries.iter().filter(|query| query.level == Level::Map);
    for query in queries.filter(|query| open.known(&query.name).is_some()) {
        let rows = open.context.table(query.name.as_str()).await.ok()?;
        let rows = rows.filter(lower(col("source_key")).eq(lit(key.to_lowercase()))).ok()?.limit(0, Some(1)).ok()?;
        let found = rows.select_columns(&["source_key"]).ok()?.collect().await.ok()?;
        if let Some(Value::String(near)) = found.iter().flat_map(|rows| column(rows, 0)).next() {
            return Some(near);
        }
    }
    None
}

struct Walk<'a> {
    open: &'a OpenRun<'a>,
    /// The asset's key.
    key: String,
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
            let own = batches.iter().map(|batch| self.own(batch)).collect::<Result<Vec<_>, _>>()?;
            let Some(rows) = each_once(&own)?.filter(|rows| rows.num_rows() > 0) else { continue };
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

    /// Without the rows of other assets, to which duplicates and links lead.
    fn own(&self, rows: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let [key, ..] = COLUMNS;
        let Some(keys) = rows.column_by_name(key).and_then(|column| column.as_string_opt::<i32>()) else {
            return Ok(rows.clone());
        };
        let is_own: BooleanArray = keys.iter().map(|key| Some(key == Some(self.key.as_str()))).collect();
        Ok(filter_record_batch(rows, &is_own)?)
    }

    fn is_dataset(&self, name: &str) -> bool {
        self.open.transform.project.queries.iter().any(|query| query.name == name)
    }

    fn trace(
        &self,
        query: &Query,
        row: &RecordBatch,
        document: Option<(String, Value)>,
    ) -> Result<Trace, DataFusionError> {
        let mut values = shown(row, 0);
        let mut value = |name: &str| values.shift_remove(name).unwrap_or_default();
        let mut warnings = match value("warnings") {
            Value::Array(warnings) => warnings,
            _ => Vec::new(),
        };
        let (disposition, reason) = (value("disposition"), value("reason"));
        let (details, name, mut fields) = (value("details"), value("name"), Vec::new());
        let mut sources = Sources::default();
        let mut possible = Sources { all: true, ..Sources::default() };
        for (index, field) in row.schema().fields().iter().enumerate().filter(|(_, f)| !is_head(f.name())) {
            self.sources(&query.name, index, row, &mut sources)?;
            self.sources(&query.name, index, row, &mut possible)?;
            let of_field = |warning: &Value| warning.get("field").and_then(Value::as_str) == Some(field.name());
            let (own, others) = warnings.into_iter().partition(of_field);
            warnings = others;
            let value = value(field.name());
            let mut from = sources.take(|name| self.is_mapping(name));
            keep_likely(&value, &mut from);
            fields.push(FieldTrace { field: field.name().clone(), value, from, warnings: own });
        }
        let (run, query, tables) = (self.open.run.id().to_owned(), query.name.clone(), self.tables(&possible)?);
        let (document_url, document) = document.unzip();
        Ok(Trace {
            run,
            source_key: self.key.clone(),
            query,
            disposition,
            reason,
            details,
            name,
            fields,
            warnings,
            tables,
            document_url,
            document,
        })
    }

    /// The cells that become column `index` of the query's `rows`; whether any of a raw table does.
    fn sources(
        &self,
        query: &str,
        index: usize,
        rows: &RecordBatch,
        out: &mut Sources,
    ) -> Result<bool, DataFusionError> {
        let Some(traced) = self.traced.get(query) else { return Ok(false) };
        let digests = row_digests(rows.columns()).map_err(Error::into_datafusion)?;
        let place = (query.to_owned(), index, digests.clone());
        if let Some(known) = out.seen.get(&place) {
            return Ok(*known);
        }
        out.seen.insert(place.clone(), false);
        let wanted = column(rows, index);
        let Some(course) = traced.lineage.outputs.get(index).filter(|_| out.all || !wanted.is_empty()) else {
            return Ok(false);
        };
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
        let mut ways = Vec::new();
        for origin in living.flat_map(|(_, branch)| &branch.origins) {
            let Some(table) = traced.lineage.scans.get(origin.scan).map(ToString::to_string) else { continue };
            let Some(found) = traced.counting(&self.open.context, origin, &behind)? else { continue };
            let Ok(column) = found.schema().index_of(&origin.column) else { continue };
            ways.push(Way { table, column, rows: found });
        }
        let found = if out.all { self.follow(&ways, out)? } else { self.narrowed(ways, &wanted, out)? };
        out.seen.insert(place, found);
        Ok(found)
    }

    /// Follows the cells that hold the value. Where these lead to no raw table, for they are of a mapping, the others of
    /// their rows lead to what was looked up in it.
    fn narrowed(&self, ways: Vec<Way>, wanted: &[Value], out: &mut Sources) -> Result<bool, DataFusionError> {
        let cells: Vec<Value> = ways.iter().flat_map(|way| cells(&way.rows, way.column)).collect();
        let Some(held) = holding(wanted, &cells) else {
            // Rather no source than a false one.
            let has_value = |way: &&Way| !column(&way.rows, way.column).is_empty();
            let is_told = ways.iter().filter(has_value).count() <= MOST_PARTS;
            return if is_told { self.follow(&ways, out) } else { Ok(false) };
        };
        let (mut chosen, mut others, mut at) = (Vec::new(), Vec::new(), 0);
        for way in ways {
            let is_held: BooleanArray =
                held.iter().skip(at).take(way.rows.num_rows()).map(|held| Some(*held)).collect();
            at += way.rows.num_rows();
            if is_held.true_count() > 0 {
                let rows = self.first(&way.table, filter_record_batch(&way.rows, &is_held)?)?;
                chosen.push(Way { rows, ..way });
            } else {
                others.push(way);
            }
        }
        if self.follow(&chosen, out)? {
            return Ok(true);
        }
        for other in &mut others {
            if let Some(way) = chosen.iter().find(|way| way.table == other.table) {
                other.rows = way.rows.clone();
            }
        }
        self.follow(&others, out)
    }

    /// Of rows that hold the same value, those that are asked first, where the query says by what.
    fn first(&self, table: &str, rows: RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let queries = &self.open.transform.project.queries;
        let declared = queries.iter().find(|query| query.name == table).and_then(|query| query.alternatives.as_deref());
        let Some(place) = declared.and_then(|name| rows.schema().index_of(name).ok()) else { return Ok(rows) };
        let numbers: Vec<Option<i64>> = cells(&rows, place).iter().map(Value::as_i64).collect();
        let least = numbers.iter().flatten().min().copied();
        let is_first: BooleanArray = numbers.into_iter().map(|number| Some(number == least)).collect();
        Ok(filter_record_batch(&rows, &is_first)?)
    }

    fn follow(&self, ways: &[Way], out: &mut Sources) -> Result<bool, DataFusionError> {
        let mut any = false;
        for way in ways.iter().filter(|way| way.rows.num_rows() > 0) {
            if self.is_dataset(&way.table) {
                any |= self.sources(&way.table, way.column, &way.rows, out)?;
            } else {
                any |= out.add(way, &self.open.key_of(&way.table)) && !self.is_mapping(&way.table);
            }
        }
        Ok(any)
    }

    fn is_mapping(&self, name: &str) -> bool {
        self.open.transform.project.mappings.iter().any(|mapping| mapping.name == name)
    }

    /// The rows on the way; of raw tables with many, those that fields can come from.
    fn tables(&self, possible: &Sources) -> Result<Vec<TableTrace>, DataFusionError> {
        let mut tables = Vec::new();
        for (name, batches) in &self.ends {
            let kind = if self.is_mapping(name) { "mapping" } else { "raw" };
            let Some(rows) = each_once(batches)? else { continue };
            let rows = match possible.rows.get(name) {
                _ if kind == "mapping" || rows.num_rows() <= FEW => Some(rows),
                Some(batches) => each_once(batches)?,
                None => None,
            };
            tables.extend(rows.map(|rows| TableTrace::of(name, kind, &rows)));
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

/// A column of rows that a value may come from.
#[derive(Debug)]
struct Way {
    table: String,
    column: usize,
    rows: RecordBatch,
}

/// The cells found for one field.
#[derive(Debug, Default)]
struct Sources {
    /// Whether all cells that the plan knows of are looked for, be there a value or not; their rows are what is wanted.
    all: bool,
    values: BTreeMap<(String, String), Vec<CellTrace>>,
    rows: BTreeMap<String, Vec<RecordBatch>>,
    /// What has been looked at (query, column, rows), and whether it led to a raw table.
    seen: BTreeMap<(String, usize, Vec<u128>), bool>,
    /// The rows behind some of a query's, by the query and the digests of the rows: the same for many fields.
    behind: BTreeMap<(String, Vec<u128>), Behind>,
}

impl Sources {
    /// Takes up the cells of a table that is no dataset; whether any has a value.
    fn add(&mut self, way: &Way, key: &[String]) -> bool {
        if self.all {
            self.rows.entry(way.table.clone()).or_default().push(way.rows.clone());
            return true;
        }
        let (name, mut any) = (way.rows.schema_ref().field(way.column).name().clone(), false);
        for row in 0..way.rows.num_rows() {
            let mut values = shown(&way.rows, row);
            let Some(raw) = values.get(&name).cloned() else { continue };
            let row = key.iter().filter_map(|name| values.shift_remove_entry(name)).collect();
            let cells = self.values.entry((way.table.clone(), name.clone())).or_default();
            let cell = CellTrace { row, raw };
            if cells.len() < MOST_VALUES && !cells.contains(&cell) {
                cells.push(cell);
            }
            any = true;
        }
        any
    }

    /// Takes what was found for one field; the next begins anew.
    fn take(&mut self, is_mapping: impl Fn(&str) -> bool) -> Vec<SourceTrace> {
        self.seen.clear();
        let list = std::mem::take(&mut self.values).into_iter();
        list.map(|((table, column), cells)| SourceTrace { is_mapping: is_mapping(&table), table, column, cells })
            .collect()
    }
}

/// Of the cells that steps on the way could not tell apart, those that hold the field's value itself. Where none does, for
/// it is computed or in another spelling, few columns stay as they are, and of many none is named.
fn keep_likely(value: &Value, from: &mut Vec<SourceTrace>) {
    let raw = || from.iter().filter(|source| !source.is_mapping);
    let cells: Vec<Value> = raw().flat_map(|source| &source.cells).map(|cell| cell.raw.clone()).collect();
    let held = holding(std::slice::from_ref(value), &cells);
    let mut held = held.unwrap_or_else(|| vec![raw().count() <= MOST_PARTS; cells.len()]).into_iter();
    for source in from.iter_mut().filter(|source| !source.is_mapping) {
        source.cells.retain(|_| held.next().unwrap_or_default());
    }
    from.retain(|source| !source.cells.is_empty());
}

/// The cells of a column, NULL where there is nothing.
fn cells(rows: &RecordBatch, index: usize) -> Vec<Value> {
    let Some(column) = rows.columns().get(index) else { return Vec::new() };
    (0..rows.num_rows()).map(|row| json::value(column.as_ref(), row).ok().flatten().unwrap_or_default()).collect()
}

/// The values of a column.
fn column(rows: &RecordBatch, index: usize) -> Vec<Value> {
    cells(rows, index).into_iter().filter(|value| !value.is_null()).collect()
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
