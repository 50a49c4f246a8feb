//! The ledger's tables as Parquet, for SQL and for outside tools.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::Ledger;
use super::ledger::{AssetRecord, RequestRecord};
use crate::dataflow::Sink;
use crate::error::{Error, Result};
use crate::staging::StagingArea;

/// Assets whose entries are read at a time.
const PORTION: usize = 10_000;
/// The file of all assets.
const ASSETS: &str = "assets";
/// The file of the last request of each kind for each asset.
const REQUESTS: &str = "requests";

impl Ledger {
    /// Writes `ledger/{target}/assets.parquet` and `requests.parquet`, each whole or not at all, in place of older ones;
    /// ordered by source key. Memory does not grow with the ledger. The files are durable when it returns.
    ///
    /// # Errors
    /// When the ledger cannot be read or the staging area not be written.
    pub async fn export(&self, area: &StagingArea, target: &str) -> Result<()> {
        for name in [ASSETS, REQUESTS] {
            let schema = batch(name, &[], &[])?.schema();
            let ledger = self.clone();
            let rows = futures::stream::try_unfold(String::new(), move |after| {
                let ledger = ledger.clone();
                async move { ledger.portion(name, after).await.map_err(Error::into_datafusion) }
            });
            let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
            area.ledger_parquet(target, name, schema).write_all(Box::pin(rows)).await?;
        }
        Ok(())
    }

    /// The rows of the assets that follow, with the last of their keys.
    async fn portion(&self, name: &str, after: String) -> Result<Option<(RecordBatch, String)>> {
        if name == REQUESTS {
            let (requests, last) = self.requests_after(after, PORTION).await?;
            return last.map(|last| Ok((batch(name, &[], &requests)?, last))).transpose();
        }
        let assets = self.assets_after(after, PORTION).await?;
        let Some(last) = assets.last().map(|asset| asset.source_key.clone()) else { return Ok(None) };
        Ok(Some((batch(name, &assets, &[])?, last)))
    }
}

fn batch(name: &str, assets: &[AssetRecord], requests: &[RequestRecord]) -> Result<RecordBatch> {
    let batch = if name == REQUESTS { batch_of_requests(requests) } else { batch_of_assets(assets) };
    batch.map_err(|cause| Error::staging(format!("ledger table {name}"), "its rows make no batch", cause))
}

fn texts<'a, T>(records: &'a [T], of: fn(&'a T) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(records.iter().map(of)))
}

fn optional<'a, T>(records: &'a [T], of: fn(&'a T) -> &'a Option<String>) -> ArrayRef {
    Arc::new(StringArray::from_iter(records.iter().map(|record| of(record).as_deref())))
}

fn numbers<T>(records: &[T], of: fn(&T) -> Option<i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(records.iter().map(of)))
}

fn batch_of_assets(records: &[AssetRecord]) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_from_iter_with_nullable([
        ("source_key", texts(records, |asset| &asset.source_key), false),
        ("query", texts(records, |asset| &asset.query), false),
        ("uuid", texts(records, |asset| &asset.uuid), false),
        ("state", texts(records, |asset| &asset.state), false),
        ("links", texts(records, |asset| &asset.links), false),
        ("flex_id", numbers(records, |asset| asset.flex_id), true),
        ("name", texts(records, |asset| &asset.name), false),
        ("payload", texts(records, |asset| &asset.payload), false),
        ("unresolved", numbers(records, |asset| Some(asset.unresolved)), false),
        ("completions", numbers(records, |asset| Some(asset.completions)), false),
        ("run", texts(records, |asset| &asset.run), false),
        ("intended_at", texts(records, |asset| &asset.intended_at), false),
        ("created_at", optional(records, |asset| &asset.created_at), true),
        ("changed_at", texts(records, |asset| &asset.changed_at), false),
        ("reason", optional(records, |asset| &asset.reason), true),
        ("message", optional(records, |asset| &asset.message), true),
        ("request_id", optional(records, |asset| &asset.request_id), true),
    ])
}

fn batch_of_requests(records: &[RequestRecord]) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_from_iter_with_nullable([
        ("source_key", texts(records, |request| &request.source_key), false),
        ("step", texts(records, |request| &request.step), false),
        ("blake3", texts(records, |request| &request.blake3), false),
        ("status", numbers(records, |request| request.status), true),
    ])
}
