//! Verbs that go to a target.

use std::path::PathBuf;

use clap::Args;

use super::TargetArgs;
use crate::load::Threshold;

/// `telecine plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The target and the run.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Write the exact requests as NDJSON, a line a request. The file is there when the plan is whole.
    #[arg(long, value_name = "FILE")]
    pub requests: Option<PathBuf>,
}

/// `telecine load`.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// The target and the run.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Create or update at most this many assets; the next load goes on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Stop when more rows fail than this: a count, or a share such as 1%.
    #[arg(long, value_name = "N|P%", value_parser = Threshold::parse)]
    pub max_failures: Option<Threshold>,
    /// Needed to load a target marked `production = true`.
    #[arg(long)]
    pub yes: bool,
}

/// `telecine reconcile`.
#[derive(Debug, Clone, Args)]
pub struct ReconcileArgs {
    /// The target and the run.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Read back N assets only, the same ones each time, of all definitions and types.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: Option<u64>,
}
