//! The common block: what all four types carry (section 9, rulings A01).

use super::entity::Candidate;
use super::tables::Tables;

/// Fills in the fields.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let _ = (tables, candidate);
}
