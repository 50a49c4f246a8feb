//! Descriptive fields: what the property values of a metadata object mean (D26, D27).
//!
//! A cell that is given here is a `Told` whose raw value is the text a reader of the field would see (a picklist's
//! value rather than its id, a long text rather than the reference to it), so it can be handed to
//! [`super::sheet::Sheet::choose`] with cells of other tables.

use super::super::{Value, core};
use super::sheet::Sheet;
use super::tables::{Row, Tables};

const VALUES: &str = "metadata_property_value";

/// The value of a field for one value: that of the row last changed, then of the highest id (D26). NULL without one.
/// That there were several is not told here but by [`tell_several`].
pub fn one(tables: &Tables<'_>, object: Option<i64>, property: i64) -> Value {
    let newest = rows(tables, object, property).into_iter().max_by_key(|(row, _)| age(row));
    newest.map_or(Value::Null, |(_, cell)| cell)
}

/// The values of a field for several, by position, then id (D27).
pub fn many(tables: &Tables<'_>, object: Option<i64>, property: i64) -> Vec<Value> {
    let mut found = rows(tables, object, property);
    found.sort_by_key(|(row, _)| (row.id("position"), row.id("id")));
    found.into_iter().map(|(_, cell)| cell).collect()
}

/// The raw text of the value that counts, where a field for one value has several (W MULTI_FOR_SINGLE).
pub fn doubled(tables: &Tables<'_>, object: Option<i64>, property: i64) -> Option<String> {
    let found = rows(tables, object, property);
    let several = found.len() > 1;
    let newest = found.into_iter().max_by_key(|(row, _)| age(row)).filter(|_| several);
    newest.and_then(|(_, cell)| cell.text())
}

/// W MULTI_FOR_SINGLE for a field for which a property for one value is read, if the property has several (D26).
pub fn tell_several(sheet: &mut Sheet, field: &'static str, tables: &Tables<'_>, object: Option<i64>, property: i64) {
    if let Some(raw) = doubled(tables, object, property) {
        sheet.warn_of("MULTI_FOR_SINGLE", field, Some(raw));
    }
}

/// When a row was changed (local times of one form, so their texts are in order), then its id.
fn age(row: &Row<'_>) -> (Option<String>, Option<i64>) {
    (row.cell("updated_at").text(), row.id("id"))
}

/// The rows of a field that hold something, each with its cell.
fn rows<'a>(tables: &'a Tables<'_>, object: Option<i64>, property: i64) -> Vec<(Row<'a>, Value)> {
    let Some(object) = object else { return Vec::new() };
    let all = tables.by(VALUES, "metadata_id", object).into_iter();
    all.filter(|row| row.id("property_id") == Some(property))
        .filter_map(|row| cell(tables, &row, property).map(|cell| (row, cell)))
        .collect()
}

/// The cell that counts of a row: that of the field's type, else the text that stands in for it; none where both are
/// NULL. A reference to a picklist's value that is missing gives way to the text, if there is one (D20); a string that
/// is NULL to the long text it overflowed to (section 4).
fn cell(tables: &Tables<'_>, row: &Row<'_>, property: i64) -> Option<Value> {
    let column = core::typed_column(property);
    let (typed, string) = (row.cell(column), row.cell("string_value"));
    let found = match column {
        _ if typed.is_null() => None,
        "text_id" => tables.one("metadata_property_text", "id", typed.number()).map(|text| text.cell("body")),
        "picklist_value_id" => tables.one("picklist_value", "id", typed.number()).map(|value| value.cell("value")),
        _ => Some(typed),
    };
    let long = || tables.one("metadata_property_text", "id", row.id("text_id")).map(|text| text.cell("body"));
    let overflow = if column == "string_value" && typed.is_null() { long() } else { None };
    let found = found.or(overflow.filter(|body| !body.is_null()));
    found.or((!string.is_null()).then_some(string)).or((!typed.is_null()).then_some(typed)).cloned()
}
