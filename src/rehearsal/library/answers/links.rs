//! References between candidates: members, parents, covers, related assets (D24, D31, D57).

use super::entity::Candidate;
use super::tables::Tables;

/// Fills in the references, when it is known which candidates load.
pub fn fill(tables: &Tables<'_>, candidates: &mut [Candidate<'_>]) {
    let _ = (tables, candidates);
}
