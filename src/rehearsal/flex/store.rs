//! What the local Flex holds: definitions, assets with their instances, annotations. Everything that changes it is
//! an `Event`, journaled before it is applied; a restart applies the journal again.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Builder;

use super::builtin::{self, Variant};
use super::definition::{Definition, DefinitionRecord};
use super::journal::Journal;
use super::records::{Record, Records};
use crate::Result;

/// The id of the first asset; the others follow without gaps.
pub const FIRST_ASSET: u64 = 1_001;

/// An asset without its instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asset {
    /// The id.
    pub id: u64,
    /// Unique over all assets that are not deleted; canonical (lower case, with dashes), as are all uuids here.
    pub uuid: String,
    /// Need not be unique.
    pub name: String,
    /// `media-asset`, `group-asset`, `image-asset` or `text-asset`.
    pub kind: String,
    /// The variant's name.
    pub variant: Option<String>,
    /// The metadata definition's id.
    pub definition: Option<u64>,
    /// As given at creation, or changed since.
    pub external_ids: Vec<ExternalId>,
    /// Whether lists leave it out.
    pub deleted: bool,
    /// Seconds since 1970; never less than that of an asset with a lower id.
    pub created: i64,
    /// Seconds since 1970.
    pub modified: i64,
    /// Counts changes.
    pub revision: u32,
    /// Other properties that a client set (description, live, archived …), served as they came.
    pub properties: Map<String, Value>,
}

/// An id that another system knows the asset by.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ExternalId {
    /// The other system.
    pub key: String,
    /// The id in it.
    pub value: String,
}

/// An asset with its instance.
#[derive(Debug)]
pub struct Stored {
    /// The asset.
    pub asset: Asset,
    /// The instance as JSON text; references are bare ids.
    pub instance: String,
}

/// A row on an asset's timeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Annotation {
    /// The id.
    pub id: u64,
    /// The uuid.
    pub uuid: String,
    /// The asset's id.
    pub asset: u64,
    /// `HH:MM:SS:FF`.
    pub timestamp_in: String,
    /// `HH:MM:SS:FF`.
    pub timestamp_out: String,
    /// Everything else that came with it: timelineId, originatorContext, originatorCorrelationId.
    pub properties: Map<String, Value>,
    /// Its own instance, which no definition constrains here.
    pub instance: Map<String, Value>,
}

/// One change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// An asset was created or changed (its instance is kept).
    Asset(Asset),
    /// An asset's instance was replaced.
    Instance {
        /// The asset's id.
        asset: u64,
        /// Seconds since 1970.
        at: i64,
        /// The whole new instance.
        instance: Map<String, Value>,
    },
    /// A timeline row was created or changed.
    Annotation(Annotation),
    /// Timeline rows were removed.
    AnnotationsRemoved(Vec<u64>),
    /// A definition was created or changed.
    Definition(DefinitionRecord),
    /// A record was created or changed.
    Record(Record),
    /// The record of this id was removed.
    RecordRemoved(u64),
}

/// The state with its indexes.
#[derive(Debug, Default)]
pub struct Store {
    assets: Vec<Stored>,
    by_uuid: HashMap<String, u64>,
    by_external_id: HashMap<String, Vec<u64>>,
    deleted: usize,
    annotations: BTreeMap<u64, Annotation>,
    last_annotation: u64,
    definitions: BTreeMap<u64, Arc<Definition>>,
    variants: Vec<Variant>,
    records: Records,
    journal: Option<Journal>,
}

impl Store {
    /// The built-in definitions and what the journal in `data` holds, if a folder is given.
    ///
    /// # Errors
    /// [`crate::Error::Rehearsal`] and [`crate::Error::Preflight`] where the journal is not usable.
    pub fn open(data: Option<&Path>) -> Result<Self> {
        let (definitions, variants) = builtin::definitions()?;
        let definitions = definitions.into_iter().map(|definition| (definition.record.id, Arc::new(definition)));
        let mut store = Self { variants, definitions: definitions.collect(), ..Self::default() };
        if let Some(folder) = data {
            store.journal = Some(Journal::open(folder, |event| store.apply(event))?);
        }
        Ok(store)
    }

