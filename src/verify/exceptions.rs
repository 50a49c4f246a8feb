//! Is `raw/_exceptions` what the tables' manifests say? The values in it are nowhere else.

use std::collections::BTreeMap;

use futures::TryStreamExt;

use super::{SPELLED, VerifiedTable};
use crate::dataflow::{ContentChecksum, TableName, WrittenFile};
use crate::error::{Error, Result};
use crate::staging::{Manifest, RunFolder};

/// Looks at every file of `raw/_exceptions`: its bytes, its rows, and whether they are as many as the tables' manifests
/// count. `None` when nothing is wrong; else one more line for the report, under the name `raw._exceptions`.
pub(super) async fn damage(run: &RunFolder, raw: &BTreeMap<TableName, Manifest>) -> Option<VerifiedTable> {
    let mut problems = Vec::new();
    let (mut all, mut wanted) = (ContentChecksum::default(), 0);
    for (table, manifest) in raw {
        let counted = manifest.exceptional();
        wanted += counted;
        let mut rows = 0;
        for note in &manifest.exceptions {
            rows += note.file.rows;
            match checksum(run, &note.file).await {
                Ok(found) => {
                    all.merge(&found);
                    if found != note.checksum || found.rows != note.file.rows {
                        problems.push(format!("{}: it does not hold the rows of {table}", note.file.name));
                    }
                }
                Err(error) => problems.push(format!("{}: {error}", note.file.name)),
            }
        }
        if rows != counted {
            problems.push(format!("{table} counts {counted} exceptions, its files have {rows}"));
        }
    }
    if problems.is_empty() && !raw.is_empty() {
        problems.extend(whole(run, all).await);
    }
    if problems.is_empty() {
        return None;
    }
    let more = problems.len().saturating_sub(SPELLED);
    problems.truncate(SPELLED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Some(VerifiedTable {
        table: TableName::new("raw", "_exceptions"),
        source_rows: wanted,
        raw_rows: all.rows,
        source_checksum: String::new(),
        raw_checksum: all.to_string(),
        equal: false,
        problem: Some(format!("raw/_exceptions is damaged: {}{more}; extract in a new run", problems.join("; "))),
    })
}

/// What is wrong with the dataset as a whole, whose manifest names the tables' files, or one without rows.
async fn whole(run: &RunFolder, tables: ContentChecksum) -> Option<String> {
    let manifest = match run.exceptions().manifest().await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Some("it has no manifest: the extraction is not complete".to_owned()),
        Err(error) => return Some(error.to_string()),
    };
    let mut all = ContentChecksum::default();
    for file in &manifest.files {
        match checksum(run, file).await {
            Ok(found) => all.merge(&found),
            Err(error) => return Some(format!("{}: {error}", file.name)),
        }
    }
    let is_whole = all == manifest.checksum && all.rows == manifest.rows && all == tables;
    (!is_whole).then(|| "its manifest does not name the rows that the tables' manifests do".to_owned())
}

/// The checksum of a file's rows, after its size and its BLAKE3.
async fn checksum(run: &RunFolder, file: &WrittenFile) -> Result<ContentChecksum> {
    let mut checksum = ContentChecksum::default();
    let mut batches = run.exceptions().read_part(file).await?;
    while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
        checksum.update(&batch)?;
    }
    Ok(checksum)
}
