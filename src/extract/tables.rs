//! The tables of one extraction: what is to be read, which parts have come, what is committed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::exceptions::ExceptionFiles;
use crate::dataflow::{Partition, Progress, Source, TableMeta, TableName, WriteSummary};
use crate::error::{Error, Result};
use crate::source::PostgresSource;
use crate::source::decode::Noted;
use crate::staging::{Dataset, EXCEPTIONS, ExceptionsNote, Manifest, RunFolder, SnapshotNote};

/// See [`EXCEPTIONS`].
const INFINITE: &str = "infinite: ";
/// Manifests read again at the same time.
const LOOKS_AT_ONCE: usize = 16;

/// A table whose dataset is committed.
#[derive(Debug, Clone)]
pub(super) struct Committed {
    pub(super) table: TableName,
    pub(super) manifest: Manifest,
    pub(super) partitions: usize,
    pub(super) elapsed: Duration,
}

/// A table to be read.
#[derive(Debug)]
pub(super) struct TableWork {
    pub(super) meta: TableMeta,
    pub(super) dataset: Dataset,
    partitions: Vec<Partition>,
    parts: Mutex<Parts>,
}

#[derive(Debug, Default)]
struct Parts {
    written: BTreeMap<usize, WriteSummary>,
    exceptions: Vec<ExceptionsNote>,
    notes: BTreeMap<String, u64>,
    elapsed: Duration,
}

/// All tables to be read. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Work {
    tables: Arc<HashMap<TableName, TableWork>>,
    snapshot: SnapshotNote,
    committed: Arc<Mutex<Vec<TableName>>>,
}

impl Work {
    /// Splits the tables into partitions, as many tables at once as there are connections: a big one is sampled for it.
    /// Their places are empty: whatever was there has been swept ([`RunFolder::sweep_raw`]).
    pub(super) async fn plan(
        source: &PostgresSource,
        run: &RunFolder,
        tables: Vec<TableMeta>,
        snapshot: &SnapshotNote,
        progress: &Progress,
    ) -> Result<Self> {
        let plans = stream::iter(tables).map(|meta| async move {
            let dataset = run.raw(&meta.table);
            progress.expect(meta.rows);
            let partitions = source.partitions(&meta).await?;
            let table = TableWork { meta, dataset, partitions, parts: Mutex::default() };
            Ok::<_, Error>((table.meta.table.clone(), table))
        });
        let work: HashMap<_, _> = plans.buffer_unordered(source.connections()).try_collect().await?;
        Ok(Self { tables: Arc::new(work), snapshot: snapshot.clone(), committed: Arc::default() })
    }

    /// The tables committed so far.
    pub(super) fn committed(&self) -> Vec<TableName> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All partitions, those of the most bytes first.
    pub(super) fn jobs(&self) -> Vec<Partition> {
        let weight = |table: &TableWork| table.meta.bytes / table.partitions.len().max(1) as u64;
        let mut tables: Vec<_> = self.tables.values().collect();
        tables.sort_by(|a, b| (weight(b), &a.meta.table).cmp(&(weight(a), &b.meta.table)));
        tables.into_iter().flat_map(|table| table.partitions.iter().cloned()).collect()
    }

    pub(super) fn table(&self, name: &TableName) -> Result<&TableWork> {
        self.tables.get(name).ok_or_else(|| Error::Source {
            table: name.to_string(),
            message: "the table is not part of this extraction".into(),
            transient: false,
            cause: None,
        })
    }

    /// Takes a written part and writes its exceptions; with a table's last part its manifest is committed.
    pub(super) async fn finish(
        &self,
        source: &PostgresSource,
        exceptions: &ExceptionFiles,
        partition: &Partition,
        written: WriteSummary,
        elapsed: Duration,
    ) -> Result<Option<Committed>> {
        let table = self.table(&partition.table)?;
        let noted = source.take_noted(partition);
        require_listed(&table.meta.table, &noted)?;
        let listed = match noted.exceptions.as_slice() {
            [] => None,
            some => Some(exceptions.add(some).await?),
        };
        let parts = {
            let mut parts = table.parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts.written.insert(partition.number, written);
            parts.elapsed += elapsed;
            parts.exceptions.extend(listed);
            for (prefix, counts) in [(EXCEPTIONS, noted.exceptional), (INFINITE, noted.infinite)] {
                for (column, count) in counts {
                    *parts.notes.entry(format!("{prefix}{column}")).or_default() += count;
                }
            }
            if parts.written.len() < table.partitions.len() {
                return Ok(None);
            }
            std::mem::take(&mut *parts)
        };
        let mut manifest = Manifest::new(&table.dataset, &table.meta.arrow, parts.written.into_values());
        manifest.table = Some(table.meta.table.clone());
        manifest.left_out.clone_from(&table.meta.left_out);
        manifest.key.clone_from(&table.meta.key);
        manifest.snapshot = Some(self.snapshot.clone());
        manifest.exceptions = parts.exceptions;
        manifest.exceptions.sort_by(|a, b| a.file.name.cmp(&b.file.name));
        manifest.notes.extend(parts.notes);
        table.dataset.commit(&manifest).await?;
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).push(table.meta.table.clone());
        let partitions = table.partitions.len();
        Ok(Some(Committed { table: table.meta.table.clone(), manifest, partitions, elapsed: parts.elapsed }))
    }
}

/// Exceptions that were counted and, being too many, are not listed would be nowhere: such a table is not committed.
fn require_listed(table: &TableName, noted: &Noted) -> Result<()> {
    let columns: Vec<String> = noted.unlisted().map(|(column, count)| format!("{column} ({count})")).collect();
    if columns.is_empty() {
        return Ok(());
    }
    Err(Error::Source {
        table: table.to_string(),
        message: format!(
            "more values than memory is set aside for are not what their columns' types hold (text that is no UTF-8, as \
             in a database of the encoding SQL_ASCII), and some would be in no file: {}. The table is not committed. \
             Take a smaller source.partition_bytes (each slice has room for 8 MiB of such values, all that are read at \
             once for 64 MiB together), correct the values in the source, or leave the table out with source.exclude",
            columns.join(", ")
        ),
        transient: false,
        cause: None,
    })
}

impl Committed {
    pub(super) fn of(table: TableName, manifest: Manifest) -> Self {
        let partitions = manifest.files.len().max(1);
        Self { table, manifest, partitions, elapsed: Duration::ZERO }
    }
}

/// Reads every manifest once more: each must be the one that this extraction has committed or kept.
pub(super) async fn require_committed(run: &RunFolder, done: &[Committed]) -> Result<()> {
    let looks = stream::iter(done.to_vec()).map(|table| async move {
        let dataset = run.raw(&table.table);
        if dataset.manifest().await?.as_ref() == Some(&table.manifest) {
            return Ok(());
        }
        let message =
            "is not what this extraction has committed: another process writes the run; run the same command \
                       again when that one has ended"
                .to_owned();
        Err(Error::Staging { path: dataset.url(), message, cause: None })
    });
    looks.buffer_unordered(LOOKS_AT_ONCE).try_collect().await
}
