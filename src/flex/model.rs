//! What travels to and from the API: assets, pages, outcomes.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The field values of one asset, as JSON.
pub type Instance = Map<String, Value>;

/// Names of the fields in the body that creates an asset. They are settings because servers differ: a field that the
/// server does not know is a 400, and `externalIds` exists from 2023.6 on only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFields {
    /// The asset's name.
    pub name: String,
    /// The asset's type (`media-asset`).
    pub asset_type: String,
    /// The metadata definition's id.
    pub definition: String,
    /// Our own uuid; `None` for a server that does not take one.
    pub uuid: Option<String>,
    /// External ids; `None` for a server that does not take them.
    pub external_ids: Option<String>,
}

impl Default for CreateFields {
    fn default() -> Self {
        Self {
            name: "name".to_owned(),
            asset_type: "type".to_owned(),
            definition: "metadataDefinitionId".to_owned(),
            uuid: Some("uuid".to_owned()),
            external_ids: Some("externalIds".to_owned()),
        }
    }
}

/// An asset to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAsset {
    /// The name.
    pub name: String,
    /// The type: `media-asset`, `group-asset`, `image-asset` or `text-asset`.
    pub asset_type: String,
    /// The metadata definition's id.
    pub definition: i64,
    /// The uuid by which the asset is found again.
    pub uuid: String,
    /// The id by which the other system knows it.
    pub external_id: Option<ExternalId>,
}

impl NewAsset {
    /// Whether the asset has this uuid.
    pub fn has_uuid_of(&self, asset: &Asset) -> bool {
        asset.uuid.as_deref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(&self.uuid))
    }

    /// Whether the asset may be this one: it shows this uuid or none.
    pub fn may_be(&self, asset: &Asset) -> bool {
        asset.uuid.is_none() || self.has_uuid_of(asset)
    }

    /// The body of the request.
    pub fn body(&self, fields: &CreateFields) -> Value {
        let mut body = Map::new();
        body.insert(fields.name.clone(), json!(self.name));
        body.insert(fields.asset_type.clone(), json!(self.asset_type));
        body.insert(fields.definition.clone(), json!(self.definition));
        if let Some(name) = &fields.uuid {
            body.insert(name.clone(), json!(self.uuid));
        }
        if let (Some(name), Some(id)) = (&fields.external_ids, &self.external_id) {
            body.insert(name.clone(), json!([id]));
        }
        Value::Object(body)
    }
}

/// An id of the asset in another system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalId {
    /// Which system.
    pub key: String,
    /// The id there.
    pub value: String,
}

/// An asset as the server shows it; only what is relied upon.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// The server's id.
    pub id: i64,
    /// The uuid.
    #[serde(default)]
    pub uuid: Option<String>,
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// Ids in other systems.
    #[serde(default)]
    pub external_ids: Option<Vec<ExternalId>>,
    /// The type, where it is shown.
    #[serde(default)]
    pub object_type: Option<ObjectType>,
    /// It is in the bin: no list shows it unless asked, a look-up by id does.
    #[serde(default)]
    pub deleted: bool,
    /// The metadata, where it was asked for and is given.
    #[serde(default)]
    pub metadata: Option<Metadata>,
}

/// The type of an asset.
#[derive(Debug, Clone, Deserialize)]
pub struct ObjectType {
    /// `media-asset` and the like.
    #[serde(default)]
    pub name: String,
}

/// The metadata of an asset.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The field values; absent where the server gives none.
    #[serde(default)]
    pub instance: Option<Instance>,
    /// The definition's id, where it is shown.
    #[serde(default)]
    pub definition_id: Option<i64>,
}

/// An asset as it should be in the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The key in the source.
    pub source_key: String,
    /// The id the target gave it; `None` for a row of which the ledger knows no asset.
    pub id: Option<i64>,
    /// The uuid it was created with.
    pub uuid: String,
    /// The id in the other system it was created with.
    pub external_id: Option<ExternalId>,
    /// The name.
    pub name: String,
    /// The type.
    pub asset_type: String,
    /// The metadata definition's id.
    pub definition: i64,
    /// The field values, references resolved.
    pub instance: Instance,
}

/// What became of a request, so far as that row is concerned. What concerns every row (credentials refused, the target
/// away) is an error.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// Carried out.
    Done(T),
    /// Refused for good; not carried out.
    Refused(Refusal),
    /// Nobody can tell whether it was carried out: a time-out, a reset, a 5xx, a 2xx that cannot be read.
    Unclear(String),
}

impl<T> Outcome<T> {
    /// The same outcome with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(value) => Outcome::Done(change(value)),
            Self::Refused(refusal) => Outcome::Refused(refusal),
            Self::Unclear(message) => Outcome::Unclear(message),
        }
    }
}

/// Why the server refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status (2xx when the body carried `errors`).
    pub status: u16,
    /// The server's words, cut short.
    pub message: String,
    /// The server's own id of the request (`flex.request.id`), where it gave one.
    pub request_id: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}: {}", self.status, self.message)?;
        match &self.request_id {
            Some(id) => write!(f, " (flex.request.id {id})"),
            None => Ok(()),
        }
    }
}

/// The answer to a write that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The status, of the 2xx.
    pub status: u16,
    /// The id at the top of the answer, if there is one.
    pub id: Option<i64>,
}

/// What a search for one asset found.
#[derive(Debug, Clone)]
pub enum Finding {
    /// It is there.
    Found(Box<Asset>),
    /// The server listed what matches, and it is not among that.
    Absent,
    /// The answer proves nothing: the parameter was refused or ignored, or there is too much to read.
    Unproven,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_create_body_has_the_configured_fields_only() {
        let asset = NewAsset {
            name: "n".into(),
            asset_type: "media-asset".into(),
            definition: 7,
            uuid: "u".into(),
            external_id: Some(ExternalId { key: "reach".into(), value: "1".into() }),
        };
        let full = asset.body(&CreateFields::default()).to_string();
        assert_eq!(
            full,
            r#"{"name":"n","type":"media-asset","metadataDefinitionId":7,"uuid":"u","externalIds":[{"key":"reach","value":"1"}]}"#
        );
        let old = CreateFields { definition: "metadatadefinitionId".into(), external_ids: None, ..Default::default() };
        assert_eq!(
            asset.body(&old).to_string(),
            r#"{"name":"n","type":"media-asset","metadatadefinitionId":7,"uuid":"u"}"#
        );
    }
}
