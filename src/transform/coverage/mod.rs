//! What a migration covers, both ways: fields of the target that nothing feeds, and values of the source that lead nowhere.
//!
//! Which columns lead somewhere is read from the plans of all queries (`usage`): backwards from the columns of 4_map, each
//! query cut down to what later ones use of it, by the scans of its optimised plan. So a column that one query selects and
//! no later one takes up counts as one that leads nowhere, which it would not if each query were looked at alone. What joins,
//! filters and orders need leads somewhere, too; what only a check reads does not.
//!
//! How many values that concerns comes from the footers of the run's Parquet files (`counts`), where they have it; columns of
//! lists and structs, fields of 4_map and the keys of key-value tables are counted by one aggregate each. Without a run
//! there are no counts.

mod counts;
mod usage;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use self::counts::Counted;
use self::usage::Usage;
use super::definition::Lacking;
use super::opened::exceptions_table;
use super::planning::Depth;
use super::query::Level;
use super::{Transform, deep, session};
use crate::dataflow::TableName;
use crate::dataflow::definition::{Definition, Field};
use crate::error::Result;
use crate::staging::RunFolder;

/// The file in which a run keeps its [`CoverageReport`].
pub const COVERAGE_FILE: &str = "coverage.json";

/// A table of the source that holds attributes as rows: which, by a key. What they are called is in another table, and
/// which of them the migration takes, in a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueTable {
    /// What the report calls it.
    pub name: String,
    /// The table, `schema.table`.
    pub table: String,
    /// Its column that says which attribute a row holds.
    pub key: String,
    /// Its columns of values: a row that has none of them holds nothing. Every row counts where none is named.
    pub values: Vec<String>,
    /// The table, `schema.table`, that names the attributes.
    pub names: Option<String>,
    /// The key in that table.
    pub names_key: String,
    /// The name in that table.
    pub label: String,
    /// The mapping (or query) that lists the attributes taken.
    pub mapped: String,
    /// The key in it.
    pub mapped_key: String,
}

/// What a migration covers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CoverageReport {
    /// The run whose values are counted; without one there are no counts.
    pub run: Option<String>,
    /// Every field of every definition that a query feeds, by query.
    pub fields: Vec<FieldCoverage>,
    /// Values that open lists do not have yet.
    pub lacking: Vec<Lacking>,
    /// Columns that lead to no field, of the tables that queries read.
    pub columns: Vec<ColumnCoverage>,
    /// Tables that no query reads.
    pub tables: Vec<TableCoverage>,
    /// Attributes that rows hold and no mapping takes, most rows first; then those taken that no row holds.
    pub attributes: Vec<AttributeCoverage>,
    /// Columns of queries that no later query takes up.
    pub idle: Vec<IdleColumn>,
    /// What could not be looked at, and why.
    pub remarks: Vec<String>,
}

/// A field of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCoverage {
    /// The definition.
    pub definition: String,
    /// The query that feeds it.
    pub query: String,
    /// The field; `parts.code` is one of a complex field.
    pub field: String,
    /// Its type, in the server's spelling.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the definition requires it.
    pub required: bool,
    /// Whether the query has a column for it.
    pub fed: bool,
    /// Rows to load that have a value in it; not counted for the parts of a list's items.
    pub values: Option<u64>,
    /// Rows to load.
    pub rows: Option<u64>,
}

/// A column of the source that leads to no field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnCoverage {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// Queries that read it all the same.
    pub read_by: Vec<String>,
    /// Rows that have a value in it.
    pub values: Option<u64>,
}

/// A table that no query reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCoverage {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: Option<u64>,
    /// Its columns, each with the rows that have a value in it.
    pub columns: BTreeMap<String, Option<u64>>,
}

/// An attribute of a key-value table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeCoverage {
    /// What the settings call the key-value table.
    pub set: String,
    /// The key.
    pub key: String,
    /// What the source calls it.
    pub label: Option<String>,
    /// Whether the mapping takes it.
    pub mapped: bool,
    /// Rows that hold it.
    pub values: u64,
}

/// A column of a query that no later query takes up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleColumn {
    /// The query.
    pub query: String,
    /// The column.
    pub column: String,
}

