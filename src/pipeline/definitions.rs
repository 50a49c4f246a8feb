//! The definitions that queries feed: from the target, or from the files that `telecine flex pull` wrote.

use super::{ANY_MOMENT, Pipeline};
use crate::config::Config;
use crate::dataflow::Source;
use crate::error::{Error, Result};
use crate::flex::{Definition, FlexClient, pulled};
use crate::load::Binding;
use crate::staging::RawTables;
use crate::transform::coverage::{COVERAGE_FILE, CoverageReport};
use crate::transform::{Definitions, Transform};

impl Pipeline {
    /// The definitions that rows are held to: those of the target once it was asked or where it was named, else those in
    /// files. None at all where there are no files.
    ///
    /// # Errors
    /// As [`Pipeline::live_definitions`]; when a file is unusable, or some definitions have one and others do not.
    pub(super) async fn known_definitions(&self) -> Result<Definitions> {
        let known = self.definitions.get_or_try_init(async || match self.target {
            Some(_) => self.live_definitions().await,
            None => pulled_definitions(&self.config),
        });
        Ok(known.await?.clone())
    }

    /// What the queries cover of the source and of the definitions. Values are counted in the run, where it has raw tables;
    /// otherwise the source's tables are looked at.
    ///
    /// # Errors
    /// As [`Transform::coverage`] and [`Pipeline::known_definitions`]; when there are neither raw tables nor a source.
    pub async fn coverage(&self) -> Result<CoverageReport> {
        let mut config = self.transform_config().await?;
        config.now.get_or_insert_with(|| ANY_MOMENT.to_owned());
        let transform = Transform::open(&config)?.with_definitions(self.known_definitions().await?);
        let raw = RawTables::new(&self.run).tables().await?;
        let is_run = !raw.is_empty();
        let tables = if is_run { raw } else { self.source().await?.tables().await? };
        let schemas = super::readable(tables);
        let run = is_run.then_some(&self.run);
        let report = transform.coverage(&schemas, run, &self.config.key_value_tables).await?;
        if is_run {
            self.run.put_json(COVERAGE_FILE, &report).await?;
        }
        Ok(report)
    }

    /// The definitions of the target that queries feed.
    ///
    /// # Errors
    /// [`Error::Preflight`] with all that are missing or not enabled; when the target does not answer.
    pub(super) async fn live_definitions(&self) -> Result<Definitions> {
        let target = self.target()?;
        let client = FlexClient::new(&target.flex)?;
        let mut found = Vec::new();
        for binding in &self.config.bindings {
            found.push((binding, client.definition(&binding.definition).await?));
        }
        bound(found, &format!("the target `{}`", target.load.target))
    }
}

fn pulled_definitions(config: &Config) -> Result<Definitions> {
    let folder = &config.definitions;
    let mut found = Vec::new();
    for binding in &config.bindings {
        found.push((binding, pulled::read(folder, &binding.definition)?));
    }
    if found.iter().all(|(_, definition)| definition.is_none()) {
        return Ok(Definitions::new());
    }
    bound(found, &format!("the folder {}", folder.display()))
}

fn bound(found: Vec<(&Binding, Option<Definition>)>, place: &str) -> Result<Definitions> {
    let mut problems = Vec::new();
    let mut definitions = Definitions::new();
    for (binding, definition) in found {
        let Some(mut definition) = definition else {
            problems.push(format!("definition {}: {place} has none of this name", binding.definition));
            continue;
        };
        if !definition.enabled {
            problems.push(format!("definition {}: not enabled in {place}", binding.definition));
        }
        problems.extend(binding.open(&mut definition));
        definitions.insert(binding.query.clone(), definition);
    }
    if problems.is_empty() { Ok(definitions) } else { Err(Error::preflight(problems.join("\n  "))) }
}
