//! The definitions are looked at while rows are sent: rows were mapped and checked for those that were there before.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::Load;
use super::work::Work;
use crate::error::{Error, Result};

impl Load {
    /// Looks at the definitions from time to time until the handle is dropped; a change stops the load.
    pub(super) fn watch_definitions(&self, work: &Arc<Work>) -> AbortOnDropHandle<()> {
        let (load, work) = (self.clone(), Arc::clone(work));
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(load.config.watch).await;
                match load.require_same_definitions().await {
                    Ok(()) => {}
                    // A target that is away for a moment is the business of those who send.
                    Err(error) if error.is_transient() => tracing::debug!(%error, "the definitions could not be read"),
                    Err(error) => return work.stop(error),
                }
            }
        }))
    }

    async fn require_same_definitions(&self) -> Result<()> {
        for bound in &self.bound {
            let name = &bound.definition.name;
            let changes = match self.client.definition(name).await? {
                Some(live) => bound.definition.changes(&live),
                None => vec!["it is no longer there".to_owned()],
            };
            if !changes.is_empty() {
                return Err(Error::Mismatch {
                    what: format!("definition {name}"),
                    message: format!(
                        "changed in the target while rows were sent: {}. What was sent is in the ledger; run `telecine \
                         transform` with this target, then `telecine load` again",
                        changes.join(", ")
                    ),
                });
            }
        }
        Ok(())
    }
}
