//! What must hold before the first request: every definition is there and enabled, every mapped column is one of its
//! fields, of the right type and multiplicity, as [`crate::transform::definition`] says. All problems are found before any is reported.

use std::sync::Arc;

use arrow::datatypes::Schema;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::row::Shape;
use super::{Binding, LoadConfig};
use crate::dataflow::SendableRecordBatchStream;
use crate::error::{Error, Result};
use crate::flex::{Definition, FlexClient};
use crate::staging::{Dataset, Manifest, RunFolder};
use crate::transform::definition::{RowRules, mismatches};

/// The definitions that the run's rows were checked against.
pub const DEFINITIONS_FILE: &str = "definitions.json";
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
    pub(super) rules: RowRules,
    /// Fields that hold references and that the definition requires.
    pub(super) needed: Vec<String>,
    dataset: Dataset,
    manifest: Manifest,
}

impl Bound {
    /// Rows in the dataset, whatever their disposition.
    pub fn rows(&self) -> u64 {
        self.manifest.rows
    }

    /// The checksum of the dataset's content.
    pub fn content(&self) -> String {
        self.manifest.content()
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
pub(super) async fn check(config: &LoadConfig, client: &FlexClient, run: &RunFolder) -> Result<Vec<Bound>> {
    client.ping().await.map_err(|cause| Error::Preflight {
        message: format!("target {}: no Flex answers at {}", config.target, client.base_url()),
        cause: Some(Box::new(cause)),
    })?;
    let checked: Vec<Definition> = run.get_json(DEFINITIONS_FILE).await?.unwrap_or_default();
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
        let Some(mut definition) = client.definition(&binding.definition).await? else {
            problems.push(format!("definition {}: the target has none of this name", binding.definition));
            continue;
        };
        if !definition.enabled {
            problems.push(format!("definition {}: not enabled in the target", binding.definition));
        }
        let schema = schema(&dataset, &manifest).await?;
        let shape = Shape::of(&binding.query, &schema)?.with_external_ids(&config.external_id_column);
        problems.extend(binding.open(&mut definition));
        let found = mismatches(&schema, &definition);
        problems.extend(found.into_iter().map(|mismatch| format!("query {}: {mismatch}", binding.query)));
        problems.extend(changed_since(&checked, &definition));
        let rules = RowRules::of(&definition);
        let required =
            definition.fields.iter().filter(|field| field.is_required() && shape.links().contains(&field.name));
        let needed = required.map(|field| field.name.clone()).collect();
        bound.push(Bound { binding: binding.clone(), definition, shape, rules, needed, dataset, manifest });
    }
    if problems.is_empty() {
        return Ok(bound);
    }
    Err(Error::preflight(format!("the mapped rows do not fit the target:\n  {}", problems.join("\n  "))))
}

/// How a definition differs from the one of its name that the rows were checked against; nothing where there is none.
fn changed_since(checked: &[Definition], live: &Definition) -> Option<String> {
    let before = checked.iter().find(|definition| definition.name == live.name)?;
    let changes = before.changes(live);
    (!changes.is_empty()).then(|| {
        format!(
            "definition {}: changed since the queries were checked against it: {}; run `telecine transform` with this target",
            live.name,
            changes.join(", ")
        )
    })
}

async fn schema(dataset: &Dataset, manifest: &Manifest) -> Result<Arc<Schema>> {
    let Some(file) = manifest.files.first() else {
        return Err(Error::preflight(format!("query {}: its dataset has no columns", dataset.name())));
    };
    Ok(dataset.read_unchecked(file).await?.schema())
}
