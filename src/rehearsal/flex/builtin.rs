//! The definitions and variants that every local Flex starts with, built from `definitions.json` and the lists of options
//! in `vocabularies.json`. Every list that the specification or a ruling closes is closed (section 7, A41, A42; statuses and
//! languages as `queries/mappings/vocabulary.csv` has them; categories, endpoints and project types as the sample library
//! names them); that of file formats is open (A25). What A01 calls texts is text, though its values come from a vocabulary of
//! section 7 (class, rating, genres, territories).
//!
//! The file lists fields in short form: `many` stands for the multiplicity `0..*`, `vocabulary` names a list of
//! options, `open` marks an option list that takes any text (a user-defined tag collection in a real Flex). A field
//! of a definition's own replaces the one of the same name from a group.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::definition::{Definition, DefinitionRecord};
use crate::{Error, Result};

/// 29 Sep 2016, the day of the recordings that the contract rests on: built-in things look the same on every start.
const BORN: i64 = 1_475_148_185;
const FIRST_DEFINITION: u64 = 10_101;

#[derive(Deserialize)]
struct Catalogue {
    #[serde(skip)]
    vocabularies: HashMap<String, Vec<String>>,
    groups: HashMap<String, Vec<ShortField>>,
    definitions: Vec<ShortDefinition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShortDefinition {
    name: String,
    display_name: String,
    variant: String,
    asset_type: String,
    groups: Vec<String>,
    fields: Vec<ShortField>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ShortField {
    name: String,
    r#type: String,
    #[serde(default)]
    many: bool,
    #[serde(default)]
    required: bool,
    max_length: Option<u32>,
    vocabulary: Option<String>,
    #[serde(default)]
    open: bool,
    unit: Option<String>,
    description: Option<String>,
    children: Option<Vec<ShortField>>,
}

/// A named kind of asset and the definition its metadata has.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The id.
    pub id: u64,
    /// The name that `POST /assets` may carry.
    pub name: String,
    /// The asset type it belongs to.
    pub asset_type: String,
    /// The definition its assets have.
    pub definition: u64,
}

/// The built-in definitions (ids from 10101, in the file's order) and their variants.
///
/// # Errors
/// [`Error::Rehearsal`] where a file is not well formed.
pub fn definitions() -> Result<(Vec<Definition>, Vec<Variant>)> {
    let broken = |cause| Error::rehearsal("the local Flex", "the built-in definitions are not well formed", cause);
    let mut catalogue: Catalogue = serde_json::from_str(include_str!("definitions.json")).map_err(broken)?;
    catalogue.vocabularies = serde_json::from_str(include_str!("vocabularies.json")).map_err(broken)?;
    let mut definitions = Vec::new();
    let mut variants = Vec::new();
    for (id, (short, variant)) in (FIRST_DEFINITION..).zip(catalogue.definitions.iter().zip(1..)) {
        let record = DefinitionRecord {
            id,
            uuid: Uuid::new_v5(&Uuid::NAMESPACE_URL, short.name.as_bytes()).to_string(),
            name: short.name.clone(),
            display_name: short.display_name.clone(),
            description: Some(format!("Metadata of a {}", short.display_name)),
            enabled: true,
            deleted: false,
            created: BORN,
            modified: BORN,
            revision: 1,
            fields: catalogue.fields(short)?.iter().map(|field| catalogue.expand(field)).collect::<Result<_>>()?,
        };
        definitions.push(Definition::new(record).map_err(malformed)?);
        let (name, asset_type) = (short.variant.clone(), short.asset_type.clone());
        variants.push(Variant { id: variant, name, asset_type, definition: id });
    }
    Ok((definitions, variants))
}

/// The FIELD objects of all built-in definitions, each name once (the first definition that has it counts), in order.
///
/// # Errors
/// As `definitions`.
pub fn fields() -> Result<Vec<Value>> {
    let mut fields: Vec<Value> = Vec::new();
    for field in definitions()?.0.into_iter().flat_map(|definition| definition.record.fields) {
        if !fields.iter().any(|known| known["name"] == field["name"]) {
            fields.push(field);
        }
    }
    Ok(fields)
}

fn malformed(problem: String) -> Error {
    Error::rehearsal("the local Flex", "definitions.json does not make sense", problem)
}

impl Catalogue {
    fn fields(&self, definition: &ShortDefinition) -> Result<Vec<ShortField>> {
        let mut fields: Vec<ShortField> = Vec::new();
        for group in &definition.groups {
            let group = self.groups.get(group).ok_or_else(|| malformed(format!("no group \"{group}\"")))?;
            fields.extend(group.iter().cloned());
        }
        for own in &definition.fields {
            match fields.iter_mut().find(|field| field.name == own.name) {
                Some(inherited) => *inherited = own.clone(),
                None => fields.push(own.clone()),
            }
        }
        Ok(fields)
    }

