//! The one integration-test binary: real servers on loopback, none of them shared between tests. What belongs where:
//!
//! - `architecture`: layers, lengths, and that the engine knows no particular migration
//! - `extract`: extraction and verification: one moment, damage named, resuming
//! - `flex_server`: the local Flex over real HTTP
//! - `library`: the sample source database in a real PostgreSQL: counts, keys, sameness
//! - `source`: the PostgreSQL reader: types, discovery, slices, broken reads
//! - `transform`: project folders with SQL over real Parquet: plans, runs, checks, balance

mod architecture;
mod extract;
mod flex_server;
mod library;
mod source;
mod transform;
