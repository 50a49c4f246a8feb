//! Running the queries: each into its dataset, then the checks, the documents, the rejected rows and the balance. What
//! would come out as it is (see `reuse`) is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::graph::Input;
use super::nearest::did_you_mean;
use super::opened::OpenRun;
use super::query::{Level, Materialise, Query, REJECTED};
use super::report::{Making, QueryReport, REPORT_FILE, TransformReport};
use super::reuse::{ASKED, Outlook, QueryOutlook, TransformOutlook};
use super::rows::{caught, execute, spilled, stream};
use super::{Transform, balance, check, deep, definition, diagnose, documents, reuse, tables};
use crate::dataflow::{Progress, Sink, TableName};
use crate::error::{Error, Result};
use crate::staging::{Dataset, Manifest, RunFolder};

impl Transform {
    /// Runs the queries over the raw tables of `run`, each into a dataset of its name, in place of one that may stand
    /// there; then the checks, `rejected/` and the balance. `definitions` names the definition whose documents are
    /// written from a query's rows to load. What was made from the same texts, inputs and settings is kept. The report of
    /// the pass before is removed before the first dataset changes: a run without one is between two states. With
    /// `select`, only these queries and what they rest on are looked at, and of the checks only those named. When it
    /// returns, everything is durable, the report too ([`REPORT_FILE`]).
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
            reuse::hash_program_beside();
            let done = async {
                let open = OpenRun::open(&transform, &folder).await?;
                let remark = open.require_whole_extraction().await?;
                let before = folder.get_json(REPORT_FILE).await.ok().flatten().unwrap_or_default();
                let mut work = Work { open, progress: &progress, definitions: &definitions, select: &select, before };
                let mut report = work.run().await?;
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

    /// What [`Transform::run`] would do, and why: which datasets stand for what their queries would make. Nothing is
    /// written, and no row is read: a file that has been damaged since does not show.
    ///
    /// # Errors
    /// [`Error::Config`] when a name is unknown, [`Error::Preflight`] as [`Transform::check`].
    pub async fn outlook(&self, run: &RunFolder, select: &[String]) -> Result<TransformOutlook> {
        let (transform, folder, select) = (self.clone(), run.clone(), select.to_vec());
        let work = async move {
            transform.known(select.iter())?;
            let needed = transform.needed(&select);
            let mut open = OpenRun::open(&transform, &folder).await?;
            open.plan_all().await?;
            let queries = open.outlook(|query| select.is_empty() || needed.contains(&query.name)).await?;
            Ok(TransformOutlook { run: folder.id().to_owned(), queries })
        };
        deep::run("transform", work).await
    }

    /// The same transform, which makes everything anew, changed or not.
    #[must_use]
    pub fn again(self) -> Self {
        Self { again: true, ..self }
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

    /// What is selected and everything it rests on.
    fn needed(&self, select: &[String]) -> BTreeSet<String> {
        let mut needed: BTreeSet<String> = select.iter().cloned().collect();
        let mut open: Vec<String> = select.to_vec();
        while let Some(name) = open.pop() {
            for input in self.graph.inputs(&name) {
                if let Input::Query(read) = input
                    && needed.insert(read.clone())
                {
                    open.push(read.clone());
                }
            }
        }
        needed
    }
}

/// One pass over the queries.
struct Work<'a> {
    open: OpenRun<'a>,
    progress: &'a Progress,
    definitions: &'a BTreeMap<String, String>,
    select: &'a [String],
    /// The report of the pass before, empty where there is none.
    before: TransformReport,
}

impl Work<'_> {
    async fn run(&mut self) -> Result<TransformReport> {
        self.open.plan_all().await?;
        let transform = self.open.transform;
        let needed = transform.needed(self.select);
        let is_chosen = |query: &Query| self.select.is_empty() || needed.contains(&query.name);
        let outlook = self.open.outlook(is_chosen).await?;
        self.require_intact_tables(&outlook).await?;
        // From here on datasets may change: until this pass has ended, no report speaks of them.
        self.open.run.remove_json(REPORT_FILE).await?;
        let mut report = TransformReport { select: self.select.to_vec(), ..TransformReport::default() };
        for query in transform.graph.order(&transform.project).filter(|query| query.level != Level::Check) {
            if !query.is_kept() {
                self.open.register_view(query).await?;
            } else if self.select.is_empty() || needed.contains(&query.name) {
                let made = self.make_unless_made(query).await?;
                report.problems.extend(check::key_problem(&self.open, query, made.doubled).await?);
                report.queries.push(made.report);
                let definition = self.definitions.get(&query.name);
                let written = documents::write_unless_written(&self.open, query, definition);
                report.documents.extend(caught(&query.name, written).await?);
            } else {
                self.open.register_committed(query).await?;
            }
        }
        for query in transform.graph.order(&transform.project).filter(|query| query.level == Level::Check) {
            let chosen = self.select.is_empty() || self.select.contains(&query.name);
            if chosen && self.open.can_run(query) {
                let found = check::run_unless_run(&self.open, query, &self.before.checks).await?;
                report.problems.extend(check::problem(query, &found));
                report.checks.push(found);
            }
        }
        self.account(&mut report).await?;
        let lacking = definition::lacking(&self.open.context, &transform.definitions).await?;
        report.remarks.extend(lacking.iter().map(ToString::to_string));
        Ok(report)
    }

