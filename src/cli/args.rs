//! What the user typed. No effects: turning it into settings and calls is the parent module's work.

mod deliver;
mod ledger;
mod library;
mod load;
mod staging;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::deliver::{DeliverArgs, StepName};
pub use self::ledger::{
    LedgerRebuild, LedgerVerb, PruneArgs, RejectsList, RejectsReplay, RejectsVerb, Removing, UndoArgs,
};
pub use self::library::{LibraryAnswers, LibraryCompare, LibraryDocuments, LibraryShape, LibraryVerb};
pub use self::load::{LoadArgs, PlanArgs, ReconcileArgs};
pub use self::staging::{OrphansArgs, StagingVerb};
use crate::config::Flags;
use crate::rehearsal::flex::GRAMMAR;

/// The project folder unless another is named.
pub(super) const DEFAULT_PROJECT: &str = "queries";
/// What scripts rely on, at the end of the help.
const EXIT_CODES: &str = "Exit codes:
  0         done and balanced
  1         failed; the same command goes on where it stopped
  2         could not start: nothing was sent
  3         finished and not clean: rows rejected by the target, held, or different
  130, 143  stopped by a signal; the same command goes on";

/// Moves the metadata of a media library from PostgreSQL into Dalet Flex.
#[derive(Debug, Parser)]
#[command(name = "telecine", version, max_term_width = 110, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Settings that every verb knows.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Settings that every verb knows.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The project folder: migration.toml, queries, mappings.
    #[arg(long, global = true, value_name = "DIR", default_value = DEFAULT_PROJECT, env = "TELECINE_PROJECT")]
    pub project: PathBuf,
    /// The staging area: file:PATH or s3://bucket/prefix.
    #[arg(long, global = true, value_name = "URL")]
    pub staging: Option<String>,
    /// The form of results on stdout.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// The form of log lines on stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// More log lines; twice for still more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No progress.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// Lines of comma-separated values, as they are: rows of `telecine sql` and `telecine rejects list` only.
    Csv,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The verbs: each is one step of the pipeline, or a look at it.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The main job with nothing to set up: a private PostgreSQL, the sample library, a local Flex, every step.
    Rehearse(Rehearse),
    /// Every step against the configured systems; resumes the named or the last unfinished run.
    Run(RunArgs),
    /// What is in the source: size, tables, rows, types, keys; what will be read, what not and why.
    Discover(SourceArgs),
    /// Any PostgreSQL database into Parquet; needs no queries.
    Extract(Extract),
    /// Source = raw, or source = another database: counts and content checksums of every table.
    Verify(Verify),
    /// Queries into datasets, documents and rejected rows.
    Transform(TransformArgs),
    /// What a load would do, by query: create, update, held, gone. Sends nothing; the plan is kept in the run.
    Plan(PlanArgs),
    /// Sends what the target lacks. Broken off at any point, the same command goes on and makes nothing twice.
    Load(LoadArgs),
    /// Reads Flex back and compares it field by field. Changes nothing there; exit code 3 when something differs.
    Reconcile(ReconcileArgs),
    /// Fields of the target that nothing feeds, and values of the source that lead nowhere, with counts.
    Coverage(CoverageArgs),
    /// Rows that were rejected or could not be loaded, with their reasons; and sending them again.
    #[command(subcommand)]
    Rejects(RejectsVerb),
    /// Removes from the target what one run created there. Without --yes it says what that is, and sends nothing.
    Undo(UndoArgs),
    /// Removes from the target what no row of the run stands for any more. Without --yes it says what that is, and sends
    /// nothing.
    Prune(PruneArgs),
    /// The ledger: what a target holds of us.
    #[command(subcommand)]
    Ledger(LedgerVerb),
    /// The staging area itself.
    #[command(subcommand)]
    Staging(StagingVerb),
    /// JSON documents between buckets: from the source of truth to the hot folders of the targets. Broken off at any point,
    /// the same command goes on.
    Deliver(DeliverArgs),
    /// SQL over a run's datasets and raw tables, and the ledger.
    Sql(Sql),
    /// One asset's way: the rows of the source, what each field was made of, its warnings, its document, its requests.
    Trace(TraceArgs),
    /// The report of a run again.
    Report(RunId),
    /// The local Flex, and single requests to a target.
    #[command(subcommand)]
    Flex(FlexVerb),
    /// The sample source database.
    #[command(subcommand)]
    Library(LibraryVerb),
    /// Every setting with its value and origin; secrets are masked.
    Config,
    /// A script that completes verbs and arguments in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `telecine rehearse`.
