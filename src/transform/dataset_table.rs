//! A committed dataset as a table: the scan is made of the manifest's files and sizes. A `ListingTable` would take a file
//! that is missing for an empty folder and give no rows.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Statistics;
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore};
use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::staging::StagingArea;

/// Footers read at the same time.
const FOOTERS_AT_ONCE: usize = 32;

/// The files of one dataset.
#[derive(Debug)]
pub(super) struct DatasetTable {
    store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    schema: SchemaRef,
    objects: Vec<ObjectMeta>,
    /// With statistics from the footers, which the planner joins and counts by; read once.
    files: OnceCell<Vec<PartitionedFile>>,
}

impl DatasetTable {
    pub(super) fn new(area: &StagingArea, schema: SchemaRef, objects: Vec<ObjectMeta>) -> Result<Self> {
        let store_url = ObjectStoreUrl::parse(area.store_url())
            .map_err(|cause| Error::staging(area.url(), "is no place to read from", cause))?;
        Ok(Self { store: area.store(), store_url, schema, objects, files: OnceCell::new() })
    }

    async fn files(&self, state: &dyn Session) -> DataFusionResult<Vec<PartitionedFile>> {
        let format = ParquetFormat::default();
        let read = || {
            let files = futures::stream::iter(self.objects.clone()).map(|object| async {
                let schema = Arc::clone(&self.schema);
                let statistics = format.infer_stats(state, &self.store, schema, &object).await?;
                Ok(PartitionedFile::new_from_meta(object).with_statistics(Arc::new(statistics)))
            });
            files.buffered(FOOTERS_AT_ONCE).try_collect()
        };
        self.files.get_or_try_init(read).await.cloned()
    }
}

#[async_trait]
impl TableProvider for DatasetTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let files = self.files(state).await?;
        let each = files.iter().filter_map(|file| file.statistics.as_deref());
        let statistics = Statistics::try_merge_iter(each, &self.schema)?;
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let format = ParquetFormat::default();
        let source = format.file_source(TableSchema::from(Arc::clone(&self.schema)));
        let scan = FileScanConfigBuilder::new(self.store_url.clone(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        format.create_physical_plan(state, scan).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use datafusion::prelude::SessionContext;

    use super::super::tables;
    use crate::dataflow::Sink;
    use crate::staging::{Manifest, StagingArea, StagingConfig};

    #[tokio::test]
    async fn a_file_that_goes_after_its_table_was_registered_fails_where_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
        let dataset = area.run("r").query("q");
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let schema = batch.schema();
        let mut parts = Vec::new();
        for number in 0..2 {
            let rows = futures::stream::iter([Ok(batch.clone())]);
            let rows = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), rows));
            parts.push(dataset.parquet_part(number, schema.clone()).write_all(rows).await.unwrap());
        }
        let manifest = Manifest::new(&dataset, &schema, parts);
        let context = SessionContext::new();
        context.register_object_store(area.store_url(), area.store());
        for asked in [false, true] {
            let table = tables::provider(&dataset, &manifest).await.unwrap();
            let frame = context.read_table(table).unwrap();
            if asked {
                assert_eq!(frame.clone().count().await.unwrap(), 4);
                std::fs::remove_file(folder.path().join("runs/r/q/part-00001.parquet")).unwrap();
                let error = frame.collect().await.unwrap_err().to_string();
                assert!(error.contains("q/part-00001.parquet"), "{error}");
            } else {
                assert_eq!(frame.collect().await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
            }
        }
    }
}
