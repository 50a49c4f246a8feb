//! Documents of a place in object storage as tables: one a group, a row a document.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::build::Builder;
use super::declared::Declared;
use super::documents::{self, Document, Kind, Writing};
use super::scan::{Nobody, Scanner};
use super::shape::{Finder, Object, Shape};
use super::text::Text;
use crate::dataflow::{
    ColumnMeta, Partition, SendableRecordBatchStream, Slice, Source, TableKind, TableMeta, TableName,
};
use crate::error::{Error, Result};

/// The schema of all groups.
pub const SCHEMA: &str = "documents";
/// The group of objects that are in no folder.
const ROOT: &str = "root";
/// Bytes of objects that are looked at by one thread at a time; one object may have more.
const CHUNK_BYTES: u64 = 8 << 20;
/// Objects of such a chunk.
const CHUNK_OBJECTS: usize = 1_024;
/// Objects of a chunk fetched at the same time.
const FETCHES: usize = 16;
/// Chunks of a slice.
const SLICE: usize = 8;

/// How documents are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonOptions {
    /// Bytes of one object that are read, decompressed and as UTF-8. So many, three times over, are held per thread.
    pub limit: usize,
    /// Threads that read objects at the same time.
    pub threads: usize,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self { limit: 256 << 20, threads: 2 }
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
    /// Its documents, at least one.
    pub documents: Vec<Document>,
}

/// The documents below a place. Their groups are the first folders below it; what they hold was found by reading them all.
#[derive(Debug, Clone)]
pub struct JsonSource(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    options: JsonOptions,
    groups: BTreeMap<String, Group>,
}

#[derive(Debug, Clone, Default)]
struct Group {
    objects: Vec<Known>,
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
}

/// An object as it was when it was looked at.
#[derive(Debug, Clone)]
struct Known {
    meta: ObjectMeta,
    /// Whether all its documents are objects that can be read.
    is_whole: bool,
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
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let objects = objects.into_iter().map(|meta| Known { meta, is_whole: false });
        let looks = stream::iter(chunks(objects)).map(|chunk| {
            let (store, prefix) = (Arc::clone(&store), prefix.clone());
            async move {
                let fetched = fetch(&store, chunk, options.limit).await?;
                let looked = tokio::task::spawn_blocking(move || look(fetched, &prefix, options.limit));
                looked.await.map_err(|cause| Error::staging(SCHEMA, "the reading of documents broke off", cause))
            }
        });
        let mut looks = looks.buffered(options.threads.max(1));
        while let Some(looked) = looks.try_next().await? {
            for (examined, shape) in looked {
                let group = groups.entry(examined.group.clone()).or_default();
                let rows = examined.documents.iter().filter(|document| is_row(document)).count();
                group.rows += rows as u64;
                group.bytes += examined.object.size;
                group.shape.merge(shape);
                let is_whole = rows == examined.documents.len();
                group.objects.push(Known { meta: examined.object.clone(), is_whole });
                each(examined)?;
            }
        }
        drop(looks);
        for group in groups.values_mut() {
            group.schema = group.shape.object().and_then(Object::fields).map(|fields| schema(&fields));
        }
        Ok(Self(Arc::new(Inner { store, prefix: prefix.clone(), options, groups })))
    }

    /// The same documents in columns that were declared, a group each; see [`super::RESCUED`]. A group of no document is an
    /// empty table.
    #[must_use]
    pub fn declared(self, groups: &BTreeMap<String, Fields>) -> Self {
        let Inner { store, prefix, options, groups: found } = &*self.0;
        let mut found = found.clone();
        for (name, fields) in groups {
            let group = found.entry(name.clone()).or_default();
            let schema = group.schema.get_or_insert_with(|| schema(&Fields::empty()));
            let place = schema.fields().get(..PLACES).unwrap_or_default();
            let nothing = Object::default();
            group.declared = Some(Declared::new(place, group.shape.object().unwrap_or(&nothing), fields));
        }
        let (store, prefix, options) = (Arc::clone(store), prefix.clone(), *options);
        Self(Arc::new(Inner { store, prefix, options, groups: found }))
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

    /// Slices of some 64 MiB of objects at most, or of so many small ones as are taken together eight times.
    async fn partitions(&self, table: &TableMeta) -> Result<Vec<Partition>> {
        let (group, _) = self.group(&table.table)?;
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        for (number, chunk) in chunks(group.objects.iter().cloned()).enumerate() {
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
            Slice::Whole | Slice::Where(_) | Slice::File(_) => 0..group.objects.len(),
        };
        let objects = group.objects.get(range).unwrap_or_default().to_vec();
        let (source, fields, declared) = (self.clone(), Arc::clone(schema), group.declared.clone());
        let columns = group.columns().map_or_else(|| Arc::clone(schema), Arc::clone);
        let batches = stream::iter(chunks(objects.into_iter())).map(move |chunk| {
            let (source, fields, declared) = (source.clone(), Arc::clone(&fields), declared.clone());
            async move {
                let limit = source.0.options.limit;
                let fetched = fetch(&source.0.store, chunk, limit).await?;
                let built = tokio::task::spawn_blocking(move || {
                    let batch = build(&fetched, &source.0.prefix, &fields, limit)?;
                    declared.map_or(Ok(batch.clone()), |declared| declared.apply(&batch)).map_err(unfit)
                });
                built.await.map_err(|cause| Error::staging(SCHEMA, "the reading of documents broke off", cause))?
            }
        });
        let batches = batches.buffered(2).map_err(|error| DataFusionError::External(Box::new(error)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(columns, batches)))
    }
}

