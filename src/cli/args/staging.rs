//! Arguments of the verbs of the staging area.

use clap::{Args, Subcommand};

/// `telecine staging …`.
#[derive(Debug, Subcommand)]
pub enum StagingVerb {
    /// Files that no manifest names, uploads that were never completed, leases of processes that are no more. Runs that are
    /// being written are left alone.
    Orphans(OrphansArgs),
}

/// `telecine staging orphans`.
#[derive(Debug, Clone, Args)]
pub struct OrphansArgs {
    /// Remove them. Files that telecine does not write are only named.
    #[arg(long)]
    pub sweep: bool,
}
