//! The catalogue title a candidate belongs to: the one it names, else the one with its house code.

use super::super::{Told, Value};
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

/// What the scheduling system's copy of a title says under a name, as a cell that means a text or a list of texts.
pub fn copied(tables: &Tables<'_>, title: Option<&Row<'_>>, name: &str) -> Value {
    let copy = title.and_then(|title| {
        let code = title.means("house_code");
        let rows = tables.meaning("metabase_title_cache", "house_code", code.as_str()?);
        rows.first()?.means("payload").get(name).cloned()
    });
    copy.map_or(Value::Null, |value| Told::clean(value.to_string(), value).into())
}
