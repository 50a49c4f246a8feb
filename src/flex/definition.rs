//! Metadata definitions: which fields an instance may have, and what each may hold. The server does not enforce all of
//! it (`required` is ignored on write), so instances are checked here before anything is sent.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::model::Instance;

/// A metadata definition of a target.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The server's id.
    pub id: i64,
    /// The name.
    pub name: String,
    /// Whether assets may use it.
    pub enabled: bool,
    /// The fields in order.
    pub fields: Vec<Field>,
}

/// A field of a definition, as `GET /metadataDefinitions/{id}/definition` shows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// The name: the key in the instance.
    pub name: String,
    /// The type, in the server's spelling.
    #[serde(rename = "type")]
    pub kind: String,
    /// `1`, `0..1`, `0..*` or `1..*`; absent means `1`.
    #[serde(default)]
    pub multiplicity: Option<String>,
    /// Whether a value must be there.
    #[serde(default)]
    pub required: Option<bool>,
    /// The longest text in characters; -1 for none.
    #[serde(default)]
    pub max_length: Option<i64>,
    /// The values an option field may hold.
    #[serde(default)]
    pub options: Option<Vec<Choice>>,
    /// The fields of a complex field.
    #[serde(default)]
    pub children: Option<Vec<Field>>,
}

/// One value of an option field.
#[derive(Debug, Clone, Deserialize)]
pub struct Choice {
    /// The value as it stands in an instance.
    #[serde(default)]
    pub value: Option<String>,
    /// The name, used where no value is given.
    #[serde(default)]
    pub name: Option<String>,
}

/// What a field's values look like in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Any text.
    Text,
    /// One of the field's options, as text.
    Option,
    /// A whole number.
    Integer,
    /// A number with decimals.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// A moment.
    Time,
    /// An object with fields of its own.
    Complex,
    /// An object `{"id":N}`.
    Reference,
    /// A type of which only the server knows what it takes; nothing is checked.
    Other,
}

impl Field {
    /// What the values look like. Spellings as recorded from servers and named in the vendor's help.
    pub fn family(&self) -> Family {
        match self.kind.to_ascii_lowercase().as_str() {
            "string" | "text" | "url" | "email" | "script" | "password" | "color" => Family::Text,
            "single-option" | "multi-option" | "option" | "multiple" => Family::Option,
            "integer" | "long" => Family::Integer,
            "double" | "float" => Family::Number,
            "boolean" => Family::Boolean,
            "date" => Family::Date,
            "time" | "date-time" | "datetime" | "timestamp" => Family::Time,
            "complex" => Family::Complex,
            "object" | "asset" => Family::Reference,
            _ => Family::Other,
        }
    }

    /// Whether the value is a list.
    pub fn is_multiple(&self) -> bool {
        self.multiplicity.as_deref().is_some_and(|text| text.ends_with('*'))
            || matches!(self.kind.as_str(), "multi-option" | "multiple")
    }

    fn is_required(&self) -> bool {
        self.required == Some(true) || self.multiplicity.as_deref().is_some_and(|text| text.starts_with("1.."))
    }

    fn check(&self, path: &str, value: &Value, faults: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.check(path, item, faults)),
            Value::Object(object) if self.family() == Family::Complex => {
                check(self.children.as_deref().unwrap_or_default(), object, &format!("{path}."), faults);
            }
            Value::String(text) => self.check_text(path, text, faults),
            _ => {}
        }
    }

    fn check_text(&self, path: &str, text: &str, faults: &mut Vec<String>) {
        if let Some(longest) = self.max_length.and_then(|length| usize::try_from(length).ok()).filter(|&n| n > 0)
            && text.chars().nth(longest).is_some()
        {
            faults.push(format!("{path}: longer than {longest} characters"));
        }
        let options = self.options.as_deref().unwrap_or_default();
        let allowed = |choice: &Choice| choice.value.as_deref().or(choice.name.as_deref()) == Some(text);
        if self.family() == Family::Option && !options.is_empty() && !options.iter().any(allowed) {
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

    #[test]
    fn families_and_multiplicities() {
        let definition = definition();
        let families: Vec<Family> = definition.fields.iter().map(Field::family).collect();
        assert_eq!(families, [Family::Text, Family::Option, Family::Text, Family::Complex]);
        let lists: Vec<bool> = definition.fields.iter().map(Field::is_multiple).collect();
        assert_eq!(lists, [false, false, true, true]);
    }
}
