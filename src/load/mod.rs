//! Mapped rows into Flex: what is lacking there (`plan`), and sending it (`apply`).
//!
//! An asset takes two requests: one creates it, one sets its field values. References to other assets follow in a second
//! pass, when every asset has its id. The [`ledger`] makes each step durable before the next relies on it, so a load can
//! be broken off at any moment and run again; an unclear outcome is looked up and never guessed.

mod apply;
mod asset;
mod expected;
pub mod ledger;
mod link;
mod pace;
mod plan;
mod preflight;
mod report;
mod row;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::apply::FlexSink;
pub use self::ledger::Ledger;
pub use self::plan::{PlanCounts, PlanReport};
pub use self::preflight::Bound;
pub use self::report::LoadReport;
pub use self::row::{Row, Shape};
use crate::error::{Error, Result};
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
    pub max_failures: Option<u64>,
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
    /// [`Error::Preflight`] with every problem found, or [`Error::Ledger`].
    pub async fn prepare(config: LoadConfig, client: FlexClient, run: RunFolder) -> Result<Self> {
        let bound = preflight::check(&config, &client, &run).await?;
        let (path, target) = (config.ledger.clone(), config.target.clone());
        let server = config.identity.clone().unwrap_or_else(|| client.base_url().to_owned());
        let opened = tokio::task::spawn_blocking(move || Ledger::open(&path, &target, &server)).await;
        let ledger = opened.map_err(|cause| Error::Ledger {
            path: config.ledger.display().to_string(),
            message: "opening it was broken off".to_owned(),
            cause: Some(Box::new(cause)),
        })??;
        Ok(Self { config: Arc::new(config), client, run, ledger, bound })
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
        }
    }

    fn external_id(&self, row: &Row) -> Option<ExternalId> {
        let value = match row.instance.get(&self.external_id_column)? {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(ExternalId { key: self.external_id_key.clone(), value })
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
