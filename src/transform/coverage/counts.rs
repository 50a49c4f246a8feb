//! How many values columns have: from the footers of Parquet files where they say it, else by one aggregate a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::TryStreamExt;
use serde_json::{Map, Value};

use super::{AttributeCoverage, FieldCoverage, KeyValueTable};
use crate::dataflow::TableName;
use crate::error::{Error, Result};
use crate::staging::{RunFolder, json};
use crate::transform::definition::{Definitions, Lacking, lacking};
use crate::transform::query::Level;
use crate::transform::rows::{quoted, stream};
use crate::transform::{Transform, diagnose, session, tables};

/// The tables and datasets of a run.
pub(super) struct Counted {
    context: SessionContext,
    raw: BTreeMap<TableName, (u64, Arc<dyn TableProvider>)>,
}

/// Rows of a table, and values by column.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) rows: u64,
    pub(super) columns: BTreeMap<String, u64>,
}

impl Counted {
    /// Opens the raw tables, the mappings and the datasets of 4_map.
    ///
    /// # Errors
    /// [`Error::Staging`] when a manifest or a file is not as it should be.
    pub(super) async fn open(transform: &Transform, run: &RunFolder) -> Result<Self> {
        let context = session(&transform.config)?;
        context.register_object_store(run.area().store_url(), run.area().store());
        tables::register_mappings(&context, &transform.mappings)?;
        let mut raw = BTreeMap::new();
        for (table, manifest) in run.raw_tables().await? {
            let provider = tables::provider(&run.raw(&table), &manifest).await?;
            tables::register_source(&context, &table, Arc::clone(&provider))?;
            raw.insert(table, (manifest.rows, provider));
        }
        for query in transform.project.queries.iter().filter(|query| query.level == Level::Map) {
            let dataset = run.query(&query.name);
            if let Some(manifest) = dataset.manifest().await? {
                tables::register(&context, &query.name, tables::provider(&dataset, &manifest).await?)?;
            }
        }
        Ok(Self { context, raw })
    }

    /// Rows and values of a raw table.
    ///
    /// # Errors
    /// [`Error::Query`] when its files cannot be read.
    pub(super) async fn table(&mut self, table: &TableName, schema: &Schema) -> Result<Values> {
        let Some((rows, provider)) = self.raw.get(table) else { return Ok(Values::default()) };
        let failed = |cause| Error::query(table.to_string(), "cannot be counted", cause);
        let scan = provider.scan(&self.context.state(), None, &[], None).await.map_err(failed)?;
        let statistics = StatisticsContext::new().compute(scan.as_ref(), &StatisticsArgs::new()).map_err(failed)?;
        let mut values = Values { rows: *rows, columns: BTreeMap::new() };
        let mut unknown = Vec::new();
        for (index, column) in schema.fields().iter().enumerate() {
            match statistics.column_statistics.get(index).map(|column| &column.null_count) {
                Some(Precision::Exact(nulls)) => {
                    values.columns.insert(column.name().clone(), rows.saturating_sub(*nulls as u64));
                }
                _ => unknown.push(column.name().as_str()),
            }
        }
        if !unknown.is_empty() && *rows > 0 {
            let counts: Vec<String> = unknown.iter().map(|name| format!("count({0}) as {0}", quoted(name))).collect();
            let from = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
            for row in self.rows(&table.to_string(), &format!("select {} from {from}", counts.join(", "))).await? {
                values.columns.extend(unknown.iter().map(|name| ((*name).to_owned(), number(&row, name))));
            }
        }
        Ok(values)
    }

    /// The fields with the rows to load that have a value in them; as they are where the query has no dataset.
    ///
    /// # Errors
    /// [`Error::Query`] when the dataset cannot be read.
    pub(super) async fn fields(
        &self,
        query: &str,
        mut fields: Vec<FieldCoverage>,
        schema: &Schema,
    ) -> Result<Vec<FieldCoverage>> {
        if self.context.table(query).await.is_err() {
            return Ok(fields);
        }
        let fed = fields.iter().enumerate().filter(|(_, field)| field.fed);
        let counts: BTreeMap<usize, String> =
            fed.filter_map(|(index, field)| Some((index, value_of(&field.field, schema)?))).collect();
        let columns: String = counts.iter().map(|(index, value)| format!(", count({value}) as n{index}")).collect();
        let sql = format!("select count(*) as n{columns} from {} where disposition = 'load'", quoted(query));
        for row in self.rows(query, &sql).await? {
            for (index, field) in fields.iter_mut().enumerate() {
                field.rows = Some(number(&row, "n"));
                field.values = counts.contains_key(&index).then(|| number(&row, &format!("n{index}")));
            }
        }
        Ok(fields)
    }

