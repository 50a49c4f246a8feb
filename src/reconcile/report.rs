//! What reading Flex back found, as it is kept and shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// Findings of a kind that a report lists.
const MOST_LISTED: usize = 100;
/// Findings of a kind that a message names.
const MOST_NAMED: usize = 5;

/// What reading Flex back found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReconcileReport {
    /// The target's name.
    pub target: String,
    /// Assets expected: equal, different and missing together.
    pub checked: u64,
    /// Assets that hold exactly what was mapped.
    pub equal: u64,
    /// Assets of which at least one field differs.
    pub different: u64,
    /// Assets that the ledger knows and the target does not list.
    pub missing: u64,
    /// Rows mapped to be loaded of which the ledger knows no asset.
    pub not_loaded: u64,
    /// Other assets with the uuid or external id of one of ours.
    pub duplicates: u64,
    /// Assets that we made and no row stands for any more, and others that carry our external id key, or the uuid of a row
    /// whose asset the ledger does not know. Not counted in a sample.
    pub extra: u64,
    /// Assets of others: not compared, not named. Not counted in a sample.
    pub others: u64,
    /// The first hundred fields that differ.
    pub fields: Vec<FieldDifference>,
    /// The first hundred missing assets.
    pub missing_assets: Vec<Named>,
    /// The source keys of the first hundred rows that were not loaded.
    pub not_loaded_rows: Vec<String>,
    /// The first hundred duplicates: their own id with the source key of ours.
    pub duplicate_assets: Vec<Named>,
    /// The first hundred extra assets; the source key is empty where neither a row nor the ledger has one for them.
    pub extra_assets: Vec<Named>,
    /// Where all findings are: a Parquet dataset of the run.
    pub findings: String,
    /// Seconds.
    pub seconds: f64,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldDifference {
    /// The key in the source.
    pub source_key: String,
    /// The target's id.
    pub id: i64,
    /// How it differs: `different`, `dropped`, `added`, `truncated to N`, `reordered`, `deduplicated`.
    #[serde(default)]
    pub kind: String,
    /// The field's name; the asset's own are `asset name`, `asset type`, `asset uuid`, `asset definition`, `external id`.
    pub field: String,
    /// What was mapped; null for a field that should not be there.
    pub expected: Value,
    /// What the target holds; null for a field that is missing.
    pub found: Value,
}

/// An asset by both its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The key in the source.
    pub source_key: String,
    /// The target's id.
    pub id: i64,
}

/// Keeps the first hundred.
pub(super) fn list<T>(listed: &mut Vec<T>, item: T) {
    if listed.len() < MOST_LISTED {
        listed.push(item);
    }
}

impl ReconcileReport {
    /// # Errors
    /// [`Error::Mismatch`] naming the first findings, unless the target holds exactly what was mapped.
    pub fn require_equal(&self) -> Result<()> {
        if self.different + self.missing + self.not_loaded + self.duplicates + self.extra == 0 {
            return Ok(());
        }
        let mut message = format!(
            "of {} assets {} differ, {} are missing, {} have a duplicate; {} rows were not loaded, {} assets are extra",
            self.checked, self.different, self.missing, self.duplicates, self.not_loaded, self.extra
        );
        for difference in self.fields.iter().take(MOST_NAMED) {
            let FieldDifference { source_key, id, kind, field, expected, found } = difference;
            message.push_str(&format!(
                "\n  {source_key} (asset {id}) {field}: {kind}: expected {expected}, found {found}"
            ));
        }
        for asset in self.missing_assets.iter().take(MOST_NAMED) {
            message.push_str(&format!("\n  {} (asset {}) is missing", asset.source_key, asset.id));
        }
        for key in self.not_loaded_rows.iter().take(MOST_NAMED) {
            message.push_str(&format!("\n  {key} was not loaded"));
        }
        for asset in self.duplicate_assets.iter().take(MOST_NAMED) {
            message.push_str(&format!("\n  {} is there a second time as asset {}", asset.source_key, asset.id));
        }
        for asset in self.extra_assets.iter().take(MOST_NAMED) {
            let whose = match asset.source_key.as_str() {
                "" => "of no row and not in the ledger".to_owned(),
                key => format!("{key}, which is gone or was not loaded"),
            };
            message.push_str(&format!("\n  asset {} is extra: {whose}", asset.id));
        }
        message.push_str(&format!("\n  all findings: {}", self.findings));
        Err(Error::Mismatch { what: format!("reconcile with {}", self.target), message })
    }
}
