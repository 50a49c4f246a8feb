//! Queries: the SQL files of a project turn the raw tables of a run into datasets, documents and rejected rows.
//!
//! [`Transform::open`] reads the project, [`Transform::check`] plans and types every query before a row is read,
//! [`Transform::run`] runs those whose rows may have changed, and [`Transform::sql`] looks at what a run holds.
//!
//! | module | holds |
//! |---|---|
//! | `query` | the project's files and the settings in a query's header |
//! | `graph` | which query reads what, and the order in which they run |
//! | `session` | the one place where DataFusion sessions are built |
//! | `planning`, `contract`, `determinism` | what is refused before the first row is read |
//! | `tables`, `dataset_table` | raw tables, mappings and datasets as SQL tables |
//! | [`definition`] | queries and rows against the definitions that they feed |
//! | `opened` | a session with the tables of a run |
//! | `mapping`, `mapping_checks` | CSV files as tables, and what must hold of them before a row is read |
//! | `run`, `check`, `documents`, `balance` | queries into datasets, checks, documents, rejected rows, and whether every candidate is accounted for |
//! | `reuse` | what a dataset was made from, and whether it is to be made again |
//! | `look` | SQL over what a run holds |
//! | `trace`, `provenance`, `lineage`, `chosen` | one asset's way: what its fields were made of, the rows behind it, where columns come from |
//! | [`coverage`] | fields that nothing feeds, and values of the source that lead nowhere |
//! | `report`, `rows` | what a transform did; the rows of a statement |
//! | `deep` | threads with the stack that planning needs |
//! | `functions` | the SQL functions of telecine |

mod balance;
mod check;
mod chosen;
mod clock;
pub mod contract;
pub mod coverage;
mod dataset_table;
mod deep;
pub mod definition;
mod determinism;
mod diagnose;
mod documents;
pub mod functions;
mod graph;
mod lineage;
mod look;
mod mapping;
mod mapping_checks;
pub(crate) mod nearest;
mod one_row;
mod opened;
mod planning;
mod position;
mod provenance;
mod query;
mod report;
mod reuse;
mod rows;
mod run;
mod session;
mod shape;
mod tables;
mod trace;

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectMeta;

pub use self::balance::{Balance, Counts};
pub use self::contract::CANDIDATES;
pub use self::definition::Definitions;
use self::graph::Graph;
use self::mapping::MappingTable;
pub use self::opened::exceptions_table;
pub use self::planning::PlannedQuery;
pub use self::query::{Level, Mapping, Materialise, Project, Query, REJECTED};
pub use self::report::{CheckReport, DocumentsReport, Making, QueryReport, REPORT_FILE, TransformReport};
pub use self::reuse::{Outlook, QueryOutlook, TransformOutlook};
pub use self::session::{CATALOG, QUERIES, session};
pub use self::tables::register_dataset;
pub use self::trace::{CellTrace, FieldTrace, SourceTrace, TableTrace, Trace};
use crate::dataflow::TableName;
use crate::error::Result;
use crate::staging::{Dataset, Manifest};

/// How queries are read and run.
#[derive(Debug, Clone)]
pub struct TransformConfig {
    /// The project folder (`queries/`).
    pub project: PathBuf,
    /// Bytes that all operators together may hold; beyond, those that can spill to disk do.
    pub memory: usize,
    /// Threads a query may use at once. Results do not depend on it.
    pub threads: usize,
    /// The folder operators spill to; the system's temporary folder without it.
    pub spill: Option<PathBuf>,
    /// The time that `now()` and `current_date` give, in RFC 3339. Without it, queries that ask for the time are refused.
    pub now: Option<String>,
}

/// A project's queries, read and ordered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Transform {
    config: TransformConfig,
    project: Arc<Project>,
    graph: Arc<Graph>,
    mappings: Arc<Vec<MappingTable>>,
    definitions: Arc<Definitions>,
    vocabularies: Option<definition::Vocabularies>,
    /// Parquet files of the staging area that a look may read beside what the run holds.
    files: Arc<Vec<(TableName, ObjectMeta)>>,
    /// Datasets besides, too.
    datasets: Arc<Vec<(TableName, Dataset, Manifest)>>,
    /// Everything is made anew, changed or not.
    again: bool,
}

impl Transform {
    /// Reads the project folder: every query, every mapping, and the order of queries.
    ///
    /// # Errors
    /// [`crate::Error::Config`] with all problems found at once: files, headers, names, SQL syntax, reads of a higher
    /// folder, cycles.
    pub fn open(config: &TransformConfig) -> Result<Self> {
        deep::run_blocking("queries", || {
            let project = Arc::new(Project::read(&config.project)?);
            let graph = Arc::new(Graph::build(&project)?);
            let mappings = Arc::new(mapping::read_all(&project)?);
            let (config, definitions) = (config.clone(), Arc::default());
            let (files, datasets) = (Arc::default(), Arc::default());
            let vocabularies = None;
            Ok(Self { config, project, graph, mappings, definitions, vocabularies, files, datasets, again: false })
        })
    }

    /// The same with Parquet files of the staging area as tables of [`Transform::sql`]. A table of the source of the same
    /// name stands before them.
    #[must_use]
    pub fn with_files(self, files: Vec<(TableName, ObjectMeta)>) -> Self {
        Self { files: Arc::new(files), ..self }
    }

    /// The same with datasets as tables of [`Transform::sql`].
    #[must_use]
    pub fn with_datasets(self, datasets: Vec<(TableName, Dataset, Manifest)>) -> Self {
        Self { datasets: Arc::new(datasets), ..self }
    }

    /// The project's files.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// All tables of the source that queries read, by name.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.graph.tables().into_iter()
    }
}
