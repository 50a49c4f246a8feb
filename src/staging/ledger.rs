//! What the staging area keeps of ledgers, a folder a target.

use arrow::datatypes::SchemaRef;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use super::{ParquetPart, StagingArea, object, safe_name};
use crate::error::{Error, Result};

impl StagingArea {
    /// Puts a local file's bytes under `ledger/{target}/{name}`, replacing what is there.
    ///
    /// # Errors
    /// When the file cannot be read or the object cannot be written.
    pub async fn put_ledger_copy(&self, target: &str, name: &str, file: &std::path::Path) -> Result<()> {
        object::copy_file(self, &self.ledger_key(target, name), file).await
    }

    /// The file `ledger/{target}/{table}.parquet`, to be written in place of the one that is there.
    pub fn ledger_parquet(&self, target: &str, table: &str, schema: SchemaRef) -> ParquetPart {
        let name = format!("{table}.parquet");
        ParquetPart::new(self.clone(), self.ledger_key(target, &name), name, schema)
    }

    /// The file that [`StagingArea::ledger_parquet`] wrote; `None` where there is none.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_file(&self, target: &str, table: &str) -> Result<Option<ObjectMeta>> {
        let key = self.ledger_key(target, &format!("{table}.parquet"));
        match self.store().head(&key).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(Error::staging(self.url_of(&key), "cannot be read", cause)),
        }
    }

    fn ledger_key(&self, target: &str, name: &str) -> Path {
        self.root.clone().join("ledger").join(safe_name(target, true)).join(name)
    }
}
