//! What a target wants of the field values of an asset: its metadata definitions. They are here, below all modules that
//! work with them, because the client reads them, queries are checked against them before a row is read, rows while they
//! are made, and the loader before it sends. The JSON form is that of Flex's
//! `GET /metadataDefinitions/{id}/definition`, which pulled files keep.

use serde::{Deserialize, Serialize};

/// A metadata definition of a target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Definition {
    /// The server's id; 0 for a definition from a file, which serves to check and not to load.
    pub id: i64,
    /// The name.
    pub name: String,
    /// Whether assets may use it.
    pub enabled: bool,
    /// The fields in order.
    pub fields: Vec<Field>,
}

/// A field of a definition, or of a complex field.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// The longest text in characters (code points); -1 for none.
    #[serde(default)]
    pub max_length: Option<i64>,
    /// The values an option field may hold.
    #[serde(default)]
    pub options: Option<Vec<Choice>>,
    /// The fields of a complex field.
    #[serde(default)]
    pub children: Option<Vec<Field>>,
    /// Whether values beyond the options are let through, because the target's list will get them (a setting of ours; no
    /// server says it).
    #[serde(default, skip_deserializing)]
    pub open: bool,
}

/// One value of an option field.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
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
            "integer" => Family::Integer,
            "long" => Family::Long,
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
            || matches!(self.kind.to_ascii_lowercase().as_str(), "multi-option" | "multiple")
    }

    /// Whether there must be a value; in a list, at least one.
    pub fn is_required(&self) -> bool {
        self.required == Some(true) || self.multiplicity.as_deref().is_some_and(|text| text.starts_with("1.."))
    }

    /// The longest text in characters, where there is a limit.
    pub fn longest(&self) -> Option<usize> {
        self.max_length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0)
    }

    /// The values of an option field, as they stand in an instance; empty for a list that the target leaves open.
    pub fn option_values(&self) -> impl Iterator<Item = &str> {
        let options = if self.family() == Family::Option { self.options.as_deref() } else { None };
        options.unwrap_or_default().iter().filter_map(|choice| choice.value.as_deref().or(choice.name.as_deref()))
    }

    /// Whether values beyond the options are refused.
    pub fn is_closed(&self) -> bool {
        !self.open && self.option_values().next().is_some()
    }

    /// The fields of a complex field.
    pub fn fields(&self) -> &[Self] {
        self.children.as_deref().unwrap_or_default()
    }
}

impl Field {
    /// Whether both ask the same of values; what a setting of ours opened does not count.
    fn asks_the_same(&self, other: &Self) -> bool {
        let options = |field: &Self| field.option_values().map(str::to_owned).collect::<Vec<_>>();
        let same_children = self.fields().len() == other.fields().len()
            && self.fields().iter().zip(other.fields()).all(|(one, other)| one.asks_the_same(other));
        (&self.name, &self.kind, self.is_multiple(), self.is_required(), self.longest())
            == (&other.name, &other.kind, other.is_multiple(), other.is_required(), other.longest())
            && self.options.is_some() == other.options.is_some()
            && options(self) == options(other)
            && same_children
    }
}

impl Definition {
    /// How a later state differs in what it asks of values, a few words a field.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let find = |fields: &[Field], name: &str| fields.iter().position(|field| field.name == name);
        let mut changes = Vec::new();
        for field in &self.fields {
            match find(&later.fields, &field.name).map(|at| &later.fields[at]) {
                None => changes.push(format!("field {} is gone", field.name)),
                Some(other) if !field.asks_the_same(other) => changes.push(format!("field {} differs", field.name)),
                Some(_) => {}
            }
        }
        let new = later.fields.iter().filter(|field| find(&self.fields, &field.name).is_none());
        changes.extend(new.map(|field| format!("field {} is new", field.name)));
        if self.enabled && !later.enabled {
            changes.push("it is no longer enabled".to_owned());
        }
        changes
    }

    /// Lets values beyond the options through in these fields (`parts.kind` is one of a complex field). Gives the names
    /// that are none of its fields.
    pub fn open<'a>(&mut self, paths: &'a [String]) -> Vec<&'a str> {
        let mut unknown = Vec::new();
        for path in paths {
            match find(&mut self.fields, path) {
                Some(field) => field.open = true,
                None => unknown.push(path.as_str()),
            }
        }
        unknown
    }
}

fn find<'a>(fields: &'a mut [Field], path: &str) -> Option<&'a mut Field> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let field = fields.iter_mut().find(|field| field.name == name)?;
    match rest {
        Some(rest) => find(field.children.as_deref_mut().unwrap_or_default(), rest),
        None => Some(field),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn families_multiplicities_and_lists_that_are_open() {
        let fields = json!([
            {"name": "title", "type": "string", "required": true, "maxLength": 3},
            {"name": "kind", "type": "single-option", "options": [{"name": "A", "value": "a"}, {"name": "b"}]},
            {"name": "tags", "type": "string", "multiplicity": "1..*", "maxLength": -1},
            {"name": "any", "type": "multi-option"},
            {"name": "parts", "type": "complex", "multiplicity": "0..*", "children": [
                {"name": "code", "type": "single-option", "options": [{"value": "x"}]}]},
        ]);
        let fields = serde_json::from_value(fields).unwrap();
        let mut definition = Definition { id: 1, name: "d".into(), enabled: true, fields };
        let of = |definition: &Definition, what: fn(&Field) -> bool| -> String {
            definition.fields.iter().filter(|field| what(field)).map(|field| format!("{} ", field.name)).collect()
        };
        let families: Vec<Family> = definition.fields.iter().map(Field::family).collect();
        assert_eq!(families, [Family::Text, Family::Option, Family::Text, Family::Option, Family::Complex]);
        assert_eq!(of(&definition, Field::is_multiple), "tags any parts ");
        assert_eq!(of(&definition, Field::is_required), "title tags ");
        assert_eq!(of(&definition, Field::is_closed), "kind ");
        assert_eq!(definition.fields[1].option_values().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((definition.fields[0].longest(), definition.fields[2].longest()), (Some(3), None));
        let paths = ["kind".to_owned(), "parts.code".to_owned(), "parts.cod".to_owned(), "kind.x".to_owned()];
        assert_eq!(definition.open(&paths), ["parts.cod", "kind.x"]);
        assert_eq!(of(&definition, Field::is_closed), "");
        assert!(definition.fields[4].fields()[0].open);
    }
}
