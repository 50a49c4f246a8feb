//! Records: everything beside assets and definitions that a client can make (workflows, collections, taxons …), kept by
//! kind and id as the properties they are served with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The id of the first record; ids are never used again and are unique over all kinds.
const FIRST_RECORD: u64 = 500_001;

/// One record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// What it is, by the path word of its list.
    pub kind: String,
    /// The id.
    pub id: u64,
    /// Its properties, `id` excepted.
    pub body: Map<String, Value>,
}

impl Record {
    /// The property `name`; `null` where it is absent.
    pub fn get(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }
}

/// All records.
#[derive(Debug, Default)]
pub struct Records {
    rows: BTreeMap<u64, Record>,
    last: u64,
}

impl Records {
    /// Adds a record, or replaces the one of its id.
    pub fn put(&mut self, record: Record) {
        self.last = self.last.max(record.id);
        self.rows.insert(record.id, record);
    }

    /// Removes the record of this id, if there is one.
    pub fn remove(&mut self, id: u64) {
        self.rows.remove(&id);
    }

    /// The id that the next record gets.
    pub fn next(&self) -> u64 {
        FIRST_RECORD.max(self.last + 1)
    }

    /// The record of this id, whatever its kind.
    pub fn get(&self, id: u64) -> Option<&Record> {
        self.rows.get(&id)
    }

    /// The record of this kind that a path names by its id.
    pub fn find(&self, kind: &str, id: &str) -> Option<&Record> {
        id.parse().ok().and_then(|id| self.get(id)).filter(|record| record.kind == kind)
    }

    /// The records of a kind, by ascending id.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Record> {
        self.rows.values().filter(move |record| record.kind == kind)
    }
}
