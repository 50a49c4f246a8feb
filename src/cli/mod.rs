//! The command line: arguments in, one pipeline call, results on stdout. Everything else goes to stderr.

mod args;
mod coverage;
mod output;
mod rows;
mod trace;
mod verbs;

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

pub use self::args::{Cli, Global, LogFormat, Output, Verb};
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
    if cli.global.output == Output::Csv && !matches!(cli.verb, Verb::Sql(_)) {
        return Err(Error::config("--output csv: only `telecine sql` gives rows; use json or table"));
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
        Verb::Sql(args) => session.sql(args).await,
        Verb::Trace(args) => session.trace(args).await,
        Verb::Report(args) => session.report(args).await,
        Verb::Flex(verb) => session.flex(verb).await,
        Verb::Library(verb) => session.library(verb).await,
        Verb::Config => session.config(),
    }
}
