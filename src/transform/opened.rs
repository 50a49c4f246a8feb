//! A run that is open: a session with its tables, and what is known of their content.

use std::collections::BTreeMap;

use datafusion::prelude::{DataFrame, SessionContext};
use futures::{StreamExt, TryStreamExt};

use super::planning::{Depth, logical_plan};
use super::query::Query;
use super::report::REPORT_FILE;
use super::{Transform, diagnose, reuse, session, tables};
use crate::dataflow::TableName;
use crate::error::{Error, Result};
use crate::staging::{Dataset, Manifest, Moments, RunFolder, SnapshotNote};

/// Datasets opened at the same time.
const OPENED_AT_ONCE: usize = 16;

/// The name by which queries read the values that the types of raw tables cannot hold.
pub fn exceptions_table() -> TableName {
    TableName::new("raw", "_exceptions")
}

/// A session with the tables of a run, and what is known of those tables.
pub(super) struct OpenRun<'a> {
    pub(super) transform: &'a Transform,
    pub(super) run: &'a RunFolder,
    pub(super) context: SessionContext,
    raw: Vec<TableName>,
    /// The keys of raw tables that have one, by name.
    keys: BTreeMap<String, Vec<String>>,
    /// The snapshots that the raw tables were read under.
    moments: Vec<(SnapshotNote, TableName)>,
    /// Everything registered that has rows of its own, by name.
    known: BTreeMap<String, Known>,
}

/// A table whose content is known.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) rows: u64,
    /// Equal for equal columns and rows.
    pub(super) content: String,
}

impl<'a> OpenRun<'a> {
    /// A session that knows the raw tables, the values their types cannot hold (`raw._exceptions`) and the mappings.
    ///
    /// # Errors
    /// When a manifest cannot be read or a file of a table is missing.
    pub(super) async fn open(transform: &'a Transform, run: &'a RunFolder) -> Result<Self> {
        let context = session(&transform.config)?;
        context.register_object_store(run.area().store_url(), run.area().store());
        let mut open = Self {
            transform,
            run,
            context,
            raw: Vec::new(),
            keys: BTreeMap::new(),
            moments: Vec::new(),
            known: BTreeMap::new(),
        };
        let opened = run.raw_tables().await?.into_iter().map(|(table, manifest)| async move {
            let provider = tables::provider(&run.raw(&table), &manifest).await?;
            Ok::<_, Error>((table, manifest, provider))
        });
        let mut opened = futures::stream::iter(opened).buffered(OPENED_AT_ONCE);
        while let Some((table, manifest, provider)) = opened.try_next().await? {
            tables::register_source(&open.context, &table, provider)?;
            open.note(&table.to_string(), &manifest);
            open.keys.insert(table.to_string(), manifest.key.clone());
            open.moments.extend(manifest.snapshot.map(|snapshot| (snapshot, table.clone())));
            open.raw.push(table);
        }
        let exceptions = run.exceptions();
        if let Some(manifest) = exceptions.manifest().await? {
            let table = exceptions_table();
            let provider = tables::provider(&exceptions, &manifest).await?;
            tables::register_source(&open.context, &table, provider)?;
            open.note(&table.to_string(), &manifest);
            open.raw.push(table);
        }
        tables::register_mappings(&open.context, &transform.mappings)?;
        for mapping in transform.mappings.iter() {
            let known = Known { rows: mapping.rows.num_rows() as u64, content: mapping.hash.clone() };
            open.known.insert(mapping.name.clone(), known);
        }
        Ok(open)
    }

    /// What is known of a table, mapping or dataset.
    pub(super) fn known(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }

    /// The columns of a raw table's key; empty without one.
    pub(super) fn key_of(&self, name: &str) -> Vec<String> {
        self.keys.get(name).cloned().unwrap_or_default()
    }

    /// The rows of a table that is no query's.
    pub(super) fn raw_dataset(&self, table: &TableName) -> Dataset {
        if *table == exceptions_table() { self.run.exceptions() } else { self.run.raw(table) }
    }

    /// Enters what a manifest says of a table's content.
    pub(super) fn note(&mut self, name: &str, manifest: &Manifest) {
        let known = Known { rows: manifest.rows, content: reuse::content(manifest) };
        self.known.insert(name.to_owned(), known);
    }

