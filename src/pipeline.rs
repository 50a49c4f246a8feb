//! The whole job. Read [`Pipeline::run`]: each line is a step, each step a method below, and each verb of the command
//! line calls one of them. A step reads what the former committed in the staging area and commits its own.

mod definitions;
mod deliver;
mod kept_plan;
mod ledger;
mod rehearse;
mod runs;
mod steps;
mod told;

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::deliver::{DeliverOptions, deliver, look};
pub use self::ledger::{FlexTrace, LedgerTrace, Rejects, WholeTrace};
pub use self::rehearse::{Rehearsal, RehearseOptions, credential};
pub use self::runs::{begin_run, existing_run, latest_run, named_run, unfinished_run};
pub use self::steps::Step;
use crate::config::{Config, TargetConfig};
use crate::dataflow::{Source, TableMeta, TableName};
use crate::error::{Error, Result};
use crate::extract::{self, ExtractReport};
use crate::flex::FlexClient;
use crate::load::{Load, LoadConfig, LoadReport, PlanReport, Threshold};
use crate::reconcile::{self, Reconcile, ReconcileReport};
use crate::report::{FILE_NAME, RunReport, SCHEMA_VERSION};
use crate::source::{Discovery, PostgresSource, exceptions_schema};
use crate::staging::RunFolder;
use crate::transform::{
    Definitions, PlannedQuery, Trace, Transform, TransformConfig, TransformOutlook, TransformReport, exceptions_table,
};
use crate::verify::{self, VerifyReport};

/// The step after which a run is finished.
const LAST_STEP: &str = "reconcile";
/// The file of a run that says what was extracted and what was left out.
pub const EXTRACT_FILE: &str = "extract.json";
/// The moment of a snapshot that is not known yet: that there is one is enough to plan.
const ANY_MOMENT: &str = "1970-01-01T00:00:00Z";
/// Failed and held rows that `failed.json` lists.
const MOST_LISTED: usize = 10_000;

/// What one call says of a load, beside the settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sending {
    /// Assets created or updated, at most.
    pub limit: Option<u64>,
    /// Failed rows after which it stops; as the settings say where `None`.
    pub max_failures: Option<Threshold>,
    /// Only rows that failed or are held.
    pub only_rejects: bool,
}

/// One run over configured systems.
#[derive(Debug)]
pub struct Pipeline {
    config: Config,
    target: Option<String>,
    run: RunFolder,
    source: OnceCell<PostgresSource>,
    definitions: OnceCell<Definitions>,
    cancel: CancellationToken,
    quiet: bool,
}

impl Pipeline {
    /// The run `run` over the systems of `config`. Nothing is opened yet.
    pub fn new(config: Config, target: Option<String>, run: RunFolder, cancel: CancellationToken, quiet: bool) -> Self {
        Self { config, target, run, source: OnceCell::new(), definitions: OnceCell::new(), cancel, quiet }
    }

    /// Every step, in order. The report is kept in the staging area after each, so that a late failure loses nothing.
    ///
    /// # Errors
    /// What a step could not do. What was done and found unclean is in the report, which says so.
    pub async fn run(&self) -> Result<RunReport> {
        let mut report = self.begin_report()?;
        match self.run_steps(&mut report).await {
            Ok(()) => {}
            Err(Error::Mismatch { what, message }) => report.problems.push(format!("{what}: {message}")),
            Err(error) => return Err(error),
        }
        let report = report.close(LAST_STEP);
        self.run.put_json(FILE_NAME, &report).await?;
        Ok(report)
    }

    async fn run_steps(&self, report: &mut RunReport) -> Result<()> {
        self.note(report, self.discover().await?).await?;
        let planned = self.check_queries().await?;
        self.check_target(&planned).await?;
        self.note(report, self.extract().await?).await?;
        self.note(report, self.verify_unless_verified().await?).await?;
        self.note(report, self.transform(&[], false).await?).await?;
        self.note(report, self.plan(None).await?).await?;
        self.note(report, self.load(&Sending::default()).await?).await?;
        self.note(report, self.reconcile(None).await?).await
    }