#[derive(Debug, Clone, Args)]
pub struct Rehearse {
    /// Which sample library.
    #[command(flatten)]
    pub shape: LibraryShape,
    /// Where staging area, ledger and the local Flex's state are kept.
    #[arg(long, value_name = "DIR", default_value = "rehearsal")]
    pub dir: PathBuf,
    /// Leave both servers running and print their URLs.
    #[arg(long)]
    pub keep: bool,
    /// Memory of the queries.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Connections to the source.
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// By what the extraction reads rows: copy, or connectorx where it is built in.
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
}

/// Where rows come from.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// The source database: postgres://… without a password, env:NAME for a variable or file:PATH for a file that hold it.
    #[arg(long, value_name = "URL")]
    pub source_url: Option<String>,
    /// Read only these tables (globs on name or schema.name); may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub tables: Vec<String>,
    /// Leave these tables out; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Connections at once.
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// By what an extraction reads rows: copy, or connectorx where it is built in.
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
    /// Million bytes a second from the source, over all connections.
    #[arg(long, value_name = "N")]
    pub max_mbps: Option<usize>,
    /// Read materialised views, too.
    #[arg(long)]
    pub materialised_views: bool,
    /// Reach a remote source without TLS, or with TLS that proves nothing: passwords and rows can be read on the way.
    #[arg(long)]
    pub allow_insecure: bool,
}

/// The run to work on.
#[derive(Debug, Clone, Default, Args)]
pub struct RunId {
    /// The run's id; the last run without it.
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
}

/// The target to work on.
#[derive(Debug, Clone, Default, Args)]
pub struct TargetArgs {
    /// The target's name in [flex.NAME].
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// The run.
    #[command(flatten)]
    pub run: RunId,
}

/// `telecine run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The target and the run.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The source.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Memory of the queries.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Needed to load a target marked `production = true`.
    #[arg(long)]
    pub yes: bool,
}

/// `telecine extract`.
#[derive(Debug, Clone, Args)]
pub struct Extract {
    /// The source.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The run to write to; a new one without it.
    #[command(flatten)]
    pub run: RunId,
}

/// `telecine verify`.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The source.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The run.
    #[command(flatten)]
    pub run: RunId,
    /// Compare the source with this database instead of with a run: postgres://… without a password, env:NAME or
    /// file:PATH.
    #[arg(long, value_name = "URL", conflicts_with = "run")]
    pub against: Option<String>,
    /// Reach that database without TLS, likewise.
    #[arg(long, requires = "against")]
    pub against_allow_insecure: bool,
}

/// `telecine transform`.
#[derive(Debug, Clone, Args)]
pub struct TransformArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunId,
    /// Only these queries, and what they read; may be repeated. A load then waits for a whole transform, which runs the
    /// checks and draws the balance.
    #[arg(long, value_name = "QUERY")]
    pub select: Vec<String>,
    /// Hold queries and rows to the definitions of this target, [flex.NAME], instead of to files.
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// The folder of definitions that `telecine flex pull` wrote.
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    pub definitions: Option<String>,
    /// Say which queries would run, and why, and run none.
    #[arg(long)]
    pub dry_run: bool,
    /// Run them even where text, inputs and settings have not changed.
    #[arg(long)]
    pub force: bool,
    /// Memory of the queries.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
}

