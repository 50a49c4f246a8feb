//! Documents through SQL into the target's form: the same engine and the same layout of a project as for tables, over
//! `documents.GROUP` and `delivery.documents` (see `raw`). Its folder has datasets, documents, `rejected` and the balance.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bucket::Bucket;
use super::publish::{self, Edition};
use super::transfer::Item;
use super::{BEGUN_FILE, Begun, Delivery, Inputs, MOST_NAMED, Problem, StepReport, conflicts, declared, raw};
use crate::dataflow::{Progress, SendableRecordBatchStream, TableName};
use crate::error::{Error, Result};
use crate::staging::{RunFolder, json, safe_name};
use crate::transform::{CANDIDATES, Making, REPORT_FILE, Transform, TransformConfig, TransformReport};

/// The project of the queries over documents, below the project.
const PROJECT: &str = "deliver/transform";
/// The folder of a delivery that its tables, datasets and documents are in.
const FOLDER: &str = "transform";
/// The file that says what the last transform has made.
const MADE_FILE: &str = "made.json";
/// The table of all documents.
const DOCUMENTS_TABLE: &str = "delivery.documents";

/// What a transform has made.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    /// From what.
    inputs: Inputs,
    /// Documents that are no candidates.
    lost: u64,
}

/// Makes the documents' tables, runs the queries, writes the documents. What is as it was is kept.
///
/// # Errors
/// When the purge has no record, a query is wrong, a document changes meanwhile, or a place does not answer.
pub(super) async fn run(delivery: &Delivery, progress: &Progress) -> Result<StepReport> {
    let project = project(delivery);
    if !project.is_dir() {
        return Err(Error::preflight(format!(
            "{} is no folder: queries that bring documents into the target's form belong there",
            project.display()
        )));
    }
    let left = publish::left(delivery).await?;
    let (documents, mut inputs) = (left.documents, left.made_from.clone());
    let (declared, text) = declared::read(&delivery.sql.project).await?;
    inputs.insert(declared::FILE.to_owned(), blake3::hash(text.as_bytes()).to_hex().to_string());
    let transform = Transform::open(&config(delivery).await?)?.with_definitions(delivery.bound.known.clone());
    if delivery.dry_run {
        return Ok(delivery.planned("transform", documents, [("would read".to_owned(), documents)].into()));
    }
    conflicts::require_settled(delivery, &left.made_from, false).await?;
    let folder = folder(delivery);
    folder.remove_json(MADE_FILE).await?;
    let (listed, was_there) = raw::make(delivery, &folder, left, inputs.clone(), &declared, progress).await?;
    let definitions = definitions(delivery, &transform);
    let report = transform.run(&folder, &definitions, &[], progress, &delivery.cancel).await?;
    let lost = lost(&transform, &folder).await?;
    folder.put_json(MADE_FILE, &Made { inputs, lost: lost.1 }).await?;
    for remark in &report.remarks {
        tracing::warn!("{remark}");
    }
    let is_kept = was_there && report.queries.iter().all(|query| query.making == Making::Kept);
    let mut told = told(&report, documents, listed.rows);
    told.balanced &= lost.1 == 0;
    told.problems_in_all += lost.1;
    told.problems.extend(lost.0);
    told.problems.truncate(MOST_NAMED);
    Ok(StepReport { kept: is_kept, record: Some(folder.url()), ..told })
}