    /// What is in the source, what will be read, what not and why.
    ///
    /// # Errors
    /// When the source cannot be reached or a table that is to be read cannot be.
    pub async fn discover(&self) -> Result<Step<Discovery>> {
        self.step("discover", async |_| {
            let discovery = self.source().await?.discover().await?;
            self.run.put_json("discover.json", &discovery).await?;
            Ok(discovery)
        })
        .await
    }

    /// PostgreSQL into `raw/`, all tables at one moment, unless the run was broken off and has gone on.
    ///
    /// # Errors
    /// When a table cannot be read or written; the same command goes on.
    pub async fn extract(&self) -> Result<Step<ExtractReport>> {
        self.step("extract", async |progress| {
            let report = extract::run(self.source().await?, &self.run, progress, &self.cancel).await?;
            self.run.put_json(EXTRACT_FILE, &report).await?;
            Ok(report)
        })
        .await
    }

    /// Source = raw, table by table.
    ///
    /// # Errors
    /// When the source cannot be read. Differences are in the report.
    pub async fn verify(&self) -> Result<Step<VerifyReport>> {
        self.step("verify", async |progress| {
            let source = self.source().await?;
            let report = verify::run(source, &self.run, progress, &self.cancel).await?;
            source.release().await;
            self.run.put_json("verify.json", &report).await?;
            Ok(report)
        })
        .await
    }

    /// A run that goes on is not verified again: what was found equal, and has not been written since, still is. (Read
    /// anew, a source that people work with would differ.)
    async fn verify_unless_verified(&self) -> Result<Step<VerifyReport>> {
        let before: Option<VerifyReport> = self.run.get_json("verify.json").await?;
        let raw = self.run.raw_tables().await?;
        let same = |report: &VerifyReport| {
            report.tables.len() == raw.len()
                && report.tables.iter().zip(&raw).all(|(verified, (table, manifest))| {
                    verified.equal && verified.table == *table && verified.raw_checksum == manifest.checksum.to_string()
                })
        };
        match before.filter(same) {
            Some(report) => {
                // Nothing more is read: the locks of a source that people work with go now, not at the end of the run.
                self.source().await?.release().await;
                self.step("verify", async |_| Ok(report)).await
            }
            None => self.verify().await,
        }
    }

    /// Plans and types every query against the source's tables, before a row is read.
    ///
    /// # Errors
    /// [`Error::Preflight`] with all problems of all queries.
    pub async fn check_queries(&self) -> Result<Vec<PlannedQuery>> {
        let tables = self.source().await?.tables().await?;
        let schemas = readable(tables);
        let mut config = self.config.transform.clone();
        config.now.get_or_insert_with(|| ANY_MOMENT.to_owned());
        Transform::open(&config)?.check(&schemas).await
    }

    /// Asks whether the target is there and takes the credentials, and whether the queries give what its definitions want,
    /// before a row is read.
    ///
    /// # Errors
    /// [`Error::Preflight`] when it does not answer or refuses, or with every way in which queries and definitions differ.
    pub async fn check_target(&self, planned: &[PlannedQuery]) -> Result<()> {
        let target = self.target()?;
        FlexClient::new(&target.flex)?.ping().await.map_err(|cause| Error::Preflight {
            message: format!("the target `{0}` is not ready; check [flex.{0}] and the server", target.load.target),
            cause: Some(cause.into()),
        })?;
        let definitions = self.definitions.get_or_try_init(|| self.live_definitions()).await?;
        self.held_to(&self.config.transform, definitions.clone())?.require_fit(planned)?;
        self.keep_definitions(definitions).await
    }

