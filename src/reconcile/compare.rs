//! One asset as it should be against what the target shows of it.

use serde_json::{Value, json};

use super::report::FieldDifference;
use crate::flex::{Asset, CreateFields, Expected, Field, Instance, instance};

/// Everything in which the two differ: the asset's own properties first, so far as the server takes and shows them, then
/// the fields, dates and moments of the `definition` by their value. No metadata field can have a space, so the names of the properties are told apart.
pub(super) fn compare(
    expected: &Expected,
    asset: &Asset,
    found: &Instance,
    fields: &CreateFields,
    definition: &[Field],
) -> Vec<FieldDifference> {
    let mut all = Vec::new();
    let mut differs = |field: &str, ours: Value, theirs: Value| {
        all.push(FieldDifference {
            source_key: expected.source_key.clone(),
            id: asset.id,
            kind: kind(&ours, &theirs),
            field: field.to_owned(),
            expected: ours,
            found: theirs,
        });
    };
    if asset.name.as_deref() != Some(&expected.name) {
        differs("asset name", json!(expected.name), json!(asset.name));
    }
    if let Some(shown) = asset.object_type.as_ref().filter(|shown| shown.name != expected.asset_type) {
        differs("asset type", json!(expected.asset_type), json!(shown.name));
    }
    if let (Some(_), Some(shown)) = (&fields.uuid, &asset.uuid)
        && !shown.eq_ignore_ascii_case(&expected.uuid)
    {
        differs("asset uuid", json!(expected.uuid), json!(shown));
    }
    if let (Some(_), Some(ours), Some(shown)) = (&fields.external_ids, &expected.external_id, &asset.external_ids)
        && !shown.contains(ours)
    {
        differs("external id", json!(ours), json!(shown));
    }
    if let Some(shown) = asset.metadata.as_ref().and_then(|metadata| metadata.definition_id)
        && shown != expected.definition
    {
        differs("asset definition", json!(expected.definition), json!(shown));
    }
    for difference in instance::differences_in(definition, &expected.instance, found) {
        let (ours, theirs) = (difference.expected.unwrap_or_default(), difference.found.unwrap_or_default());
        differs(&difference.field, ours, theirs);
    }
    all
}

/// How two values that are not the same differ.
fn kind(expected: &Value, found: &Value) -> String {
    match (expected, found) {
        (Value::Null, _) => "added".to_owned(),
        (_, Value::Null) => "dropped".to_owned(),
        (Value::String(ours), Value::String(theirs)) if is_cut(ours, theirs) => {
            format!("truncated to {}", theirs.chars().count())
        }
        (Value::Array(ours), Value::Array(theirs)) => of_lists(ours, theirs).to_owned(),
        _ => "different".to_owned(),
    }
}

fn is_cut(ours: &str, theirs: &str) -> bool {
    !theirs.is_empty() && theirs.len() < ours.len() && ours.starts_with(theirs)
}

fn of_lists(ours: &[Value], theirs: &[Value]) -> &'static str {
    let mut left: Vec<&Value> = theirs.iter().collect();
    let every = ours.iter().all(|item| match left.iter().position(|other| instance::same(item, other)) {
        Some(place) => {
            left.swap_remove(place);
            true
        }
        None => false,
    });
    if every && left.is_empty() {
        return "reordered";
    }
    let mut once: Vec<&Value> = Vec::new();
    for item in ours {
        if !once.iter().any(|known| instance::same(item, known)) {
            once.push(item);
        }
    }
    let deduplicated = once.len() < ours.len()
        && once.len() == theirs.len()
        && once.iter().all(|item| theirs.iter().any(|other| instance::same(item, other)));
    if deduplicated { "deduplicated" } else { "different" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_called_by_its_kind() {
        for (ours, theirs, expected) in [
            (json!("x".repeat(300)), json!("x".repeat(255)), "truncated to 255"),
            (json!("äöü"), json!("äö"), "truncated to 2"),
            (json!("abc"), json!("abd"), "different"),
            (json!("abc"), json!(""), "different"),
            (json!("abc"), json!(null), "dropped"),
            (json!(null), json!(1), "added"),
            (json!([1, 2, 2]), json!([2, 1, 2]), "reordered"),
            (json!([1, 2, 2]), json!([1, 2]), "deduplicated"),
            (json!([1, 2, 3]), json!([1, 2]), "different"),
            (json!([{"id": 1}, {"id": 2}]), json!([{"id": 2, "name": "b"}, {"id": 1}]), "reordered"),
        ] {
            assert_eq!(kind(&ours, &theirs), expected, "{ours} {theirs}");
        }
    }
}
