//! Verbs that change the ledger: making it anew, and taking back what it says was created.

use serde::Serialize;

use super::args::{LedgerRebuild, PruneArgs, Removing, UndoArgs};
use super::output::{self, Printed};
use super::verbs::Session;
use crate::error::{Error, Result};
use crate::load::{RebuildReport, Removal, RemovalPlan, RemovalReport};
use crate::pipeline::{Pipeline, named_run};
use crate::report::{Table, thousands, visible};
use crate::staging::StagingArea;

/// Assets that are shown to people; the JSON has more.
const SHOWN: usize = 20;

impl Session {
    pub(super) async fn rebuild(&self, args: LedgerRebuild) -> Result<()> {
        let report = self.loading(&args.target).await?.rebuild_ledger(args.force).await?.outcome;
        self.print(&report)?;
        self.verdict(report.verdict())
    }

    pub(super) async fn undo(&self, args: UndoArgs) -> Result<()> {
        let config = self.load_config(self.flags())?;
        config.target(args.target.as_deref())?;
        // What it created can be taken back when its folder is no longer there.
        let folder = named_run(&StagingArea::open(&config.staging)?, &args.run)?;
        let pipeline = self.pipeline(config, args.target, folder);
        let removal = pipeline.creations_of(&args.run).await?;
        self.remove(&pipeline, &removal, &args.removing).await
    }

    pub(super) async fn prune(&self, args: PruneArgs) -> Result<()> {
        let pipeline = self.loading(&args.target).await?;
        pipeline.warn_of_stale_datasets().await;
        let removal = pipeline.gone().await?;
        self.remove(&pipeline, &removal, &args.removing).await
    }

    async fn remove(&self, pipeline: &Pipeline, removal: &Removal, removing: &Removing) -> Result<()> {
        if removing.yes {
            let report = pipeline.remove(removal, removing.max).await?.outcome;
            self.print(&report)?;
            return self.verdict(report.verdict());
        }
        let plan = removal.plan().await?;
        let allowed = plan.require_within(removing.max);
        self.print(&Planned { plan, sent: false })?;
        if let Err(error) = allowed {
            let why = match error {
                Error::Preflight { message, .. } => message,
                other => other.to_string(),
            };
            output::note(&format!("with --yes this would be refused: {why}"));
        }
        Ok(())
    }
}

/// A plan that was only looked at.
#[derive(Debug, Serialize)]
struct Planned {
    #[serde(flatten)]
    plan: RemovalPlan,
    sent: bool,
}

impl Printed for Planned {
    fn to_text(&self) -> String {
        let plan = &self.plan;
        if plan.remove == 0 {
            let of = thousands(plan.of);
            return format!(
                "nothing is to be removed: of {of} assets in the ledger each stands for a row\ntarget {} ({})",
                plan.target, plan.url
            );
        }
        let mut table = Table::new(&["query", "to be removed"]);
        plan.queries.iter().for_each(|(query, count)| table.row([query.clone(), thousands(*count)]));
        table.row(["all".to_owned(), format!("{} of {}", thousands(plan.remove), thousands(plan.of))]);
        let mut text = table.to_string();
        if plan.unclear > 0 {
            let unclear = thousands(plan.unclear);
            text.push_str(&format!("\n{unclear} of them may not be there: they are looked up first"));
        }
        text.push_str(&format!("\nto be removed: {}", first(&plan.keys, plan.remove)));
        match plan.referring {
            Some(0) => text.push_str("\nno row that stays refers to one of them"),
            Some(count) => text.push_str(&format!(
                "\n{} rows that stay refer to them; the next load sets their references anew: {}",
                thousands(count),
                first(&plan.referring_keys, count)
            )),
            None => text.push_str("\nthe next load sets the references anew of those that stay and refer to them"),
        }
        format!("{text}\ntarget {} ({}); nothing was sent, --yes removes them", plan.target, plan.url)
    }
}

fn first(keys: &[String], count: u64) -> String {
    let shown: Vec<String> = keys.iter().take(SHOWN).map(|key| visible(key)).collect();
    format!("{}{}", shown.join(", "), if count > shown.len() as u64 { ", …" } else { "" })
}

impl Printed for RemovalReport {
    fn to_text(&self) -> String {
        let mut text = String::new();
        for left in self.left_assets.iter().take(SHOWN) {
            let id = left.flex_id.map_or(String::new(), |id| format!(" (asset {id})"));
            text.push_str(&format!("{}{id} is left: {}\n", visible(&left.source_key), visible(&left.message)));
        }
        let [removed, absent, left, requests] = [self.removed, self.absent, self.left, self.requests].map(thousands);
        format!(
            "{text}{removed} assets removed from {}, {absent} were never there, {left} are left; {requests} requests in {:.1} s\n\
             the next load sets the references anew of those that stay and refer to them",
            self.target, self.seconds
        )
    }
}

impl Printed for RebuildReport {
    fn to_text(&self) -> String {
        let mut table = Table::new(&["ledger", "rows"]);
        let counts = [
            ("equal in the target", self.equal),
            ("different: written again by the next load", self.different),
            ("missing: created by the next load", self.missing),
            ("with several assets: held", self.duplicates),
        ];
        counts.into_iter().for_each(|(what, count)| table.row([what.to_owned(), thousands(count)]));
        let mut text = table.to_string();
        for doubled in self.duplicate_assets.iter().take(SHOWN) {
            text.push_str(&format!("\nseveral assets stand for {}: {:?}", visible(&doubled.source_key), doubled.ids));
        }
        for stranger in self.stranger_assets.iter().take(SHOWN) {
            let name = visible(stranger.name.as_deref().unwrap_or_default());
            let external_id = visible(&stranger.external_id);
            text.push_str(&format!("\nasset {} ({name}) has the external id {external_id} of no row", stranger.id));
        }
        if self.strangers > 0 {
            text.push_str(&format!(
                "\n{} assets have an external id of ours and stand for no row",
                thousands(self.strangers)
            ));
        }
        if let Some(aside) = &self.aside {
            text.push_str(&format!("\nthe former ledger is {aside}"));
        }
        format!(
            "{text}\n{} assets of {} ({}) read in {:.1} s",
            thousands(self.listed),
            self.target,
            self.url,
            self.seconds
        )
    }
}