    /// `queries/` into datasets, documents and rejected rows; only the queries of `select`, if any are named. What would
    /// come out as it is is kept, unless everything is to be made `again`. Rows are held to the definitions of the target,
    /// where one was named, else to those in files; the report says when there are none.
    ///
    /// # Errors
    /// When a query cannot be planned or does not fit its definition or run, a check finds rows, or the balance does not close.
    pub async fn transform(&self, select: &[String], again: bool) -> Result<Step<TransformReport>> {
        self.step("transform", async |progress| {
            let definitions = self.definitions();
            let known = self.known_definitions().await?;
            let transform = self.held_to(&self.transform_config().await?, known.clone())?;
            let transform = if again { transform.again() } else { transform };
            let report = transform.run(&self.run, &definitions, select, progress, &self.cancel).await;
            let report = self.unless_not_extracted(report).await?;
            self.keep_definitions(&known).await?;
            Ok(report)
        })
        .await
    }

    /// What [`Pipeline::transform`] would do, and why. Writes nothing.
    ///
    /// # Errors
    /// When a query cannot be planned.
    pub async fn transform_outlook(&self, select: &[String], again: bool) -> Result<TransformOutlook> {
        let known = self.known_definitions().await?;
        let transform = self.held_to(&self.transform_config().await?, known)?;
        let transform = if again { transform.again() } else { transform };
        self.unless_not_extracted(transform.outlook(&self.run, select).await).await
    }

    /// Queries over a run into which nothing was extracted have a problem for each table that they read: one is enough.
    async fn unless_not_extracted<T>(&self, outcome: Result<T>) -> Result<T> {
        match outcome {
            Err(Error::Preflight { .. }) if self.run.raw_tables().await?.is_empty() => {
                let id = self.run.id();
                Err(Error::preflight(format!("run {id} holds no raw tables; `telecine extract --run {id}` reads them")))
            }
            outcome => outcome,
        }
    }

    /// One asset's way from the source's rows to its document.
    ///
    /// # Errors
    /// When the run has no mapped row of the key, or a dataset cannot be read.
    pub async fn trace(&self, key: &str) -> Result<Trace> {
        Transform::open(&self.transform_config().await?)?.trace(&self.run, &self.definitions(), key).await
    }

    /// The definition that each query feeds.
    fn definitions(&self) -> BTreeMap<String, String> {
        self.config.bindings.iter().map(|bound| (bound.query.clone(), bound.definition.clone())).collect()
    }

    /// What the target lacks, by the datasets as they are. With `requests`, the exact requests are written there. The plan is
    /// kept in the run: a load into a production target asks for one that still fits.
    ///
    /// # Errors
    /// When the target cannot be reached, the definitions do not fit, or the ledger cannot be opened.
    pub async fn plan(&self, requests: Option<&mut (dyn std::io::Write + Send)>) -> Result<Step<PlanReport>> {
        self.step("plan", async |_| {
            self.unless_stopped(async {
                let load = self.prepare_load(&Sending::default()).await?;
                let plan = load.plan(requests).await?;
                self.keep_plan(&load, &plan).await?;
                Ok(plan)
            })
            .await
        })
        .await
    }

    /// Sends the plan.
    ///
    /// # Errors
    /// When the target stays away, refuses the credentials, or the ledger fails; the same command goes on. When the target is
    /// marked production and has no plan that fits.
    pub async fn load(&self, sending: &Sending) -> Result<Step<LoadReport>> {
        self.step("load", async |progress| {
            let load = self.unless_stopped(self.prepare_load(sending)).await?;
            self.require_plan(&load).await?;
            let applied = load.apply(progress, &self.cancel).await;
            let kept = self.keep_troubles(&load).await;
            // What stopped the load is told first.
            let report = applied?;
            kept?;
            self.run.put_json("load.json", &report).await?;
            if report.interrupted {
                return Err(Error::Interrupted { signal: 2 });
            }
            Ok(report)
        })
        .await
    }

    async fn keep_troubles(&self, load: &Load) -> Result<()> {
        self.run.put_json("failed.json", &load.ledger().troubles(MOST_LISTED).await?).await
    }

