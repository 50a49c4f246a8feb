//! The one integration-test binary: real servers on loopback, none of them shared between tests. What belongs where:
//!
//! - `architecture`: layers, lengths, and that the engine knows no particular migration
//! - `extract`: extraction and verification: one moment, damage named, resuming
//! - `flex_server`: the local Flex over real HTTP
//! - `library`: the sample source database in a real PostgreSQL: counts, keys, sameness
//! - `flex_client`: the client against the local Flex, and raw sockets that do what no Flex should
//! - `load`: first and second loads, faults, kills; `mapped` is the run they load
//! - `migration`: `queries/` over the sample library: clean and dirty, one thread and three
//! - `reconcile`: reading Flex back
//! - `source`: the PostgreSQL reader: types, discovery, slices, broken reads
//! - `transform`: project folders with SQL over real Parquet: plans, runs, checks, balance

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod architecture;
mod extract;
mod flex_client;
mod flex_server;
mod library;
mod load;
mod mapped;
mod migration;
mod reconcile;
mod source;
mod transform;
