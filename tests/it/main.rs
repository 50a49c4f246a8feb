//! The one integration-test binary. What belongs where:
//! (one line a module, kept with its `mod`)

/// Extraction and verification: one moment, damage named, resuming.
mod extract;
/// The PostgreSQL reader: types, discovery, slices, broken reads.
mod source;
