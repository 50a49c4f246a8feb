//! The catalogue title a candidate belongs to: the one it names, else the one with its house code.

use super::entity::Candidate;
use super::house_code;
use super::tables::{Row, Tables};

/// The row of `title`: by the candidate's own reference, else the first (by id) with its valid house code.
pub fn of<'a>(tables: &'a Tables<'_>, candidate: &Candidate<'_>) -> Option<Row<'a>> {
    let named = match candidate.class {
        "Promo" | "Project" => tables.one("title", "id", candidate.own("title_id").number()),
        _ => None,
    };
    named.or_else(|| {
        let code = house_code::valid(tables, candidate)?;
        let mut rows = tables.meaning("title", "house_code", &code);
        rows.sort_by_key(|row| row.id("id"));
        rows.into_iter().next()
    })
}
