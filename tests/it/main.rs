//! The one integration-test binary: real servers on loopback, none of them shared between tests. What belongs where:
//!
//! - `against`: two databases side by side: what differs is found, and little is read twice
//! - `answers`: the migration against the answer key, cell by cell, on libraries of several kinds
//! - `architecture`: layers, lengths, and that the engine knows no particular migration
//! - `campaign`: random scripts of faults, kills and damaged ledgers: nothing lost, nothing twice
//! - `conformance`: what every source of rows holds to: both readers of PostgreSQL, and the raw tables of a run
//! - `connectorx`: what is particular to that reader (cargo feature `connectorx`)
//! - `connection`: TLS, where parameters come from, what a user may read, and that secrets stay secret
//! - `definitions`: queries and rows against the target's definitions, live and pulled; what is covered and what is not
//! - `dependencies`: licences, and one stack of each kind
//! - `doubt`: what a load that was broken off left in doubt, the next one settles
//! - `extract`: extraction and verification: one moment, damage named, resuming
//! - `faults`: extraction while sessions, servers and networks fail, and while others write (`proxy` and `cluster` are
//!   what these share)
//! - `flex_server`: the local Flex over real HTTP
//! - `flex_surface`: the rest of its API: deletion, releases, lists, queries, what other clients use; every type of field
//! - `library`: the sample source database in a real PostgreSQL: counts, keys, sameness
//! - `flex_faults`: every fault and switch of the local Flex, seen over HTTP
//! - `flex_client`: the client against the local Flex, and raw sockets that do what no Flex should
//! - `load`: first and second loads, faults, kills; `mapped` is the run they load
//! - `memory`: `queries/` over a rehearsal: threads and memory change no row, too little of it ends cleanly
//! - `migration`: `queries/` over the sample library: clean and dirty, one thread and three
//! - `order`: parents before children, where a definition requires a reference
//! - `pace`: the client's pace against servers that limit requests, go away and come back
//! - `plan`: what is planned is what is sent, byte for byte; canaries, changed definitions, a lost ledger
//! - `queries`: the SQL as text: heads that name their rules, and duplicates compared in every mapped field
//! - `reconcile`: reading Flex back
//! - `scan`: reading all assets of servers that cut, repeat, shuffle and move their lists
//! - `security`: the client among servers that lie, lure, break off and cannot prove their name
//! - `shapes`: tables of every shape, name and size, on every server: read whole, once, in even slices, within memory
//! - `source`: the PostgreSQL reader: types, discovery, slices, broken reads
//! - `verbs`: what people do with the ledger: rebuild, undo, prune, rejects, plans for production, its tables
//! - `types`: every PostgreSQL type through Parquet and back, random values, and bytes that are no values
//! - `transform`: project folders with SQL over real Parquet: plans, runs, checks, balance, what is kept and
//!   what is made again
//!
//! Through the binary, as users and scripts call it (`support` is what these share):
//!
//! - `cli`: exit codes, messages, settings, secrets, results
//! - `kills`: extractions killed at random, stopped by signals and short of disk, files and threads, and then resumed
//! - `outside`: DuckDB and pyarrow open every file of a run and agree with PostgreSQL
//! - `rehearsal`: the whole job twice, its files and servers, and what is left when it is broken off
//! - `resume`: loads killed again and again end like an unbroken one; reading back tells what was falsified
//! - `signals`: loads stopped at any moment, a target that hangs, a ledger in use, odd surroundings
//! - `s3`: the same run in an S3-compatible store

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod against;
mod answers;
mod architecture;
mod campaign;
mod cli;
mod cluster;
mod conformance;
mod connection;
#[cfg(feature = "connectorx")]
mod connectorx;
mod definitions;
mod dependencies;
mod doubt;
mod extract;
mod faults;
mod flex_client;
mod flex_faults;
mod flex_server;
mod flex_surface;
mod kills;
mod library;
mod load;
mod mapped;
mod mappings;
mod memory;
mod migration;
mod order;
mod outside;
mod pace;
mod plan;
mod proxy;
mod queries;
mod reconcile;
mod rehearsal;
mod resume;
mod s3;
mod scan;
mod security;
mod shapes;
mod signals;
mod source;
mod support;
mod transform;
mod types;
mod verbs;