    /// A FIELD object as far as the short form says; the rest is filled in by [`Definition::new`].
    fn expand(&self, short: &ShortField) -> Result<Value> {
        let mut field = Map::new();
        let mut set = |key: &str, value: Value| field.insert(key.to_owned(), value);
        set("name", json!(short.name));
        set("displayName", json!(display_name(&short.name)));
        set("type", json!(short.r#type));
        set("formType", json!(form_type(&short.r#type)));
        if let Some(description) = &short.description {
            set("description", json!(description));
        }
        if short.many {
            set("multiplicity", json!("0..*"));
        }
        if short.required {
            set("required", json!(true));
        }
        if let Some(length) = short.max_length {
            set("maxLength", json!(length));
        }
        if let Some(unit) = &short.unit {
            set("unitString", json!(unit));
        }
        if short.open {
            set("backingStoreType", json!("USER_DEFINED_TAG_COLLECTION"));
            set("backingStoreInstanceId", json!(format!("tags-{}", short.name)));
        }
        if short.r#type == "asset" {
            set("objectType", json!("media-asset"));
        }
        if let Some(vocabulary) = &short.vocabulary {
            let words = self.vocabularies.get(vocabulary);
            let words = words.ok_or_else(|| malformed(format!("no vocabulary \"{vocabulary}\"")))?;
            set("options", words.iter().zip(1..).map(option).collect());
        }
        if let Some(children) = &short.children {
            set("children", children.iter().map(|child| self.expand(child)).collect::<Result<_>>()?);
        }
        Ok(Value::Object(field))
    }
}

fn option((word, id): (&String, u32)) -> Value {
    json!({"id": id, "name": word, "displayName": word, "default": false, "value": word})
}

/// `promoCode` as people read it: `Promo Code`.
fn display_name(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if words.is_empty() {
            words.extend(letter.to_uppercase());
        } else {
            if letter.is_uppercase() {
                words.push(' ');
            }
            words.push(letter);
        }
    }
    words
}

fn form_type(kind: &str) -> &'static str {
    match kind {
        "text" => "textarea",
        "single-option" | "multi-option" => "select",
        "boolean" => "checkbox",
        "date" | "time" => "datepicker",
        _ => "textfield",
    }
}

#[cfg(test)]
mod tests {
    use super::definitions;
    use crate::rehearsal::flex::definition::Kind;

    #[test]
    fn the_four_definitions_are_built_with_what_section_9_requires() {
        let (definitions, variants) = definitions().unwrap();
        let required = |name: &str| {
            let definition = definitions.iter().find(|definition| definition.record.name == name).unwrap();
            let mut names: Vec<_> =
                definition.fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
            names.sort_unstable();
            names.join(" ")
        };
        assert_eq!(required("assetType_Project"), "externalId projectCode projectType status title");
        assert_eq!(required("assetType_Promo"), "externalId fileFormat network promoCode promoLength promoType title");
        assert_eq!(required("assetType_Collection"), "collectionKind externalId title");
        assert_eq!(
            required("assetType_DeliverableImage"),
            "endpointImageDetail externalId fileFormat height houseCode resolution title width"
        );
        assert_eq!(variants.len(), 4);
    }

    #[test]
    fn only_formats_of_files_are_an_open_list() {
        let (definitions, _) = definitions().unwrap();
        for definition in &definitions {
            let children = definition.fields.iter().flat_map(|field| field.children.iter());
            for field in definition.fields.iter().chain(children) {
                let is_option = matches!(field.kind, Kind::Option | Kind::Options);
                assert_eq!(field.options.is_none(), !is_option || field.name == "fileFormat", "{}", field.name);
            }
        }
        let project = &definitions[0].fields;
        let options = |name: &str| project.get(name).unwrap().options.as_ref().unwrap().len();
        assert_eq!(["projectType", "categories"].map(options), [11, 84]);
    }

    #[test]
    fn fields_have_their_kinds_options_and_children() {
        let (definitions, _) = definitions().unwrap();
        let promo = &definitions[1].fields;
        let title = promo.get("title").unwrap();
        assert_eq!((title.kind, title.max_length, title.many), (Kind::Text, Some(255), false));
        assert_eq!(promo.get("network").unwrap().options.as_ref().unwrap(), &["NLC", "NLM", "NLD", "NLX"]);
        assert_eq!(promo.get("fileFormat").unwrap().options, None);
        let related = promo.get("relatedAssets").unwrap();
        assert!(related.many && related.children.get("asset").unwrap().kind == Kind::Asset);
        let image = &definitions[3].fields;
        let details = image.get("endpointImageDetail").unwrap().options.as_ref().unwrap();
        assert!(details.len() == 14 && details.contains(&"1x1".to_owned()), "{details:?}");
    }
}