    /// Reads Flex back, all of it or a sample of so many assets, and compares it field by field.
    ///
    /// # Errors
    /// When the target or the datasets cannot be read, or the ledger knows of no asset while the target holds ours.
    /// Differences are in the report.
    pub async fn reconcile(&self, sample: Option<u64>) -> Result<Step<ReconcileReport>> {
        self.step("reconcile", async |progress| {
            let work = async {
                let load = self.prepare_load(&Sending::default()).await?;
                load.require_known().await?;
                let (client, target, external_id_key) = (load.client(), load.target(), load.external_id_key());
                let definitions = load.bound().iter().map(|bound| &bound.definition).collect();
                let job = Reconcile { client, target, external_id_key, definitions, run: &self.run, sample };
                reconcile::run(&job, load.expected(), load.known(), progress, &self.cancel).await
            };
            let report = self.unless_stopped(work).await?;
            self.run.put_json("reconcile.json", &report).await?;
            Ok(report)
        })
        .await
    }

    /// Narrows the source to the tables that were extracted, where some were left out.
    pub fn select_extracted(&mut self, extracted: Option<ExtractReport>) {
        let (Some(extracted), Some(source)) = (extracted, self.config.source_mut()) else { return };
        // Those that were left out are not among the names.
        source.materialised_views = true;
        if !extracted.skipped.is_empty() {
            source.include = extracted.tables.iter().map(|table| globset::escape(&table.table.to_string())).collect();
            source.exclude = Vec::new();
        }
    }

    /// The target of the run.
    ///
    /// # Errors
    /// When none or several are set and none was named.
    pub fn target(&self) -> Result<&TargetConfig> {
        self.config.target(self.target.as_deref())
    }

    /// The folder of the run.
    pub fn folder(&self) -> &RunFolder {
        &self.run
    }

    /// The settings of the queries; what they call now is what is set, else what was set when the run was begun, else the
    /// moment of the newest snapshot (rulings A30).
    ///
    /// # Errors
    /// When the run's files cannot be read.
    pub async fn transform_config(&self) -> Result<TransformConfig> {
        let mut config = self.config.transform.clone();
        if config.now.is_none() {
            config.now = runs::fixed_now(&self.run).await?;
        }
        if config.now.is_none() {
            let raw = self.run.raw_tables().await?;
            config.now = raw.into_iter().filter_map(|(_, manifest)| Some(manifest.snapshot?.at)).max();
        }
        Ok(config)
    }

    async fn source(&self) -> Result<&PostgresSource> {
        let config = self.config.source()?;
        self.source.get_or_try_init(|| PostgresSource::connect(config)).await
    }

    /// Work that changes nothing, broken off when the process is asked to stop: a target that hangs must not hold it.
    async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::Interrupted { signal: 2 }),
            done = work => done,
        }
    }

    async fn prepare_load(&self, sending: &Sending) -> Result<Load> {
        let target = self.target()?;
        let client = FlexClient::new(&target.flex)?;
        let settings = target.load.clone();
        let config = LoadConfig {
            limit: sending.limit,
            max_failures: sending.max_failures.or(settings.max_failures),
            only_rejects: sending.only_rejects,
            ..settings
        };
        Load::prepare(config, client, self.run.clone()).await
    }

    fn begin_report(&self) -> Result<RunReport> {
        let target = self.target()?;
        let source = Url::parse(self.config.source()?.url.expose_secret());
        Ok(RunReport {
            schema_version: SCHEMA_VERSION,
            run: self.run.id().to_owned(),
            source: source.map_or_else(|_| "postgresql".to_owned(), |url| without_credentials(&url)),
            target: target.load.target.clone(),
            staging: self.run.url(),
            flex: target.flex.base_url.clone(),
            ..RunReport::default()
        })
    }
}

/// What queries may read: the tables, and the values that their types cannot hold.
fn readable(tables: Vec<TableMeta>) -> Vec<(TableName, SchemaRef)> {
    let schemas = tables.into_iter().map(|meta| (meta.table, meta.arrow));
    schemas.chain([(exceptions_table(), exceptions_schema())]).collect()
}

/// The place a URL names, without who signs in there.
fn without_credentials(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}
