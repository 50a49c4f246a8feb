//! Ranges of one object, as the Parquet reader asks for them.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use ::parquet::arrow::ParquetRecordBatchStreamBuilder;
use ::parquet::arrow::arrow_reader::ArrowReaderOptions;
use ::parquet::arrow::async_reader::AsyncFileReader;
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::Dataset;
use crate::dataflow::WrittenFile;
use crate::error::{Error, Result};

/// An object of known size, read by ranges.
#[derive(Debug)]
pub(super) struct ObjectRanges {
    store: Arc<dyn ObjectStore>,
    key: Path,
    size: u64,
}

/// Opens a dataset's file: its schema is known, no row has been read.
pub(super) async fn open(
    dataset: &Dataset,
    file: &WrittenFile,
) -> Result<ParquetRecordBatchStreamBuilder<ObjectRanges>> {
    let ranges = ObjectRanges { store: dataset.area().store(), key: dataset.file_path(file), size: file.bytes };
    let unreadable = |cause| Error::staging(dataset.file_url(file), "cannot be read as Parquet", cause);
    // The reader of Arrow schemas panics over some flipped bits in the footer (`arrow-ipc` 59, widths of integers).
    match AssertUnwindSafe(ParquetRecordBatchStreamBuilder::new(ranges)).catch_unwind().await {
        Ok(opened) => opened.map_err(unreadable),
        Err(_) => Err(unreadable(ParquetError::General("its schema is damaged".into()))),
    }
}

fn external(cause: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(cause))
}

impl AsyncFileReader for ObjectRanges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move { self.store.get_range(&self.key, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.key, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            ParquetMetaDataReader::new().load_and_finish(self, size).await.map(Arc::new)
        }
        .boxed()
    }
}
