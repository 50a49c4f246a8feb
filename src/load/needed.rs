//! Rows of which the definition requires a reference. A target that enforces it takes their first field values only with
//! that reference, so what they refer to has its asset before they are written: parents before children.

use std::collections::HashMap;

use futures::TryStreamExt;
use serde_json::Value;

use super::ledger::{Entry, State};
use super::reference::{self, Resolved};
use super::seen::Seen;
use super::work::Round;
use super::{Bound, Load, Row};
use crate::error::{Error, Result};

/// Whether a row can be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It can.
    Ready,
    /// What it refers to is still to come.
    Waits,
    /// A required reference has nothing to point to; in words.
    Unmet(String),
}

/// Ids of what rows refer to.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Those known before the load began: a plan knows them.
    pub(super) before: HashMap<String, i64>,
    /// Those known now; only for bindings that need them.
    pub(super) now: HashMap<String, i64>,
}

impl Bound {
    /// Whether rows may have to wait for others.
    pub(super) fn has_needed(&self) -> bool {
        !self.needed.is_empty()
    }

    fn needs(&self, field: &str) -> bool {
        self.needed.iter().any(|needed| needed == field)
    }

    /// The required references of a row, which go with its first field values.
    pub(super) fn first_links(&self, row: &Row, of: &dyn Fn(&str) -> Option<Value>) -> Resolved {
        let mut first = Resolved::default();
        for link in row.links.iter().filter(|(field, _)| self.needs(field)) {
            first.extend(Resolved::of(std::slice::from_ref(link), of));
        }
        first
    }

    /// All references of a row that are set together with its field values: required ones by `needed`, others by `of`.
    pub(super) fn links_at_once(
        &self,
        row: &Row,
        of: &dyn Fn(&str) -> Option<Value>,
        needed: &dyn Fn(&str) -> Option<Value>,
    ) -> Resolved {
        let mut links = Resolved::default();
        for link in &row.links {
            let of = if self.needs(&link.0) { needed } else { of };
            links.extend(Resolved::of(std::slice::from_ref(link), of));
        }
        links
    }

    /// The first required field that has no value of which the row's references are.
    pub(super) fn unmet(&self, row: &Row, first: &Resolved) -> Option<String> {
        let mut needed = row.links.iter().filter(|(field, _)| self.needs(field));
        let (field, value) = needed.find(|(field, _)| !first.fields.iter().any(|(there, _)| there == field))?;
        let mut keys = Vec::new();
        reference::collect(value, &mut keys);
        keys.dedup();
        Some(format!(
            "{field} is required and refers to {}, which has no asset: it is not loaded, failed, is held, or waits in turn \
             for this row",
            keys.join(", ")
        ))
    }

    /// Whether a row can be written in this round, by the ids known now and by what is still to come.
    pub(super) fn readiness(&self, row: &Row, ids: &Ids, seen: &Seen, round: Round) -> Result<Readiness> {
        let first = self.first_links(row, &|key| ids.now.get(key).copied().map(reference::to));
        let unmet = self.unmet(row, &first);
        if first.unresolved > 0 && matches!(round, Round::First | Round::Waiting) && self.waits(row, ids, seen)? {
            return Ok(Readiness::Waits);
        }
        Ok(match (unmet, round) {
            (None, _) => Readiness::Ready,
            (Some(_), Round::Partly) => Readiness::Waits,
            (Some(message), _) => Readiness::Unmet(message),
        })
    }

    /// Whether a required reference is to a row whose asset is still to come.
    fn waits(&self, row: &Row, ids: &Ids, seen: &Seen) -> Result<bool> {
        let mut keys = Vec::new();
        let needed = row.links.iter().filter(|(field, _)| self.needs(field));
        needed.for_each(|(_, value)| reference::collect(value, &mut keys));
        for key in keys {
            if !ids.now.contains_key(&key) && seen.get(&key)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Load {
    /// Finds which rows with required references will have assets: those of which each such field points to one that has.
    pub(super) async fn see_needed(&self, seen: &Seen) -> Result<()> {
        loop {
            let mut found = 0;
            for bound in self.bound.iter().filter(|bound| bound.has_needed()) {
                let mut batches = bound.batches().await?;
                while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                    let faults = bound.rules.faults(&batch);
                    let rows = bound.shape.rows(&batch)?;
                    let keys = rows.iter().map(|(_, row)| row.source_key.clone()).collect();
                    let entries = self.ledger.entries(keys).await?;
                    let is_held = |entry: &Entry| entry.state == State::Unknown;
                    for (index, row) in &rows {
                        let held = entries.get(&row.source_key).is_some_and(is_held);
                        if held || faults.contains_key(index) || seen.get(&row.source_key)? == Some(true) {
                            continue;
                        }
                        let mut keys = row.references.clone();
                        keys.sort_unstable();
                        keys.dedup();
                        let there = seen.those_there(keys)?;
                        let first = bound.first_links(row, &|key| there.contains(key).then(|| reference::to(0)));
                        if bound.unmet(row, &first).is_none() {
                            seen.will_be_there(&row.source_key)?;
                            found += 1;
                        }
                    }
                }
            }
            if found == 0 {
                return Ok(());
            }
        }
    }
}
