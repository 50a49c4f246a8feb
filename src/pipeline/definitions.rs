//! The definitions that queries feed: from the target, from the files that `telecine flex pull` wrote, or as the run's
//! target had them when it was last asked.

use super::{ANY_MOMENT, Pipeline};
use crate::dataflow::Source;
use crate::error::{Error, Result};
use crate::flex::{Definition, FlexClient, pulled};
use crate::load::{Binding, DEFINITIONS_FILE};
use crate::staging::RawTables;
use crate::transform::coverage::{COVERAGE_FILE, CoverageReport};
use crate::transform::{Definitions, Transform, TransformConfig};

impl Pipeline {
    /// The definitions that rows are held to: those of the target where one is named or was asked before, else those in
    /// files, else those that the run was checked against. None at all where there are none of these.
    ///
    /// # Errors
    /// As [`Pipeline::live_definitions`]; when a file is unusable, or some definitions have one and others do not.
    pub(super) async fn known_definitions(&self) -> Result<Definitions> {
        let known = self.definitions.get_or_try_init(async || {
            if self.target.is_some() {
                return self.live_definitions().await;
            }
            let folder = &self.config.definitions;
            let files = bound(
                &self.config.bindings,
                |name| pulled::read(folder, name),
                &format!("the folder {}", folder.display()),
            )?;
            if !files.is_empty() {
                return Ok(files);
            }
            let kept: Vec<Definition> = self.run.get_json(DEFINITIONS_FILE).await?.unwrap_or_default();
            bound(&self.config.bindings, |name| Ok(kept.iter().find(|kept| kept.name == name).cloned()), "the run")
        });
        Ok(known.await?.clone())
    }

    /// The queries, held to these definitions.
    ///
    /// # Errors
    /// As [`Transform::open`].
    pub(super) fn held_to(&self, config: &TransformConfig, definitions: Definitions) -> Result<Transform> {
        let transform = Transform::open(config)?.with_definitions(definitions);
        Ok(transform.with_vocabularies(self.config.vocabularies.clone()))
    }

    /// What the queries cover of the source and of the definitions. Values are counted in the run, where it has raw tables;
    /// otherwise the source's tables are looked at.
    ///
    /// # Errors
    /// As [`Transform::coverage`] and [`Pipeline::transform`]; when there are neither raw tables nor a source.
    pub async fn coverage(&self) -> Result<CoverageReport> {
        let mut config = self.transform_config().await?;
        config.now.get_or_insert_with(|| ANY_MOMENT.to_owned());
        let transform = self.held_to(&config, self.known_definitions().await?)?;
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
            found.extend(client.definition(&binding.definition).await?);
        }
        let place = format!("the target `{}`", target.load.target);
        let of = |name: &str| Ok(found.iter().find(|definition| definition.name == name).cloned());
        let definitions = bound(&self.config.bindings, of, &place)?;
        if definitions.is_empty() && !self.config.bindings.is_empty() {
            return Err(Error::preflight(format!("{place} has none of the definitions that queries feed")));
        }
        Ok(definitions)
    }

    /// Keeps what the run was checked against.
    ///
    /// # Errors
    /// When the run cannot be written to.
    pub(super) async fn keep_definitions(&self, definitions: &Definitions) -> Result<()> {
        if definitions.is_empty() {
            return Ok(());
        }
        self.run.put_json(DEFINITIONS_FILE, &definitions.values().collect::<Vec<_>>()).await
    }
}

/// The definitions of all bindings, their open lists marked; none where `place` has none of them.
pub(super) fn bound(
    bindings: &[Binding],
    of: impl Fn(&str) -> Result<Option<Definition>>,
    place: &str,
) -> Result<Definitions> {
    let (mut definitions, mut missing, mut problems) = (Definitions::new(), Vec::new(), Vec::new());
    for binding in bindings {
        let Some(mut definition) = of(&binding.definition)? else {
            missing.push(format!("definition {}: {place} has none of this name", binding.definition));
            continue;
        };
        if !definition.enabled {
            problems.push(format!("definition {}: not enabled in {place}", binding.definition));
        }
        problems.extend(binding.open(&mut definition));
        definitions.insert(binding.query.clone(), definition);
    }
    if definitions.is_empty() {
        return Ok(definitions);
    }
    problems.extend(missing);
    if problems.is_empty() { Ok(definitions) } else { Err(Error::preflight(problems.join("\n  "))) }
}
