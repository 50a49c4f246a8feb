//! Documents of a place in object storage as tables: one a group, a row a document.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Fields, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use tokio::sync::{Semaphore, mpsc};

use super::build::{Builder, PLACES, schema};
use super::declared::Declared;
use super::documents::{Document, Limits};
use super::fetch::Ranges;
use super::piece::{self, CHUNK_BYTES, Part, Piece, chunks, is_row};
use super::shape::Shape;
use super::survey::{Found, Survey};
use super::text::Writing;
use crate::dataflow::{
    ColumnMeta, Partition, SendableRecordBatchStream, Slice, Source, TableKind, TableMeta, TableName,
};
use crate::error::{Error, Result};

/// The schema of all groups.
pub const SCHEMA: &str = "documents";
/// Chunks of a slice.
const SLICE: usize = 8;

/// How documents are read.
///
/// Held at once are, per thread, two chunks of 8 MiB and the columns of one, and `limit` three times over where a document is as
/// large as that; whatever the size of the objects is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonOptions {
    /// Bytes of one document that are read, decompressed and as UTF-8.
    pub limit: usize,
    /// Threads that read objects at the same time.
    pub threads: usize,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self { limit: 256 << 20, threads: 2 }
    }
}

impl JsonOptions {
    fn limits(self) -> Limits {
        Limits { document: self.limit, held: self.limit }
    }
}

/// An object and what was found in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// The object.
    pub object: ObjectMeta,
    /// The group that its documents belong to.
    pub group: String,
    /// How it is written.
    pub writing: Writing,
    /// Its documents, at least one. Those of an object of more than 8 MiB may come in several parts, one after the other and
    /// in order: documents are numbered through.
    pub documents: Vec<Document>,
}

impl Examined {
    /// Whether the object was not told of before: a large one may come in several parts.
    pub fn is_first(&self) -> bool {
        self.documents.first().is_none_or(|document| document.number == 0)
    }
}

/// The documents below a place. Their groups are the first folders below it; what they hold was found by reading them all.
#[derive(Debug, Clone)]
pub struct JsonSource(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    options: JsonOptions,
    threads: Arc<Semaphore>,
    groups: BTreeMap<String, Group>,
}

#[derive(Debug, Clone, Default)]
struct Group {
    pieces: Vec<Piece>,
    shape: Shape,
    rows: u64,
    bytes: u64,
    schema: Option<SchemaRef>,
    declared: Option<Declared>,
}

impl Group {
    /// The columns that come out.
    fn columns(&self) -> Option<&SchemaRef> {
        self.declared.as_ref().map(|declared| &declared.schema).or(self.schema.as_ref())
    }

    /// Takes up what was found in a piece, the documents of which are numbered through.
    fn add(&mut self, found: &Found) {
        let first = found.documents.first().map_or(0, |document| document.number);
        let goes_on = self
            .pieces
            .last()
            .is_some_and(|last| last.object.location == found.piece.object.location && last.part == found.piece.part);
        if !goes_on {
            self.bytes += found.piece.bytes();
            self.pieces.push(Piece { first, ..found.piece.clone() });
        }
        for document in &found.documents {
            if is_row(document) {
                self.rows += 1;
            } else if let Some(piece) = self.pieces.last_mut() {
                piece.leave_out(document.number);
            }
        }
    }
}

impl JsonSource {
    /// Reads all objects below `prefix` once, in the order of their keys, tells what is in each, and finds the shapes of
    /// their groups. Objects whose documents are no JSON objects are told, and give no rows.
    ///
    /// # Errors
    /// When the store cannot be listed or an object cannot be read.
    pub async fn survey(
        store: Arc<dyn ObjectStore>,
        prefix: &Path,
        options: JsonOptions,
        each: impl FnMut(Examined) -> Result<()>,
    ) -> Result<Self> {
        Self::survey_some(store, prefix, options, |_| true, each).await
    }

