//! What must hold before the first request: every definition is there and enabled, every mapped column is one of its
//! fields, of the right type and multiplicity. All problems are found before any is reported.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as Column, Schema};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::row::{Shape, is_reference};
use super::{Binding, LoadConfig};
use crate::dataflow::SendableRecordBatchStream;
use crate::error::{Error, Result};
use crate::flex::{Definition, Family, Field, FlexClient};
use crate::staging::{Dataset, Manifest, RunFolder};

/// The report that the transform leaves in the run's folder.
const TRANSFORM_REPORT: &str = "transform.json";

/// A binding whose definition and dataset were found and fit each other.
#[derive(Debug)]
pub struct Bound {
    /// The setting.
    pub binding: Binding,
    /// The target's definition.
    pub definition: Definition,
    /// What the dataset's columns are.
    pub shape: Shape,
    dataset: Dataset,
    manifest: Manifest,
}

impl Bound {
    /// Rows in the dataset, whatever their disposition.
    pub fn rows(&self) -> u64 {
        self.manifest.rows
    }

    /// All rows of the dataset, part after part, each part checked against the manifest before its first batch.
    ///
    /// # Errors
    /// When the first part cannot be read; later failures come through the stream.
    pub async fn batches(&self) -> Result<SendableRecordBatchStream> {
        let schema = schema(&self.dataset, &self.manifest).await?;
        let dataset = self.dataset.clone();
        let parts = futures::stream::iter(self.manifest.files.clone()).then(move |file| {
            let dataset = dataset.clone();
            async move { dataset.read_part(&file).await.map_err(Error::into_datafusion) }
        });
        let batches = parts.try_flatten();
        Ok(Box::pin(datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// What the load needs to know of the run's transform.
#[derive(Debug, Deserialize)]
struct Transformed {
    /// Without all queries and checks nobody knows whether the run is clean.
    #[serde(default)]
    select: Vec<String>,
    queries: Vec<TransformedQuery>,
    problems: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct TransformedQuery {
    name: String,
    checksum: String,
}

/// The transform of the whole run must have ended without problems, and the datasets to be sent must be those it wrote:
/// rows that no balance and no check has seen are not sent.
///
/// # Errors
/// [`Error::Preflight`] with everything that is not so.
pub(super) async fn require_clean(bound: &[Arc<Bound>], run: &RunFolder) -> Result<()> {
    let Some(report) = run.get_json::<Transformed>(TRANSFORM_REPORT).await? else {
        return Err(Error::preflight(format!(
            "run {0}: no transform has ended; run `telecine transform --run {0}`",
            run.id()
        )));
    };
    let mut problems = report.problems;
    if !report.select.is_empty() {
        problems.push(format!("the last transform was of {} only", report.select.join(", ")));
    }
    for bound in bound {
        let query = &bound.binding.query;
        match report.queries.iter().find(|ran| ran.name == *query) {
            Some(ran) if ran.checksum == bound.manifest.content() => {}
            Some(_) => problems.push(format!("query {query}: its dataset has changed since the transform ended")),
            None => problems.push(format!("query {query}: the last transform did not run it")),
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::preflight(format!(
        "the transform of run {0} did not end clean; run `telecine transform --run {0}` again, without --select:\n  {1}",
        run.id(),
        problems.join("\n  ")
    )))
}

/// Finds what the bindings name and checks that it fits.
///
/// # Errors
/// [`Error::Preflight`] with every problem, or what kept the target or the staging area from answering.
pub(super) async fn check(config: &LoadConfig, client: &FlexClient, run: &RunFolder) -> Result<Vec<Arc<Bound>>> {
    client.ping().await.map_err(|cause| Error::Preflight {
        message: format!("target {}: no Flex answers at {}", config.target, client.base_url()),
        cause: Some(Box::new(cause)),
    })?;
    let mut problems = Vec::new();
    let mut bound = Vec::new();
    for binding in &config.bindings {
        let dataset = run.query(&binding.query);
        let Some(manifest) = dataset.manifest().await? else {
            problems.push(format!(
                "query {}: run {} has no dataset of it; run `telecine transform`",
                binding.query,
                run.id()
            ));
            continue;
        };
        let Some(definition) = client.definition(&binding.definition).await? else {
            problems.push(format!("definition {}: the target has none of this name", binding.definition));
            continue;
        };
        if !definition.enabled {
            problems.push(format!("definition {}: not enabled in the target", binding.definition));
        }
        let schema = schema(&dataset, &manifest).await?;
        let shape = Shape::of(&binding.query, &schema)?;
        compare(&binding.query, &schema, &definition, &mut problems);
        bound.push(Arc::new(Bound { binding: binding.clone(), definition, shape, dataset, manifest }));
    }
    if problems.is_empty() {
        return Ok(bound);
    }
    Err(Error::preflight(format!("the mapped rows do not fit the target:\n  {}", problems.join("\n  "))))
}

async fn schema(dataset: &Dataset, manifest: &Manifest) -> Result<Arc<Schema>> {
    let Some(file) = manifest.files.first() else {
        return Err(Error::preflight(format!("query {}: its dataset has no columns", dataset.name())));
    };
    Ok(dataset.read_unchecked(file).await?.schema())
}

/// The columns after `name` against the definition's fields.
fn compare(query: &str, schema: &Schema, definition: &Definition, problems: &mut Vec<String>) {
    let columns = schema.fields().iter().skip_while(|column| column.name() != "name").skip(1);
    let place = format!("query {query}, definition {}", definition.name);
    columns.for_each(|column| compare_column(&place, "", column, &definition.fields, problems));
}

fn compare_column(place: &str, path: &str, column: &Column, fields: &[Field], problems: &mut Vec<String>) {
    let path = format!("{path}{}", column.name());
    let Some(field) = fields.iter().find(|field| field.name == *column.name()) else {
        problems.push(format!("{place}: there is no field {path}"));
        return;
    };
    let (item, listed) = match column.data_type() {
        DataType::List(item) | DataType::LargeList(item) => (item.data_type(), true),
        other => (other, false),
    };
    if listed != field.is_multiple() {
        let (is, must) = if listed { ("a list", "one value") } else { ("one value", "a list") };
        problems.push(format!("{place}: {path} is {is} in the query, {must} in the definition"));
    }
    match (field.family(), item) {
        (Family::Complex, DataType::Struct(columns)) if !is_reference(columns) => {
            let children = field.children.as_deref().unwrap_or_default();
            let prefix = format!("{path}.");
            columns.iter().for_each(|column| compare_column(place, &prefix, column, children, problems));
        }
        (family, item) if !fits(family, item) => {
            problems
                .push(format!("{place}: {path} has the type {item} in the query, {} in the definition", field.kind));
        }
        _ => {}
    }
}

fn fits(family: Family, item: &DataType) -> bool {
    let text = matches!(item, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..));
    match family {
        Family::Text | Family::Option => text,
        Family::Integer => item.is_integer(),
        Family::Number => item.is_numeric(),
        Family::Boolean => *item == DataType::Boolean,
        Family::Date => *item == DataType::Date32,
        Family::Time => matches!(item, DataType::Timestamp(..)),
        Family::Reference => matches!(item, DataType::Struct(columns) if is_reference(columns)),
        Family::Complex => false,
        Family::Other => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> Definition {
        let fields = json!([
            {"name": "title", "type": "string"},
            {"name": "tags", "type": "string", "multiplicity": "0..*"},
            {"name": "length", "type": "integer"},
            {"name": "price", "type": "double"},
            {"name": "parent", "type": "asset"},
            {"name": "parts", "type": "complex", "multiplicity": "0..*", "children": [{"name": "code", "type": "string"}]},
        ]);
        Definition { id: 1, name: "d".into(), enabled: true, fields: serde_json::from_value(fields).unwrap() }
    }

    fn problems(columns: Vec<Column>) -> Vec<String> {
        let mut all =
            vec![Column::new("source_key", DataType::Utf8, false), Column::new("name", DataType::Utf8, false)];
        all.extend(columns);
        let mut problems = Vec::new();
        compare("q", &Schema::new(all), &definition(), &mut problems);
        problems
    }

    fn structure(names: &[&str]) -> DataType {
        DataType::Struct(names.iter().map(|name| Column::new(*name, DataType::Utf8, true)).collect())
    }

    fn list(item: DataType) -> DataType {
        DataType::List(Arc::new(Column::new_list_field(item, true)))
    }

    #[test]
    fn what_fits_is_accepted() {
        let good = vec![
            Column::new("title", DataType::Utf8View, true),
            Column::new("tags", list(DataType::Utf8), true),
            Column::new("length", DataType::Int64, true),
            Column::new("price", DataType::Decimal128(10, 2), true),
            Column::new("parent", structure(&["source_key"]), true),
            Column::new("parts", list(structure(&["code"])), true),
        ];
        assert_eq!(problems(good), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_named() {
        let bad = vec![
            Column::new("colour", DataType::Utf8, true),
            Column::new("title", list(DataType::Utf8), true),
            Column::new("tags", DataType::Utf8, true),
            Column::new("length", DataType::Decimal128(10, 2), true),
            Column::new("parent", structure(&["code"]), true),
            Column::new("parts", list(structure(&["code", "kind"])), true),
        ];
        let found = problems(bad);
        assert_eq!(found.len(), 6, "{found:#?}");
        for word in
            ["no field colour", "title is a list", "tags is one value", "length has", "parent has", "parts.kind"]
        {
            assert!(found.iter().any(|problem| problem.contains(word)), "{word}: {found:#?}");
        }
    }
}
