//! Running the queries: each into its dataset, then the checks, the documents, the rejected rows and the balance.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{DataFrame, SQLOptions, SessionContext};
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::balance;
use super::graph::Input;
use super::nearest::did_you_mean;
use super::planning::{Depth, logical_plan};
use super::query::{Level, Materialise, Query, REJECTED};
use super::report::{CheckReport, QueryReport, REPORT_FILE, TransformReport};
use super::{Transform, deep, definition, diagnose, documents, session, shape, tables};
use crate::dataflow::{Progress, Sink, TableName};
use crate::error::{Error, Result};
use crate::staging::{Dataset, Manifest, Moments, RunFolder, SnapshotNote, json};

/// Rows a check or a broken key shows.
pub(super) const SHOWN: usize = 5;

/// Datasets opened at the same time.
const OPENED_AT_ONCE: usize = 16;

impl Transform {
    /// Runs the queries over the raw tables of `run`, each into a dataset of its name, in place of one that may stand
    /// there; then the checks, `rejected/` and the balance. `definitions` names the definition whose documents are
    /// written from a query's rows to load. With `select`, only these queries and checks run, and what they rest on
    /// that is not there yet or was made from other inputs or another text. When it returns, everything is durable, the report too ([`REPORT_FILE`]).
    ///
    /// # Errors
    /// [`Error::Config`] when a name is unknown or two queries write one definition's documents. [`Error::Preflight`] as
    /// [`Transform::check`], when another process writes the run, or when the raw tables are of several snapshots, before
    /// anything is written. [`Error::Query`] when a query fails.
    /// [`Error::Interrupted`] when `cancel` is cancelled. A key that is not unique, a check that gives rows or a balance that
    /// does not close are no errors here but problems of the report: [`TransformReport::verdict`].
    pub async fn run(
        &self,
        run: &RunFolder,
        definitions: &BTreeMap<String, String>,
        select: &[String],
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<TransformReport> {
        let (transform, folder, progress) = (self.clone(), run.clone(), progress.clone());
        let (definitions, select) = (definitions.clone(), select.to_vec());
        // Cancelled too when this future is dropped: the work on its own thread must not outlive it.
        let cancel = cancel.child_token();
        let _stop = cancel.clone().drop_guard();
        let work = async move {
            transform.known(definitions.keys().chain(&select))?;
            transform.own_documents(&definitions)?;
            let lease = folder.lease("transform").await?;
            let done = async {
                let mut work = Work::open(&transform, &folder, &progress).await?;
                let remark = work.require_whole_extraction().await?;
                let mut report = work.run(&definitions, &select).await?;
                report.remarks.extend(remark.into_iter().chain(transform.definition_remark(&definitions)));
                folder.put_json(REPORT_FILE, &report).await?;
                Ok(report)
            };
            let done = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Error::Interrupted { signal: 2 }),
                report = done => report,
            };
            lease.release().await;
            done
        };
        deep::run("transform", work).await
    }

    /// The rows of a `select` over everything the run holds: raw tables as `schema.table`, mappings, queries' datasets
    /// and `rejected` by name, and `raw._exceptions`.
    ///
    /// # Errors
    /// [`Error::Query`] when the statement is not a query or cannot be planned; later failures come through the stream.
    pub async fn sql(&self, run: &RunFolder, sql: &str) -> Result<SendableRecordBatchStream> {
        let (transform, run, sql) = (self.clone(), run.clone(), sql.to_owned());
        let work = async move {
            let progress = Progress::default();
            let mut work = Work::open(&transform, &run, &progress).await?;
            work.register_all().await?;
            let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            let frame = work.context.sql_with_options(&sql, read_only).await;
            stream("sql", frame.map_err(|cause| Error::query("sql", "is no query over this run", cause))?).await
        };
        deep::run("sql", work).await
    }

    /// Two queries must not write their documents into one folder: the second would remove those of the first.
    fn own_documents(&self, definitions: &BTreeMap<String, String>) -> Result<()> {
        let mut folders: BTreeMap<&str, &str> = BTreeMap::new();
        let mut problems = Vec::new();
        for query in &self.project.queries {
            let kept_as = |form| query.materialise.contains(&form);
            let as_documents = (kept_as(Materialise::Json) || kept_as(Materialise::Ndjson)).then_some(&query.name);
            let Some(folder) = definitions.get(&query.name).or(as_documents) else { continue };
            if let Some(first) = folders.insert(folder, &query.name) {
                problems.push(format!(
                    "the queries {first} and {} both write the documents of {folder}; bind one query to a definition, \
                     with the rows of both",
                    query.name
                ));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Config { problems }) }
    }

    fn known<'a>(&self, names: impl Iterator<Item = &'a String>) -> Result<()> {
        let known: Vec<&str> = self.project.queries.iter().map(|query| query.name.as_str()).collect();
        let unknown = names.filter(|name| !known.contains(&name.as_str()));
        let problems: Vec<String> =
            unknown.map(|name| format!("no query `{name}`{}", did_you_mean(name, known.iter().copied()))).collect();
        if problems.is_empty() { Ok(()) } else { Err(Error::Config { problems }) }
    }
}

