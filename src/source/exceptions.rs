//! `raw/_exceptions`: the values that a column's type cannot hold, one row each.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// A column's value that is not, or not wholly, in its batch (a part became NULL, an array lost its lower bound).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// `schema.table`.
    pub table: String,
    /// The primary key as PostgreSQL prints it; of several columns, what a composite of them prints as, without its
    /// parentheses. Without a key the row's number in its partition.
    pub key: String,
    /// The column.
    pub column: String,
    /// The whole value as PostgreSQL prints it; if that is no UTF-8 (a database without an encoding), `\\x` and its bytes
    /// in hex.
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
