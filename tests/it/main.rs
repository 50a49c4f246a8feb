//! The one integration-test binary. What belongs where:
//! (one line a module, kept with its `mod`)

/// The PostgreSQL reader: types, discovery, slices, broken reads.
mod source;