/// Documents that are in no row of `candidates`, which names each by `object` and `document`: the first of them, and how many.
/// What is no candidate, nobody accounts for.
///
/// # Errors
/// When `candidates` has no such columns.
async fn lost(transform: &Transform, folder: &RunFolder) -> Result<(Vec<Problem>, u64)> {
    if !transform.project().queries.iter().any(|query| query.name == CANDIDATES) {
        return Ok((Vec::new(), 0));
    }
    let statement = format!(
        "select d.object, d.document, count(*) over () as documents from {DOCUMENTS_TABLE} d where not exists \
         (select 1 from {CANDIDATES} c where c.object = d.object and c.document = d.document) \
         order by d.object, d.document limit {MOST_NAMED}"
    );
    let rows = transform.sql(folder, &statement).await.map_err(|cause| Error::Preflight {
        message: format!(
            "the query {CANDIDATES} has to name each row of {DOCUMENTS_TABLE} by columns `object` and `document`, so that \
             no document is lost unseen"
        ),
        cause: Some(cause.into()),
    })?;
    let (mut problems, mut documents) = (Vec::new(), 0);
    let batches: Vec<RecordBatch> = rows.map_err(Error::from_datafusion).try_collect().await?;
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let row = json::row(batch, row)?;
            let text = |name: &str| match row.get(name) {
                Some(Value::String(text)) => text.clone(),
                other => other.map(Value::to_string).unwrap_or_default(),
            };
            documents = row.get("documents").and_then(Value::as_u64).unwrap_or(documents);
            let reason = format!("document {} is in no row of {CANDIDATES}", text("document"));
            problems.push(Problem { key: text("object"), reason });
        }
    }
    Ok((problems, documents))
}

/// Whether the project has queries over documents.
pub(super) fn is_wanted(delivery: &Delivery) -> bool {
    project(delivery).is_dir()
}

fn project(delivery: &Delivery) -> PathBuf {
    delivery.sql.project.join(PROJECT)
}

fn folder(delivery: &Delivery) -> RunFolder {
    delivery.folder.within(FOLDER)
}

/// What queries call now is when the delivery was begun, unless the settings say.
async fn config(delivery: &Delivery) -> Result<TransformConfig> {
    let begun: Option<Begun> = delivery.folder.get_json(BEGUN_FILE).await?;
    let now = delivery.sql.now.clone().or(begun.map(|begun| begun.begun));
    Ok(TransformConfig { project: project(delivery), now, ..delivery.sql.clone() })
}

/// The definition that each query feeds; of the project's, those that are queries here.
fn definitions(delivery: &Delivery, transform: &Transform) -> BTreeMap<String, String> {
    let is_query = |name: &str| transform.project().queries.iter().any(|query| query.name == name);
    let all = delivery.bound.definitions.iter().filter(|(query, _)| is_query(query));
    all.map(|(query, definition)| (query.clone(), definition.clone())).collect()
}

fn told(report: &TransformReport, objects: u64, documents: u64) -> StepReport {
    let mut counts = BTreeMap::from([("documents".to_owned(), documents)]);
    let mut balanced = true;
    if let Some(balance) = &report.balance {
        balanced = balance.closes();
        counts.insert("instances".to_owned(), balance.counts.loaded);
        let merged = ("merged".to_owned(), balance.counts.merged);
        let rejected = balance.counts.rejected.iter().map(|(reason, rows)| (format!("rejected {reason}"), *rows));
        let outside = balance.counts.out_of_scope.iter().map(|(reason, rows)| (format!("left out {reason}"), *rows));
        counts.extend(rejected.chain(outside).chain([merged].into_iter().filter(|(_, rows)| *rows > 0)));
    }
    let problem = |text: &String| Problem { key: "(queries)".to_owned(), reason: text.clone() };
    StepReport {
        step: "transform".to_owned(),
        objects,
        counts,
        problems: report.problems.iter().take(MOST_NAMED).map(problem).collect(),
        problems_in_all: report.problems.len() as u64,
        balanced,
        ..StepReport::default()
    }
}

/// The rows of a look at a delivery: its records as `record.NAME`, and all that its transform made, as
/// [`Transform::sql`] has it.
///
/// # Errors
/// As [`Transform::sql`]; when a record cannot be read.
pub async fn look(sql: &TransformConfig, folder: &RunFolder, statement: &str) -> Result<SendableRecordBatchStream> {
    let project = sql.project.join(PROJECT);
    let project = if project.is_dir() { project } else { sql.project.clone() };
    let records = folder.query_datasets().await?.into_iter();
    let records =
        records.map(|(record, manifest)| (TableName::new("record", record.name()), record, manifest)).collect();
    let transform = Transform::open(&TransformConfig { project, ..sql.clone() })?.with_datasets(records);
    transform.sql(&folder.within(FOLDER), statement).await
}

