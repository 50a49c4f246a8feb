//! Comparing what an asset should hold with what the server shows, by the JSON rule: absent means NULL, numbers by their
//! exact value, references by id only (the server adds names and types to them).

use serde::Serialize;
use serde_json::{Number, Value};

use super::definition::Field;
use super::model::Instance;
use super::moment;

/// A field of which the two sides differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The field's name.
    pub field: String,
    /// What was sent; `None` for a field that should not be there.
    pub expected: Option<Value>,
    /// What the server shows; `None` for a field that is missing.
    pub found: Option<Value>,
}

/// All fields that differ, expected ones first, in their order.
pub fn differences(expected: &Instance, found: &Instance) -> Vec<Difference> {
    let difference = |field: &String, expected: Option<&Value>, found: Option<&Value>| Difference {
        field: field.clone(),
        expected: expected.cloned(),
        found: found.cloned(),
    };
    let ours = expected
        .iter()
        .filter(|(field, value)| !same(value, found.get(*field).unwrap_or(&Value::Null)))
        .map(|(field, value)| difference(field, Some(value), found.get(field)));
    let theirs = found
        .iter()
        .filter(|(field, value)| !expected.contains_key(*field) && !is_void(value))
        .map(|(field, value)| difference(field, None, Some(value)));
    ours.chain(theirs).collect()
}

/// As [`differences`], dates and moments of these fields by their value.
pub fn differences_in(fields: &[Field], expected: &Instance, found: &Instance) -> Vec<Difference> {
    let mut all = differences(expected, found);
    all.retain(|difference| {
        let sides = difference.expected.as_ref().zip(difference.found.as_ref());
        let field = fields.iter().find(|field| field.name == difference.field);
        !field.zip(sides).is_some_and(|(field, (ours, theirs))| moment::same_of(field, ours, theirs))
    });
    all
}

/// Whether every expected field is found with its value; more may be there.
pub fn contains(found: &Instance, expected: &Instance) -> bool {
    expected.iter().all(|(field, value)| same(value, found.get(field).unwrap_or(&Value::Null)))
}

/// No value: null, an empty list, an object of nothing.
fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.values().all(is_void),
        _ => false,
    }
}

/// Whether two values are the same by the rule.
pub fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => match only_id(a) {
            Some(id) => b.get("id").is_some_and(|found| same(id, found)),
            None => {
                a.iter().all(|(key, value)| same(value, b.get(key).unwrap_or(&Value::Null)))
                    && b.iter().all(|(key, value)| a.contains_key(key) || is_void(value))
            }
        },
        _ => expected == found || (is_void(expected) && is_void(found)),
    }
}

fn only_id(object: &Instance) -> Option<&Value> {
    if object.len() == 1 { object.get("id") } else { None }
}

fn same_number(a: &Number, b: &Number) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    a == b || matches!((Decimal::parse(&a), Decimal::parse(&b)), (Some(a), Some(b)) if a == b)
}

/// A decimal number's value: `0.digits * 10^exponent`, the digits without zeros at either end.
#[derive(Debug, PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let zeros = i64::try_from(all.len() - significant.len()).ok()?;
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        let exponent = exponent.checked_add(i64::try_from(whole.len()).ok()?)?.checked_sub(zeros)?;
        Some(Self { negative, digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fields(expected: &str, found: &str) -> Vec<String> {
        let expected: Instance = serde_json::from_str(expected).unwrap();
        let found: Instance = serde_json::from_str(found).unwrap();
        differences(&expected, &found).into_iter().map(|difference| difference.field).collect()
    }

    #[test]
    fn equal_by_the_rule() {
        for (expected, found) in [
            (r#"{"a":1.50}"#, r#"{"a":1.5}"#),
            (r#"{"a":1500}"#, r#"{"a":1.5e3}"#),
            (r#"{"a":-0.0}"#, r#"{"a":0}"#),
            (r#"{"a":{"id":7}}"#, r#"{"a":{"id":7,"name":"x","type":"t"}}"#),
            (r#"{"a":[]}"#, "{}"),
            ("{}", r#"{"a":null,"b":[],"c":{"d":null}}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1,"c":null}}"#),
        ] {
            assert_eq!(fields(expected, found), Vec::<String>::new(), "{expected} {found}");
        }
    }

    #[test]
    fn different_by_the_rule() {
        for (expected, found) in [
            (r#"{"a":1.50}"#, r#"{"a":1.51}"#),
            (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#"{"a":1}"#, r#"{"a":-1}"#),
            (r#"{"a":"x"}"#, "{}"),
            ("{}", r#"{"a":"x"}"#),
            (r#"{"a":{"id":7}}"#, r#"{"a":{"id":8}}"#),
            (r#"{"a":{"id":7}}"#, r#"{"a":7}"#),
            (r#"{"a":["x","y"]}"#, r#"{"a":["y","x"]}"#),
            (r#"{"a":["x"]}"#, r#"{"a":["x","x"]}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1,"c":2}}"#),
            ("{\"a\":\"\u{e9}\"}", "{\"a\":\"e\u{301}\"}"),
        ] {
            assert_eq!(fields(expected, found), ["a"], "{expected} {found}");
        }
    }

    #[test]
    fn containing_allows_more() {
        let found = json!({"a": 1, "b": 2});
        assert!(contains(found.as_object().unwrap(), json!({"a": 1}).as_object().unwrap()));
        assert!(!contains(found.as_object().unwrap(), json!({"c": 1}).as_object().unwrap()));
    }

    proptest! {
        #[test]
        fn moving_the_point_keeps_the_value(digits in 1i64..i64::MAX, shift in 0usize..30) {
            let plain = format!("{digits}{}", "0".repeat(shift));
            let moved = format!("{digits}e{shift}");
            prop_assert_eq!(Decimal::parse(&plain), Decimal::parse(&moved));
            prop_assert_ne!(Decimal::parse(&plain), Decimal::parse(&format!("{}e{shift}", digits - 1)));
        }
    }
}
