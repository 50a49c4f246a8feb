//! `telecine deliver`.

use clap::{Args, ValueEnum};

use crate::delivery::{Step, Wish};

/// `telecine deliver`.
#[derive(Debug, Clone, Args)]
pub struct DeliverArgs {
    /// The steps; all of them, in this order, where none is named.
    #[arg(value_enum, value_name = "STEP")]
    pub steps: Vec<StepName>,
    /// The delivery's id; the last one that did not come to its end without it, else a new one.
    #[arg(long, value_name = "ID")]
    pub delivery: Option<String>,
    /// Say what would be done; send and delete nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Publish to this one target of [deliver.publish.NAME]; to all that are not production without it.
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Needed to publish to a target marked `production = true`, and to delete.
    #[arg(long)]
    pub yes: bool,
    /// Put documents in the place of others of the same name that are in the hot folder.
    #[arg(long)]
    pub replace: bool,
    /// With the step purge: bring back what the purge of this delivery has moved into quarantine.
    #[arg(long)]
    pub restore: bool,
    /// With the step purge: delete what the purge of this delivery has moved into quarantine. Without --yes it says what
    /// that is.
    #[arg(long, conflicts_with = "restore")]
    pub delete: bool,
}

/// A step of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StepName {
    /// From the source of truth to the transformation area.
    Copy,
    /// Names that a hot folder takes.
    Sanitise,
    /// Documents that rules of queries/deliver/purge/ find, into quarantine.
    Purge,
    /// What documents hold against the target's definitions, each other and the delivery before.
    Conflicts,
    /// Documents into the target's form, by the queries of queries/deliver/transform/.
    Transform,
    /// Into the hot folders.
    Publish,
}

impl DeliverArgs {
    /// The steps as the delivery knows them.
    pub fn steps(&self) -> Vec<Step> {
        let step = |name: &StepName| match name {
            StepName::Copy => Step::Copy,
            StepName::Sanitise => Step::Sanitise,
            StepName::Purge => Step::Purge,
            StepName::Conflicts => Step::Conflicts,
            StepName::Transform => Step::Transform,
            StepName::Publish => Step::Publish,
        };
        self.steps.iter().map(step).collect()
    }

    /// What is said of how they are done.
    pub fn wish(&self) -> Wish {
        Wish {
            dry_run: self.dry_run,
            yes: self.yes,
            target: self.target.clone(),
            replace: self.replace,
            restore: self.restore,
            delete: self.delete,
        }
    }
}
