//! The documents of a delivery as tables: `documents.GROUP` a row a document that can be read, and `delivery.documents`, a row
//! for each document whether or not it can be, so that every one can be accounted for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::channel::mpsc::{self, UnboundedSender};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::bucket::ReadOnly;
use super::publish::Left;
use super::transfer::{Held, Transferred};
use super::{DOCUMENTS, Delivery, Inputs, hash128};
use crate::dataflow::{Partition, Progress, Sink, Source, TableMeta, TableName, WriteSummary};
use crate::error::{Error, Result};
use crate::source::json::{Encoding, Examined, JsonOptions, JsonSource};
use crate::staging::{Dataset, Manifest, RunFolder};

/// Rows of `delivery.documents` that are written at a time.
const BATCH: usize = 8_192;

/// The table of all documents.
fn all() -> TableName {
    TableName::new("delivery", "documents")
}

/// A document, as the table of all documents has it.
#[derive(Debug)]
struct Row {
    source: String,
    object: Arc<str>,
    group: Arc<str>,
    document: u64,
    kind: Option<&'static str>,
    reason: Option<&'static str>,
    offset: Option<usize>,
    encoding: Encoding,
    is_compressed: bool,
}

/// Makes the tables in `run`, unless they were made from just these `inputs`. The table of all documents is committed last:
/// where it is there, the others are. Gives its manifest, and whether it was there.
///
/// # Errors
/// When a document changes meanwhile, or a place does not answer.
pub(super) async fn make(
    delivery: &Delivery,
    run: &RunFolder,
    left: Left,
    inputs: Inputs,
    declared: &BTreeMap<String, Fields>,
    progress: &Progress,
) -> Result<(Manifest, bool)> {
    let documents = run.raw(&all());
    if let Some(manifest) = documents.manifest().await?.filter(|manifest| manifest.inputs == inputs) {
        return Ok((manifest, true));
    }
    documents.discard().await?;
    for (table, _) in run.raw_tables().await? {
        run.raw(&table).discard().await?;
    }
    progress.expect(left.documents);
    let place = delivery.area.below(DOCUMENTS);
    let Wanted { names, sources } = wanted(delivery, place.reader(), left.rows).await?;
    let (store, prefix) = place.reader().store(&delivery.reach)?;
    let (rows, written) = mpsc::unbounded();
    let mut listing = Listing { rows: Vec::new(), batches: rows, sources, objects: 0 };
    let survey = async {
        let options = JsonOptions { threads: delivery.sql.threads.max(1), ..JsonOptions::default() };
        let is_wanted = |key: &str| names.contains(&hash128(&[key.as_bytes()]));
        let source = JsonSource::survey_some(store, &prefix, options, is_wanted, |examined| {
            delivery.require_not_stopped()?;
            if examined.is_first() {
                progress.advance(1, examined.object.size);
            }
            let key = examined.object.location.as_ref();
            let key = key.strip_prefix(prefix.as_ref()).unwrap_or(key).trim_start_matches('/').to_owned();
            listing.add(&key, examined)
        });
        let source = source.await?;
        listing.flush()?;
        let objects = listing.objects;
        drop(listing);
        Ok::<_, Error>((source, objects))
    };
    let written = RecordBatchStreamAdapter::new(schema(), written.map(Ok::<_, DataFusionError>));
    let part = documents.parquet_part(0, schema());
    let (surveyed, written) = tokio::join!(survey, part.write_all(Box::pin(written)));
    let (source, objects) = surveyed?;
    if objects != left.documents {
        return Err(altered(delivery, left.documents.abs_diff(objects), ""));
    }
    tables(delivery, &source.declared(declared), run, &inputs).await?;
    let manifest =
        commit(&documents, all(), &schema(), vec!["object".into(), "document".into()], [written?], inputs).await?;
    Ok((manifest, false))
}

/// The documents of a delivery.
struct Wanted {
    /// Hashes of their keys in the area.
    names: HashSet<u128>,
    /// The keys in the source of those that have another one now.
    sources: HashMap<String, String>,
}

/// Reads which documents there are to be, and looks whether they are those that were sanitised.
async fn wanted(
    delivery: &Delivery,
    place: &ReadOnly,
    mut rows: BoxStream<'static, Result<Vec<Transferred>>>,
) -> Result<Wanted> {
    let held = Held::list(place).await?;
    let (mut names, mut sources) = (HashSet::new(), HashMap::new());
    let (mut others, mut first) = (0, None);
    while let Some(rows) = rows.try_next().await? {
        for row in rows {
            if !held.has(&row.name, row.etag.as_deref().unwrap_or_default(), row.size) {
                others += 1;
                first.get_or_insert_with(|| row.name.clone());
            }
            names.insert(hash128(&[row.name.as_bytes()]));
            if row.key != row.name {
                sources.insert(row.name, row.key);
            }
        }
    }
    match first {
        Some(first) => Err(altered(delivery, others, &format!(", first {first:?}"))),
        None => Ok(Wanted { names, sources }),
    }
}

