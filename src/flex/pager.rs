//! Reading a long list page by page, and noticing when the server's pages do not add up.

use serde_json::Value;

use super::client::FlexClient;
use super::matrix::Address;
use super::model::{Asset, Outcome};
use crate::error::{Error, Result};

/// Assets in the order of their ids, page by page. Pages are asked for by offset and counted against `totalCount`;
/// an id that repeats or steps back, or a page that is empty too early, is an error and not an endless loop.
#[derive(Debug)]
pub struct Pager {
    client: FlexClient,
    address: Address,
    limit: usize,
    read: u64,
    total: Option<u64>,
    last_id: Option<i64>,
}

impl Pager {
    /// `address` holds the filter; order, limit and offset are added here.
    pub(super) fn new(client: FlexClient, address: Address, limit: usize) -> Self {
        let address = address.with("sortBy", "id").with("sort", "asc").with("limit", limit);
        Self { client, address, limit, read: 0, total: None, last_id: None }
    }

    /// How many assets the server says there are; `None` before the first page.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// When the list cannot be read, or its pages repeat or miss assets.
    pub async fn next(&mut self) -> Result<Option<Vec<Asset>>> {
        if self.total.is_some_and(|total| self.read >= total) {
            return Ok(None);
        }
        let address = self.address.clone().with("offset", self.read);
        let page = match self.client.list(&address).await? {
            Outcome::Done(page) => page,
            Outcome::Refused(refusal) => {
                return Err(self.broken(&format!("HTTP {}: {}", refusal.status, refusal.message)));
            }
            Outcome::Unclear(message) => return Err(self.broken(&message)),
        };
        let (assets, total) = self.parse(page)?;
        if assets.is_empty() && self.read < total {
            return Err(self.broken(&format!("the list ends after {} of {total} assets", self.read)));
        }
        for asset in &assets {
            if self.last_id.is_some_and(|last| asset.id <= last) {
                return Err(self.broken(&format!("asset {} is repeated or out of order", asset.id)));
            }
            self.last_id = Some(asset.id);
        }
        self.read += assets.len() as u64;
        if self.read > total {
            return Err(self.broken(&format!("{} assets were read of {total}: the list changed meanwhile", self.read)));
        }
        self.total = Some(total);
        Ok((!assets.is_empty()).then_some(assets))
    }

    fn parse(&self, mut page: Value) -> Result<(Vec<Asset>, u64)> {
        let total = page.get("totalCount").and_then(Value::as_u64);
        let total = total.ok_or_else(|| self.broken("the answer has no totalCount"))?;
        let assets = page.get_mut("assets").map(Value::take).ok_or_else(|| self.broken("the answer has no assets"))?;
        let assets: Vec<Asset> = serde_json::from_value(assets)
            .map_err(|cause| self.broken(&format!("an asset cannot be read: {cause}")))?;
        if assets.len() > self.limit {
            tracing::debug!(asked = self.limit, given = assets.len(), "the server ignores the limit");
        }
        Ok((assets, total))
    }

    fn broken(&self, message: &str) -> Error {
        self.client.error("GET", self.address.as_str(), None, message.to_owned(), false)
    }
}
