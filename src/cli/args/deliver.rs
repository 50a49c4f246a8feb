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
}

/// A step of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StepName {
    /// From the source of truth to the transformation area.
    Copy,
}

impl DeliverArgs {
    /// The steps as the delivery knows them.
    pub fn steps(&self) -> Vec<Step> {
        let step = |name: &StepName| match name {
            StepName::Copy => Step::Copy,
        };
        self.steps.iter().map(step).collect()
    }

    /// What is said of how they are done.
    pub fn wish(&self) -> Wish {
        Wish { dry_run: self.dry_run }
    }
}
