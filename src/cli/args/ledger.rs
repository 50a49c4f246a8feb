//! Verbs of the ledger.

use clap::{Args, Subcommand};

use super::TargetArgs;
use crate::load::Threshold;

/// `telecine rejects …`.
#[derive(Debug, Subcommand)]
pub enum RejectsVerb {
    /// Rows that the transform rejected, and rows that failed or are held in the target's ledger; how many of each reason.
    List(RejectsList),
    /// Sends the rows that failed or are held once more, and no others.
    Replay(RejectsReplay),
}

/// `telecine rejects list`.
#[derive(Debug, Clone, Args)]
pub struct RejectsList {
    /// The target and the run.
    #[command(flatten)]
    pub target: TargetArgs,
    /// All rows, and not the first hundred only.
    #[arg(long)]
    pub all: bool,
}

/// `telecine rejects replay`.
#[derive(Debug, Clone, Args)]
pub struct RejectsReplay {
    /// The target and the run.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Needed to load a target marked `production = true`.
    #[arg(long)]
    pub yes: bool,
}

/// How much may be removed, and whether it is meant.
#[derive(Debug, Clone, Args)]
pub struct Removing {
    /// Refuse to remove more of the ledger's assets than this: a count, or a share.
    #[arg(long, value_name = "N|P%", default_value = "10%", value_parser = Threshold::parse)]
    pub max: Threshold,
    /// Remove, instead of saying what would be removed.
    #[arg(long)]
    pub yes: bool,
}

/// `telecine undo`.
#[derive(Debug, Clone, Args)]
pub struct UndoArgs {
    /// The run whose assets are removed. Its datasets are not needed.
    #[arg(long, value_name = "ID")]
    pub run: String,
    /// The target's name in [flex.NAME].
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// How much, and whether.
    #[command(flatten)]
    pub removing: Removing,
}

/// `telecine prune`.
#[derive(Debug, Clone, Args)]
pub struct PruneArgs {
    /// The target, and the run whose rows stay.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How much, and whether.
    #[command(flatten)]
    pub removing: Removing,
}

/// `telecine ledger …`.
#[derive(Debug, Subcommand)]
pub enum LedgerVerb {
    /// Makes a lost ledger anew: reads every asset of the target and compares it with the run's rows. Writes nothing there.
    Rebuild(LedgerRebuild),
}

/// `telecine ledger rebuild`.
#[derive(Debug, Clone, Args)]
pub struct LedgerRebuild {
    /// The target and the run.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Put a ledger that knows assets aside and begin another. Nothing is deleted.
    #[arg(long)]
    pub force: bool,
}