impl Transform {
    /// What the project covers of a source of these tables. `run`: where its values are counted.
    ///
    /// # Errors
    /// As [`Transform::check`]; [`crate::Error::Preflight`] when a table or column of `sets` is not there;
    /// [`crate::Error::Query`] when something cannot be counted.
    pub async fn coverage(
        &self,
        tables: &[(TableName, SchemaRef)],
        run: Option<&RunFolder>,
        sets: &[KeyValueTable],
    ) -> Result<CoverageReport> {
        let (transform, tables, run, sets) = (self.clone(), tables.to_vec(), run.cloned(), sets.to_vec());
        let work = async move { transform.cover(&tables, run.as_ref(), &sets).await };
        deep::run("coverage", work).await
    }

    async fn cover(
        &self,
        tables: &[(TableName, SchemaRef)],
        run: Option<&RunFolder>,
        sets: &[KeyValueTable],
    ) -> Result<CoverageReport> {
        let planned = self.plan_all(tables, Depth::Types).await?;
        let usage = Usage::of(&session(&self.config)?.state(), &planned, &self.project)?;
        let mut counted = match run {
            Some(run) => Some(Counted::open(self, run).await?),
            None => None,
        };
        let mut report = CoverageReport { run: run.map(|run| run.id().to_owned()), ..CoverageReport::default() };
        for query in self.project.queries.iter().filter(|query| query.level == Level::Map) {
            match (self.definitions.get(&query.name), planned.iter().find(|plan| plan.name == query.name)) {
                (Some(definition), Some(plan)) => {
                    let fields = fields(&query.name, definition, &plan.schema);
                    report.fields.extend(match &counted {
                        Some(counted) => counted.fields(&query.name, fields, &plan.schema).await?,
                        None => fields,
                    });
                }
                _ => report.remarks.push(format!("the definition that {} feeds is not known", query.name)),
            }
        }
        // What the types of columns cannot hold is no table of the source.
        for (table, schema) in tables.iter().filter(|(table, _)| *table != exceptions_table()) {
            let values = match &mut counted {
                Some(counted) => Some(counted.table(table, schema).await?),
                None => None,
            };
            let of = |column: &str| values.as_ref().and_then(|values| values.columns.get(column).copied());
            let name = table.to_string();
            let names = schema.fields().iter().map(|column| column.name().as_str());
            if usage.reads_table(&name) {
                report.columns.extend(names.filter(|column| !usage.leads(&name, column)).map(|column| {
                    ColumnCoverage {
                        table: name.clone(),
                        column: column.to_owned(),
                        read_by: usage.readers(&name, column),
                        values: of(column),
                    }
                }));
            } else {
                let columns = names.map(|column| (column.to_owned(), of(column))).collect();
                report.tables.push(TableCoverage {
                    table: name,
                    rows: values.as_ref().map(|values| values.rows),
                    columns,
                });
            }
        }
        report.idle = usage.idle(&planned, &self.project);
        if let Some(counted) = &counted {
            report.lacking = counted.lacking(&self.definitions).await?;
            for set in sets {
                report.attributes.extend(counted.attributes(set).await?);
            }
        }
        Ok(report)
    }
}

/// Every field of the definition, with those of complex fields that are fed; no counts yet.
fn fields(query: &str, definition: &Definition, columns: &SchemaRef) -> Vec<FieldCoverage> {
    let mut found = Vec::new();
    let entry = |field: &Field, path: String, fed: bool| FieldCoverage {
        definition: definition.name.clone(),
        query: query.to_owned(),
        field: path,
        kind: field.kind.clone(),
        required: field.is_required(),
        fed,
        values: None,
        rows: None,
    };
    for field in &definition.fields {
        let column = columns.field_with_name(&field.name).ok();
        found.push(entry(field, field.name.clone(), column.is_some()));
        let Some(column) = column else { continue };
        let given: BTreeSet<&str> = counts::parts(column.data_type()).collect();
        for child in field.fields() {
            let path = format!("{}.{}", field.name, child.name);
            found.push(entry(child, path, given.contains(child.name.as_str())));
        }
    }
    found
}
