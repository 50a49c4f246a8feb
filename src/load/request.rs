//! What is sent, as bytes: built here once for the plan and for the load, so that what was planned is what is sent.

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};

use super::reference::Resolved;
use super::row::Row;
use super::{Bound, Deletion, Load};
use crate::flex::Instance;

/// Stands in a path for the id that only the target can give.
pub const UNKNOWN_ID: &str = "{id}";

const ANNOTATIONS: &str = "/annotations";

/// By which request field values are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Annotations,
    Metadata,
}

impl Way {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Annotations => "annotations",
            Self::Metadata => "metadata",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Annotations, Self::Metadata].into_iter().find(|way| way.word() == word)
    }
}

/// What a request does for an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Creates it.
    Create,
    /// Changes its name.
    Rename,
    /// Sets its field values.
    Attributes,
    /// Sets its references, once what they point to is there.
    References,
    /// Removes it.
    Remove,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 5] = [Self::Create, Self::Rename, Self::Attributes, Self::References, Self::Remove];

    /// The word for it in the ledger and in plans.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Rename => "rename",
            Self::Attributes => "attributes",
            Self::References => "references",
            Self::Remove => "remove",
        }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it does.
    pub step: Step,
    /// The method.
    pub method: Method,
    /// The path below the base URL; [`UNKNOWN_ID`] stands for an id that is not known yet.
    pub path: String,
    /// The exact body.
    pub body: Bytes,
    /// Whether an id in the body is one that only the target can give.
    coming: bool,
}

impl Request {
    /// BLAKE3 of `METHOD SP PATH LF BODY`.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for part in [self.method.as_str().as_bytes(), b" ", self.path.as_bytes(), b"\n", &self.body] {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// The field values that a request of field values sets.
    pub(super) fn instance(&self) -> Instance {
        let Ok(Value::Object(mut body)) = serde_json::from_slice(&self.body) else { return Instance::new() };
        match body.get_mut("metadata").map(Value::take) {
            Some(Value::Object(instance)) if self.path.ends_with(ANNOTATIONS) => instance,
            _ => body,
        }
    }

    /// Whether it cannot be sent as it is, because it names an asset that the target has not made yet.
    pub fn has_unknown_ids(&self) -> bool {
        self.coming || self.path.contains(UNKNOWN_ID)
    }

    fn new(step: Step, method: Method, id: Option<i64>, part: &str, body: impl Into<Bytes>) -> Self {
        let id = id.map_or_else(|| UNKNOWN_ID.to_owned(), |id| id.to_string());
        Self { step, method, path: format!("/assets/{id}{part}"), body: body.into(), coming: false }
    }

    /// Sets field values in one of the two ways; `instance` is the JSON of an object.
    pub(super) fn write(step: Step, way: Way, id: Option<i64>, instance: impl Into<Bytes>) -> Self {
        let instance = instance.into();
        match way {
            Way::Metadata => Self::new(step, Method::PUT, id, "/metadata", instance),
            Way::Annotations => {
                let mut body = Vec::with_capacity(instance.len() + 13);
                body.extend_from_slice(br#"{"metadata":"#);
                body.extend_from_slice(&instance);
                body.push(b'}');
                Self::new(step, Method::POST, id, ANNOTATIONS, body)
            }
        }
    }

    /// Removes an asset.
    pub(super) fn remove(id: i64, deletion: Deletion) -> Self {
        match deletion {
            Deletion::Action => {
                Self::new(Step::Remove, Method::POST, Some(id), "/actions", &br#"{"action":"delete"}"#[..])
            }
            Deletion::Delete => Self::new(Step::Remove, Method::DELETE, Some(id), "", Bytes::new()),
        }
    }

    /// Changes an asset's name.
    pub(super) fn rename(id: i64, name: &str) -> Self {
        Self::new(Step::Rename, Method::PUT, Some(id), "", json!({ "name": name }).to_string())
    }

    /// Sets references: alone where field values are merged, else with all other field values.
    pub(super) fn references(way: Way, id: Option<i64>, row: &Row, resolved: &Resolved) -> Self {
        let instance = match way {
            Way::Annotations => resolved.append(b"{}"),
            Way::Metadata => resolved.append(&row.values),
        };
        Self { coming: !resolved.is_known(), ..Self::write(Step::References, way, id, instance) }
    }

    /// Replaces the whole instance.
    pub(super) fn replace(id: i64, row: &Row, resolved: &Resolved) -> Self {
        let replaced = Self::write(Step::Attributes, Way::Metadata, Some(id), resolved.append(&row.values));
        Self { coming: !resolved.is_known(), ..replaced }
    }

    /// Sets the first field values, with those references that the definition requires.
    pub(super) fn describe(way: Way, id: Option<i64>, row: &Row, first: &Resolved) -> Self {
        Self { coming: !first.is_known(), ..Self::write(Step::Attributes, way, id, first.with(&row.values)) }
    }

    /// Whether the body names assets that only the target can give ids to.
    pub(super) fn names_coming(&self) -> bool {
        self.coming
    }
}

impl Load {
    /// Creates the asset of a row.
    pub(super) fn create_request(&self, bound: &Bound, row: &Row) -> Request {
        let body = self.client.create_body(&self.config.new_asset(bound, row));
        Request {
            step: Step::Create,
            method: Method::POST,
            path: "/assets".to_owned(),
            body: body.to_string().into(),
            coming: false,
        }
    }
}
