//! What a row needs, by what the ledger says of it: one rule for the plan and for the load.

use super::ledger::{Entry, State};
use super::reference::Resolved;
use super::row::Row;

/// What a row needs, its references apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Its asset, or the first field values of it.
    Create,
    /// New field values, or another name.
    Update,
    /// Its references, for the first time.
    Link,
    /// Nothing, unless its references have changed.
    Nothing,
    /// Nobody knows whether its asset is there.
    Held,
}

impl Need {
    pub(super) fn of(row: &Row, entry: Option<&Entry>) -> Self {
        let Some(entry) = entry else { return Self::Create };
        let same = entry.payload == row.payload;
        match entry.state {
            State::Unknown => Self::Held,
            State::Complete if same => Self::Nothing,
            State::Described if same => Self::Link,
            _ if entry.completions == 0 => Self::Create,
            _ => Self::Update,
        }
    }
}

/// Whether the target holds these references, as far as the ledger knows.
pub(super) fn is_linked(entry: &Entry, resolved: &Resolved) -> bool {
    match entry.linked {
        Some(hash) => hash == resolved.hash(),
        None => resolved.fields.is_empty(),
    }
}

/// Whether the target may hold a reference field that is to have no value any more; a merge of field values cannot
/// remove it.
pub(super) fn leaves_links(entry: &Entry, links: &[u16], resolved: &[u16]) -> bool {
    entry.completions > 0 && entry.fields.numbers().any(|held| links.contains(&held) && !resolved.contains(&held))
}
