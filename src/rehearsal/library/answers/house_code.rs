//! House codes: the first valid one of the sources in their order; where none is, the first as it is (D14, D25).
//!
//! Sources before the first valid one warn; all valid ones are compared (rulings A18).

use super::super::Value;
use super::eav;
use super::entity::Candidate;
use super::tables::Tables;

/// The properties for house codes, the one in use first.
const PROPERTIES: [i64; 3] = [17, 204, 377];

/// The cells of a candidate that may hold its house code, with the property where it is one's. An image's asset stands before the descriptive fields, a
/// promo's behind them (section 9).
fn cells(tables: &Tables<'_>, candidate: &Candidate<'_>) -> Vec<(Value, Option<i64>)> {
    let described =
        PROPERTIES.iter().map(|property| (eav::one(tables, candidate.metadata_id, *property), Some(*property)));
    let asset = || (candidate.of_asset("house_code").clone(), None);
    let own = |column| (candidate.own(column).clone(), None);
    match candidate.sheet.target {
        "promo" => [own("house_number")].into_iter().chain(described).chain([asset()]).collect(),
        "deliverable_image" => [own("house_code"), asset()].into_iter().chain(described).collect(),
        _ => described.collect(),
    }
}

fn is_valid(cell: &Value) -> bool {
    !cell.means().is_null() && !cell.codes().contains(&"HOUSE_CODE_FORMAT")
}

/// The valid house code, if there is one.
pub fn valid(tables: &Tables<'_>, candidate: &Candidate<'_>) -> Option<String> {
    let found = cells(tables, candidate).into_iter().map(|cell| cell.0).find(is_valid)?;
    found.means().as_str().map(ToOwned::to_owned)
}

/// Fills in `houseCode`, and `houseNumber` of promos.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let (cells, properties): (Vec<Value>, Vec<Option<i64>>) = cells(tables, candidate).into_iter().unzip();
    let object = candidate.metadata_id;
    let sheet = &mut candidate.sheet;
    let first_valid = cells.iter().position(is_valid);
    let asked = first_valid.map_or(cells.len(), |place| place + 1);
    for (cell, property) in cells.iter().zip(&properties).take(asked) {
        sheet.read("houseCode", cell);
        if let Some(property) = property {
            eav::tell_several(sheet, "houseCode", tables, object, *property);
        }
    }
    let known: Vec<_> = cells.iter().filter(|cell| is_valid(cell)).map(Value::means).collect();
    if let Some(other) = cells.iter().find(|cell| is_valid(cell) && Some(&cell.means()) != known.first()) {
        sheet.touch("houseCode", other);
        sheet.warn_of("HOUSE_CODE_CONFLICT", "houseCode", other.text());
    }
    let chosen = known.into_iter().next().or_else(|| cells.iter().map(Value::means).find(|code| !code.is_null()));
    let chosen = chosen.unwrap_or_default();
    if chosen.is_null() && sheet.target == "deliverable_image" {
        sheet.reject("MISSING_MANDATORY", Some("houseCode".to_owned()));
    }
    sheet.put("houseCode", chosen.clone());
    if sheet.target == "promo" {
        sheet.put("houseNumber", chosen);
    }
}
