//! Instances, the field values of one asset: checked and coerced against a definition as the contract's
//! "Instance encoding" says. Numbers keep their digits; what is required is not enforced.

use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Number, Value};

use super::definition::{Field, Fields, Kind};

/// An instance that fits its definition.
#[derive(Debug, Default)]
pub struct Checked {
    /// The fields in the order given, coerced; those given as null are left out.
    pub instance: Map<String, Value>,
    /// The names of the fields given as null, which a merge removes.
    pub removed: Vec<String>,
    /// The assets that the instance points at; whether they exist is for the store to say.
    pub references: Vec<u64>,
}

/// Checks `given` against `fields`.
///
/// # Errors
/// A sentence that names the field and what is wrong with it.
pub fn check(fields: &Fields, given: Map<String, Value>) -> Result<Checked, String> {
    let mut checked = Checked::default();
    for (name, value) in given {
        let field = known(fields, &name)?;
        if value.is_null() {
            checked.removed.push(name);
            continue;
        }
        let value = whole(field, value, &mut checked.references)?;
        checked.instance.insert(name, value);
    }
    Ok(checked)
}

fn known<'a>(fields: &'a Fields, name: &str) -> Result<&'a Field, String> {
    fields
        .get(name)
        .ok_or_else(|| format!("Unrecognized field \"{name}\" (Class MetadataInstance), not marked as ignorable"))
}

/// The value of a field with its multiplicity.
fn whole(field: &Field, value: Value, references: &mut Vec<u64>) -> Result<Value, String> {
    if !field.many && field.kind != Kind::Options {
        return single(field, value, references);
    }
    match value {
        Value::Array(items) => items.into_iter().map(|item| single(field, item, references)).collect(),
        _ => Err(format!("Field \"{}\" takes an array of values", field.name)),
    }
}

fn single(field: &Field, value: Value, references: &mut Vec<u64>) -> Result<Value, String> {
    match field.kind {
        Kind::Text | Kind::Url | Kind::Email | Kind::Date | Kind::Time | Kind::Color => text(field, value),
        Kind::Option | Kind::Options => option(field, value),
        Kind::Integer | Kind::Long | Kind::Double => number(field, value),
        Kind::Boolean => boolean(field, value),
        Kind::Asset | Kind::Object => reference(field, &value, references),
        Kind::Complex => complex(field, value, references),
    }
}

fn unfit(field: &Field, value: &Value, wanted: &str) -> String {
    let mut shown = value.to_string();
    if let Some((end, _)) = shown.char_indices().nth(80) {
        shown.truncate(end);
        shown.push('…');
    }
    format!("Field \"{}\": {shown} is not {wanted}", field.name)
}

fn text(field: &Field, value: Value) -> Result<Value, String> {
    let Value::String(text) = &value else { return Err(unfit(field, &value, "a string")) };
    if let Some(max) = field.max_length
        && text.chars().nth(max).is_some()
    {
        return Err(format!("Field \"{}\" is longer than {max} characters", field.name));
    }
    let (fits, wanted) = match field.kind {
        Kind::Url => (text.contains("://"), "a URL"),
        Kind::Email => (text.contains('@'), "an e-mail address"),
        Kind::Date => (is_date(text), "a date of the form yyyy-MM-dd"),
        Kind::Time => (DateTime::parse_from_rfc3339(text).is_ok(), "an instant of the form yyyy-MM-ddTHH:mm:ss.SSSZ"),
        Kind::Color => (is_color(text), "a colour of the form #RRGGBB"),
        _ => (true, ""),
    };
    if fits { Ok(value) } else { Err(unfit(field, &value, wanted)) }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn option(field: &Field, value: Value) -> Result<Value, String> {
    let Value::String(chosen) = &value else { return Err(unfit(field, &value, "an option's value")) };
    match &field.options {
        Some(options) if !options.contains(chosen) => Err(unfit(field, &value, "one of the options")),
        _ => Ok(value),
    }
}

/// A number, or text that is one; the digits stay as they were sent.
fn number(field: &Field, value: Value) -> Result<Value, String> {
    let parsed = match &value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => serde_json::from_str::<Number>(text.trim()).ok(),
        _ => None,
    };
    let fits = |number: &Number| match field.kind {
        Kind::Integer => number.as_i64().is_some_and(|whole| i32::try_from(whole).is_ok()),
        Kind::Long => number.as_i64().is_some(),
        _ => true,
    };
    let wanted = match field.kind {
        Kind::Integer => "a whole number of 32 bits",
        Kind::Long => "a whole number of 64 bits",
        _ => "a number",
    };
    parsed.filter(fits).map(Value::Number).ok_or_else(|| unfit(field, &value, wanted))
}