/// `telecine coverage`.
#[derive(Debug, Clone, Args)]
pub struct CoverageArgs {
    /// The run whose values are counted; the last one without it. Where there is none, the source's tables are looked at,
    /// and nothing is counted.
    #[command(flatten)]
    pub run: RunId,
    /// Take the definitions from this target, [flex.NAME], instead of from files.
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// The folder of definitions that `telecine flex pull` wrote.
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    pub definitions: Option<String>,
}

/// `telecine sql`.
#[derive(Debug, Clone, Args)]
pub struct Sql {
    /// One statement; queries by name, raw tables as schema.table. It may begin with a comment (`-- …`).
    #[arg(allow_hyphen_values = true)]
    pub statement: String,
    /// A delivery in place of a run: its records as record.NAME, and the tables, queries and `rejected` of its transform.
    #[arg(long, value_name = "ID", conflicts_with_all = ["run", "target"])]
    pub delivery: Option<String>,
    /// The run, and the target whose ledger is read as ledger.assets and ledger.requests.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// `telecine trace`.
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// The asset's source key, such as Promo:1234.
    pub key: String,
    /// The run, and the target: when one is named, its asset is read and compared.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// `telecine flex …`.
#[derive(Debug, Subcommand)]
pub enum FlexVerb {
    /// Serves the local Flex; prints its base URL as the first line.
    Serve(Serve),
    /// One authenticated GET, with matrix parameters.
    Get(FlexGet),
    /// All metadata definitions of a target into files, which a transform is checked against.
    Pull(FlexPull),
}

/// `telecine flex serve`.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// The address; a port of 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Keep state in this folder over restarts.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What POST annotations means: both, seed or flex.
    #[arg(long, default_value = "both")]
    pub personality: String,
    /// The release of Flex to behave as: 2021.5, 2023.6 or 2024.9.
    #[arg(long, value_name = "RELEASE", default_value = "2023.6")]
    pub flex_version: String,
    /// A fault to play, such as `status=503:POST /assets:first=10`; may be repeated; --help has the grammar.
    #[arg(long, value_name = "SPEC", long_help = GRAMMAR)]
    pub fault: Vec<String>,
    /// What decides the draws of faults with a share or a distribution.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fault_seed: u64,
    /// Append every request to this file as a JSON line: number, method, path, status, fault, BLAKE3, length, time.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// `telecine flex get`.
#[derive(Debug, Clone, Args)]
pub struct FlexGet {
    /// The path below the base URL, such as `/assets;limit=1`.
    pub path: String,
    /// The target's name in [flex.NAME].
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
}

/// `telecine flex pull`.
#[derive(Debug, Clone, Args)]
pub struct FlexPull {
    /// The folder of the files; the setting transform.definitions without it.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The target's name in [flex.NAME].
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
}

impl SourceArgs {
    /// These arguments as settings.
    pub fn add_to(&self, flags: &mut Flags) {
        put(flags, "source.url", self.source_url.as_ref());
        put(flags, "source.connections", self.connections.as_ref());
        put(flags, "source.reader", self.reader.as_ref());
        put(flags, "source.max_mbps", self.max_mbps.as_ref());
        put(flags, "source.materialised_views", self.materialised_views.then_some(&true));
        put(flags, "source.allow_insecure", self.allow_insecure.then_some(&true));
        if !self.tables.is_empty() {
            flags.insert("source.include".into(), self.tables.join(","));
        }
        if !self.exclude.is_empty() {
            flags.insert("source.exclude".into(), self.exclude.join(","));
        }
    }
}

/// Adds a setting that was given.
pub fn put<T: ToString>(flags: &mut Flags, key: &str, value: Option<&T>) {
    if let Some(value) = value {
        flags.insert(key.to_owned(), value.to_string());
    }
}