fn altered(delivery: &Delivery, others: u64, first: &str) -> Error {
    Error::preflight(format!(
        "{others} documents in {} are gone or not those that were sanitised{first}; a new delivery puts them there again: \
         `telecine deliver --delivery ID`",
        delivery.area.below(DOCUMENTS).reader().url()
    ))
}

/// Each group into its table.
async fn tables(delivery: &Delivery, source: &JsonSource, run: &RunFolder, inputs: &Inputs) -> Result<()> {
    for meta in source.tables().await? {
        let dataset = run.raw(&meta.table);
        let partitions = source.partitions(&meta).await?;
        let parts = partitions.into_iter().map(|partition| part(delivery, source, &dataset, &meta, partition));
        let parts: Vec<WriteSummary> =
            futures::stream::iter(parts).buffered(delivery.sql.threads.max(1)).try_collect().await?;
        commit(&dataset, meta.table.clone(), &meta.arrow, meta.key.clone(), parts, inputs.clone()).await?;
    }
    Ok(())
}

async fn part(
    delivery: &Delivery,
    source: &JsonSource,
    dataset: &Dataset,
    meta: &TableMeta,
    partition: Partition,
) -> Result<WriteSummary> {
    delivery.require_not_stopped()?;
    let batches = source.scan(&partition).await?;
    dataset.parquet_part(partition.number, Arc::clone(&meta.arrow)).write_all(batches).await
}

async fn commit(
    dataset: &Dataset,
    table: TableName,
    schema: &Schema,
    key: Vec<String>,
    parts: impl IntoIterator<Item = WriteSummary>,
    inputs: Inputs,
) -> Result<Manifest> {
    let manifest = Manifest { table: Some(table), key, inputs, ..Manifest::new(dataset, schema, parts) };
    dataset.commit(&manifest).await?;
    Ok(manifest)
}

/// The rows of the table of all documents, on their way.
struct Listing {
    rows: Vec<Row>,
    batches: UnboundedSender<RecordBatch>,
    /// The keys in the source of those that have another one now.
    sources: HashMap<String, String>,
    objects: u64,
}

impl Listing {
    fn add(&mut self, key: &str, examined: Examined) -> Result<()> {
        self.objects += u64::from(examined.is_first());
        let source = self.sources.get(key).cloned().unwrap_or_else(|| key.to_owned());
        let (object, group) = (Arc::from(key), Arc::from(examined.group.as_str()));
        let Examined { writing, documents, .. } = examined;
        self.rows.extend(documents.into_iter().map(|document| Row {
            source: source.clone(),
            object: Arc::clone(&object),
            group: Arc::clone(&group),
            document: document.number,
            kind: document.kind.map(|kind| kind.word()),
            reason: document.fault.map(|fault| fault.reason.word()),
            offset: document.fault.map(|fault| fault.offset),
            encoding: writing.encoding,
            is_compressed: writing.is_compressed,
        }));
        if self.rows.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let columns: [ArrayRef; 9] = [
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.source))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.object))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.group))),
            Arc::new(Int64Array::from_iter_values(
                rows.iter().map(|row| i64::try_from(row.document).unwrap_or(i64::MAX)),
            )),
            Arc::new(rows.iter().map(|row| row.kind).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.reason).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.offset.map(number)).collect::<Int64Array>()),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.encoding.word()))),
            Arc::new(rows.iter().map(|row| Some(row.is_compressed)).collect::<BooleanArray>()),
        ];
        let batch = RecordBatch::try_new(schema(), columns.to_vec());
        let batch = batch.map_err(|cause| Error::staging(all().to_string(), "rows give no batch", cause))?;
        // Where nobody takes it, the writer has failed and says why.
        let _ = self.batches.unbounded_send(batch);
        Ok(())
    }
}

/// The columns of the table of all documents: its object's key in the source of truth and in the area, its group, its number in
/// the object, what it is, why it cannot be read and where, how it is written.
fn schema() -> SchemaRef {
    let field = |name: &str, kind, nullable| Field::new(name, kind, nullable);
    Arc::new(Schema::new(vec![
        field("source", DataType::Utf8, false),
        field("object", DataType::Utf8, false),
        field("group", DataType::Utf8, false),
        field("document", DataType::Int64, false),
        field("kind", DataType::Utf8, true),
        field("reason", DataType::Utf8, true),
        field("offset", DataType::Int64, true),
        field("encoding", DataType::Utf8, false),
        field("compressed", DataType::Boolean, false),
    ]))
}
