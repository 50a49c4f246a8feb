//! Searching an asset of which only our own marks are known: what is found, what is proven not to be there, and what
//! nobody can tell.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::client::{FlexClient, MATRIX_DATE};
use super::matrix::Address;
use super::model::{Asset, Finding, Outcome};
use super::pass::{Answer, Pass};
use crate::error::Result;

/// Assets of one name that are read before a search by name is given up.
const MOST_NAMESAKES: u64 = 5_000;
/// Assets of one name that are read with one request.
const NAMESAKES_AT_ONCE: u64 = 100;
/// Assets among which one is taken that a search must show.
const SAMPLE: u64 = 10;

impl FlexClient {
    /// Searches an asset by its uuid.
    ///
    /// # Errors
    /// When the server is away or refuses the credentials.
    pub async fn find_by_uuid(&self, uuid: &str) -> Result<Finding> {
        let address = Address::of("assets").with("uuid", uuid).with("limit", 10);
        self.find(&address, |asset| asset.uuid.as_deref().is_some_and(|shown| shown.eq_ignore_ascii_case(uuid))).await
    }

    /// Searches an asset by an external id. Several that carry it leave it unproven which is ours.
    ///
    /// # Errors
    /// When the server is away or refuses the credentials.
    pub async fn find_by_external_id(&self, key: &str, value: &str) -> Result<Finding> {
        let address = Address::of("assets").with("externalId", format!("{key}:{value}")).with("limit", 10);
        let is_it = |asset: &Asset| asset.external_ids.iter().flatten().any(|id| id.key == key && id.value == value);
        self.find(&address, is_it).await
    }

    /// Searches the asset of this uuid among those of exactly this name, created at or after the given moment.
    ///
    /// # Errors
    /// When the server is away or refuses the credentials.
    pub async fn find_by_name(&self, name: &str, uuid: &str, created_from: DateTime<Utc>) -> Result<Finding> {
        let address = Address::of("assets")
            .with("name", name)
            .with("exactNameMatch", true)
            .with("createdFrom", created_from.format(MATRIX_DATE));
        let address = address.with("sortBy", "id").with("sort", "asc");
        let mut pass = Pass::new(false);
        while let Some((offset, limit)) = pass.next(NAMESAKES_AT_ONCE) {
            let page = self.list(&address.clone().with("limit", limit).with("offset", offset)).await?;
            let Outcome::Done(page) = page else { return Ok(Finding::Unproven) };
            let Ok(answer) = Answer::read(page) else { return Ok(Finding::Unproven) };
            let ours = |asset: &&Asset| {
                !asset.deleted && asset.uuid.as_deref().is_some_and(|shown| shown.eq_ignore_ascii_case(uuid))
            };
            if let Some(asset) = answer.assets.iter().find(ours) {
                return Ok(Finding::Found(Box::new(asset.clone())));
            }
            let namesake = |asset: &Asset| asset.uuid.is_some() && asset.name.as_deref() == Some(name);
            if !answer.assets.iter().all(namesake) || answer.total > MOST_NAMESAKES {
                return Ok(Finding::Unproven);
            }
            pass.take(&answer);
        }
        Ok(if pass.is_proven() { Finding::Absent } else { Finding::Unproven })
    }

    /// Whether a search by uuid shows an asset that is there, the oldest; `true` too where there is none. `None` where
    /// nothing can be told now. Only what shows one that is there proves of another that it is not.
    ///
    /// # Errors
    /// When the server is away or refuses the credentials.
    pub async fn shows_assets(&self) -> Result<Option<bool>> {
        let address = Address::of("assets").with("sortBy", "id").with("sort", "asc").with("limit", SAMPLE);
        let Outcome::Done(page) = self.list(&address).await? else { return Ok(None) };
        let Ok(answer) = Answer::read(page) else { return Ok(None) };
        if answer.total == 0 && answer.assets.is_empty() {
            return Ok(Some(true));
        }
        let Some(uuid) = answer.assets.into_iter().filter(|asset| !asset.deleted).find_map(|asset| asset.uuid) else {
            return Ok(Some(false));
        };
        Ok(match self.find_by_uuid(&uuid).await? {
            Finding::Found(_) => Some(true),
            Finding::Absent => Some(false),
            Finding::Unproven => None,
        })
    }

    /// A list that is empty, or whole and of nothing but what is in the bin, proves absence; one of other assets shows
    /// only that the filter was not understood, and two that match leave open which is meant.
    async fn find(&self, address: &Address, is_it: impl Fn(&Asset) -> bool) -> Result<Finding> {
        let Outcome::Done(reply) = self.read(address.as_str()).await? else { return Ok(Finding::Unproven) };
        let mut value = reply.json();
        let total = value.get("totalCount").and_then(Value::as_u64);
        let assets = value.get_mut("assets").map(Value::take).unwrap_or_default();
        let Ok(assets) = serde_json::from_value::<Vec<Asset>>(assets) else { return Ok(Finding::Unproven) };
        let is_whole = total == Some(assets.len() as u64);
        let only_gone = assets.iter().all(|asset| asset.deleted && is_it(asset));
        let mut matching = assets.into_iter().filter(|asset| !asset.deleted && is_it(asset));
        Ok(match (matching.next(), matching.next()) {
            (Some(asset), None) => Finding::Found(Box::new(asset)),
            (Some(_), Some(_)) => Finding::Unproven,
            (None, _) if is_whole && only_gone => Finding::Absent,
            (None, _) => Finding::Unproven,
        })
    }
}