fn boolean(field: &Field, value: Value) -> Result<Value, String> {
    match &value {
        Value::Bool(_) => Ok(value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        _ => Err(unfit(field, &value, "a boolean")),
    }
}

/// `{"id": N}`. What a GET adds (name, type, uuid, value) is taken back and dropped.
fn reference(field: &Field, value: &Value, references: &mut Vec<u64>) -> Result<Value, String> {
    let wrong = || unfit(field, value, "a reference of the form {\"id\": N}");
    let object = value.as_object().ok_or_else(wrong)?;
    let id = object.get("id").and_then(Value::as_u64).ok_or_else(wrong)?;
    if object.keys().any(|key| !["id", "name", "type", "uuid", "value"].contains(&key.as_str())) {
        return Err(wrong());
    }
    if field.kind == Kind::Asset {
        references.push(id);
    }
    let mut kept = Map::new();
    kept.insert("id".to_owned(), Value::from(id));
    Ok(Value::Object(kept))
}

fn complex(field: &Field, value: Value, references: &mut Vec<u64>) -> Result<Value, String> {
    let Value::Object(given) = value else { return Err(unfit(field, &value, "an object")) };
    let mut kept = Map::with_capacity(given.len());
    for (name, value) in given {
        let child = known(&field.children, &name).map_err(|problem| format!("Field \"{}\": {problem}", field.name))?;
        if !value.is_null() {
            let value = whole(child, value, references)?;
            kept.insert(name, value);
        }
    }
    Ok(Value::Object(kept))
}

/// Puts `describe(kind, id)` in the place of every reference to an asset or an object, as a read shows them.
pub fn expand(fields: &Fields, instance: &mut Map<String, Value>, describe: &dyn Fn(Kind, u64) -> Option<Value>) {
    for (name, value) in instance {
        let Some(field) =
            fields.get(name).filter(|field| matches!(field.kind, Kind::Asset | Kind::Object | Kind::Complex))
        else {
            continue;
        };
        let values = match value {
            Value::Array(values) => values.iter_mut().collect(),
            value => vec![value],
        };
        for value in values {
            if let (Kind::Complex, Value::Object(inner)) = (field.kind, &mut *value) {
                expand(&field.children, inner, describe);
            } else if let Some(described) = value["id"].as_u64().and_then(|id| describe(field.kind, id)) {
                *value = described;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{check, expand};
    use crate::rehearsal::flex::builtin::definitions;

    fn checked(definition: usize, given: Value) -> Result<(String, Vec<u64>), String> {
        let (definitions, _) = definitions().unwrap();
        let Value::Object(given) = given else { panic!("an object") };
        check(&definitions[definition].fields, given)
            .map(|checked| (Value::Object(checked.instance).to_string(), checked.references))
    }

    #[test]
    fn scalars_are_coerced_and_decimals_keep_their_digits() {
        let given: Value = serde_json::from_str(
            r#"{"budgetAmount": 1234.50, "locked": "True", "legacyId": "42", "seasonNumber": 3, "dueDate": "2024-02-29"}"#,
        )
        .unwrap();
        let (instance, _) = checked(0, given).unwrap();
        assert_eq!(
            instance,
            r#"{"budgetAmount":1234.50,"locked":true,"legacyId":42,"seasonNumber":3,"dueDate":"2024-02-29"}"#
        );
        let (instance, _) = checked(0, json!({"budgetAmount": "99999999999999999.10"})).unwrap();
        assert_eq!(instance, r#"{"budgetAmount":99999999999999999.10}"#);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (given, part) in [
            (json!({"nope": 1}), "Unrecognized field \"nope\""),
            (json!({"title": 5}), "\"title\""),
            (json!({"title": "é".repeat(256)}), "longer than 255"),
            (json!({"network": "CBS"}), "one of the options"),
            (json!({"promoLength": 30.5}), "32 bits"),
            (json!({"promoLength": 3_000_000_000_u64}), "32 bits"),
            (json!({"tags": "one"}), "array"),
            (json!({"categories": "one"}), "array"),
            (json!({"airStart": "2019-04-12 09:30:00"}), "instant"),
            (json!({"firstAirDate": "2019-02-30"}), "date"),
            (json!({"firstAirDate": "2019-2-3"}), "date"),
            (json!({"titleRef": {"houze": "x"}}), "houze"),
            (json!({"relatedAssets": [{"asset": 7}]}), "reference"),
            (json!({"tags": [null]}), "string"),
        ] {
            let error = checked(1, given.clone()).unwrap_err();
            assert!(error.contains(part), "{given}: {error}");
        }
        assert!(checked(1, json!({"title": "😀".repeat(255)})).is_ok());
        assert!(checked(2, json!({"color": "#0f8"})).unwrap_err().contains("#RRGGBB"));
    }

    #[test]
    fn references_are_collected_reduced_to_ids_and_described_on_reading() {
        let given = json!({"members": [{"id": 7, "name": "a", "type": "media-asset"}, {"id": 8}], "title": "t"});
        let (instance, references) = checked(0, given).unwrap();
        assert_eq!((instance.as_str(), references), (r#"{"members":[{"id":7},{"id":8}],"title":"t"}"#, vec![7, 8]));
        let (definitions, _) = definitions().unwrap();
        let mut read = json!({"relatedAssets": [{"asset": {"id": 7}, "relation": "r"}], "title": "t"});
        let describe = |_, id: u64| Some(json!({"id": id, "name": "x"}));
        expand(&definitions[1].fields, read.as_object_mut().unwrap(), &describe);
        assert_eq!(read, json!({"relatedAssets": [{"asset": {"id": 7, "name": "x"}, "relation": "r"}], "title": "t"}));
    }

    #[test]
    fn null_means_absent() {
        let (instance, _) =
            checked(1, json!({"title": null, "titleRef": {"houseCode": null, "titleName": "n"}})).unwrap();
        assert_eq!(instance, r#"{"titleRef":{"titleName":"n"}}"#);
    }
}