/// A session with the tables of a run, and what is known of those tables.
struct Work<'a> {
    transform: &'a Transform,
    run: &'a RunFolder,
    progress: &'a Progress,
    context: SessionContext,
    raw: Vec<TableName>,
    /// The snapshots that the raw tables were read under.
    moments: Vec<(SnapshotNote, TableName)>,
    /// Everything registered, by name.
    made: BTreeMap<String, Made>,
}

/// What a query's manifest says of a table it read.
#[derive(Debug, Clone)]
struct Made {
    rows: Option<u64>,
    hash: String,
}

impl<'a> Work<'a> {
    /// A session that knows the raw tables and the mappings.
    async fn open(transform: &'a Transform, run: &'a RunFolder, progress: &'a Progress) -> Result<Self> {
        let context = session(&transform.config)?;
        context.register_object_store(run.area().store_url(), run.area().store());
        let mut work =
            Self { transform, run, progress, context, raw: Vec::new(), moments: Vec::new(), made: BTreeMap::new() };
        let opened = run.raw_tables().await?.into_iter().map(|(table, manifest)| async move {
            let provider = tables::provider(&run.raw(&table), &manifest).await?;
            Ok::<_, Error>((table, manifest, provider))
        });
        let mut opened = futures::stream::iter(opened).buffered(OPENED_AT_ONCE);
        while let Some((table, manifest, provider)) = opened.try_next().await? {
            tables::register_source(&work.context, &table, provider)?;
            work.made.insert(table.to_string(), Made::of(&manifest));
            work.moments.extend(manifest.snapshot.map(|snapshot| (snapshot, table.clone())));
            work.raw.push(table);
        }
        tables::register_mappings(&work.context, &transform.mappings)?;
        for mapping in transform.mappings.iter() {
            let made = Made { rows: Some(mapping.rows.num_rows() as u64), hash: mapping.hash.clone() };
            work.made.insert(mapping.name.clone(), made);
        }
        Ok(work)
    }

    /// Tables of several moments are an extraction that has not ended, or one that was broken off and has gone on while
    /// others wrote: the first is refused, the second is remarked on.
    async fn require_whole_extraction(&self) -> Result<Option<String>> {
        let moments = Moments::of(self.moments.iter().map(|(snapshot, table)| (table, snapshot)));
        let Some(remark) = moments.remark(self.run.id()) else { return Ok(None) };
        if self.run.exceptions().manifest().await?.is_some() {
            tracing::warn!("{remark}");
            return Ok(Some(remark));
        }
        Err(Error::preflight(format!("{remark}; or run `telecine extract --run {}` to its end", self.run.id())))
    }

