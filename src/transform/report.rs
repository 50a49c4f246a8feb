//! What a transform did, for the report of the run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::balance::Balance;
use super::query::Materialise;
use crate::error::{Error, Result};

/// The file in which a run keeps [`TransformReport`].
pub const REPORT_FILE: &str = "transform.json";

/// What a transform did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TransformReport {
    /// The queries and checks that were asked for; empty when all were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
    /// The queries that ran or were kept, in running order.
    pub queries: Vec<QueryReport>,
    /// The checks that ran or were kept, by name.
    pub checks: Vec<CheckReport>,
    /// The documents written, by query.
    pub documents: Vec<DocumentsReport>,
    /// What became of every candidate; `None` while a query of 4_map has no dataset yet, or when there are none.
    pub balance: Option<Balance>,
    /// Everything that is not clean, one entry a finding. Empty in a run that is.
    pub problems: Vec<String>,
    /// What people are to know and no row is wrong for: raw tables of several moments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// Whether something was made or stood for what would have been made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Making {
    /// It ran.
    #[default]
    Made,
    /// It was kept: its text, inputs and settings are what they were.
    Kept,
}

/// What one query did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryReport {
    /// The query's name.
    pub name: String,
    /// Whether it ran.
    #[serde(default)]
    pub making: Making,
    /// Why it ran: what has changed since its dataset was made. Empty when it did not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Rows it gave.
    pub rows: u64,
    /// Bytes of its Parquet files.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Bytes that its operators wrote to disk for want of memory.
    #[serde(default)]
    pub spilled: u64,
    /// The forms in which its rows are kept.
    pub materialised: BTreeSet<Materialise>,
    /// Order-free checksum of its rows, as `rows:sum`.
    pub checksum: String,
    /// Rows of each dataset it read, by name; views are not counted.
    pub inputs: BTreeMap<String, u64>,
}

/// What one check found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckReport {
    /// The check's name.
    pub name: String,
    /// Whether it ran.
    #[serde(default)]
    pub making: Making,
    /// A hash of its text and everything it read.
    #[serde(default)]
    pub made_from: String,
    /// What it is for, in its header's words.
    pub purpose: String,
    /// Rows that must not exist.
    pub rows: u64,
    /// The first of them.
    pub first: Vec<Map<String, Value>>,
    /// How long it took.
    pub seconds: f64,
}

/// The documents written from one query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DocumentsReport {
    /// The query.
    pub query: String,
    /// The definition that names the documents' folder.
    pub definition: String,
    /// Whether they were written.
    #[serde(default)]
    pub making: Making,
    /// Documents written or kept.
    pub rows: u64,
}

impl TransformReport {
    /// Whether everything is clean.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with all problems.
    pub fn verdict(&self) -> Result<()> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Error::Mismatch { what: "transform".into(), message: self.problems.join("\n  ") })
    }
}
