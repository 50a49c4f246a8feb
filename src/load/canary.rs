//! The first rows of each query go alone: they are written, read back and compared before the rest is sent, so that a
//! target that loses or alters values is found out with three assets and not with a million.

use super::apply::{FlexSink, Task};
use super::ledger::State;
use super::row::Row;
use super::work::Pass;
use crate::error::{Error, Result};
use crate::flex::{Asset, ExternalId, Instance, instance};

/// Differences and reasons that the error names.
const MOST_NAMED: usize = 8;
/// First rows of a query of which all may fail, or be held, before the rest is not even tried.
const MOST_FAILED: usize = 10;

/// How many rows are still to be looked at before the rest may go.
#[derive(Debug)]
pub(super) struct Canaries {
    left: usize,
    /// Rows that failed, as long as none has not.
    failed: Vec<String>,
}

impl FlexSink {
    pub(super) fn canaries(&self) -> Canaries {
        let left = if matches!(self.pass, Pass::Assets(_)) { self.work.load.config().canary } else { 0 };
        Canaries { left, failed: Vec::new() }
    }

    /// Sends the first of the tasks, as many as are still to be looked at, and compares what the target holds of them. One
    /// that failed or is held says nothing: another takes its place. Where the first rows all fail of a query of which the
    /// target holds nothing yet, the rest would most likely fail as they did.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with field, sent and found value of what differs, or with the reasons of those that failed.
    pub(super) async fn sing(
        &self,
        canaries: &mut Canaries,
        tasks: &mut (impl Iterator<Item = Task> + Send),
    ) -> Result<()> {
        while canaries.left > 0 && !self.work.is_over() {
            let Some(task) = tasks.next() else { return Ok(()) };
            let row = task.row.clone();
            self.one(task).await;
            if self.work.is_over() {
                return Ok(());
            }
            if self.compare(&row).await? {
                canaries.left -= 1;
                canaries.failed.clear();
                continue;
            }
            canaries.failed.push(row.source_key);
            if canaries.failed.len() == MOST_FAILED && self.is_the_first_load().await? {
                return Err(self.all_failed(&canaries.failed).await?);
            }
        }
        Ok(())
    }

    /// Whether no row of the query was ever complete, and all are sent.
    async fn is_the_first_load(&self) -> Result<bool> {
        let load = &self.work.load;
        Ok(!load.config().only_rejects && !load.ledger().has_complete(&self.bound.binding.query).await?)
    }

    async fn all_failed(&self, keys: &[String]) -> Result<Error> {
        let load = &self.work.load;
        let mut lines = Vec::new();
        for key in keys {
            if let Some(asset) = load.ledger().asset(key).await? {
                let (reason, message) = (asset.reason.unwrap_or_default(), asset.message.unwrap_or_default());
                lines.push(format!("{key}: {reason}: {message}"));
            }
        }
        lines.truncate(MOST_NAMED);
        Ok(Error::Mismatch {
            what: format!("load into {}", load.target()),
            message: format!(
                "the first {} rows of {} all failed, no further rows were sent; mend what they have in common, or set \
                 flex.{}.canary = 0 to send the rest all the same:\n  {}",
                keys.len(),
                self.bound.binding.query,
                load.target(),
                lines.join("\n  ")
            ),
        })
    }

    /// Whether there was something to compare.
    async fn compare(&self, row: &Row) -> Result<bool> {
        let load = &self.work.load;
        let entry = load.ledger().entries(vec![row.source_key.clone()]).await?.remove(&row.source_key);
        let written = entry.filter(|entry| matches!(entry.state, State::Described | State::Complete));
        let Some(id) = written.and_then(|entry| entry.flex_id) else { return Ok(false) };
        let asset = load.client().asset(id).await?;
        let found = match asset.as_ref().and_then(|asset| asset.metadata.as_ref()?.instance.clone()) {
            Some(instance) => instance,
            None => load.client().metadata(id).await?.unwrap_or_default(),
        };
        let mut lines = Vec::new();
        if let Some(asset) = &asset {
            lines.extend(self.compare_ids(row, asset));
        }
        let sent: Instance = serde_json::from_slice(&row.values).unwrap_or_default();
        let links = self.bound.shape.links();
        let found: Instance = found.into_iter().filter(|(field, _)| !links.contains(field)).collect();
        for difference in instance::differences(&sent, &found) {
            let (sent, found) = (difference.expected.unwrap_or_default(), difference.found.unwrap_or_default());
            lines.push(format!("{}: sent {sent}, found {found}", difference.field));
        }
        if lines.is_empty() {
            return Ok(true);
        }
        lines.truncate(MOST_NAMED);
        Err(Error::Mismatch {
            what: format!("load into {}", load.target()),
            message: format!(
                "the target does not hold what was sent for {} (asset {id}), one of the first rows of {}; no further rows \
                 were sent:\n  {}",
                row.source_key,
                self.bound.binding.query,
                lines.join("\n  ")
            ),
        })
    }

    /// The name and the ids by which the asset is to be found again, where the target shows them.
    fn compare_ids(&self, row: &Row, found: &Asset) -> Vec<String> {
        let load = &self.work.load;
        let sent = load.config().new_asset(&self.bound, row);
        let fields = load.client().create_fields();
        let mut lines = Vec::new();
        let mut differs = |what: &str, sent: &str, found: &str| {
            lines.push(format!("{what}: sent {sent:?}, found {found:?}"));
        };
        if let Some(name) = found.name.as_ref().filter(|name| **name != row.name) {
            differs("name", &row.name, name);
        }
        if fields.uuid.is_some() && !sent.may_be(found) {
            differs("uuid", &sent.uuid, found.uuid.as_deref().unwrap_or_default());
        }
        if let (Some(_), Some(id), Some(shown)) = (&fields.external_ids, &sent.external_id, &found.external_ids)
            && !shown.contains(id)
        {
            let text = |id: &ExternalId| format!("{}:{}", id.key, id.value);
            differs("external id", &text(id), &shown.iter().map(text).collect::<Vec<_>>().join(", "));
        }
        lines
    }
}