    async fn run(&mut self, definitions: &BTreeMap<String, String>, select: &[String]) -> Result<TransformReport> {
        self.plan_all().await?;
        self.require_intact_tables().await?;
        let needed = self.needed(select);
        let mut report = TransformReport { select: select.to_vec(), ..TransformReport::default() };
        let transform = self.transform;
        for query in transform.graph.order(&transform.project).filter(|query| query.level != Level::Check) {
            if !query.is_kept() {
                self.register_view(query).await?;
            } else if select.is_empty()
                || select.contains(&query.name)
                || (needed.contains(&query.name) && !self.is_current(query).await?)
            {
                report.queries.push(self.keep(query).await?);
                report.problems.extend(self.key_problem(query).await?);
                let written = documents::write(&self.context, self.run, query, definitions.get(&query.name));
                report.documents.extend(caught(&query.name, written).await?);
            } else {
                self.register_committed(query).await?;
            }
        }
        for query in transform.graph.order(&transform.project).filter(|query| query.level == Level::Check) {
            let chosen = select.is_empty() || select.contains(&query.name);
            if chosen && self.can_run(query) {
                let found = self.check(query).await?;
                report.problems.extend(check_problem(query, &found));
                report.checks.push(found);
            }
        }
        self.account(&mut report).await?;
        let lacking = definition::lacking(&self.context, &self.transform.definitions).await?;
        report.remarks.extend(lacking.iter().map(ToString::to_string));
        Ok(report)
    }

    /// Types everything once more against the raw tables as they are, so that nothing is written that cannot be finished.
    async fn plan_all(&self) -> Result<()> {
        let mut schemas = Vec::new();
        for table in &self.raw {
            let reference = tables::source_reference(table);
            let provider = self.context.table_provider(reference).await;
            let provider = provider.map_err(|cause| Error::query(table.to_string(), "cannot be read", cause))?;
            schemas.push((table.clone(), provider.schema()));
        }
        self.transform.require_fit(&self.transform.plan_all(&schemas, Depth::Types).await?)
    }

    /// Compares the bytes of every raw table that queries read with its manifest: Parquet alone does not notice a bit that
    /// flipped.
    async fn require_intact_tables(&self) -> Result<()> {
        let datasets: Vec<Dataset> =
            self.transform.graph.tables().into_iter().map(|table| self.run.raw(table)).collect();
        let at_once = self.transform.config.threads.max(1);
        futures::stream::iter(datasets).map(require_intact).buffered(at_once).try_collect().await
    }

    /// What is selected and everything it rests on.
    fn needed(&self, select: &[String]) -> BTreeSet<String> {
        let mut needed: BTreeSet<String> = select.iter().cloned().collect();
        let mut open: Vec<String> = select.to_vec();
        while let Some(name) = open.pop() {
            for input in self.transform.graph.inputs(&name) {
                if let Input::Query(read) = input
                    && needed.insert(read.clone())
                {
                    open.push(read.clone());
                }
            }
        }
        needed
    }

    /// Whether the query's dataset is there and was made from this text and these inputs. What it reads is registered.
    async fn is_current(&self, query: &Query) -> Result<bool> {
        let manifest = self.run.query(&query.name).manifest().await?;
        Ok(manifest.is_some_and(|manifest| manifest.inputs == self.hashes(query)))
    }

    /// Writes the query's dataset and registers it.
    async fn keep(&mut self, query: &Query) -> Result<QueryReport> {
        let started = Instant::now();
        let dataset = self.run.query(&query.name);
        dataset.discard().await?;
        let rows = self.transform.validated(query, stream(&query.name, self.frame(query).await?).await?);
        let schema = rows.schema();
        let part = dataset.parquet_part(0, Arc::clone(&schema)).with_progress(self.progress.clone());
        let summary = caught(&query.name, part.write_all(rows)).await?;
        let mut manifest = Manifest::new(&dataset, &schema, [summary]);
        manifest.key = query.key.clone().unwrap_or_default();
        manifest.inputs = self.hashes(query);
        dataset.commit(&manifest).await?;
        self.register(&query.name, &dataset, &manifest).await?;
        let read = self.transform.graph.inputs(&query.name).map(ToString::to_string);
        let read = read.filter_map(|name| Some((name.clone(), self.made.get(&name)?.rows?)));
        Ok(QueryReport {
            name: query.name.clone(),
            rows: manifest.rows,
            bytes: manifest.bytes,
            seconds: started.elapsed().as_secs_f64(),
            materialised: query.materialise.clone(),
            checksum: Made::of(&manifest).hash,
            inputs: read.collect(),
        })
    }

