//! Raw tables, mappings and datasets as tables that SQL can name.

use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, TableReference};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use super::mapping::MappingTable;
use super::session::{CATALOG, QUERIES};
use crate::dataflow::TableName;
use crate::error::{Error, Result};

/// Registers a table of the source under its schema and name, spelled as in the source.
pub(super) fn register_source(
    context: &SessionContext,
    table: &TableName,
    provider: Arc<dyn TableProvider>,
) -> Result<()> {
    let failed = |cause: DataFusionError| Error::query(table.to_string(), "cannot be registered as a table", cause);
    if let Some(catalog) = context.catalog(CATALOG)
        && catalog.schema(&table.schema).is_none()
    {
        catalog.register_schema(&table.schema, Arc::new(MemorySchemaProvider::new())).map_err(failed)?;
    }
    let reference = TableReference::full(CATALOG, table.schema.as_str(), table.name.as_str());
    context.register_table(reference, provider).map_err(failed)?;
    Ok(())
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
