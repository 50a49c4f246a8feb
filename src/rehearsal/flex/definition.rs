//! Metadata definitions: the FIELD objects of contract section 1 and the model that instances are checked against.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A definition as it is stored and journaled: `fields` are FIELD objects.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DefinitionRecord {
    /// The id; specific to an account, never to be relied on.
    pub id: u64,
    /// The uuid.
    pub uuid: String,
    /// The name by which clients look it up.
    pub name: String,
    /// The name people see.
    pub display_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether assets may be created with it.
    pub enabled: bool,
    /// Whether lists leave it out.
    #[serde(default)]
    pub deleted: bool,
    /// Seconds since 1970.
    pub created: i64,
    /// Seconds since 1970.
    pub modified: i64,
    /// Counts changes.
    pub revision: u32,
    /// FIELD objects, in order.
    pub fields: Vec<Value>,
}

/// A definition ready for use.
#[derive(Debug)]
pub struct Definition {
    /// The record it was built from.
    pub record: DefinitionRecord,
    /// The fields at the top level.
    pub fields: Fields,
    /// The array of FIELD objects as JSON text: every metadata answer repeats it.
    pub rendered: String,
}

impl Definition {
    /// Reads the FIELD objects of a record.
    ///
    /// # Errors
    /// A sentence that names the field that is not understood.
    pub fn new(mut record: DefinitionRecord) -> Result<Self, String> {
        let mut next = record.id * 1_000;
        for field in &mut record.fields {
            complete(field, &mut next)?;
        }
        let fields = Fields::read(&record.fields)?;
        let rendered = Value::Array(record.fields.clone()).to_string();
        Ok(Self { record, fields, rendered })
    }
}

/// The fields of a definition or of a complex field, by name.
#[derive(Debug, Clone, Default)]
pub struct Fields(HashMap<String, Field>);

impl Fields {
    fn read(fields: &[Value]) -> Result<Self, String> {
        let mut known = HashMap::with_capacity(fields.len());
        for field in fields {
            let field = Field::read(field)?;
            if known.contains_key(&field.name) {
                return Err(format!("field \"{}\" is defined twice", field.name));
            }
            known.insert(field.name.clone(), field);
        }
        Ok(Self(known))
    }

    /// The field of this name.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.0.get(name)
    }

    /// The same fields with open lists of options.
    pub fn opened(&self) -> Self {
        let open = |field: &Field| Field { options: None, children: field.children.opened(), ..field.clone() };
        Self(self.0.iter().map(|(name, field)| (name.clone(), open(field))).collect())
    }

    /// Takes from `given` what has no field.
    pub fn prune(&self, given: &mut Map<String, Value>) {
        given.retain(|name, _| self.0.contains_key(name));
        for (name, value) in given {
            let Some(field) = self.0.get(name).filter(|field| field.kind == Kind::Complex) else { continue };
            match value {
                Value::Object(inner) => field.children.prune(inner),
                Value::Array(values) => {
                    values.iter_mut().filter_map(Value::as_object_mut).for_each(|inner| field.children.prune(inner));
                }
                _ => {}
            }
        }
    }

    /// All fields, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.values()
    }
}

/// One field.
#[derive(Debug, Clone)]
pub struct Field {
    /// The key in an instance.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Whether the instance holds an array of such values.
    pub many: bool,
    /// Whether an instance should hold it (which a Flex does not enforce).
    pub required: bool,
    /// The greatest number of characters (code points).
    pub max_length: Option<usize>,
    /// The option values; `None` for an open list and for other kinds.
    pub options: Option<Vec<String>>,
    /// The fields of a complex field.
    pub children: Fields,
}

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text with a scheme.
    Url,
    /// Text with an at sign.
    Email,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    /// A number with its digits kept.
    Double,
    /// True or false.
    Boolean,
    /// One option's value.
    Option,
    /// An array of option values.
    Options,
    /// `yyyy-MM-dd`.
    Date,
    /// An instant, RFC 3339.
    Time,
    /// `#RRGGBB`.
    Color,
    /// `{"id": N}` of an asset.
    Asset,
    /// `{"id": N}` of something else; whether it exists is not checked.
    Object,
    /// An object of fields.
    Complex,
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "string" | "text" | "script" | "password" | "vfs-location" => Self::Text,
            "city" | "country" | "region" => Self::Text,
            "url" => Self::Url,
            "email" => Self::Email,
            "integer" => Self::Integer,
            "long" => Self::Long,
            "double" | "float" => Self::Double,
            "boolean" => Self::Boolean,
            "single-option" | "option" => Self::Option,
            "multi-option" | "multiple-option" | "tags" => Self::Options,
            "date" => Self::Date,
            "time" | "date-time" => Self::Time,
            "color" => Self::Color,
            "asset" => Self::Asset,
            "object" | "drill-down-option" => Self::Object,
            "complex" | "image" | "file" => Self::Complex,
            _ => return None,
        })
    }
}

impl Field {
    fn read(json: &Value) -> Result<Self, String> {
        let name = json["name"].as_str().ok_or("a field without a name")?.to_owned();
        let kind = json["type"].as_str().unwrap_or_default();
        let kind = Kind::parse(kind).ok_or_else(|| format!("field \"{name}\" is of an unknown type \"{kind}\""))?;
        let options = json["options"]
            .as_array()
            .filter(|_| matches!(kind, Kind::Option | Kind::Options) && json["type"] != "tags");
        let children = match json["children"].as_array() {
            Some(children) if kind == Kind::Complex => Fields::read(children)?,
            // A file or an image without children of its own has these (contract, "Instance encoding").
            None if matches!(json["type"].as_str(), Some("image" | "file")) => {
                Fields::read(&["file-name", "file-path"].map(|name| json!({"name": name, "type": "string"})))?
            }
            _ => Fields::default(),
        };
        Ok(Self {
            many: json["multiplicity"].as_str().is_some_and(|multiplicity| multiplicity.ends_with('*')),
            required: json["required"].as_bool().unwrap_or(false),
            max_length: json["maxLength"].as_i64().and_then(|length| usize::try_from(length).ok()),
            options: options.map(|options| {
                options.iter().filter_map(|option| option["value"].as_str().map(str::to_owned)).collect()
            }),
            name,
            kind,
            children,
        })
    }
}

/// Fills in what a FIELD object always has, as real servers answer it: an id and the usual settings.
fn complete(field: &mut Value, next: &mut u64) -> Result<(), String> {
    let Value::Object(given) = field else { return Err("a field that is not an object".to_owned()) };
    *next += 1;
    let mut whole = Map::new();
    whole.insert("id".to_owned(), json!(*next));
    let usual = json!({
        "name": null, "displayName": given.get("name"), "description": null, "type": null, "searchable": true,
        "editable": true, "required": false, "formType": null, "format": null, "formatDescription": null,
        "validation": null, "maxLength": -1, "expressionEnabled": false, "validationDescription": null,
        "validationHandler": null, "valueGeneratorType": null, "unitString": null, "commentable": false,
        "isVisible": true, "preProcessors": [],
    });
    if let Value::Object(usual) = usual {
        whole.extend(usual);
    }
    for (key, value) in std::mem::take(given) {
        whole.insert(key, value);
    }
    if let Some(Value::Array(children)) = whole.get_mut("children") {
        for child in children {
            complete(child, next)?;
        }
    }
    *given = whole;
    Ok(())
}
