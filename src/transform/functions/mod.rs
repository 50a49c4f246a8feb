//! The SQL functions that queries may use beside DataFusion's own.

use datafusion::execution::FunctionRegistry;

use crate::error::Result;

/// Registers every function of telecine.
///
/// # Errors
/// When the registry refuses one.
pub fn register(_registry: &mut impl FunctionRegistry) -> Result<()> {
    Ok(())
}
