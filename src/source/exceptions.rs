//! `raw/_exceptions`: the values that a column's type cannot hold, one row each.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// A value that became NULL (or lost a part: an array's lower bound), as PostgreSQL prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// `schema.table`.
    pub table: String,
    /// The primary key's values as text, joined by commas; without a key the row's number in its partition.
    pub key: String,
    /// The column.
    pub column: String,
    /// The value's text.
    pub text: String,
}

impl Exception {
    /// Bytes it takes up, about.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.table.len() + self.key.len() + self.column.len() + self.text.len()
    }
}

/// The schema of `raw/_exceptions`: table, key, column, text.
pub fn exceptions_schema() -> SchemaRef {
    let field = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![field("table"), field("key"), field("column"), field("text")]))
}

/// The exceptions as one batch.
///
/// # Errors
/// When they are larger than an Arrow array can be.
pub fn exceptions_batch(exceptions: &[Exception]) -> Result<RecordBatch, ArrowError> {
    let column = |part: fn(&Exception) -> &str| Arc::new(StringArray::from_iter_values(exceptions.iter().map(part)));
    RecordBatch::try_new(
        exceptions_schema(),
        vec![column(|e| &e.table), column(|e| &e.key), column(|e| &e.column), column(|e| &e.text)],
    )
}
