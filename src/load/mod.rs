//! Mapped rows into Flex: what is lacking there (`plan`), and sending it (`apply`).
//!
//! An asset takes two requests: one creates it, one sets its field values. References to other assets follow in a second
//! pass, when every asset has its id. The [`ledger`] makes each step durable before the next relies on it, so a load can
//! be broken off at any moment and run again; an unclear outcome is looked up and never guessed. What the ledger says was
//! created can be taken back ([`Removal`]), and a ledger that was lost is made anew from the target ([`Load::rebuild`]).

mod apply;
mod asset;
mod canary;
mod checkpoint;
mod decide;
mod expected;
mod export;
mod found;
mod known;
pub mod ledger;
mod link;
mod needed;
mod plan;
mod preflight;
mod rebuild;
mod reference;
mod remove;
mod report;
mod request;
mod row;
mod seen;
mod watch;
mod work;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

pub use self::apply::FlexSink;
use self::ledger::Entry;
pub use self::ledger::Ledger;
pub use self::plan::{PlanCounts, PlanReport, QueryPlan};
pub use self::preflight::{Bound, DEFINITIONS_FILE};
pub use self::rebuild::{Doubled, RebuildReport, Stranger};
pub use self::reference::Resolved;
pub use self::remove::{Left, Removal, RemovalPlan, RemovalReport};
pub use self::report::LoadReport;
pub use self::request::{Request, Step, UNKNOWN_ID};
pub use self::row::{FieldPrints, Row, Shape, uuid_of};
use crate::error::Result;
use crate::flex::{Definition, ExternalId, FlexClient, NewAsset};
use crate::staging::RunFolder;

/// By which request the field values of a new asset are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attributes {
    /// `POST /assets/{id}/annotations`.
    #[default]
    Annotations,
    /// `PUT /assets/{id}/metadata`.
    Metadata,
    /// Annotations if the first asset shows that they set the instance, else metadata.
    Auto,
}

/// By which request an asset is removed from the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletion {
    /// `POST /assets/{id}/actions` with the action `delete`, as is recorded of definitions.
    #[default]
    Action,
    /// `DELETE /assets/{id}`.
    Delete,
}

/// Which query feeds which definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The query (a mapped dataset of the run).
    pub query: String,
    /// The metadata definition's name.
    pub definition: String,
    /// The type of the assets: `media-asset`, `group-asset`, `image-asset` or `text-asset`.
    pub asset_type: String,
    /// Fields whose option list the target extends by what the rows hold (`parts.kind` is one of a complex field).
    pub open: Vec<String>,
}

impl Binding {
    /// Marks the open fields in the definition; one line for each that it does not have.
    pub fn open(&self, definition: &mut Definition) -> Vec<String> {
        let unknown = definition.open(&self.open).into_iter();
        let line = |name| format!("definitions.{}.open: {} has no field {name}", self.query, self.definition);
        unknown.map(line).collect()
    }
}

/// Settings of a load.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// The target's name.
    pub target: String,
    /// The ledger's file: one for each target.
    pub ledger: PathBuf,
    /// What tells the target from others; its base URL unless set. A ledger serves one target for life.
    pub identity: Option<String>,
    /// How field values are set.
    pub attributes: Attributes,
    /// Rows worked on at the same time, at most.
    pub max_in_flight: usize,
    /// Rows created or updated in this load, at most.
    pub limit: Option<u64>,
    /// What is loaded, in this order.
    pub bindings: Vec<Binding>,
    /// The key of the external id that new assets get.
    pub external_id_key: String,
    /// The column of the mapped rows that holds its value; rows without a value get no external id.
    pub external_id_column: String,
    /// Failed rows after which the load stops; `None` never stops.
    pub max_failures: Option<Threshold>,
    /// Rows of each query that are written, read back and compared before the rest is sent; 0 for none.
    pub canary: usize,
    /// How often the definitions are looked at while rows are sent.
    pub watch: Duration,
    /// How often a copy of the ledger is put into the staging area while rows are sent.
    pub checkpoint: Duration,
    /// How long rows that are under way when the load is asked to stop may take to come to an end.
    pub drain: Duration,
    /// Only rows that failed or are held.
    pub only_rejects: bool,
    /// By which request an asset is removed.
    pub deletion: Deletion,
}

/// How many failed rows are too many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// More than so many.
    Count(u64),
    /// More than this share (0 to 1) of the rows that were sent, once a hundred were.
    Share(f64),
}

impl Threshold {
    /// Rows before which a share says little.
    const FEW: u64 = 100;

