//! The one integration-test binary. What belongs where:
//! (one line a module, kept with its `mod`)

/// The local Flex over real HTTP on loopback.
mod flex_server;
//! - library: the sample source database in a real PostgreSQL: counts, keys, sameness

mod library;
//!
//! - `transform`: project folders with SQL over real Parquet: plans, runs, checks, balance

mod transform;
