//! telecine moves the metadata of a media library from PostgreSQL into Dalet Flex: a dataflow batch engine on Apache
//! Arrow. Tables become record batches, SQL files turn them into rows shaped like Flex assets, every step leaves Parquet
//! and JSON in object storage, and the last step streams rows to the Flex REST API.
//!
//! # What flows where
//! ```text
//! source ──extract──▶ raw/ ──transform──▶ datasets, documents, rejected/ ──load──▶ Flex
//!    └──────verify──────┘                          └──────────reconcile───────────┘
//! ```
//! Beside it, [`delivery`]: JSON documents from a bucket into the hot folders of targets.
//!
//! Start at [`pipeline::Pipeline::run`]: the whole job, a line a step.
//!
//! # Who may import whom
//! Lower never imports higher; peers never import each other; a test reads the sources and checks it.
//! ```text
//! 7  cli
//! 6  pipeline
//! 5  config  report  rehearsal
//! 4  extract  verify  load  reconcile      a step each, over the layers below
//!    delivery                              a step a file
//! 3  source  transform  flex
//! 2  staging                               every step reads and leaves datasets
//! 1  dataflow
//! 0  error
//! ```
//!
//! # Words, each with one meaning
//! *source* the system rows come from; *table*; *partition* a slice of a table read by one connection; *snapshot* the one
//! moment all tables are read at; *staging area* object storage of all runs; *run* one pass, named by its id; *dataset*
//! Parquet or JSON files with a manifest; *query* one SQL file; *candidate* an entity that might be migrated;
//! *disposition*, *reason*, *warning* what becomes of a candidate and why; *definition* a Flex metadata definition;
//! *instance* the field values of one asset; *target* a named Flex; *ledger* what each target holds of us; *plan* the
//! difference between mapped rows and ledger; *gone* in the ledger and no longer mapped; *undo* removing what a run created,
//! *prune* removing what is gone; *rebuild* a ledger from its target; *reconcile* reading Flex back; *delivery* one pass of
//! JSON documents from the *source of truth*, which is only read, by way of the *area*, where they get *safe keys* and some go
//! into *quarantine*, into the *hot folders*; *record* the dataset that says what a step of it did; *group* the documents of the
//! first folder of their keys, *census* what is in them value by value; *conflict* what they hold and are not to hold.

pub mod cli;
pub mod config;
pub mod dataflow;
pub mod delivery;
pub mod error;
pub mod extract;
pub mod flex;
pub mod load;
pub mod pipeline;
pub mod reconcile;
pub mod rehearsal;
pub mod report;
pub mod source;
pub mod staging;
pub mod transform;
pub mod verify;

pub use error::{Error, Result};
