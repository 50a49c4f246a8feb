//! The first rows of each query go alone: they are written, read back and compared before the rest is sent, so that a
//! target that loses or alters values is found out with three assets and not with a million.

use super::apply::{FlexSink, Task};
use super::ledger::State;
use super::row::Row;
use super::work::Pass;
use crate::error::{Error, Result};
use crate::flex::{Instance, instance};

/// Differences that the error names.
const MOST_NAMED: usize = 8;

/// How many rows are still to be looked at before the rest may go.
#[derive(Debug)]
pub(super) struct Canaries {
    left: usize,
}

impl FlexSink {
    pub(super) fn canaries(&self) -> Canaries {
        Canaries { left: if self.pass == Pass::Assets { self.work.load.config().canary } else { 0 } }
    }

    /// Sends the first of the tasks, as many as are still to be looked at, and compares what the target holds of them. One
    /// that failed or is held says nothing: another takes its place.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with field, sent and found value of what differs.
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
            }
        }
        Ok(())
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
        match asset.and_then(|asset| asset.name) {
            Some(name) if name != row.name => lines.push(format!("name: sent {:?}, found {name:?}", row.name)),
            _ => {}
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
}
