//! The library into a PostgreSQL database.

use std::sync::Arc;

use secrecy::SecretString;

use super::Library;
use crate::Result;
use crate::dataflow::Progress;

/// What a load did.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadSummary {
    /// Tables filled.
    pub tables: u64,
    /// Rows written.
    pub rows: u64,
    /// Bytes sent in COPY text format.
    pub bytes: u64,
    /// The time it took.
    pub seconds: f64,
}

/// Creates the library in an empty database.
///
/// # Errors
/// Not written yet.
pub async fn create(
    _library: &Arc<Library>,
    _url: &SecretString,
    _connections: usize,
    _progress: &Progress,
) -> Result<LoadSummary> {
    Ok(LoadSummary::default())
}
