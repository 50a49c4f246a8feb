//! The command line: arguments in, one pipeline call, results on stdout. Everything else goes to stderr.

mod args;
mod coverage;
mod deliver;
mod ledger;
mod library;
mod output;
mod rejects;
mod request_file;
mod rows;
mod staging;
mod trace;
mod verbs;

use std::collections::BTreeMap;

use clap::CommandFactory;
use tokio_util::sync::CancellationToken;

pub use self::args::{Cli, Global, LogFormat, Output, Verb};
use self::args::{LedgerVerb, RejectsVerb, StagingVerb};
use crate::error::{Error, Result};

/// What the process was given besides its arguments. Without `Debug`: the environment holds secrets.
#[derive(Clone)]
pub struct Surroundings {
    /// The environment's variables.
    pub environment: BTreeMap<String, String>,
    /// Cancelled when the process is asked to stop.
    pub cancel: CancellationToken,
}

/// Runs the verb. The results are on stdout when it returns.
///
/// # Errors
/// What the verb could not do, or did and found unclean; [`crate::Error::exit_code`] gives the exit code.
pub async fn run(cli: Cli, surroundings: &Surroundings) -> Result<()> {
    let gives_rows = matches!(cli.verb, Verb::Sql(_) | Verb::Rejects(RejectsVerb::List(_)));
    if cli.global.output == Output::Csv && !gives_rows {
        return Err(Error::config("--output csv: only `sql` and `rejects list` give rows; use json or table"));
    }
    let session = verbs::Session { global: cli.global, surroundings: surroundings.clone() };
    match cli.verb {
        Verb::Rehearse(args) => session.rehearse(args).await,
        Verb::Run(args) => session.run(args).await,
        Verb::Discover(args) => session.discover(args).await,
        Verb::Extract(args) => session.extract(args).await,
        Verb::Verify(args) => session.verify(args).await,
        Verb::Transform(args) => session.transform(args).await,
        Verb::Plan(args) => session.plan(args).await,
        Verb::Load(args) => session.load(args).await,
        Verb::Reconcile(args) => session.reconcile(args).await,
        Verb::Coverage(args) => session.coverage(args).await,
        Verb::Rejects(verb) => session.rejects(verb).await,
        Verb::Undo(args) => session.undo(args).await,
        Verb::Prune(args) => session.prune(args).await,
        Verb::Ledger(LedgerVerb::Rebuild(args)) => session.rebuild(args).await,
        Verb::Staging(StagingVerb::Orphans(args)) => session.orphans(args).await,
        Verb::Deliver(args) => session.deliver(args).await,
        Verb::Sql(args) => session.sql(args).await,
        Verb::Trace(args) => session.trace(args).await,
        Verb::Report(args) => session.report(args).await,
        Verb::Flex(verb) => session.flex(verb).await,
        Verb::Library(verb) => session.library(verb).await,
        Verb::Config => session.config(),
        Verb::Completions { shell } => completions(shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "telecine", &mut script);
    output::text(&String::from_utf8_lossy(&script))
}