    async fn frame(&self, query: &Query) -> Result<DataFrame> {
        let plan = logical_plan(&self.context, query).await;
        let plan = plan.map_err(|cause| diagnose::run_error(&query.name, cause))?;
        Ok(DataFrame::new(self.context.state(), plan))
    }

    /// The hash of the query's text and of everything it reads, by name.
    fn hashes(&self, query: &Query) -> BTreeMap<String, String> {
        let read = self.transform.graph.inputs(&query.name).map(ToString::to_string);
        let mut hashes: BTreeMap<String, String> =
            read.filter_map(|name| Some((name.clone(), self.made.get(&name)?.hash.clone()))).collect();
        hashes.extend(self.transform.definition_hash(query));
        if let Some(now) = &self.transform.config.now {
            hashes.insert("transform.now".into(), now.clone());
        }
        hashes.insert(format!("{}.sql", query.name), blake3::hash(query.sql.as_bytes()).to_hex().to_string());
        hashes
    }

    async fn register(&mut self, name: &str, dataset: &Dataset, manifest: &Manifest) -> Result<()> {
        tables::register(&self.context, name, tables::provider(dataset, manifest).await?)?;
        self.made.insert(name.to_owned(), Made::of(manifest));
        Ok(())
    }

    async fn register_committed(&mut self, query: &Query) -> Result<()> {
        let dataset = self.run.query(&query.name);
        match dataset.manifest().await? {
            Some(manifest) => {
                tables::require_intact(&dataset, &manifest).await?;
                self.register(&query.name, &dataset, &manifest).await
            }
            None => Ok(()),
        }
    }

    async fn register_view(&mut self, query: &Query) -> Result<()> {
        if !self.can_run(query) {
            return Ok(());
        }
        tables::register(&self.context, &query.name, self.frame(query).await?.into_view())?;
        let mut hasher = blake3::Hasher::new();
        for (name, hash) in self.hashes(query) {
            hasher.update(format!("{name}={hash}\n").as_bytes());
        }
        let made = Made { rows: None, hash: hasher.finalize().to_hex().to_string() };
        self.made.insert(query.name.clone(), made);
        Ok(())
    }

    /// Whether everything the query reads is there.
    fn can_run(&self, query: &Query) -> bool {
        self.transform.graph.inputs(&query.name).all(|input| self.made.contains_key(&input.to_string()))
    }

    async fn register_all(&mut self) -> Result<()> {
        for (dataset, manifest) in self.run.query_datasets().await? {
            let name = dataset.name().to_owned();
            self.register(&name, &dataset, &manifest).await?;
        }
        let exceptions = self.run.exceptions();
        if let Some(manifest) = exceptions.manifest().await? {
            let provider = tables::provider(&exceptions, &manifest).await?;
            tables::register_source(&self.context, &TableName::new("raw", "_exceptions"), provider)?;
        }
        let transform = self.transform;
        for query in transform.graph.order(&transform.project).filter(|query| !query.is_kept()) {
            self.register_view(query).await?;
        }
        Ok(())
    }

    /// The values of the declared key that more than one row has.
    async fn key_problem(&self, query: &Query) -> Result<Option<String>> {
        let Some(key) = &query.key else { return Ok(None) };
        let columns = key.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
        let name = quoted(&query.name);
        let sql = format!(
            "select {columns}, count(*) as rows from {name} group by {columns} having count(*) > 1 order by {columns}"
        );
        let (count, first) = sample(&self.context, &query.name, &sql).await?;
        Ok((count > 0).then(|| {
            format!(
                "{}: its key ({}) is not unique: {count} values occur more than once: {}",
                query.name,
                key.join(", "),
                lines(&first)
            )
        }))
    }

