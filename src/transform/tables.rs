//! Raw tables, mappings and datasets as tables that SQL can name.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, TableReference};
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::prelude::SessionContext;
use object_store::ObjectMeta;

use super::dataset_table::DatasetTable;
use super::mapping::MappingTable;
use super::session::{CATALOG, QUERIES};
use super::shape::kept_schema;
use crate::dataflow::TableName;
use crate::error::{Error, Result};
use crate::staging::{Dataset, Manifest, RawTables, StagingArea};

/// Registers a table of the source under its schema and name, spelled as in the source.
pub(super) fn register_source(
    context: &SessionContext,
    table: &TableName,
    provider: Arc<dyn TableProvider>,
) -> Result<()> {
    if table.schema == QUERIES {
        let message =
            format!("{table}: the schema name `{QUERIES}` is the one of telecine's own tables; exclude the table");
        return Err(Error::preflight(message));
    }
    let failed = |cause: DataFusionError| Error::query(table.to_string(), "cannot be registered as a table", cause);
    if let Some(catalog) = context.catalog(CATALOG)
        && catalog.schema(&table.schema).is_none()
    {
        catalog.register_schema(&table.schema, Arc::new(MemorySchemaProvider::new())).map_err(failed)?;
    }
    context.register_table(source_reference(table), provider).map_err(failed)?;
    Ok(())
}

/// The name under which a table of the source is registered.
pub(super) fn source_reference(table: &TableName) -> TableReference {
    TableReference::full(CATALOG, table.schema.as_str(), table.name.as_str())
}

/// Registers a query's or mapping's table under its bare name, in place of the one that may stand there.
pub(super) fn register(context: &SessionContext, name: &str, provider: Arc<dyn TableProvider>) -> Result<()> {
    let failed = |cause: DataFusionError| Error::query(name, "cannot be registered as a table", cause);
    let reference = TableReference::full(CATALOG, QUERIES, name);
    context.deregister_table(reference.clone()).map_err(failed)?;
    context.register_table(reference, provider).map_err(failed)?;
    Ok(())
}

/// Registers all mappings.
pub(super) fn register_mappings(context: &SessionContext, mappings: &[MappingTable]) -> Result<()> {
    for mapping in mappings {
        let table = MemTable::try_new(mapping.rows.schema(), vec![vec![mapping.rows.clone()]])
            .map_err(|cause| Error::query(&mapping.name, "the mapping is no table", cause))?;
        register(context, &mapping.name, Arc::new(table))?;
    }
    Ok(())
}

/// The rows of a committed dataset: exactly the files its manifest names. Dictionaries and metadata do not show.
///
/// # Errors
/// [`Error::Staging`] with the file that is missing or has another size.
pub(super) async fn provider(dataset: &Dataset, manifest: &Manifest) -> Result<Arc<dyn TableProvider>> {
    if manifest.files.is_empty() {
        return counted(manifest.rows)
            .map_err(|cause| Error::query(dataset.name(), "cannot be registered as a table", cause));
    }
    let files = dataset.found(manifest).await?;
    let schema = kept_schema(&*RawTables::schema(dataset, manifest).await?);
    Ok(Arc::new(DatasetTable::new(dataset.area(), schema, files)?))
}

/// Registers the rows of a committed dataset under a bare name.
///
/// # Errors
/// When a file is missing or has another size.
pub async fn register_dataset(
    context: &SessionContext,
    name: &str,
    dataset: &Dataset,
    manifest: &Manifest,
) -> Result<()> {
    context.register_object_store(dataset.area().store_url(), dataset.area().store());
    register(context, name, provider(dataset, manifest).await?)
}

/// Registers one Parquet file as a table, unless there is one of its name.
///
/// # Errors
/// When the file cannot be read.
pub(super) async fn register_file(
    context: &SessionContext,
    area: &StagingArea,
    table: &TableName,
    file: &ObjectMeta,
) -> Result<()> {
    let failed = |cause: DataFusionError| Error::query(table.to_string(), "cannot be registered as a table", cause);
    let schema = context.catalog(CATALOG).and_then(|catalog| catalog.schema(&table.schema));
    if schema.is_some_and(|schema| schema.table_exist(&table.name)) {
        return Ok(());
    }
    let format = ParquetFormat::default().with_force_view_types(false);
    let schema = format.infer_schema(&context.state(), &area.store(), std::slice::from_ref(file)).await;
    let provider = DatasetTable::new(area, schema.map_err(failed)?, vec![file.clone()])?;
    register_source(context, table, Arc::new(provider))
}

/// A table without columns, which has no files.
fn counted(rows: u64) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let rows = usize::try_from(rows).map_err(|cause| DataFusionError::External(cause.into()))?;
    let schema = Arc::new(Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

/// Reads every file of a dataset once and compares its bytes with the manifest's hashes.
///
/// # Errors
/// [`Error::Staging`] with the file that is missing or has changed.
pub(super) async fn require_intact(dataset: &Dataset, manifest: &Manifest) -> Result<()> {
    for file in &manifest.files {
        dataset.require_intact(file).await?;
    }
    Ok(())
}
