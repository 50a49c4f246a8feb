//! Step 3: is `raw/` what the source holds? Counts and content checksums, table by table.
//!
//! The source is read a second time, whole, and hashed from its binary form by code of its own (`wire`); `raw/` is
//! hashed from its Parquet files. A file that is missing or changed is named and does not keep the others from being
//! looked at. So are the files of `raw/_exceptions`, whose values are nowhere else. Two databases are compared by a method of their own: see [`against`](mod@against).

pub mod against;
mod database;
mod exact;
mod exceptions;
mod wire;

use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use self::against::{AgainstReport, against};
pub use self::database::WireChecksum;
use crate::dataflow::checksum::RowHash;
use crate::dataflow::{ContentChecksum, Progress, Source, TableName};
use crate::error::{Error, Result};
use crate::source::PostgresSource;
use crate::staging::{Manifest, Moments, RunFolder};

/// Problems of one table that are spelled out.
const SPELLED: usize = 10;

/// A comparison of `raw/` with the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Every table that is selected in the source or is in `raw/`, ordered by name; `raw._exceptions` among them when
    /// `raw/_exceptions` is damaged.
    pub tables: Vec<VerifiedTable>,
    /// Whether the source was read at the one moment of the extraction: under its snapshot, or with nobody having written
    /// since. If not, rows changed since show as differences.
    pub same_snapshot: bool,
    /// What people are to know when the tables of the run are of several moments: then no reading of the source shows all
    /// of them as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Wall time.
    pub seconds: f64,
}

/// A table on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerifiedTable {
    /// Its name.
    #[serde(flatten)]
    pub table: TableName,
    /// Rows in the source.
    pub source_rows: u64,
    /// Rows in the Parquet files.
    pub raw_rows: u64,
    /// The content checksum of the source's rows.
    pub source_checksum: String,
    /// The content checksum of the files' rows.
    pub raw_checksum: String,
    /// Whether counts and checksums are equal and there is no problem.
    pub equal: bool,
    /// What is wrong, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl VerifyReport {
    /// The tables that differ.
    pub fn differences(&self) -> impl Iterator<Item = &VerifiedTable> {
        self.tables.iter().filter(|table| !table.equal)
    }

    /// Nothing, if all tables are equal.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with every table that differs, and how.
    pub fn require_equal(&self) -> Result<()> {
        let line = |table: &VerifiedTable| {
            let VerifiedTable { table, problem, .. } = table;
            format!("{table}: {}", problem.as_deref().unwrap_or("differs"))
        };
        let lines: Vec<_> = self.differences().map(line).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let since = match (&self.remark, self.same_snapshot) {
            (Some(remark), _) => format!(" ({remark})"),
            (None, true) => String::new(),
            (None, false) => " (the source was read anew; rows may have changed since)".to_owned(),
        };
        let message =
            format!("{} of {} tables differ{since}:\n  {}", lines.len(), self.tables.len(), lines.join("\n  "));
        Err(Error::Mismatch { what: "source and raw".into(), message })
    }
}

/// Compares all tables, as many at once as the source has connections.
///
/// # Errors
/// When the source cannot be read, or `cancel` stops the work. Differences and damaged files are in the report.
pub async fn run(
    source: &PostgresSource,
    run: &RunFolder,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<VerifyReport> {
    let begun = Instant::now();
    let mut tables: Vec<(TableName, u64, Option<Manifest>, bool)> = Vec::new();
    let mut raw: std::collections::BTreeMap<_, _> = run.raw_tables().await?.into_iter().collect();
    let damage = exceptions::damage(run, &raw).await;
    let snapshot = source.snapshot().await?;
    let of_moment = |manifest: &Manifest| manifest.snapshot.as_ref().is_some_and(|note| note.is_moment_of(&snapshot));
    let same_snapshot = !raw.is_empty() && raw.values().all(of_moment);
    let moments = raw.iter().filter_map(|(table, manifest)| Some((table, manifest.snapshot.as_ref()?)));
    let remark = Moments::of(moments).remark(run.id());
    for meta in source.tables().await? {
        let manifest = raw.remove(&meta.table);
        progress.expect(manifest.as_ref().map_or(meta.rows, |manifest| manifest.rows));
        tables.push((meta.table, meta.bytes, manifest, true));
    }
    tables.extend(raw.into_iter().map(|(table, manifest)| (table, 0, Some(manifest), false)));
    tables.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    let verified = stream::iter(tables).map(|(table, _, manifest, in_source)| {
        let comparison = Comparison {
            source: source.clone(),
            run: run.clone(),
            progress: progress.clone(),
            table,
            manifest,
            in_source,
        };
        async move {
            AbortOnDropHandle::new(tokio::spawn(comparison.verify())).await.unwrap_or_else(|cause| {
                Err(Error::Mismatch {
                    what: "verify".into(),
                    message: format!("a comparison ended abnormally: {cause}"),
                })
            })
        }
    });
    let mut tables: Vec<VerifiedTable> = tokio::select! {
        verified = verified.buffer_unordered(source.connections()).try_collect() => verified?,
        () = cancel.cancelled() => return Err(Error::Interrupted { signal: 2 }),
    };
    tables.extend(damage);
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(VerifyReport { tables, same_snapshot, remark, seconds: begun.elapsed().as_secs_f64() })
}

/// One table to be compared.
struct Comparison {
    source: PostgresSource,
    run: RunFolder,
    progress: Progress,
    table: TableName,
    manifest: Option<Manifest>,
    in_source: bool,
}

impl Comparison {
    async fn verify(self) -> Result<VerifiedTable> {
        let mut problems = Vec::new();
        let source = if self.in_source {
            database::checksum(&self.source, &self.table, &self.progress).await?
        } else {
            ContentChecksum::default()
        };
        let raw = match &self.manifest {
            Some(manifest) => self.raw_checksum(manifest, &mut problems).await,
            None => ContentChecksum::default(),
        };
        if !self.in_source {
            problems.push("it is in raw/, but is not a selected table of the source".into());
        } else if self.manifest.is_none() {
            problems.push("it is not in raw/: extract it".into());
        } else if source != raw {
            problems.push(match source.rows == raw.rows {
                true => format!("the contents of its {} rows differ", raw.rows),
                false => format!("{} rows in the source, {} in raw/", source.rows, raw.rows),
            });
        }
        Ok(VerifiedTable {
            table: self.table,
            source_rows: source.rows,
            raw_rows: raw.rows,
            source_checksum: source.to_string(),
            raw_checksum: raw.to_string(),
            equal: problems.is_empty(),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
        })
    }

    /// The checksum of the rows in the table's files; files that cannot be read are problems.
    async fn raw_checksum(&self, manifest: &Manifest, problems: &mut Vec<String>) -> ContentChecksum {
        let dataset = self.run.raw(&self.table);
        let mut all = ContentChecksum::default();
        for file in &manifest.files {
            let read = async {
                let mut checksum = ContentChecksum::default();
                let mut batches = dataset.read_part(file).await?;
                while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                    checksum.update(&batch)?;
                }
                Ok::<_, Error>(checksum)
            };
            match read.await {
                Ok(checksum) => all.merge(&checksum),
                Err(error) if problems.len() < SPELLED => problems.push(format!("{}: {error}", file.name)),
                Err(_) => {}
            }
        }
        if manifest.files.is_empty() {
            // Rows without columns have no files, only a count.
            (0..manifest.rows).for_each(|_| all.add(RowHash::default()));
        }
        if problems.is_empty() && (all != manifest.checksum || all.rows != manifest.rows) {
            problems.push("its files do not hold the rows that its manifest says".into());
        }
        all
    }
}