    /// Tables of several moments are an extraction that has not ended, or one that was broken off and has gone on while
    /// others wrote: the first is refused, the second is remarked on.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the extraction has not come to its end.
    pub(super) async fn require_whole_extraction(&self) -> Result<Option<String>> {
        let moments = Moments::of(self.moments.iter().map(|(snapshot, table)| (table, snapshot)));
        let Some(remark) = moments.remark(self.run.id()) else { return Ok(None) };
        if self.run.exceptions().manifest().await?.is_some() {
            tracing::warn!("{remark}");
            return Ok(Some(remark));
        }
        Err(Error::preflight(format!("{remark}; or run `telecine extract --run {}` to its end", self.run.id())))
    }

    /// Types everything once more against the raw tables as they are, so that nothing is written that cannot be finished.
    ///
    /// # Errors
    /// As [`Transform::check`].
    pub(super) async fn plan_all(&self) -> Result<()> {
        let mut schemas = Vec::new();
        for table in &self.raw {
            let reference = tables::source_reference(table);
            let provider = self.context.table_provider(reference).await;
            let provider = provider.map_err(|cause| Error::query(table.to_string(), "cannot be read", cause))?;
            schemas.push((table.clone(), provider.schema()));
        }
        self.transform.require_fit(&self.transform.plan_all(&schemas, Depth::Types).await?)
    }

    /// The query over the tables that are registered.
    ///
    /// # Errors
    /// [`Error::Query`] when it cannot be planned.
    pub(super) async fn frame(&self, query: &Query) -> Result<DataFrame> {
        let plan = logical_plan(&self.context, query).await;
        let plan = plan.map_err(|cause| diagnose::run_error(&query.name, cause))?;
        Ok(DataFrame::new(self.context.state(), plan))
    }

    /// Makes the files that `manifest` names the table `name`.
    ///
    /// # Errors
    /// When a file is missing or has another size.
    pub(super) async fn register(&self, name: &str, dataset: &Dataset, manifest: &Manifest) -> Result<()> {
        tables::register(&self.context, name, tables::provider(dataset, manifest).await?)
    }

    /// The query's dataset as it is, if there is one.
    ///
    /// # Errors
    /// When a file of it is missing or has changed.
    pub(super) async fn register_committed(&mut self, query: &Query) -> Result<()> {
        let dataset = self.run.query(&query.name);
        let Some(manifest) = dataset.manifest().await? else { return Ok(()) };
        tables::require_intact(&dataset, &manifest).await?;
        self.register(&query.name, &dataset, &manifest).await?;
        self.note(&query.name, &manifest);
        Ok(())
    }

    /// A query that keeps no rows, if everything it reads is there.
    ///
    /// # Errors
    /// [`Error::Query`] when it cannot be planned.
    pub(super) async fn register_view(&self, query: &Query) -> Result<()> {
        if !self.can_run(query) {
            return Ok(());
        }
        tables::register(&self.context, &query.name, self.frame(query).await?.into_view())
    }

    /// Whether everything the query reads is there, at first or second hand.
    pub(super) fn can_run(&self, query: &Query) -> bool {
        self.transform.sources(query).iter().all(|source| self.known.contains_key(&source.to_string()))
    }

    /// Says of a run whose last transform did not come to its end that its datasets may be of two states.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn warn_between_two_states(&self) -> Result<()> {
        let made = self.known.keys().any(|name| self.transform.project.queries.iter().any(|query| query.name == *name));
        let ended = self.run.get_json::<serde_json::Value>(REPORT_FILE).await?.is_some();
        if made && !ended {
            let id = self.run.id();
            tracing::warn!(
                "run {id}: its last transform has not come to its end, so that datasets of now and of before may stand side \
                 by side; run `telecine transform --run {id}`"
            );
        }
        Ok(())
    }

    /// Everything the run holds: datasets, `rejected`, views.
    ///
    /// # Errors
    /// When a manifest cannot be read or a file is missing.
    pub(super) async fn register_all(&mut self) -> Result<()> {
        for (dataset, manifest) in self.run.query_datasets().await? {
            self.register(dataset.name(), &dataset, &manifest).await?;
            self.note(dataset.name(), &manifest);
        }
        let transform = self.transform;
        for query in transform.graph.order(&transform.project).filter(|query| !query.is_kept()) {
            self.register_view(query).await?;
        }
        Ok(())
    }
}
