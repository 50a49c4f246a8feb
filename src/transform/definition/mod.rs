//! Queries and rows against the definitions that they feed.
//!
//! Before a row is read, the columns of each 4_map query are compared with the fields of its definition, all mismatches at
//! once ([`mismatches`]). While its rows stream into their dataset, each row to load is held to what the definition allows
//! (`rows`): one that breaks it is rejected with [`VIOLATION`], so that it never becomes a request. What a field takes:
//!
//! | field's type | column | checked in each row |
//! |---|---|---|
//! | string, text, url, email, script, password, color | text | length in characters |
//! | single-option, multi-option | text | is among the options, unless the list is open |
//! | integer | any whole number | fits 32 bits |
//! | long | any whole number | fits 64 bits |
//! | double, float | decimal, whole or floating-point number | finite (text is refused: Flex gives a number back, and reconciling would find every row different) |
//! | boolean | boolean | |
//! | date | date | has a year of four digits, as JSON needs it |
//! | time | timestamp with a zone | the same; without a zone there is no `Z` in JSON, and Flex refuses it |
//! | complex | struct of its fields | each of them |
//! | asset, object | struct `{source_key}` | has a key |
//! | anything else | anything | nothing: only the server knows; a warning names the field |
//!
//! A field of multiplicity `0..*` or `1..*` and a multi-option take a list of these, any other field one; items of a list
//! are never NULL. A required field must have a column and, in every row to load, a value; in a list, at least one. A
//! constant that a query gives an option field (`'Manual' as kind`, also by way of `case`, `coalesce` and other queries)
//! must be one of its options before a row is read (`constants`), and so must every term of the vocabulary that a mapping
//! gives the field (`vocabulary`).
//!
//! A list is open where the definition has none (a user-defined tag collection; a list without options is refused), or where the settings say that the
//! target will get what it lacks (`[definitions.QUERY] open = ["FIELD"]`, rulings A25); then what it lacks is told.

mod constants;
mod lacking;
mod rows;
mod schema;
mod vocabulary;

use std::collections::BTreeMap;

use datafusion::execution::SendableRecordBatchStream;

pub use self::lacking::Lacking;
pub(super) use self::lacking::lacking;
pub use self::rows::RowRules;
pub use self::schema::{Mismatch, mismatches};
pub use self::vocabulary::Vocabularies;
use super::planning::PlannedQuery;
use super::query::{Level, Query};
use super::{Transform, deep, position};
use crate::dataflow::definition::Definition;
use crate::error::{Error, Result};

/// The reason of a row that its definition forbids. It is the engine's own; all other reasons are the queries'.
pub const VIOLATION: &str = "DEFINITION_VIOLATION";

/// The definitions that queries feed, by query.
pub type Definitions = BTreeMap<String, Definition>;

impl Transform {
    /// The same project, checked against these definitions and with rows validated by them.
    #[must_use]
    pub fn with_definitions(self, definitions: Definitions) -> Self {
        Self { definitions: definitions.into(), ..self }
    }

    /// The same project, whose mappings say which terms queries may give option fields: they are compared with the
    /// definitions, too.
    #[must_use]
    pub fn with_vocabularies(self, vocabularies: Option<Vocabularies>) -> Self {
        Self { vocabularies, ..self }
    }

    /// Compares the columns of all 4_map queries with the definitions that they feed.
    ///
    /// # Errors
    /// [`Error::Preflight`] with all mismatches, one a line: the query's file and place, the field, what the query gives,
    /// what the definition wants.
    pub fn require_fit(&self, planned: &[PlannedQuery]) -> Result<()> {
        // Plans are as deep as the queries nest.
        deep::run_blocking("queries", || self.compare_all(planned))
    }

    fn compare_all(&self, planned: &[PlannedQuery]) -> Result<()> {
        let listed = self.vocabularies.as_ref().map(|named| named.read(&self.mappings)).transpose()?;
        let mut lines = Vec::new();
        for query in self.project.queries.iter().filter(|query| query.level == Level::Map) {
            let Some(definition) = self.definitions.get(&query.name) else { continue };
            let Some(plan) = planned.iter().find(|planned| planned.name == query.name) else { continue };
            schema::unchecked(definition).iter().for_each(|line| tracing::warn!("{line}"));
            let found = mismatches(&plan.schema, definition);
            let constants = constants::mismatches(plan, planned, definition);
            let terms = listed.as_ref().map(|listed| listed.mismatches(&query.name, definition)).unwrap_or_default();
            lines.extend(found.iter().chain(&constants).chain(&terms).map(|mismatch| line(query, mismatch)));
        }
        let count = match lines.len() {
            0 => return Ok(()),
            1 => "1 column does not fit its definition".to_owned(),
            n => format!("{n} columns do not fit their definitions"),
        };
        Err(Error::preflight(format!("{count}\n  {}", lines.join("\n  "))))
    }

    /// The rows of a query, with those to load that its definition forbids rejected.
    pub(super) fn validated(&self, query: &Query, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        match self.definitions.get(&query.name).filter(|_| query.level == Level::Map) {
            Some(definition) => rows::validated(definition, rows),
            None => rows,
        }
    }

    /// What the rows of a query depend on beside its text and inputs: the definition that they were validated by, as name
    /// and hash.
    pub(super) fn definition_hash(&self, query: &Query) -> Option<(String, String)> {
        let definition = self.definitions.get(&query.name).filter(|_| query.level == Level::Map)?;
        let fields = serde_json::to_vec(&definition.fields).unwrap_or_default();
        Some((format!("definition {}", definition.name), blake3::hash(&fields).to_hex().to_string()))
    }

    /// What people are to know when queries feed definitions and nobody knew those.
    pub(super) fn definition_remark(&self, fed: &BTreeMap<String, String>) -> Option<String> {
        let unknown: Vec<&str> =
            fed.keys().filter(|query| !self.definitions.contains_key(*query)).map(String::as_str).collect();
        (!unknown.is_empty()).then(|| {
            format!(
                "not checked against the target's definitions: {}; `telecine flex pull` fetches them, and --target NAME \
                 asks the target",
                unknown.join(", ")
            )
        })
    }
}

/// With the place where the column is first named; a field that nothing feeds has none.
fn line(query: &Query, mismatch: &Mismatch) -> String {
    let name = mismatch.field.rsplit('.').next().filter(|_| mismatch.gives != schema::NOTHING);
    match name.and_then(|name| position::of_name(&query.sql, &[name])) {
        Some(place) => format!("{}:{place}: {mismatch}", query.path.display()),
        None => format!("{}: {mismatch}", query.path.display()),
    }
}
