//! Duplicates by external id, judged among the rows that are otherwise valid (D10 to D12).

use super::entity::Candidate;
use super::tables::Tables;

/// Rejects or merges the losers.
pub fn settle(tables: &Tables<'_>, candidates: &mut [Candidate<'_>]) {
    let _ = (tables, candidates);
}
