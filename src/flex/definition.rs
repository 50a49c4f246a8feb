//! Instances against their definition. The server does not enforce all of it (`required` is ignored on write), so they are
//! checked here once more before anything is sent, whatever the transform was checked against.

use std::collections::HashSet;

use serde_json::Value;

use super::model::Instance;
pub use crate::dataflow::definition::{Choice, Definition, Family, Field};

impl Field {
    fn check(&self, path: &str, value: &Value, faults: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.check(path, item, faults)),
            Value::Object(object) if self.family() == Family::Complex => {
                check(self.fields(), object, &format!("{path}."), faults);
            }
            Value::String(text) => self.check_text(path, text, faults),
            _ => {}
        }
    }

    fn check_text(&self, path: &str, text: &str, faults: &mut Vec<String>) {
        if let Some(longest) = self.longest()
            && text.chars().nth(longest).is_some()
        {
            faults.push(format!("{path}: longer than {longest} characters"));
        }
        if self.is_closed() && !self.option_values().any(|option| option == text) {
            faults.push(format!("{path}: {text:?} is not among its options"));
        }
    }
}

impl Definition {
    /// What the definition forbids in an instance, one line a fault; empty for a valid one.
    pub fn faults(&self, instance: &Instance) -> Vec<String> {
        let mut faults = Vec::new();
        check(&self.fields, instance, "", &mut faults);
        faults
    }
}

fn check(fields: &[Field], instance: &Instance, prefix: &str, faults: &mut Vec<String>) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        match instance.get(&field.name) {
            Some(value) => field.check(&path, value, faults),
            None if field.is_required() => faults.push(format!("{path}: required, but there is no value")),
            None => {}
        }
    }
    let known: HashSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    for name in instance.keys().filter(|name| !known.contains(name.as_str())) {
        faults.push(format!("{prefix}{name}: no such field in the definition"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> Definition {
        let fields = json!([
            {"name": "title", "type": "string", "required": true, "maxLength": 3},
            {"name": "kind", "type": "single-option", "options": [{"name": "A", "value": "a"}, {"name": "b"}]},
            {"name": "tags", "type": "string", "multiplicity": "0..*", "maxLength": -1},
            {"name": "parts", "type": "complex", "multiplicity": "0..*", "children": [
                {"name": "code", "type": "single-option", "options": [{"value": "x"}]}]},
        ]);
        Definition { id: 1, name: "d".into(), enabled: true, fields: serde_json::from_value(fields).unwrap() }
    }

    fn faults(instance: Value) -> Vec<String> {
        definition().faults(instance.as_object().unwrap())
    }

    #[test]
    fn a_valid_instance_has_no_faults() {
        let good = json!({"title": "äöü", "kind": "a", "tags": ["long enough"], "parts": [{"code": "x"}, {}]});
        assert_eq!(faults(good), Vec::<String>::new());
        assert_eq!(faults(json!({"title": "t", "kind": "b"})), Vec::<String>::new());
    }

    #[test]
    fn faults_name_their_field() {
        let bad = json!({"kind": "A", "parts": [{"code": "x"}, {"code": "y"}], "colour": 1});
        assert_eq!(
            faults(bad),
            [
                "title: required, but there is no value",
                "kind: \"A\" is not among its options",
                "parts.code: \"y\" is not among its options",
                "colour: no such field in the definition",
            ]
        );
        assert_eq!(faults(json!({"title": "four"})), ["title: longer than 3 characters"]);
    }
}
