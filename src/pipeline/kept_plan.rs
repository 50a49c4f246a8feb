//! The plan that a load of a production target must have: kept in the run, and held against what is there when the load
//! begins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Pipeline;
use crate::error::{Error, Result};
use crate::flex::Definition;
use crate::load::{Binding, Load, LoadConfig, PlanReport};
use crate::report::SCHEMA_VERSION;
use crate::staging::safe_name;

/// A plan as it lies in the run's folder.
#[derive(Debug, Serialize)]
struct KeptPlan<'a> {
    schema_version: u32,
    run: &'a str,
    #[serde(flatten)]
    basis: Basis,
    plan: &'a PlanReport,
}

/// What a plan was made of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Basis {
    /// The base URL of the target.
    url: String,
    /// What tells the target from others.
    identity: String,
    /// The content of each mapped dataset, by query.
    contents: BTreeMap<String, String>,
    /// BLAKE3 of the target's definitions, in hexadecimal digits.
    definitions: String,
    /// What the settings say of new assets: of each query its definition and type, and the external id.
    #[serde(default)]
    settings: Vec<String>,
}

impl Basis {
    fn of(load: &Load) -> Result<Self> {
        let url = load.client().base_url().to_owned();
        let identity = load.config().identity.clone().unwrap_or_else(|| url.clone());
        let bound = load.bound();
        let contents = bound.iter().map(|bound| (bound.binding.query.clone(), bound.content())).collect();
        let definitions: Vec<&Definition> = bound.iter().map(|bound| &bound.definition).collect();
        let definitions = serde_json::to_vec(&definitions)
            .map_err(|cause| Error::staging("the definitions", "they give no JSON", cause))?;
        let definitions = blake3::hash(&definitions).to_hex().to_string();
        Ok(Self { url, identity, contents, definitions, settings: settings_of(load.config()) })
    }

    /// Where the target is, and how it is known where that is another name.
    fn server(&self) -> String {
        let known = if self.identity == self.url { String::new() } else { format!(" ({})", self.identity) };
        format!("{}{known}", self.url)
    }

    /// What has changed since, a line each.
    fn changes(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if (&self.url, &self.identity) != (&now.url, &now.identity) {
            changes.push(format!("it was made for {}, not for {}", self.server(), now.server()));
        }
        let queries = now.contents.iter().filter(|(query, content)| self.contents.get(*query) != Some(content));
        changes.extend(queries.map(|(query, _)| format!("the rows of {query} are others")));
        let gone = self.contents.keys().filter(|query| !now.contents.contains_key(*query));
        changes.extend(gone.map(|query| format!("{query} is no longer loaded")));
        if self.definitions != now.definitions {
            changes.push("the target's definitions have changed".to_owned());
        }
        if self.settings != now.settings {
            let new = now.settings.iter().filter(|setting| !self.settings.contains(setting));
            let new: Vec<&str> = new.map(String::as_str).collect();
            changes.push(format!("the settings have changed, now: {}", new.join("; ")));
        }
        changes
    }
}

fn settings_of(config: &LoadConfig) -> Vec<String> {
    let of = |binding: &Binding| format!("{} makes {} of {}", binding.query, binding.asset_type, binding.definition);
    let mut settings: Vec<String> = config.bindings.iter().map(of).collect();
    settings.push(format!("external id {} from {}", config.external_id_key, config.external_id_column));
    settings.push(format!("field values by {:?}", config.attributes));
    settings
}

impl Pipeline {
    fn plan_file(&self) -> Result<String> {
        Ok(format!("plan/{}.json", safe_name(&self.target()?.load.target, false)))
    }

    /// Keeps a plan with what it was made of.
    ///
    /// # Errors
    /// When the run cannot be written to.
    pub(super) async fn keep_plan(&self, load: &Load, plan: &PlanReport) -> Result<()> {
        let kept = KeptPlan { schema_version: SCHEMA_VERSION, run: self.run.id(), basis: Basis::of(load)?, plan };
        self.run.put_json(&self.plan_file()?, &kept).await
    }

    /// A production target is loaded only by a plan that somebody can have looked at.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the target is marked production and the run has no plan for it, or one of another server,
    /// other rows or other definitions.
    pub(super) async fn require_plan(&self, load: &Load) -> Result<()> {
        let target = self.target()?;
        if !target.production {
            return Ok(());
        }
        let advice =
            format!("look at `telecine plan --target {} --run {}`, then load again", target.load.target, self.run.id());
        let Some(planned) = self.run.get_json::<Basis>(&self.plan_file()?).await? else {
            return Err(Error::preflight(format!(
                "the target `{}` is marked production, and run {} was not planned for it: {advice}",
                target.load.target,
                self.run.id()
            )));
        };
        let changes = planned.changes(&Basis::of(load)?);
        if changes.is_empty() {
            return Ok(());
        }
        Err(Error::preflight(format!(
            "the plan of run {} for the production target `{}` no longer fits; {advice}:\n  {}",
            self.run.id(),
            target.load.target,
            changes.join("\n  ")
        )))
    }
}