    /// The same of those objects only whose keys, below `prefix`, are `wanted`.
    ///
    /// # Errors
    /// As [`JsonSource::survey`].
    pub async fn survey_some(
        store: Arc<dyn ObjectStore>,
        prefix: &Path,
        options: JsonOptions,
        wanted: impl Fn(&str) -> bool,
        mut each: impl FnMut(Examined) -> Result<()>,
    ) -> Result<Self> {
        let failed = |cause| Error::staging(prefix.to_string(), "the documents cannot be listed", cause);
        let listed = store.list(Some(prefix)).try_filter(|meta| std::future::ready(wanted(&key(prefix, meta))));
        let mut objects: Vec<ObjectMeta> = listed.try_collect().await.map_err(failed)?;
        objects.sort_by(|one, other| one.location.cmp(&other.location));
        let threads = Arc::new(Semaphore::new(options.threads.max(1)));
        let survey = Survey {
            store: Arc::clone(&store),
            prefix: prefix.clone(),
            limits: options.limits(),
            threads: Arc::clone(&threads),
        };
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let mut looks = survey.look(objects, ahead(options));
        // The object at hand and its documents so far.
        let mut counted: (Path, u64) = (Path::default(), 0);
        while let Some(looked) = looks.try_next().await? {
            for (group, shape) in &looked.shapes {
                groups.entry(group.clone()).or_default().shape.merge(shape);
            }
            for mut found in looked.found {
                if found.piece.object.location != counted.0 {
                    counted = (found.piece.object.location.clone(), 0);
                }
                for document in &mut found.documents {
                    document.number = counted.1;
                    counted.1 += 1;
                }
                // Lines that are all blank.
                if found.documents.is_empty() {
                    continue;
                }
                groups.entry(found.group.clone()).or_default().add(&found);
                let Found { piece, group, writing, documents } = found;
                each(Examined { object: piece.object, group, writing, documents })?;
            }
        }
        drop(looks);
        for group in groups.values_mut() {
            group.schema = group.shape.fields().map(|fields| schema(&fields));
        }
        Ok(Self(Arc::new(Inner { store, prefix: prefix.clone(), options, threads, groups })))
    }

    /// The same documents in columns that were declared, a group each; see [`super::RESCUED`]. A group of no document is an
    /// empty table.
    #[must_use]
    pub fn declared(self, groups: &BTreeMap<String, Fields>) -> Self {
        let Inner { store, prefix, options, threads, groups: found } = &*self.0;
        let mut found = found.clone();
        for (name, fields) in groups {
            let group = found.entry(name.clone()).or_default();
            let schema = group.schema.get_or_insert_with(|| schema(&Fields::empty()));
            let place = schema.fields().get(..PLACES).unwrap_or_default();
            group.declared = Some(Declared::new(place, &group.shape, fields));
        }
        let (store, prefix, threads) = (Arc::clone(store), prefix.clone(), Arc::clone(threads));
        Self(Arc::new(Inner { store, prefix, options: *options, threads, groups: found }))
    }

    fn group(&self, table: &TableName) -> Result<(&Group, &SchemaRef)> {
        let group = self.0.groups.get(&table.name).and_then(|group| Some((group, group.schema.as_ref()?)));
        group.filter(|_| table.schema == SCHEMA).ok_or_else(|| Error::Source {
            table: table.to_string(),
            message: "there is no such group of documents".to_owned(),
            transient: false,
            cause: None,
        })
    }
}

#[async_trait]
impl Source for JsonSource {
    async fn tables(&self) -> Result<Vec<TableMeta>> {
        let groups = self.0.groups.iter().filter_map(|(name, group)| Some((name, group, group.columns()?)));
        Ok(groups
            .map(|(name, group, schema)| TableMeta {
                table: TableName::new(SCHEMA, name),
                kind: TableKind::Table,
                columns: schema
                    .fields()
                    .iter()
                    .map(|field| ColumnMeta {
                        name: field.name().clone(),
                        type_name: field.data_type().to_string(),
                        nullable: field.is_nullable(),
                    })
                    .collect(),
                left_out: Vec::new(),
                key: schema.fields().iter().take(2).map(|field| field.name().clone()).collect(),
                rows: group.rows,
                bytes: group.bytes,
                arrow: Arc::clone(schema),
            })
            .collect())
    }

    /// Slices of some 64 MiB at most, or of so many small objects as are taken together eight times; of what is read bit by
    /// bit, one slice.
    async fn partitions(&self, table: &TableMeta) -> Result<Vec<Partition>> {
        let (group, _) = self.group(&table.table)?;
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        for (number, chunk) in chunks(group.pieces.iter().cloned()).enumerate() {
            let end = at + chunk.len();
            match places.last_mut() {
                Some(last) if number % SLICE != 0 => last.end = end,
                _ => places.push(at..end),
            }
            at = end;
        }
        let slices = places.into_iter().enumerate().map(|(number, objects)| Partition {
            table: table.table.clone(),
            number,
            slice: Slice::Objects { first: objects.start, count: objects.len() },
        });
        Ok(slices.collect())
    }

    async fn scan(&self, partition: &Partition) -> Result<SendableRecordBatchStream> {
        let (group, schema) = self.group(&partition.table)?;
        let range = match &partition.slice {
            Slice::Objects { first, count } => *first..first + count,
            Slice::Whole | Slice::Where(_) | Slice::File(_) => 0..group.pieces.len(),
        };
        let pieces = group.pieces.get(range).unwrap_or_default().to_vec();
        let columns = Arc::clone(group.columns().unwrap_or(schema));
        let source = self.clone();
        let into = Columns { schema: Arc::clone(schema), declared: group.declared.clone() };
        let batches = stream::iter(chunks(pieces.into_iter())).map(move |chunk| {
            let (source, into) = (source.clone(), into.clone());
            async move { source.build(chunk, into).await }
        });
        let batches = batches.buffered(ahead(self.0.options)).try_flatten().map_err(Error::into_datafusion);
        Ok(Box::pin(RecordBatchStreamAdapter::new(columns, batches)))
    }
}

