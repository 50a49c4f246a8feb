//! The second pass: references, once everything they can point to has its id.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::apply::Work;
use super::asset::Way;
use super::ledger::{Entry, State};
use super::report::Tally;
use super::row::Row;
use crate::error::Result;

impl Work {
    /// Writes the whole instance with its references; `ids` holds those that have something to point to.
    pub(super) async fn link(&self, row: &Row, entry: &Entry, ids: &HashMap<String, i64>) -> Result<()> {
        let (Some(id), ledger) = (entry.flex_id, &self.load.ledger) else { return Ok(()) };
        let (fields, unresolved) = row.resolved(ids);
        let again = entry.state == State::Complete;
        if again && unresolved == entry.unresolved {
            return Ok(());
        }
        let resolvable = row.references.iter().any(|key| ids.contains_key(key));
        if resolvable {
            // A merge suffices for an asset that has only just been made; an older one may hold what is gone.
            let way = match self.way.get() {
                Some(way) if entry.completions == 0 => *way,
                _ => Way::Metadata,
            };
            let written = self.write_fields(way, id, &fields).await?;
            if !self.settle(row, written).await? {
                return Ok(());
            }
            Tally::add(&self.tally.linked);
        }
        ledger.linked(&row.source_key, unresolved).await?;
        self.tally.unresolved.fetch_add(u64::from(unresolved), Ordering::Relaxed);
        if again {
            // The first pass took it for unchanged.
            self.tally.unchanged.fetch_sub(1, Ordering::Relaxed);
        }
        self.tally.complete(entry.completions);
        Ok(())
    }
}
