//! The raw tables of a run as a [`Source`]: the same seam as the database they came from.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;

use super::{Dataset, Manifest, RunFolder, reader};
use crate::dataflow::{
    ColumnMeta, Partition, SendableRecordBatchStream, Slice, Source, TableKind, TableMeta, TableName, WrittenFile,
};
use crate::error::{Error, Result};

/// The committed raw datasets of one run. A partition is a file; its bytes are checked before its first batch.
#[derive(Debug)]
pub struct RawTables {
    run: RunFolder,
}

impl RawTables {
    /// The raw tables of `run`.
    pub fn new(run: &RunFolder) -> Self {
        Self { run: run.clone() }
    }

    /// The Arrow schema of a committed dataset, from its first file; without files it has no columns.
    ///
    /// # Errors
    /// When the file cannot be read as Parquet.
    pub async fn schema(dataset: &Dataset, manifest: &Manifest) -> Result<SchemaRef> {
        let Some(file) = manifest.files.first() else {
            return Ok(Arc::new(Schema::empty()));
        };
        Ok(reader::open(dataset, file).await?.schema().clone())
    }

    async fn manifest_of(&self, table: &TableName) -> Result<(Dataset, Manifest)> {
        let dataset = self.run.raw(table);
        let manifest = dataset.manifest().await?.ok_or_else(|| Error::Staging {
            path: dataset.url(),
            message: format!("the table {table} is not committed; run `telecine extract --run {}`", self.run.id()),
            cause: None,
        })?;
        Ok((dataset, manifest))
    }

    async fn meta(&self, table: TableName, manifest: Manifest) -> Result<TableMeta> {
        let arrow = Self::schema(&self.run.raw(&table), &manifest).await?;
        let column = |field: &super::FieldNote| ColumnMeta {
            name: field.name.clone(),
            type_name: field.pg_type.clone().unwrap_or_else(|| field.type_name.clone()),
            nullable: field.nullable,
        };
        Ok(TableMeta {
            table,
            kind: TableKind::Table,
            columns: manifest.schema.iter().map(column).collect(),
            left_out: manifest.left_out,
            key: manifest.key,
            rows: manifest.rows,
            bytes: manifest.bytes,
            arrow,
        })
    }
}

#[async_trait]
impl Source for RawTables {
    async fn tables(&self) -> Result<Vec<TableMeta>> {
        let mut tables = Vec::new();
        for (table, manifest) in self.run.raw_tables().await? {
            tables.push(self.meta(table, manifest).await?);
        }
        Ok(tables)
    }

    async fn partitions(&self, table: &TableMeta) -> Result<Vec<Partition>> {
        let (_, manifest) = self.manifest_of(&table.table).await?;
        let files = manifest.files.iter().enumerate();
        let slice = |(number, file): (usize, &WrittenFile)| Partition {
            table: table.table.clone(),
            number,
            slice: Slice::File(file.name.clone()),
        };
        let mut slices: Vec<Partition> = files.map(slice).collect();
        if slices.is_empty() {
            slices.push(Partition { table: table.table.clone(), number: 0, slice: Slice::Whole });
        }
        Ok(slices)
    }

    async fn scan(&self, partition: &Partition) -> Result<SendableRecordBatchStream> {
        let (dataset, manifest) = self.manifest_of(&partition.table).await?;
        match &partition.slice {
            Slice::File(name) => {
                let file = manifest.files.iter().find(|file| &file.name == name).ok_or_else(|| Error::Staging {
                    path: dataset.url(),
                    message: format!("the manifest knows no file {name}"),
                    cause: None,
                })?;
                dataset.read_part(file).await
            }
            Slice::Whole | Slice::Where(_) | Slice::Objects { .. } => dataset.without_columns(manifest.rows),
        }
    }
}
