//! The way of one row into the target: intent, POST, id, field values. Each step is durable before the next relies on it.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::Bound;
use super::apply::Work;
use super::ledger::{Entry, Intent, State};
use super::report::Tally;
use super::row::Row;
use crate::error::Result;
use crate::flex::{Asset, ExternalId, Finding, Instance, NewAsset, Outcome, instance};

/// The reason of a row that the definition forbids.
const INVALID: &str = "INVALID";
/// The reason of a row of which the target never said that it is done.
const UNCLEAR: &str = "UNCLEAR";
/// How much the target's clock may lag behind ours in the search by name.
const CLOCK_MARGIN: TimeDelta = TimeDelta::hours(24);

/// By which request field values are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Annotations,
    Metadata,
}

impl Way {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Annotations => "annotations",
            Self::Metadata => "metadata",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Annotations, Self::Metadata].into_iter().find(|way| way.word() == word)
    }
}

/// What looking for an asset of ours showed.
enum LookUp {
    Found(Box<Asset>),
    /// Two searches at least prove that it is not there.
    Absent,
    Unproven,
}

impl Work {
    /// Brings one row into the target, all but its references.
    pub(super) async fn write_asset(&self, bound: &Bound, row: &Row, entry: Option<Entry>) -> Result<()> {
        let faults = bound.definition.faults(&row.instance);
        if !faults.is_empty() {
            let message = faults.join("; ");
            let intent = self.intent(bound, row, entry.as_ref());
            self.load.ledger.refuse(intent, INVALID, &message).await?;
            return self.count_failure(INVALID);
        }
        match entry {
            Some(Entry { flex_id: Some(id), .. }) => self.rewrite(row, &entry, id).await,
            _ => match self.create(bound, row, entry.as_ref()).await? {
                Some(id) => self.describe(row, id).await,
                None => Ok(()),
            },
        }
    }

    fn intent(&self, bound: &Bound, row: &Row, entry: Option<&Entry>) -> Intent {
        Intent {
            source_key: row.source_key.clone(),
            query: bound.binding.query.clone(),
            uuid: row.uuid(),
            name: row.name.clone(),
            payload: row.payload,
            fresh: entry.is_none(),
        }
    }

