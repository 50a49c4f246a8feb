//! The second pass: references, once everything they can point to has its id.

use std::sync::atomic::Ordering;

use super::apply::Task;
use super::decide::{is_linked, leaves_links};
use super::ledger::{Entry, State};
use super::reference::Resolved;
use super::report::Tally;
use super::request::{Request, Way};
use super::row::Row;
use super::work::Work;
use super::{Bound, Load};
use crate::error::Result;

/// How references are set while no asset has shown how field values are: the whole instance anew is right either way.
pub(super) const UNLESS_KNOWN: Way = Way::Metadata;

impl Work {
    /// Writes the references of a row; what they point to has its id, or is not loaded.
    pub(super) async fn link(&self, bound: &Bound, task: &Task, entry: &Entry) -> Result<()> {
        let (row, resolved) = (&task.row, &task.resolved);
        let Some(id) = entry.flex_id else { return Ok(()) };
        let mut sent = None;
        let (way, in_doubt) = (self.way.get().copied(), self.is_in_doubt(entry));
        if let Some(request) = self.load.link_request(bound, row, entry, resolved, way, in_doubt) {
            let outcome = self.write_fields(&request, id).await?;
            sent = self.settle(row, &request, outcome).await?;
            if sent.is_none() {
                return Ok(());
            }
            Tally::add(&self.tally.linked);
        }
        self.load.ledger.linked(&row.source_key, Some(row.fields.clone()), resolved, sent).await?;
        self.tally.unresolved.fetch_add(u64::from(resolved.unresolved), Ordering::Relaxed);
        if entry.state == State::Complete {
            // The first pass took it for unchanged.
            self.tally.unchanged.fetch_sub(1, Ordering::Relaxed);
        }
        self.tally.complete(entry.completions);
        Ok(())
    }
}

impl Work {
    /// Whether this load wrote the field values, so that what the target holds of the asset is known.
    pub(super) fn is_begun_here(&self, entry: &Entry) -> bool {
        entry.state == State::Described && entry.changed_at >= self.began
    }

    /// Whether an earlier load may have sent other references and not lived to enter them.
    fn is_in_doubt(&self, entry: &Entry) -> bool {
        entry.state == State::Described && !self.is_begun_here(entry)
    }
}

impl Load {
    /// The request that sets the references of a row whose field values the target holds; `None` where it holds these
    /// references, too. `way` is how field values are set, where that is known. Where it is in doubt which references the
    /// target holds, the whole instance is replaced.
    pub(super) fn link_request(
        &self,
        bound: &Bound,
        row: &Row,
        entry: &Entry,
        resolved: &Resolved,
        way: Option<Way>,
        in_doubt: bool,
    ) -> Option<Request> {
        if in_doubt {
            return Some(Request::references(Way::Metadata, entry.flex_id, row, resolved));
        }
        if is_linked(entry, resolved) {
            return None;
        }
        let id = entry.flex_id;
        let links = bound.shape.link_numbers();
        let held: Vec<u16> = resolved.fields.iter().filter_map(|(name, _)| bound.shape.number_of(name)).collect();
        // Where one field is to go, only the whole instance anew makes it go.
        let way = if leaves_links(entry, links, &held) { Way::Metadata } else { way.unwrap_or(UNLESS_KNOWN) };
        Some(Request::references(way, id, row, resolved))
    }
}