    /// As the settings write it: `100`, or `1%` (a share of at most 100 %).
    ///
    /// # Errors
    /// What is wanted instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "a count such as 100 or a share such as 1% is wanted".to_owned();
        let Some(percent) = text.strip_suffix('%') else {
            return text.trim().parse().map(Self::Count).map_err(|_| wanted());
        };
        let percent: f64 = percent.trim().parse().map_err(|_| wanted())?;
        if (0.0..=100.0).contains(&percent) { Ok(Self::Share(percent / 100.0)) } else { Err(wanted()) }
    }

    /// Whether so many are beyond it, of however few.
    pub fn is_beyond(self, count: u64, of: u64) -> bool {
        match self {
            Self::Count(most) => count > most,
            Self::Share(most) => count as f64 > most * of as f64,
        }
    }

    /// Whether so many failures of so many rows are too many.
    pub fn is_exceeded(self, failed: u64, rows: u64) -> bool {
        match self {
            Self::Count(_) => self.is_beyond(failed, rows),
            Self::Share(_) => rows >= Self::FEW && self.is_beyond(failed, rows),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(most) => write!(f, "{most}"),
            // To a hundredth of a per cent: 0.07 is 7 % and not 7.000000000000001 %.
            Self::Share(most) => write!(f, "{}%", (most * 1e4).round() / 100.0),
        }
    }
}

/// A load whose pre-flight has passed: the target answers, the definitions fit, the ledger is ours.
#[derive(Debug, Clone)]
pub struct Load {
    config: Arc<LoadConfig>,
    client: FlexClient,
    run: RunFolder,
    ledger: Ledger,
    bound: Vec<Arc<Bound>>,
}

impl Load {
    /// Opens the ledger and checks everything that can be checked without changing anything in the target.
    ///
    /// # Errors
    /// [`crate::Error::Preflight`] with every problem found, or [`crate::Error::Ledger`].
    pub async fn prepare(config: LoadConfig, client: FlexClient, run: RunFolder) -> Result<Self> {
        let bound = preflight::check(&config, &client, &run).await?;
        let (path, target) = (config.ledger.clone(), config.target.clone());
        let server = config.identity.clone().unwrap_or_else(|| client.base_url().to_owned());
        let ledger = Ledger::open_apart(path, target, server).await?;
        let names = bound.iter().flat_map(|bound| bound.shape.fields().cloned()).collect();
        let numbers = ledger.number_fields(&names).await?;
        let number = |name: &str| numbers.get(name).copied().unwrap_or(u16::MAX);
        let numbered = bound.into_iter().map(|mut bound| {
            bound.shape.number(number);
            Arc::new(bound)
        });
        Ok(Self { config: Arc::new(config), client, run, ledger, bound: numbered.collect() })
    }

    /// The settings.
    pub fn config(&self) -> &LoadConfig {
        &self.config
    }

    /// The run whose rows are loaded.
    pub fn run(&self) -> &RunFolder {
        &self.run
    }

    /// The target's name.
    pub fn target(&self) -> &str {
        &self.config.target
    }

    /// The client of the target.
    pub fn client(&self) -> &FlexClient {
        &self.client
    }

    /// The ledger of the target.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The bindings with their definitions and datasets.
    pub fn bound(&self) -> &[Arc<Bound>] {
        &self.bound
    }
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl LoadConfig {
    /// The defaults: annotations, 32 rows at a time, no limits, nothing bound, no external ids, a ledger in the
    /// current folder.
    pub fn new() -> Self {
        Self {
            target: String::new(),
            ledger: PathBuf::from("ledger.sqlite3"),
            identity: None,
            attributes: Attributes::default(),
            max_in_flight: 32,
            limit: None,
            bindings: Vec::new(),
            external_id_key: "reach".to_owned(),
            external_id_column: String::new(),
            max_failures: None,
            canary: 3,
            watch: Duration::from_secs(60),
            checkpoint: Duration::from_secs(300),
            drain: Duration::from_secs(30),
            only_rejects: false,
            deletion: Deletion::default(),
        }
    }

    fn external_id(&self, row: &Row) -> Option<ExternalId> {
        Some(ExternalId { key: self.external_id_key.clone(), value: row.external_id.clone()? })
    }

    /// A fingerprint of what an asset is created with beside its name and its uuid: what a load cannot change later.
    fn made(&self, bound: &Bound, row: &Row) -> i64 {
        let key = row.external_id.as_ref().map_or("", |_| &self.external_id_key);
        let value = row.external_id.as_deref().unwrap_or_default();
        let (asset_type, definition) = (&bound.binding.asset_type, bound.definition.id);
        xxh3_64(format!("{asset_type}\0{definition}\0{key}\0{value}").as_bytes()).cast_signed()
    }

    /// Whether an asset was created with another type, definition or external id than the row has now.
    fn is_restated(&self, bound: &Bound, row: &Row, entry: &Entry) -> bool {
        entry.flex_id.is_some() && entry.made.is_some_and(|made| made != self.made(bound, row))
    }

    fn new_asset(&self, bound: &Bound, row: &Row) -> NewAsset {
        NewAsset {
            name: row.name.clone(),
            asset_type: bound.binding.asset_type.clone(),
            definition: bound.definition.id,
            uuid: row.uuid(),
            external_id: self.external_id(row),
        }
    }
}
