//! Deliverable images: their own fields and the technical ones of their images.

use super::entity::Candidate;
use super::tables::Tables;

/// Fills in the fields.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let _ = (tables, candidate);
}