    /// Creates the asset and gives its id; `None` when the row has failed or is held.
    async fn create(&self, bound: &Bound, row: &Row, entry: Option<&Entry>) -> Result<Option<i64>> {
        self.load.ledger.intend(self.intent(bound, row, entry)).await?;
        let asset = self.load.config.new_asset(bound, row);
        let since = entry.map_or_else(Utc::now, |entry| entry.intended_at);
        // An earlier load may have sent the request and not lived to see its answer.
        let mut unclear = entry.is_some();
        for repeat in 1.. {
            if unclear {
                match self.look_up(&asset, since).await? {
                    LookUp::Found(found) => return self.adopt(row, &found).await.map(Some),
                    LookUp::Unproven => return self.hold(row, "no answer came to the POST").await,
                    LookUp::Absent => {}
                }
            }
            match self.load.client.create_asset(&asset).await? {
                Outcome::Done(id) => {
                    self.load.ledger.created(&row.source_key, id).await?;
                    return Ok(Some(id));
                }
                // The uuid is taken: by our own asset, if the ledger was lost or an earlier request was slow.
                Outcome::Refused(refusal) if refusal.status == 409 && !unclear => unclear = true,
                Outcome::Refused(refusal) if refusal.status == 409 => return self.hold(row, &refusal.message).await,
                Outcome::Refused(refusal) => {
                    return self.fail(row, &format!("HTTP {}", refusal.status), &refusal.message).await.map(|()| None);
                }
                Outcome::Unclear(message) => {
                    tracing::debug!(source_key = row.source_key, message, "unclear: looking the asset up");
                    unclear = true;
                    if let LookUp::Found(found) = self.look_up_soon(&asset, since).await? {
                        return self.adopt(row, &found).await.map(Some);
                    }
                    if !self.load.client.again(repeat).await {
                        return self.hold(row, &message).await;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Looks now, and once more after the time in which a slow request may still be carried out.
    async fn look_up_soon(&self, asset: &NewAsset, since: DateTime<Utc>) -> Result<LookUp> {
        if let LookUp::Found(found) = self.look_up(asset, since).await? {
            return Ok(LookUp::Found(found));
        }
        self.load.client.settle().await;
        // The next search comes before the request is repeated.
        Ok(LookUp::Unproven)
    }

    /// By uuid, by external id, by name within the window: found by any, absent when two prove it.
    async fn look_up(&self, asset: &NewAsset, since: DateTime<Utc>) -> Result<LookUp> {
        let client = &self.load.client;
        let mut proofs = 0;
        let by_uuid = client.find_by_uuid(&asset.uuid).await?;
        let by_external_id = match &asset.external_id {
            Some(ExternalId { key, value }) if !matches!(by_uuid, Finding::Found(_)) => {
                // Another asset may have the same external id: only one without a uuid of its own making is ours.
                match client.find_by_external_id(key, value).await? {
                    Finding::Found(found) if found.uuid.as_deref() != Some(&asset.uuid) => Finding::Unproven,
                    finding => finding,
                }
            }
            _ => Finding::Unproven,
        };
        for finding in [by_uuid, by_external_id] {
            match finding {
                Finding::Found(found) => return Ok(LookUp::Found(found)),
                Finding::Absent => proofs += 1,
                Finding::Unproven => {}
            }
        }
        match client.find_by_name(&asset.name, &asset.uuid, since - CLOCK_MARGIN).await? {
            Finding::Found(found) => return Ok(LookUp::Found(found)),
            Finding::Absent => proofs += 1,
            Finding::Unproven => {}
        }
        Ok(if proofs >= 2 { LookUp::Absent } else { LookUp::Unproven })
    }

    /// An asset with our uuid is ours, whoever's answer was lost.
    async fn adopt(&self, row: &Row, found: &Asset) -> Result<i64> {
        self.load.ledger.created(&row.source_key, found.id).await?;
        if found.name.as_deref().is_some_and(|name| name != row.name)
            && let Outcome::Done(()) = self.load.client.rename_asset(found.id, &row.name).await?
        {
            self.load.ledger.renamed(&row.source_key, &row.name).await?;
        }
        Ok(found.id)
    }

    async fn hold(&self, row: &Row, cause: &str) -> Result<Option<i64>> {
        let message = format!(
            "{cause}; no search proves that the asset is there or not: look for its uuid in the target, then load again"
        );
        self.load.ledger.unknown(&row.source_key, &message).await?;
        Tally::add(&self.tally.held);
        Ok(None)
    }

    pub(super) async fn fail(&self, row: &Row, reason: &str, message: &str) -> Result<()> {
        self.load.ledger.failed(&row.source_key, reason, message).await?;
        self.count_failure(reason)
    }

    /// Records what became of a write; true when it is done.
    pub(super) async fn settle(&self, row: &Row, outcome: Outcome<()>) -> Result<bool> {
        match outcome {
            Outcome::Done(()) => return Ok(true),
            Outcome::Refused(refusal) => self.fail(row, &format!("HTTP {}", refusal.status), &refusal.message).await?,
            Outcome::Unclear(message) => self.fail(row, UNCLEAR, &message).await?,
        }
        Ok(false)
    }

    /// Sets the field values of a new asset.
    async fn describe(&self, row: &Row, id: i64) -> Result<()> {
        let fields = row.without_references();
        if !fields.is_empty() {
            let way = *self.way.get_or_try_init(|| self.canary(id, &fields)).await?;
            let written = self.write_fields(way, id, &fields).await?;
            if !self.settle(row, written).await? {
                return Ok(());
            }
        }
        if row.references.is_empty() {
            self.load.ledger.linked(&row.source_key, 0).await?;
            self.tally.complete(0);
            return Ok(());
        }
        self.load.ledger.attributes_done(&row.source_key).await
    }

    /// Tries whether annotations set the instance. What the canary leaves behind is overwritten by the write itself.
    async fn canary(&self, id: i64, fields: &Instance) -> Result<Way> {
        let way = match self.write_fields(Way::Annotations, id, fields).await? {
            // A fault on the way says nothing about what annotations are: good for this load, not to be remembered.
            Outcome::Unclear(_) => return Ok(Way::Metadata),
            Outcome::Refused(_) => Way::Metadata,
            Outcome::Done(()) => {
                let found = self.load.client.metadata(id).await?.unwrap_or_default();
                if instance::contains(&found, fields) { Way::Annotations } else { Way::Metadata }
            }
        };
        tracing::info!(way = way.word(), "how field values are set was found out with the first asset");
        self.remember_way(way).await?;
        Ok(way)
    }

    /// Writes field values; an unclear POST is read back before it is repeated.
    pub(super) async fn write_fields(&self, way: Way, id: i64, fields: &Instance) -> Result<Outcome<()>> {
        let client = &self.load.client;
        let body = body(fields);
        if way == Way::Metadata {
            return client.put_metadata(id, body).await;
        }
        for repeat in 1.. {
            let message = match client.post_annotations(id, body.clone()).await? {
                Outcome::Unclear(message) => message,
                outcome => return Ok(outcome),
            };
            if client.metadata(id).await?.is_some_and(|found| instance::contains(&found, fields)) {
                return Ok(Outcome::Done(()));
            }
            if !client.again(repeat).await {
                return Ok(Outcome::Unclear(message));
            }
        }
        Ok(Outcome::Done(()))
    }

    /// Brings an asset that exists up to date. The whole instance is replaced, because a merge would leave fields that
    /// are gone; references that have ids already are set at once.
    async fn rewrite(&self, row: &Row, entry: &Option<Entry>, id: i64) -> Result<()> {
        let Some(entry) = entry else { return Ok(()) };
        let ledger = &self.load.ledger;
        let resumed = entry.state == State::Created && entry.payload == row.payload;
        if !resumed {
            ledger.revise(&row.source_key, row.payload).await?;
        }
        if entry.name != row.name {
            let renamed = self.load.client.rename_asset(id, &row.name).await?;
            if !self.settle(row, renamed).await? {
                return Ok(());
            }
            ledger.renamed(&row.source_key, &row.name).await?;
        }
        if resumed && entry.completions == 0 {
            return self.describe(row, id).await;
        }
        let ids = self.ids_of(std::slice::from_ref(row)).await?;
        let (fields, unresolved) = row.resolved(&ids);
        let written = self.write_fields(Way::Metadata, id, &fields).await?;
        if !self.settle(row, written).await? {
            return Ok(());
        }
        if unresolved > 0 {
            return ledger.attributes_done(&row.source_key).await;
        }
        ledger.linked(&row.source_key, 0).await?;
        self.tally.complete(entry.completions);
        Ok(())
    }
}

fn body(fields: &Instance) -> Bytes {
    // A map of JSON values always has a JSON text.
    Bytes::from(serde_json::to_vec(fields).unwrap_or_default())
}