/// A document that is a row.
fn is_row(document: &Document) -> bool {
    document.fault.is_none() && document.kind == Some(Kind::Object)
}

/// Objects as one thread takes them.
fn chunks(objects: impl Iterator<Item = Known>) -> impl Iterator<Item = Vec<Known>> {
    let mut objects = objects.peekable();
    std::iter::from_fn(move || {
        let mut chunk = vec![objects.next()?];
        let mut bytes = chunk.first().map_or(0, |object| object.meta.size);
        while let Some(object) = objects.next_if(|object| bytes + object.meta.size <= CHUNK_BYTES) {
            bytes += object.meta.size;
            chunk.push(object);
            if chunk.len() == CHUNK_OBJECTS {
                break;
            }
        }
        Some(chunk)
    })
}

/// Reads the objects of a chunk. One that is larger than `limit` is not read: a byte beyond it says so.
async fn fetch(store: &Arc<dyn ObjectStore>, chunk: Vec<Known>, limit: usize) -> Result<Vec<(Known, Bytes)>> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let fetches = stream::iter(chunk).map(|known| async move {
        let object = &known.meta;
        let failed = |cause| Error::staging(object.location.to_string(), "cannot be read", cause);
        let bytes = if object.size > most {
            store.get_range(&object.location, 0..most).await.map_err(failed)?
        } else {
            let found = store.get(&object.location).await.map_err(failed)?;
            if found.meta.e_tag != object.e_tag || found.meta.size != object.size {
                return Err(Error::Staging {
                    path: object.location.to_string(),
                    message: "the object was changed while its documents were read; run the same command again".into(),
                    cause: None,
                });
            }
            found.bytes().await.map_err(failed)?
        };
        Ok((known, bytes))
    });
    fetches.buffered(FETCHES).try_collect().await
}

fn look(fetched: Vec<(Known, Bytes)>, prefix: &Path, limit: usize) -> Vec<(Examined, Shape)> {
    let mut finder = Finder::default();
    fetched
        .into_iter()
        .map(|(Known { meta: object, .. }, bytes)| {
            let mut found = Vec::new();
            let writing = documents::read(&bytes, limit, &mut finder, |_, document| found.push(document));
            let mut shape = finder.take();
            if !found.iter().all(is_row) {
                shape = shape_of(&bytes, limit, &found, &mut finder);
            }
            let group = object.location.prefix_match(prefix).and_then(|mut parts| {
                let first = parts.next()?;
                parts.next().map(|_| first.as_ref().to_owned())
            });
            let group = group.unwrap_or_else(|| ROOT.to_owned());
            (Examined { object, group, writing, documents: found }, shape)
        })
        .collect()
}

/// The shape of those documents of an object that are rows.
fn shape_of(bytes: &[u8], limit: usize, found: &[Document], finder: &mut Finder) -> Shape {
    let (text, _) = Text::of(bytes, limit);
    for document in found.iter().filter(|document| is_row(document)) {
        if let Some(text) = text_of(&text, document) {
            // It was read before.
            let _ = Scanner::new(text).document(finder, false);
        }
    }
    finder.take()
}

