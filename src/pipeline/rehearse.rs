//! The main job with nothing to set up: a private PostgreSQL with the sample library, the local Flex, every step.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::{Pipeline, begin_run};
use crate::config::{Config, Flags};
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::rehearsal::flex::{DEFAULT_CREDENTIAL, LocalFlex, Options as FlexOptions};
use crate::rehearsal::library::{self, Library, LibraryOptions};
use crate::rehearsal::postgres::{PrivateServer, ServerOptions};
use crate::report::{Display, FILE_NAME, RunReport, RunningStep, StepReport};
use crate::staging::StagingArea;

/// The database's name in the specification of the sample library, section 1.
const DATABASE: &str = "studio";
/// The target's name.
const TARGET: &str = "rehearsal";
/// The clock of the sample library (specification, section 1): the time by which queries judge its dates.
const LIBRARY_NOW: &str = "2025-03-01T00:00:00Z";

/// What to rehearse. Without `Debug`: the environment holds secrets.
#[derive(Clone)]
pub struct RehearseOptions {
    /// The library: seed, scale, dirt.
    pub library: LibraryOptions,
    /// Where staging area, ledger and the local Flex's state are kept.
    pub dir: PathBuf,
    /// The project folder.
    pub project: PathBuf,
    /// Settings from the command line.
    pub flags: Flags,
    /// The environment's variables.
    pub environment: std::collections::BTreeMap<String, String>,
    /// Leave both servers running.
    pub keep: bool,
    /// No progress.
    pub quiet: bool,
}

impl RehearseOptions {
    /// Tells libraries apart: each has a Flex and a ledger of its own, for the same key means another row in another one.
    fn library_name(&self) -> String {
        let LibraryOptions { seed, scale, dirt, .. } = &self.library;
        format!("scale-{scale}-dirt-{dirt}-seed-{seed}")
    }

    fn flex_data(&self) -> PathBuf {
        self.dir.join("flex").join(self.library_name())
    }
}

/// A rehearsal that has come to its end.
#[derive(Debug)]
pub struct Rehearsal {
    /// The report of its run.
    pub report: RunReport,
    /// What was left running, in words; empty unless asked for.
    pub kept: Vec<String>,
}

impl Rehearsal {
    /// Runs the whole job. Both servers are ended when it returns, also on an error or when `cancel` is cancelled,
    /// unless they are to be kept.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, a setting is unusable or a step fails.
    pub async fn run(options: &RehearseOptions, cancel: &CancellationToken) -> Result<Self> {
        let library = Arc::new(Library::new(options.library.clone())?);
        std::fs::create_dir_all(&options.dir).map_err(|cause| Error::Preflight {
            message: format!("--dir {}: the folder cannot be made", options.dir.display()),
            cause: Some(cause.into()),
        })?;
        let server = PrivateServer::start(ServerOptions::default()).await?;
        let flex = start_flex(&options.flex_data())?;
        let outcome = tokio::select! {
            outcome = rehearse(options, &library, &server, flex.base_url(), cancel) => outcome,
            () = cancelled_for_long(cancel) => Err(Error::Interrupted { signal: 2 }),
        };
        let address = flex.base_url().trim_start_matches("http://").trim_end_matches("/api").to_owned();
        flex.shutdown().await;
        if options.keep && outcome.is_ok() {
            let kept = keep(server, &options.flex_data(), &address)?;
            return outcome.map(|report| Self { report, kept });
        }
        let stopped = server.stop().await;
        let report = outcome?;
        stopped?;
        Ok(Self { report, kept: Vec::new() })
    }
}

/// Steps drain when they are asked to stop; what has no drain (filling the library) is broken off a little later.
async fn cancelled_for_long(cancel: &CancellationToken) {
    cancel.cancelled().await;
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
}

async fn rehearse(
    options: &RehearseOptions,
    library: &Arc<Library>,
    server: &PrivateServer,
    flex: &str,
    cancel: &CancellationToken,
) -> Result<RunReport> {
    let config = config(options, &server.url(DATABASE), flex)?;
    let filled = fill(options, library, server, config.source()?.connections).await?;
    let area = StagingArea::open(&config.staging)?;
    let run = begin_run(&area, None, Some(LIBRARY_NOW)).await?;
    let pipeline = Pipeline::new(config, Some(TARGET.to_owned()), run.clone(), cancel.clone(), options.quiet);
    let mut report = pipeline.run().await?;
    report.steps.insert(0, filled);
    run.put_json(FILE_NAME, &report).await?;
    Ok(report)
}

async fn fill(
    options: &RehearseOptions,
    library: &Arc<Library>,
    server: &PrivateServer,
    connections: usize,
) -> Result<StepReport> {
    let progress = Progress::default();
    let display = Display::start("library", &progress, options.quiet);
    let running = RunningStep::start("library");
    server.create_database(DATABASE).await?;
    let summary = library::create(library, &server.url(DATABASE), connections, &progress).await?;
    drop(display);
    Ok(running.finish(0, summary.rows, summary.bytes))
}

/// The project's settings, with the rehearsal's own source, staging area, ledger and target in place of the real ones.
fn config(options: &RehearseOptions, source: &SecretString, flex: &str) -> Result<Config> {
    let mut flags = options.flags.clone();
    let mut set = |key: &str, value: &str| flags.insert(key.to_owned(), value.to_owned());
    set("source.url", source.expose_secret());
    set("staging.url", &format!("file:{}", options.dir.join("staging").display()));
    set("load.ledger", &options.dir.join("ledger").join(options.library_name()).display().to_string());
    set("transform.now", LIBRARY_NOW);
    set("flex.rehearsal.url", flex);
    set("flex.rehearsal.username", credential("FLEX_USERNAME").expose_secret());
    set("flex.rehearsal.password", credential("FLEX_PASSWORD").expose_secret());
    let mut config = Config::load(&options.project, flags, options.environment.clone(), &[TARGET])?;
    if let Some(target) = config.target_mut(TARGET) {
        // The local Flex's port is another one each time; what makes it the same target is its kept state.
        target.load.identity = Some(format!("local Flex in {}", options.flex_data().display()));
    }
    Ok(config)
}

fn start_flex(data: &Path) -> Result<LocalFlex> {
    let data = Some(data.to_owned());
    LocalFlex::start(FlexOptions {
        data,
        username: credential("FLEX_USERNAME"),
        password: credential("FLEX_PASSWORD"),
        ..FlexOptions::default()
    })
}

/// The local Flex's user or password: from the environment, or the documented default.
pub fn credential(name: &str) -> SecretString {
    SecretString::from(std::env::var(name).unwrap_or_else(|_| DEFAULT_CREDENTIAL.to_owned()))
}

/// Hands PostgreSQL over to itself and the local Flex to a process of its own, on the address it had.
fn keep(server: PrivateServer, data: &Path, address: &str) -> Result<Vec<String>> {
    let failed = |cause: std::io::Error| Error::rehearsal("local Flex", "cannot be left running", cause);
    let url = server.url(DATABASE);
    let kept = server.leave_running()?;
    let flex = std::process::Command::new(std::env::current_exe().map_err(failed)?)
        .args(["flex", "serve", "--listen", address, "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    // The one place a password is shown: that of a throw-away server on this machine, to whom asked for it.
    Ok(vec![
        format!("postgresql  {} (process {}; kill -INT {} ends it)", url.expose_secret(), kept.pid, kept.pid),
        format!("flex        http://{address}/api (process {}; kill -INT {} ends it)", flex.id(), flex.id()),
    ])
}
