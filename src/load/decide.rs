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

/// Whether an asset that has its id never held values of another row: then they may be merged, else they replace what is
/// there.
pub(super) fn is_untouched(row: &Row, entry: &Entry) -> bool {
    entry.state == State::Created && entry.payload == row.payload && entry.completions == 0 && entry.revisions == 0
}

/// Whether the asset has to be given the row's name.
pub(super) fn lacks_name(row: &Row, entry: &Entry) -> bool {
    entry.name != row.name || entry.renaming
}

/// Whether the target holds these references, as far as the ledger knows.
pub(super) fn is_linked(entry: &Entry, resolved: &Resolved) -> bool {
    match entry.linked {
        Some(hash) => hash == resolved.hash(),
        None => resolved.fields.is_empty(),
    }
}

/// Whether the references of an asset that is complete are to be written again.
pub(super) fn relinks(entry: &Entry, resolved: &Resolved) -> bool {
    entry.state == State::Complete && !is_linked(entry, resolved)
}

/// Whether the target may hold a reference field that is to have no value any more; a merge of field values cannot
/// remove it.
pub(super) fn leaves_links(entry: &Entry, links: &[u16], resolved: &[u16]) -> bool {
    entry.state == State::Complete
        && entry.fields.numbers().any(|held| links.contains(&held) && !resolved.contains(&held))
}