/// What is published of a delivery whose documents were brought into the target's form: one document an asset, as
/// `{definition}/{source key}.json`.
///
/// # Errors
/// When it was not, or from other documents; when a document is missing or has another size.
pub(super) async fn edition(delivery: &Delivery) -> Result<Edition> {
    let left = publish::left(delivery).await?;
    let folder = folder(delivery);
    let id = delivery.folder.id();
    let again =
        |what: &str| Error::preflight(format!("{what}; `telecine deliver transform --delivery {id}` does that"));
    let made: Option<Made> = folder.get_json(MADE_FILE).await?;
    let is_of = |made: &Made| left.made_from.iter().all(|(name, content)| made.inputs.get(name) == Some(content));
    let Some(made) = made.filter(is_of) else {
        return Err(again("the documents were not brought into the target's form, or have changed since"));
    };
    if made.lost > 0 {
        let lost = made.lost;
        return Err(again(&format!(
            "{lost} documents are in no row of {CANDIDATES}; mend the query and make them again"
        )));
    }
    let report: TransformReport = folder.get_json(REPORT_FILE).await?.unwrap_or_default();
    report.verdict()?;
    let mut edition = Edition { made_from: left.made_from, documents: 0, ..Edition::empty(place(delivery, &folder)?) };
    let there = listed(&edition.place).await?;
    let mut items: Vec<BoxStream<'static, Result<Vec<Item>>>> = Vec::new();
    let there = std::sync::Arc::new(there);
    for written in &report.documents {
        let documents = folder.documents(&written.definition);
        let Some((content, index)) = documents.index().await? else {
            return Err(again("documents are missing"));
        };
        edition.made_from.insert(format!("documents {}", written.definition), content);
        edition.documents += written.rows;
        let (prefix, there) = (safe_name(&written.definition, false), std::sync::Arc::clone(&there));
        let batches = index.map_err(Error::from_datafusion);
        items.push(batches.and_then(move |batch| std::future::ready(items_of(&batch, &prefix, &there))).boxed());
    }
    edition.items = futures::stream::iter(items).flatten().boxed();
    Ok(edition)
}

fn place(delivery: &Delivery, folder: &RunFolder) -> Result<Bucket> {
    Ok(Bucket::open(&folder.url(), &delivery.reach)?.below("documents"))
}

/// Size and ETag of each object.
async fn listed(place: &Bucket) -> Result<BTreeMap<String, (u64, String)>> {
    let mut found = BTreeMap::new();
    let mut pages = place.reader().list();
    while let Some(page) = pages.try_next().await? {
        found.extend(page.into_iter().map(|object| (object.key, (object.size, object.etag))));
    }
    Ok(found)
}

fn items_of(batch: &RecordBatch, prefix: &str, there: &BTreeMap<String, (u64, String)>) -> Result<Vec<Item>> {
    let damaged = || Error::staging(format!("documents/{prefix}.parquet"), "is no index of documents", "columns");
    let (Some(names), Some(sizes)) = (batch.column_by_name("document"), batch.column_by_name("bytes")) else {
        return Err(damaged());
    };
    let names = names.as_string_opt::<i32>().ok_or_else(damaged)?;
    let sizes = sizes.as_primitive_opt::<UInt64Type>().ok_or_else(damaged)?;
    let item = |(name, size): (Option<&str>, Option<u64>)| {
        let key = format!("{prefix}/{}", name.unwrap_or_default());
        let found = there.get(&key).filter(|(found, _)| Some(*found) == size);
        let reason = found.is_none().then(|| "is not the document that the transform wrote".to_owned());
        let (size, etag) = found.cloned().unwrap_or_default();
        Item { name: key.clone(), key, size, etag, reason }
    };
    Ok(names.iter().zip(sizes.iter()).map(item).collect())
}
