//! The one integration-test binary: real servers on loopback, none of them shared between tests. What belongs where:
//!
//! - `architecture`: layers, lengths, and that the engine knows no particular migration
//! - `flex_server`: the local Flex over real HTTP
//! - `library`: the sample source database in a real PostgreSQL: counts, keys, sameness
//! - `transform`: project folders with SQL over real Parquet: plans, runs, checks, balance

mod architecture;
mod flex_server;
mod library;
mod transform;
//! The one integration-test binary. What belongs where:
//! (one line a module, kept with its `mod`)

/// Extraction and verification: one moment, damage named, resuming.
mod extract;
/// The PostgreSQL reader: types, discovery, slices, broken reads.
mod source;
//! - `source`: the PostgreSQL reader: types, discovery, slices, broken reads

