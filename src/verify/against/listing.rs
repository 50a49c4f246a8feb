//! The rows that differ, in words: their keys, and the columns and values of those that both sides have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::narrow::{Found, Pair};
use super::report::{RowDifference, RowKind, Sides, ValueDifference};
use super::side::{Place, Side};
use crate::error::Result;

/// Characters of a value that are shown.
const LONGEST: u32 = 200;

/// Values as the server prints them, by position.
type Texts = Vec<Option<String>>;

/// Reads the listed rows once more, one by one.
pub(super) async fn list(pair: &Pair, found: Vec<Found>) -> Result<Vec<RowDifference>> {
    let mut listed = Vec::with_capacity(found.len());
    for row in found {
        let (here, there) =
            tokio::try_join!(texts(&pair.source, row.places.source), texts(&pair.against, row.places.against))?;
        let columns = match (row.kind, row.places) {
            (RowKind::Different, Sides { source: Some(mine), against: Some(theirs) }) => {
                let (a, b) = tokio::try_join!(pair.source.values(mine), pair.against.values(theirs))?;
                let differs = (0..a.len()).filter(|index| a[*index] != b[*index]);
                differs.map(|index| value(pair, index, &here, &there)).collect()
            }
            _ => Vec::new(),
        };
        let (side, shown) = if row.places.source.is_some() { (&pair.source, &here) } else { (&pair.against, &there) };
        listed.push(RowDifference { kind: row.kind, key: key(side, shown), times: row.times, columns });
    }
    Ok(listed)
}

async fn texts(side: &Arc<Side>, place: Option<Place>) -> Result<Texts> {
    let Some(place) = place else { return Ok(Vec::new()) };
    Ok(side.database.texts(&side.table, &place.to_string(), LONGEST).await?.unwrap_or_default())
}

/// The key's columns, or all that are compared.
fn key(side: &Side, texts: &Texts) -> BTreeMap<String, Option<String>> {
    let columns = if side.key.is_empty() { &side.compared } else { &side.key };
    columns.iter().map(|column| (side.names[*column].clone(), texts.get(*column).cloned().flatten())).collect()
}

/// The two values of a compared column.
fn value(pair: &Pair, index: usize, here: &Texts, there: &Texts) -> ValueDifference {
    let (mine, theirs) = (pair.source.compared[index], pair.against.compared[index]);
    let values = Sides { source: here.get(mine).cloned().flatten(), against: there.get(theirs).cloned().flatten() };
    ValueDifference { name: pair.source.names[mine].clone(), values }
}