    /// Compares the bytes of every raw table that may be read with its manifest, before anything is written: Parquet alone
    /// does not notice a bit that flipped. What nothing reads any more because its rows are kept is passed over.
    async fn require_intact_tables(&self, outlook: &[QueryOutlook]) -> Result<()> {
        let transform = self.open.transform;
        let runs = |query: &&Query| {
            query.level == Level::Check
                || outlook.iter().any(|other| other.name == query.name && other.outlook != Outlook::Unchanged)
        };
        let read: BTreeSet<TableName> = transform
            .project
            .queries
            .iter()
            .filter(runs)
            .flat_map(|query| transform.sources(query))
            .filter_map(|input| if let Input::Table(table) = input { Some(table) } else { None })
            .collect();
        let mut files = Vec::new();
        for table in &read {
            let dataset = self.open.raw_dataset(table);
            let manifest = dataset.manifest().await?;
            files.extend(manifest.into_iter().flat_map(|found| found.files).map(|file| (dataset.clone(), file)));
        }
        let checks = files.into_iter().map(|(dataset, file)| async move { dataset.require_intact(&file).await });
        futures::stream::iter(checks).buffered(transform.config.threads.max(1)).try_collect().await
    }

    /// The query's dataset, made or kept, and registered.
    async fn make_unless_made(&mut self, query: &Query) -> Result<Made> {
        let started = Instant::now();
        let inputs = self.open.inputs(query);
        let mut reasons = self.open.staleness(query, &inputs).await?;
        if self.open.transform.again && reasons.is_empty() {
            reasons.push(ASKED.to_owned());
        }
        let dataset = self.open.run.query(&query.name);
        let kept = if reasons.is_empty() { dataset.manifest().await? } else { None };
        let (manifest, spilled, making) = match kept {
            Some(manifest) => {
                self.open.register(&query.name, &dataset, &manifest).await?;
                (manifest, 0, Making::Kept)
            }
            None => {
                let (manifest, spilled) = self.make(query, &dataset, inputs).await?;
                (manifest, spilled, Making::Made)
            }
        };
        self.open.note(&query.name, &manifest);
        let read = self.open.transform.graph.inputs(&query.name).map(ToString::to_string);
        let read = read.filter_map(|name| Some((name.clone(), self.open.known(&name)?.rows)));
        let report = QueryReport {
            name: query.name.clone(),
            making,
            reasons,
            rows: manifest.rows,
            bytes: manifest.bytes,
            seconds: started.elapsed().as_secs_f64(),
            spilled,
            materialised: query.materialise.clone(),
            checksum: manifest.content(),
            inputs: read.collect(),
        };
        Ok(Made { report, doubled: manifest.notes.get(check::DOUBLED).copied().unwrap_or_default() })
    }

