//! Arguments of the verbs of the staging area.

use clap::{Args, Subcommand};

/// `telecine staging …`.
#[derive(Debug, Subcommand)]
pub enum StagingVerb {
    /// Files that no manifest names, uploads that were never completed, leases of processes that are no more. Runs and
    /// deliveries that are being written are left alone; of the buckets of a delivery only uploads are ended that it has
    /// noted, by their ids.
    Orphans(OrphansArgs),
}

/// `telecine staging orphans`.
#[derive(Debug, Clone, Args)]
pub struct OrphansArgs {
    /// Remove them. Files that telecine does not write are only named.
    #[arg(long)]
    pub sweep: bool,
}