    /// Journals an event, then applies it. Nothing is changed where this fails.
    ///
    /// # Errors
    /// What writing the journal says, or that the event does not make sense.
    pub fn commit(&mut self, event: Event) -> io::Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.append(&event)?;
        }
        self.apply(event).map_err(io::Error::other)
    }

    fn apply(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Asset(asset) => self.put_asset(asset)?,
            Event::Instance { asset, at, instance } => {
                let stored = self.stored_mut(asset).ok_or_else(|| format!("no asset {asset}"))?;
                stored.instance = Value::Object(instance).to_string();
                stored.asset.modified = at;
                stored.asset.revision += 1;
            }
            Event::Annotation(annotation) => {
                self.last_annotation = self.last_annotation.max(annotation.id);
                self.annotations.insert(annotation.id, annotation);
            }
            Event::AnnotationsRemoved(ids) => self.annotations.retain(|id, _| !ids.contains(id)),
            Event::Definition(record) => {
                let definition = Definition::new(record)?;
                self.definitions.insert(definition.record.id, Arc::new(definition));
            }
            Event::Record(record) => self.records.put(record),
            Event::RecordRemoved(id) => self.records.remove(id),
        }
        Ok(())
    }

    fn put_asset(&mut self, asset: Asset) -> Result<(), String> {
        let (id, uuid, deleted) = (asset.id, asset.uuid.clone(), asset.deleted);
        if let Some(stored) = self.stored_mut(id) {
            let (changed, external_ids) = (stored.asset.external_ids != asset.external_ids, asset.external_ids.clone());
            let before = std::mem::replace(&mut stored.asset, asset);
            if self.by_uuid.get(&before.uuid) == Some(&id) {
                self.by_uuid.remove(&before.uuid);
            }
            self.deleted -= usize::from(before.deleted);
            if changed {
                for external in &before.external_ids {
                    self.by_external_id.entry(external.value.clone()).or_default().retain(|other| *other != id);
                }
                self.index_external_ids(id, &external_ids);
            }
        } else if id == self.next_asset() {
            self.index_external_ids(id, &asset.external_ids);
            self.assets.push(Stored { asset, instance: "{}".to_owned() });
        } else {
            return Err(format!("asset {id} does not follow its predecessor"));
        }
        // The uuid of a deleted asset may be another's by now.
        if !deleted || !self.by_uuid.contains_key(&uuid) {
            self.by_uuid.insert(uuid, id);
        }
        self.deleted += usize::from(deleted);
        Ok(())
    }

    fn index_external_ids(&mut self, id: u64, external_ids: &[ExternalId]) {
        for external in external_ids {
            self.by_external_id.entry(external.value.clone()).or_default().push(id);
        }
    }

    /// The id that the next asset gets.
    pub fn next_asset(&self) -> u64 {
        FIRST_ASSET + self.assets.len() as u64
    }

    /// The id that the next annotation gets.
    pub fn next_annotation(&self) -> u64 {
        self.last_annotation + 1
    }

    /// The id that the next definition gets.
    pub fn next_definition(&self) -> u64 {
        self.definitions.last_key_value().map_or(1, |(id, _)| id + 1)
    }

    /// The time a new asset is created at: now, but never before its predecessor.
    pub fn now(&self) -> i64 {
        self.assets.last().map_or_else(now, |last| now().max(last.asset.created))
    }

    /// All assets, by ascending id.
    pub fn assets(&self) -> &[Stored] {
        &self.assets
    }

    /// How many assets are marked deleted.
    pub fn deleted(&self) -> usize {
        self.deleted
    }

    /// The asset of this id.
    pub fn asset(&self, id: u64) -> Option<&Stored> {
        self.assets.get(place(id)?)
    }

    fn stored_mut(&mut self, id: u64) -> Option<&mut Stored> {
        self.assets.get_mut(place(id)?)
    }

    /// The asset of this uuid; a deleted one only while no other has it.
    pub fn asset_by_uuid(&self, uuid: &str) -> Option<&Stored> {
        self.by_uuid.get(uuid).and_then(|id| self.asset(*id))
    }

    /// The assets with an external id of this value, by ascending id.
    pub fn assets_by_external_id(&self, value: &str) -> impl Iterator<Item = &Stored> {
        self.by_external_id.get(value).into_iter().flatten().filter_map(|id| self.asset(*id))
    }

    /// The definition of this id.
    pub fn definition(&self, id: u64) -> Option<&Arc<Definition>> {
        self.definitions.get(&id)
    }

    /// All definitions, by ascending id.
    pub fn definitions(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.definitions.values()
    }

    /// All variants.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// What is neither asset nor definition.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// The annotation of this id.
    pub fn annotation(&self, id: u64) -> Option<&Annotation> {
        self.annotations.get(&id)
    }

    /// All annotations, by ascending id.
    pub fn annotations(&self) -> impl Iterator<Item = &Annotation> {
        self.annotations.values()
    }
}

fn place(id: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(FIRST_ASSET)?).ok()
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

/// A random (version 4) uuid.
pub fn random_uuid() -> String {
    Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::{Asset, Event, ExternalId, FIRST_ASSET, Store, random_uuid};

    fn asset(id: u64, value: &str) -> Asset {
        Asset {
            id,
            uuid: random_uuid(),
            name: format!("asset {id}"),
            kind: "media-asset".to_owned(),
            variant: None,
            definition: None,
            external_ids: vec![ExternalId { key: "reach".to_owned(), value: value.to_owned() }],
            deleted: false,
            created: 0,
            modified: 0,
            revision: 1,
            properties: Map::new(),
        }
    }

    #[test]
    fn a_journal_restores_assets_indexes_and_exact_digits() {
        let folder = tempfile::tempdir().unwrap();
        let first = asset(FIRST_ASSET, "a:1");
        let mut store = Store::open(Some(folder.path())).unwrap();
        store.commit(Event::Asset(first.clone())).unwrap();
        store.commit(Event::Asset(asset(FIRST_ASSET + 1, "a:1"))).unwrap();
        let Value::Object(instance) = serde_json::from_str(r#"{"z":1.50,"a":["x"]}"#).unwrap() else { panic!() };
        store.commit(Event::Instance { asset: FIRST_ASSET, at: 5, instance }).unwrap();
        let renamed = random_uuid();
        store.commit(Event::Asset(Asset { uuid: renamed.clone(), deleted: true, ..first.clone() })).unwrap();
        drop(store);
        let store = Store::open(Some(folder.path())).unwrap();
        assert_eq!(store.asset(FIRST_ASSET).unwrap().instance, r#"{"z":1.50,"a":["x"]}"#);
        assert!(store.asset_by_uuid(&first.uuid).is_none() && store.asset_by_uuid(&renamed).is_some());
        assert_eq!(
            (store.assets_by_external_id("a:1").count(), store.deleted(), store.next_asset()),
            (2, 1, FIRST_ASSET + 2)
        );
        assert!(store.asset(0).is_none() && store.asset(FIRST_ASSET + 2).is_none());
    }
}