    /// Writes the query's dataset in place of one that may stand there; with the bytes that went to disk for want of memory.
    /// Documents and rejected rows of other rows than its own do not outlive it.
    async fn make(&self, query: &Query, dataset: &Dataset, inputs: reuse::Inputs) -> Result<(Manifest, u64)> {
        let before = dataset.manifest().await.ok().flatten().map(|manifest| reuse::content(&manifest));
        dataset.discard().await?;
        let written = self.write(query, dataset, inputs).await;
        let same = written.as_ref().is_ok_and(|(manifest, _)| before == Some(reuse::content(manifest)));
        if !same {
            self.discard_what_shows(query).await?;
        }
        let (manifest, spilled) = written?;
        dataset.commit(&manifest).await?;
        Ok((manifest, spilled))
    }

    /// The query's rows as a dataset that is not committed yet.
    async fn write(&self, query: &Query, dataset: &Dataset, inputs: reuse::Inputs) -> Result<(Manifest, u64)> {
        let (plan, rows) = execute(&query.name, self.open.frame(query).await?).await?;
        let rows = self.open.transform.validated(query, rows);
        let schema = rows.schema();
        let part = dataset.parquet_part(0, Arc::clone(&schema)).with_progress(self.progress.clone());
        let summary = caught(&query.name, part.write_all(rows)).await?;
        let mut manifest = Manifest::new(dataset, &schema, [summary]);
        manifest.key = query.key.clone().unwrap_or_default();
        manifest.inputs = inputs;
        let spilled = spilled(plan.as_ref());
        self.open.register(&query.name, dataset, &manifest).await?;
        let doubled = check::doubled(&self.open, query).await?;
        if doubled > 0 {
            manifest.notes.insert(check::DOUBLED.to_owned(), doubled);
        }
        Ok((manifest, spilled))
    }

    /// Removes what shows the query's former rows outside its dataset.
    async fn discard_what_shows(&self, query: &Query) -> Result<()> {
        if query.level == Level::Map {
            self.open.run.rejected().discard().await?;
        }
        match self.definitions.get(&query.name) {
            Some(definition) => self.open.run.documents(definition).discard().await,
            None if query.materialise.iter().any(|form| matches!(form, Materialise::Json | Materialise::Ndjson)) => {
                self.open.run.documents(&query.name).discard().await
            }
            None => Ok(()),
        }
    }

    /// Writes `rejected/`, unless it is of these rows, and draws the balance, once every query of 4_map has its dataset.
    async fn account(&mut self, report: &mut TransformReport) -> Result<()> {
        let queries = self.open.transform.project.queries.iter();
        let maps: Vec<&str> =
            queries.filter(|query| query.level == Level::Map).map(|query| query.name.as_str()).collect();
        let known: Vec<_> =
            maps.iter().filter_map(|name| Some((*name, self.open.known(name)?.content.as_str()))).collect();
        if maps.is_empty() || known.len() < maps.len() {
            return Ok(());
        }
        let inputs = reuse::derived(known);
        let dataset = self.open.run.rejected();
        let kept = match dataset.manifest().await? {
            Some(manifest) if manifest.inputs == inputs && !self.open.transform.again => {
                tables::require_intact(&dataset, &manifest).await.is_ok().then_some(manifest)
            }
            _ => None,
        };
        let manifest = match kept {
            Some(manifest) => manifest,
            None => self.write_rejected(&dataset, &maps, inputs).await?,
        };
        self.progress.reject(manifest.rows);
        let (balance, problems) = balance::draw(&self.open.context, &maps).await?;
        report.balance = Some(balance);
        report.problems.extend(problems);
        Ok(())
    }

    async fn write_rejected(&self, dataset: &Dataset, maps: &[&str], inputs: reuse::Inputs) -> Result<Manifest> {
        dataset.discard().await?;
        let frame = self.open.context.sql(&balance::rejected(maps)).await;
        let rows = stream(REJECTED, frame.map_err(|cause| diagnose::run_error(REJECTED, cause))?).await?;
        let schema = rows.schema();
        let summary = dataset.parquet_part(0, Arc::clone(&schema)).write_all(rows).await?;
        let mut manifest = Manifest::new(dataset, &schema, [summary]);
        manifest.inputs = inputs;
        dataset.commit(&manifest).await?;
        Ok(manifest)
    }
}

/// A dataset that is there.
struct Made {
    report: QueryReport,
    /// Values of its key that more than one row has.
    doubled: u64,
}