    /// What open lists lack.
    ///
    /// # Errors
    /// As [`lacking`].
    pub(super) async fn lacking(&self, definitions: &Definitions) -> Result<Vec<Lacking>> {
        lacking(&self.context, definitions).await
    }

    /// Attributes of rows that the mapping does not take, those too whose rows have none of the columns of values, and
    /// those that it takes and no row holds.
    ///
    /// # Errors
    /// [`Error::Preflight`] that names the setting, when a table or column of it is not there.
    pub(super) async fn attributes(&self, set: &KeyValueTable) -> Result<Vec<AttributeCoverage>> {
        let name = format!("coverage.{}", set.name);
        let frame = self.context.sql(&attributes(set)).await.map_err(|cause| Error::Preflight {
            message: format!("{name}: its tables and columns are not all there; see migration.toml"),
            cause: Some(cause.into()),
        })?;
        let rows = collect(&name, frame).await?;
        let text = |row: &Map<String, Value>, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let attribute = |row: Map<String, Value>| AttributeCoverage {
            set: set.name.clone(),
            key: text(&row, "key").unwrap_or_default(),
            label: text(&row, "label"),
            mapped: row.get("mapped").and_then(Value::as_bool).unwrap_or_default(),
            values: number(&row, "n"),
        };
        Ok(rows.into_iter().map(attribute).collect())
    }

    async fn rows(&self, name: &str, sql: &str) -> Result<Vec<Map<String, Value>>> {
        let frame = self.context.sql(sql).await.map_err(|cause| diagnose::run_error(name, cause))?;
        collect(name, frame).await
    }
}

/// All rows of a small result.
async fn collect(name: &str, frame: DataFrame) -> Result<Vec<Map<String, Value>>> {
    let mut batches = stream(name, frame).await?;
    let mut rows = Vec::new();
    while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
        for index in 0..batch.num_rows() {
            rows.push(json::row(&batch, index)?);
        }
    }
    Ok(rows)
}

/// The columns of a struct; none of anything else.
pub(super) fn parts(data_type: &DataType) -> impl Iterator<Item = &str> {
    let columns = match data_type {
        DataType::Struct(columns) => columns.as_ref(),
        DataType::List(item) => match item.data_type() {
            DataType::Struct(columns) => columns.as_ref(),
            _ => &[],
        },
        _ => &[],
    };
    columns.iter().map(|column| column.name().as_str())
}

/// The SQL of a field's value, NULL where there is none: an empty list is none. None for a part of a list's items.
fn value_of(path: &str, schema: &Schema) -> Option<String> {
    let (name, part) = path.split_once('.').map_or((path, None), |(name, part)| (name, Some(part)));
    let column = quoted(name);
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    Some(match (schema.field_with_name(name).ok()?.data_type(), part) {
        (DataType::List(_), None) => format!("case when array_length({column}) > 0 then 1 end"),
        (DataType::List(_), Some(_)) => return None,
        (_, Some(part)) => format!("{column}[{}]", literal(part)),
        (_, None) => column,
    })
}

fn attributes(set: &KeyValueTable) -> String {
    let table = |name: &str| name.split('.').map(quoted).collect::<Vec<_>>().join(".");
    let key = quoted(&set.key);
    let holds: Vec<String> = set.values.iter().map(|column| format!("{} is not null", quoted(column))).collect();
    let holds = if holds.is_empty() { String::new() } else { format!(" filter (where {})", holds.join(" or ")) };
    let names = match &set.names {
        Some(names) => format!(
            "select cast({0} as varchar) as key, min(cast({1} as varchar)) as label from {2} group by cast({0} as varchar)",
            quoted(&set.names_key),
            quoted(&set.label),
            table(names)
        ),
        None => "select cast(null as varchar) as key, cast(null as varchar) as label".to_owned(),
    };
    format!(
        "with held as (select cast({key} as varchar) as key, n from (select {key}, count(*){holds} as n from {values} \
         where {key} is not null group by {key})), \
         named as ({names}), \
         taken as (select distinct btrim(cast({mapped_key} as varchar)) as key from {mapped} where {mapped_key} is not null) \
         select coalesce(h.key, t.key) as key, n.label, t.key is not null as mapped, coalesce(h.n, 0) as n \
         from held h full join taken t on t.key = h.key left join named n on n.key = coalesce(h.key, t.key) \
         where coalesce(h.n, 0) = 0 or t.key is null order by mapped, n desc, key",
        values = table(&set.table),
        mapped_key = quoted(&set.mapped_key),
        mapped = table(&set.mapped),
    )
}

fn number(row: &Map<String, Value>, column: &str) -> u64 {
    row.get(column).and_then(Value::as_u64).unwrap_or_default()
}