    async fn check(&self, query: &Query) -> Result<CheckReport> {
        let started = Instant::now();
        let rows = stream(&query.name, self.frame(query).await?).await?;
        let (count, first) = caught(&query.name, first_rows(rows)).await?;
        Ok(CheckReport {
            name: query.name.clone(),
            purpose: query.purpose.clone(),
            rows: count,
            first,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Writes `rejected/` and draws the balance, once every query of 4_map has its dataset.
    async fn account(&mut self, report: &mut TransformReport) -> Result<()> {
        let queries = self.transform.project.queries.iter();
        let maps: Vec<&str> =
            queries.filter(|query| query.level == Level::Map).map(|query| query.name.as_str()).collect();
        if maps.is_empty() || !maps.iter().all(|name| self.made.contains_key(*name)) {
            return Ok(());
        }
        let dataset = self.run.rejected();
        dataset.discard().await?;
        let frame = self.context.sql(&balance::rejected(&maps)).await;
        let rows = stream(REJECTED, frame.map_err(|cause| diagnose::run_error(REJECTED, cause))?).await?;
        let schema = rows.schema();
        let summary = dataset.parquet_part(0, Arc::clone(&schema)).write_all(rows).await?;
        self.progress.reject(summary.rows);
        let mut manifest = Manifest::new(&dataset, &schema, [summary]);
        let inputs = maps.iter().filter_map(|name| Some(((*name).to_owned(), self.made.get(*name)?.hash.clone())));
        manifest.inputs = inputs.collect();
        dataset.commit(&manifest).await?;
        let (balance, problems) = balance::draw(&self.context, &maps).await?;
        report.balance = Some(balance);
        report.problems.extend(problems);
        Ok(())
    }
}

impl Made {
    fn of(manifest: &Manifest) -> Self {
        Self { rows: Some(manifest.rows), hash: manifest.content() }
    }
}

async fn require_intact(dataset: Dataset) -> Result<()> {
    match dataset.manifest().await? {
        Some(manifest) => tables::require_intact(&dataset, &manifest).await,
        None => Ok(()),
    }
}

fn check_problem(query: &Query, found: &CheckReport) -> Option<String> {
    let rows = if found.rows == 1 { "row" } else { "rows" };
    let name = query.path.display();
    (found.rows > 0).then(|| format!("{name}: {} {rows} that must not exist: {}", found.rows, lines(&found.first)))
}

/// The rows of a query in the shape in which they are kept; its errors name it.
pub(super) async fn stream(name: &str, frame: DataFrame) -> Result<SendableRecordBatchStream> {
    let rows = frame.execute_stream().await.map_err(|cause| diagnose::run_error(name, cause))?;
    let rows = shape::kept(rows);
    let (schema, name) = (rows.schema(), name.to_owned());
    let named = rows.map_err(move |cause| diagnose::run_error(&name, cause).into_datafusion());
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, named)))
}

/// The work's result; a panic of a function on the way is an error that names the query.
async fn caught<T>(name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Error::Query { name: name.into(), message: format!("a function panicked: {text}"), cause: None })
    })
}

/// How many rows a statement of the engine's own gives, and the first of them.
pub(super) async fn sample(context: &SessionContext, name: &str, sql: &str) -> Result<(u64, Vec<Map<String, Value>>)> {
    let frame = context.sql(sql).await.map_err(|cause| diagnose::run_error(name, cause))?;
    first_rows(stream(name, frame).await?).await
}

async fn first_rows(mut rows: SendableRecordBatchStream) -> Result<(u64, Vec<Map<String, Value>>)> {
    let (mut count, mut first) = (0, Vec::new());
    while let Some(batch) = rows.try_next().await.map_err(Error::from_datafusion)? {
        count += batch.num_rows() as u64;
        for index in 0..batch.num_rows().min(SHOWN - first.len()) {
            // An infinite date or a NaN has no JSON form; the row is shown as far as that.
            let no_json = |cause: Error| Map::from_iter([("row".to_owned(), Value::from(cause.to_string()))]);
            first.push(json::row(&batch, index).unwrap_or_else(no_json));
        }
    }
    Ok((count, first))
}

fn lines(rows: &[Map<String, Value>]) -> String {
    rows.iter().map(|row| Value::Object(row.clone()).to_string()).collect::<Vec<_>>().join(", ")
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_names_the_query() {
        let work = async { if true { panic!("no {}", "way") } else { Ok(()) } };
        let error = caught("promo", work).await.unwrap_err();
        assert_eq!(error.to_string(), "query promo: a function panicked: no way");
    }
}