/// Chunks that are under way: one is fetched while the threads read others.
fn ahead(options: JsonOptions) -> usize {
    options.threads.max(1) + 1
}

/// The columns that documents are built into.
#[derive(Debug, Clone)]
struct Columns {
    /// Those that were found.
    schema: SchemaRef,
    declared: Option<Declared>,
}

impl Columns {
    /// The rows that were built.
    fn take(&self, builder: &mut Builder<'_>) -> Result<RecordBatch> {
        let taken = builder.take().and_then(|batch| match &self.declared {
            Some(declared) => declared.apply(&batch),
            None => Ok(batch),
        });
        taken.map_err(|cause| Error::staging(SCHEMA, "documents cannot be brought into columns", cause))
    }
}

/// The key of an object below a prefix.
fn key(prefix: &Path, object: &ObjectMeta) -> String {
    let parts = object.location.prefix_match(prefix).map(|parts| parts.map(|part| part.as_ref().to_owned()));
    parts.map_or_else(|| object.location.to_string(), |parts| parts.collect::<Vec<_>>().join("/"))
}

/// The batches of a chunk.
type Batches = BoxStream<'static, Result<RecordBatch>>;

impl JsonSource {
    async fn build(self, mut chunk: Vec<Piece>, into: Columns) -> Result<Batches> {
        if let Some(piece) = chunk.pop_if(|piece| piece.is_long()) {
            return Ok(self.build_long(piece, into));
        }
        let fetched = piece::fetch(&self.0.store, chunk).await?;
        let limits = self.0.options.limits();
        let threads = Arc::clone(&self.0.threads);
        let built = piece::work(&threads, move || build(&fetched, &self.0.prefix, &into, limits)).await??;
        Ok(stream::iter([Ok(built)]).boxed())
    }

    /// Builds batches of a piece bit by bit, once they are asked for.
    fn build_long(self, piece: Piece, into: Columns) -> Batches {
        let begin = async move {
            let (batches, received) = mpsc::channel(1);
            tokio::task::spawn_blocking(move || {
                let built = build_long(&self.0, &piece, &into, &batches);
                if let Err(error) = built {
                    drop(batches.blocking_send(Err(error)));
                }
            });
            stream::unfold(received, |mut received| async { received.recv().await.map(|batch| (batch, received)) })
        };
        stream::once(begin).flatten().boxed()
    }
}

fn build(fetched: &[(Piece, Bytes)], prefix: &Path, into: &Columns, limits: Limits) -> Result<RecordBatch> {
    let mut builder = Builder::new(&into.schema);
    for (piece, bytes) in fetched {
        let key = key(prefix, &piece.object);
        builder.begin(&piece.left_out);
        piece.read(bytes, limits, &mut builder, &mut |builder, document| builder.end(&key, &document));
        require_fit(&builder, &key)?;
    }
    into.take(&mut builder)
}

fn build_long(
    source: &Inner,
    piece: &Piece,
    into: &Columns,
    batches: &mpsc::Sender<Result<RecordBatch>>,
) -> Result<()> {
    let from = if let Part::Rest(from) = piece.part { from } else { 0 };
    let mut ranges = Ranges::new(&source.store, &piece.object, from);
    let is_over = ranges.is_over();
    let key = key(&source.prefix, &piece.object);
    let mut builder = Builder::new(&into.schema);
    builder.begin(&piece.left_out);
    let mut begin = 0;
    let mut failed = None;
    piece.read_long(
        &mut ranges,
        source.options.limits(),
        &Cell::new(None),
        &mut builder,
        &mut |builder, document| {
            builder.end(&key, &document);
            let end = document.offset + document.length;
            if (end - begin) as u64 >= CHUNK_BYTES && failed.is_none() {
                begin = end;
                match require_fit(builder, &key).and_then(|()| into.take(builder)) {
                    Ok(batch) => is_over.set(batches.blocking_send(Ok(batch)).is_err()),
                    Err(error) => failed = Some(error),
                }
            }
        },
    )?;
    if let Some(error) = failed {
        return Err(error);
    }
    require_fit(&builder, &key)?;
    if builder.rows() > 0 {
        drop(batches.blocking_send(into.take(&mut builder)));
    }
    Ok(())
}

fn require_fit(builder: &Builder<'_>, key: &str) -> Result<()> {
    if builder.is_fit() {
        return Ok(());
    }
    Err(Error::Source {
        table: SCHEMA.to_owned(),
        message: format!("{key} holds other fields than when it was looked at; run the same command again"),
        transient: false,
        cause: None,
    })
}