fn text_of<'a>(text: &'a Text<'_>, document: &Document) -> Option<&'a str> {
    let begin = document.offset.checked_sub(text.mark)?;
    std::str::from_utf8(text.bytes.get(begin..begin + document.length)?).ok()
}

/// The columns that tell where a row comes from, then the fields of the documents. Where documents have a field of such a
/// name, the column has underscores after it until it differs.
fn schema(fields: &Fields) -> SchemaRef {
    let own = |name: &str, data_type, nullable| {
        let mut name = name.to_owned();
        while fields.iter().any(|field| *field.name() == name) {
            name.push('_');
        }
        Arc::new(Field::new(name, data_type, nullable))
    };
    let paths = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let places = [
        own("_object", DataType::Utf8, false),
        own("_document", DataType::Int64, false),
        own("_offset", DataType::Int64, false),
        own("_null", paths, true),
    ];
    Arc::new(Schema::new(places.into_iter().chain(fields.iter().cloned()).collect::<Vec<_>>()))
}

/// The place of the column of paths that are null.
pub(super) const NULLS: usize = 3;
/// How many columns [`schema`] puts before the fields.
const PLACES: usize = 4;

fn build(fetched: &[(Known, Bytes)], prefix: &Path, schema: &SchemaRef, limit: usize) -> Result<RecordBatch> {
    let fields: Fields = schema.fields().iter().skip(PLACES).cloned().collect();
    let mut builder = Builder::new(&Arc::new(Schema::new(fields)));
    let mut places = Places::default();
    for (object, bytes) in fetched {
        let key = key(prefix, &object.meta);
        if object.is_whole {
            documents::read(bytes, limit, &mut builder, |builder, document| places.row(&key, &document, builder));
        } else {
            let (text, _) = Text::of(bytes, limit);
            let mut found = Vec::new();
            documents::read(bytes, limit, &mut Nobody, |_, document| found.push(document));
            for document in found.iter().filter(|document| is_row(document)) {
                if let Some(text) = text_of(&text, document) {
                    let _ = Scanner::new(text).document(&mut builder, false);
                    places.row(&key, document, &mut builder);
                }
            }
        }
        if !builder.is_fit() {
            return Err(Error::Source {
                table: SCHEMA.to_owned(),
                message: format!("{key} holds other fields than when it was looked at; run the same command again"),
                transient: false,
                cause: None,
            });
        }
    }
    places.batch(schema, &mut builder).map_err(unfit)
}

fn unfit(cause: ArrowError) -> Error {
    Error::staging(SCHEMA, "documents cannot be brought into columns", cause)
}

/// The key of an object below a prefix.
fn key(prefix: &Path, object: &ObjectMeta) -> String {
    let parts = object.location.prefix_match(prefix).map(|parts| parts.map(|part| part.as_ref().to_owned()));
    parts.map_or_else(|| object.location.to_string(), |parts| parts.collect::<Vec<_>>().join("/"))
}

/// Where rows come from.
#[derive(Default)]
struct Places {
    objects: Vec<String>,
    documents: Vec<i64>,
    offsets: Vec<i64>,
    nulls: Vec<Vec<String>>,
}

impl Places {
    fn row(&mut self, object: &str, document: &Document, builder: &mut Builder) {
        self.objects.push(object.to_owned());
        self.documents.push(i64::try_from(document.number).unwrap_or(i64::MAX));
        self.offsets.push(i64::try_from(document.offset).unwrap_or(i64::MAX));
        self.nulls.push(builder.take_nulls());
    }

    fn batch(self, schema: &SchemaRef, builder: &mut Builder) -> std::result::Result<RecordBatch, ArrowError> {
        let mut nulls = ListBuilder::new(StringBuilder::new());
        for paths in &self.nulls {
            for path in paths {
                nulls.values().append_value(path);
            }
            nulls.append(!paths.is_empty());
        }
        let places: [ArrayRef; PLACES] = [
            Arc::new(StringArray::from(self.objects)),
            Arc::new(Int64Array::from(self.documents)),
            Arc::new(Int64Array::from(self.offsets)),
            Arc::new(nulls.finish()),
        ];
        let fields = builder.take()?;
        let columns = places.into_iter().chain(fields.columns().iter().cloned()).collect();
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}
