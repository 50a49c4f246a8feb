//! What a run holds already when an extraction begins or goes on: its committed tables.

use std::collections::BTreeMap;

use super::tables::Committed;
use crate::dataflow::{TableMeta, TableName};
use crate::error::{Error, Result};
use crate::staging::{FieldNote, Manifest, RunFolder};

/// The committed tables of a run.
#[derive(Debug)]
pub(super) struct Held(BTreeMap<TableName, Manifest>);

impl Held {
    /// Reads the manifests.
    pub(super) async fn read(run: &RunFolder) -> Result<Self> {
        Ok(Self(run.raw_tables().await?.into_iter().collect()))
    }

    /// All selected tables, if the extraction of the run was complete: its exceptions are committed last.
    pub(super) async fn complete(&self, run: &RunFolder, tables: &[TableMeta]) -> Result<Option<Vec<Committed>>> {
        if run.exceptions().manifest().await?.is_none() {
            return Ok(None);
        }
        let committed = |table: &TableMeta| {
            let manifest = self.0.get(&table.table).filter(|manifest| manifest.snapshot.is_some())?;
            Some(Committed::of(table.table.clone(), manifest.clone()))
        };
        Ok(tables.iter().map(committed).collect())
    }

    /// A run keeps its selection, and a table that is kept must be read as it would be read now.
    pub(super) fn require_fitting(&self, run: &RunFolder, tables: &[TableMeta]) -> Result<()> {
        let left: Vec<String> = self
            .0
            .keys()
            .filter(|name| !tables.iter().any(|table| table.table == **name))
            .map(|t| t.to_string())
            .collect();
        if !left.is_empty() {
            return Err(Error::preflight(format!(
                "run {} holds tables that are not selected now, or no longer in the source: {}; select the same tables \
                 as before, or start a new run",
                run.id(),
                left.join(", ")
            )));
        }
        let changes: Vec<String> =
            tables.iter().filter_map(|table| Some((table, self.0.get(&table.table)?))).flat_map(changes).collect();
        if changes.is_empty() {
            return Ok(());
        }
        Err(Error::preflight(format!(
            "tables were altered in the source since run {} has read them; start a new run (without --run, or with \
             another id):\n  {}",
            run.id(),
            changes.join("\n  ")
        )))
    }

    /// Takes the tables that are kept; what remains must be read again. A table of an earlier version of telecine has its
    /// exceptions nowhere until the extraction is complete, and cannot be kept when it has any.
    pub(super) fn take_kept(&mut self) -> Vec<Committed> {
        let whole = |manifest: &Manifest| {
            manifest.snapshot.is_some() && (!manifest.exceptions.is_empty() || manifest.exceptional() == 0)
        };
        let (kept, rest) = std::mem::take(&mut self.0).into_iter().partition(|(_, manifest)| whole(manifest));
        self.0 = rest;
        BTreeMap::into_iter(kept).map(|(table, manifest)| Committed::of(table, manifest)).collect()
    }

    /// Every committed table.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&TableName, &Manifest)> {
        self.0.iter()
    }
}

/// How a table's definition differs from that under which it was read: a line a difference.
fn changes((now, before): (&TableMeta, &Manifest)) -> Vec<String> {
    let mut lines = Vec::new();
    let fields: Vec<FieldNote> = now.arrow.fields().iter().map(|field| FieldNote::of(field)).collect();
    let type_of = |field: &FieldNote| field.pg_type.clone().unwrap_or_else(|| field.type_name.clone());
    let find = |fields: &[FieldNote], name: &str| fields.iter().find(|field| field.name == name).cloned();
    for old in &before.schema {
        match find(&fields, &old.name) {
            None => lines.push(format!("column {} ({}) is gone", old.name, type_of(old))),
            Some(new) if type_of(&new) != type_of(old) => {
                lines.push(format!("column {} was {} and is {}", old.name, type_of(old), type_of(&new)));
            }
            Some(new) if new.type_name != old.type_name => {
                lines.push(format!("column {} was read as {} and is {}", old.name, old.type_name, new.type_name));
            }
            Some(_) => {}
        }
    }
    for new in fields.iter().filter(|new| find(&before.schema, &new.name).is_none()) {
        lines.push(format!("column {} ({}) was added", new.name, type_of(new)));
    }
    if lines.is_empty() && !fields.iter().map(|field| &field.name).eq(before.schema.iter().map(|field| &field.name)) {
        lines.push("its columns are in another order".to_owned());
    }
    if now.key != before.key {
        lines.push(format!("its key was ({}) and is ({})", before.key.join(", "), now.key.join(", ")));
    }
    lines.into_iter().map(|line| format!("{}: {line}", now.table)).collect()
}
