//! The way of one row into the target: intent, POST, id, field values. Each step is durable before the next relies on it.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::Bound;
use super::apply::Task;
use super::decide::{is_untouched, lacks_name};
use super::ledger::{Entry, Reason, Sent, State};
use super::reference::Resolved;
use super::report::Tally;
use super::request::{Request, Step, Way};
use super::row::Row;
use super::work::Work;
use crate::error::Result;
use crate::flex::{Asset, ExternalId, Finding, Instance, NewAsset, Outcome, Refusal, Written, instance};

/// The reason of a row of which the target never said that it is done.
const UNCLEAR: &str = "UNCLEAR";
/// How much the target's clock may lag behind ours in the search by name.
const CLOCK_MARGIN: TimeDelta = TimeDelta::hours(24);

/// The status of the answer to a POST that made something new.
const NEW: u16 = 201;

/// The asset of a row that had none.
enum Made {
    /// Made by a request of this load, with no values.
    New(i64),
    /// It was there.
    Found(Box<Asset>),
}

/// What looking for an asset of ours showed.
enum LookUp {
    Found(Box<Asset>),
    /// Two searches at least, of a target whose searches show what is there, prove that it is not.
    Absent,
    Unproven,
}

impl Work {
    /// Brings one row into the target, all but the references of the second pass. The intent of a new asset is durable.
    pub(super) async fn write_asset(&self, bound: &Bound, task: &Task) -> Result<()> {
        if let Some(entry @ Entry { flex_id: Some(id), .. }) = &task.entry {
            return self.rewrite(bound, task, entry, *id).await;
        }
        match self.create(bound, task).await? {
            Some(Made::New(id)) => self.describe(task, id).await,
            Some(Made::Found(asset)) => self.adopt(bound, task, &asset).await,
            None => Ok(()),
        }
    }

    /// Creates the asset; `None` when the row has failed or is held.
    async fn create(&self, bound: &Bound, task: &Task) -> Result<Option<Made>> {
        let row = &task.row;
        let Some(request) = &task.create else { return Ok(None) };
        let asset = self.load.config.new_asset(bound, row);
        let since = task.entry.as_ref().map_or_else(Utc::now, |entry| entry.intended_at);
        // An earlier load may have sent the request and not lived to see its answer.
        let mut unclear = task.entry.as_ref().is_some_and(|entry| entry.state != State::Removed);
        // Nothing came of a request that was refused; yet what refused it may be an asset with our uuid.
        let mut refused = task.entry.as_ref().is_some_and(|entry| entry.refused);
        let mut rest = task.entry.as_ref().and_then(|entry| self.unsettled(entry));
        for repeat in 1.. {
            if unclear {
                let mut found = self.look_up(&asset, since).await?;
                if let (LookUp::Absent, Some(rest)) = (&found, rest.take()) {
                    tokio::time::sleep(rest).await;
                    found = self.look_up(&asset, since).await?;
                }
                match found {
                    LookUp::Found(found) => return Ok(Some(Made::Found(found))),
                    LookUp::Absent => {}
                    LookUp::Unproven if refused => {}
                    LookUp::Unproven => return self.hold(row, "no answer came to the POST", request).await,
                }
            }
            refused = false;
            let outcome = self.load.client.write(&request.method, &request.path, request.body.clone(), false).await?;
            let message = match outcome {
                Outcome::Done(Written { status: NEW, id: Some(id) }) => {
                    let sent = Sent::answered(request, NEW);
                    self.load.ledger.created(&row.source_key, id, Some(sent)).await?;
                    return Ok(Some(Made::New(id)));
                }
                // Done, but nothing is new: an asset with our uuid is there, perhaps with values of an earlier row.
                Outcome::Done(Written { id: Some(id), .. }) => match self.load.client.asset(id).await? {
                    Some(found) if asset.may_be(&found) => return Ok(Some(Made::Found(Box::new(found)))),
                    Some(found) => {
                        let uuid = found.uuid.unwrap_or_default();
                        let cause = format!("the server answered with asset {id}, whose uuid is {uuid}");
                        return self.hold(row, &cause, request).await;
                    }
                    None => format!("the server answered with asset {id}, which is not there"),
                },
                Outcome::Done(Written { id: None, .. }) => "the server said done, but gave no id".to_owned(),
                // The uuid is taken: by our own asset, if an earlier request was slow.
                Outcome::Refused(refusal) if refusal.status == 409 && !unclear => {
                    unclear = true;
                    continue;
                }
                Outcome::Refused(refusal) if refusal.status == 409 => {
                    return self.hold(row, &refusal.to_string(), request).await;
                }
                Outcome::Refused(refusal) => {
                    self.fail(row, request, refusal).await?;
                    return Ok(None);
                }
                Outcome::Unclear(message) => message,
            };
            unclear = true;
            if let Some(done) = self.find_or_wait(row, request, &asset, since, repeat, &message).await? {
                return Ok(done);
            }
        }
        Ok(None)
    }

    /// What is left of the time in which a request of an earlier load may still be carried out.
    fn unsettled(&self, entry: &Entry) -> Option<Duration> {
        if !matches!(entry.state, State::Intended | State::Unknown) {
            return None;
        }
        // A clock that was set back since says nothing.
        let since = (Utc::now() - entry.changed_at).to_std().unwrap_or_default();
        self.load.client.settle_time().checked_sub(since).filter(|rest| !rest.is_zero())
    }

    /// After a POST of unclear outcome: the asset, if it is there; else, when the time in which a slow request may still
    /// be carried out is over, leave to look once more and repeat (`None`).
    async fn find_or_wait(
        &self,
        row: &Row,
        request: &Request,
        asset: &NewAsset,
        since: DateTime<Utc>,
        repeat: u32,
        message: &str,
    ) -> Result<Option<Option<Made>>> {
        tracing::debug!(source_key = row.source_key, message, "unclear: looking the asset up");
        if let LookUp::Found(found) = self.look_up(asset, since).await? {
            return Ok(Some(Some(Made::Found(found))));
        }
        tokio::time::sleep(self.load.client.settle_time()).await;
        if self.load.client.again(repeat).await {
            return Ok(None);
        }
        self.hold(row, message, request).await.map(Some)
    }

    /// By uuid, by external id, by name within the window: found by any, absent when two prove it.
    async fn look_up(&self, asset: &NewAsset, since: DateTime<Utc>) -> Result<LookUp> {
        let client = &self.load.client;
        // A server that makes uuids of its own knows none of ours.
        let sends_uuid = client.create_fields().uuid.is_some();
        let mut proofs = 0;
        if sends_uuid {
            match client.find_by_uuid(&asset.uuid).await? {
                Finding::Found(found) => return Ok(LookUp::Found(found)),
                Finding::Absent => proofs += 1,
                Finding::Unproven => {}
            }
        }
        if let Some(ExternalId { key, value }) = &asset.external_id {
            match client.find_by_external_id(key, value).await? {
                // Another asset may have the same external id.
                Finding::Found(found) if sends_uuid && !asset.has_uuid_of(&found) => {}
                Finding::Found(found) => return Ok(LookUp::Found(found)),
                Finding::Absent => proofs += 1,
                Finding::Unproven => {}
            }
        }
        if sends_uuid {
            match client.find_by_name(&asset.name, &asset.uuid, since - CLOCK_MARGIN).await? {
                Finding::Found(found) => return Ok(LookUp::Found(found)),
                Finding::Absent => proofs += 1,
                Finding::Unproven => {}
            }
        }
        Ok(if proofs >= 2 && client.shows_assets().await? == Some(true) { LookUp::Absent } else { LookUp::Unproven })
    }

    /// An asset with our uuid is ours, whoever's answer was lost, and whatever an earlier row gave it: it is written anew.
    async fn adopt(&self, bound: &Bound, task: &Task, found: &Asset) -> Result<()> {
        let row = &task.row;
        let rename = (found.name.as_deref() != Some(&row.name)).then(|| Request::rename(found.id, &row.name));
        let hash = rename.as_ref().map(Request::hash);
        self.load.ledger.adopted(&row.source_key, found.id, found.name.clone(), hash).await?;
        Tally::add(&self.tally.adopted);
        self.overwrite(bound, task, found.id, rename, 0).await
    }

    async fn hold(&self, row: &Row, cause: &str, request: &Request) -> Result<Option<Made>> {
        let message = format!(
            "{cause}; no search proves that the asset is there or not: look for its uuid in the target, then load again"
        );
        self.load.ledger.unknown(&row.source_key, &message, Some(Sent::unanswered(request))).await?;
        Tally::add(&self.tally.held);
        Ok(None)
    }

    /// The target refused a request for a row.
    async fn fail(&self, row: &Row, request: &Request, refusal: Refusal) -> Result<()> {
        let class = format!("HTTP {}", refusal.status);
        let sent = Sent { request_id: refusal.request_id.clone(), ..Sent::answered(request, refusal.status) };
        let reason = Reason { class: class.clone(), message: refusal.message, request_id: refusal.request_id };
        let links = request.step == Step::References;
        self.load.ledger.failed(&row.source_key, reason, links, Some(sent)).await?;
        self.count_failure(&class)
    }

    /// Records what became of a write that did not succeed; gives the answer of one that did.
    pub(super) async fn settle(&self, row: &Row, request: &Request, outcome: Outcome<Written>) -> Result<Option<Sent>> {
        match outcome {
            Outcome::Done(written) => return Ok(Some(Sent::answered(request, written.status))),
            Outcome::Refused(refusal) => self.fail(row, request, refusal).await?,
            Outcome::Unclear(message) => {
                let reason = Reason { class: UNCLEAR.to_owned(), message, request_id: None };
                let links = request.step == Step::References;
                let sent = Some(Sent::unanswered(request));
                self.load.ledger.failed(&row.source_key, reason, links, sent).await?;
                self.count_failure(UNCLEAR)?;
            }
        }
        Ok(None)
    }

    /// Sets the field values of a new asset.
    async fn describe(&self, task: &Task, id: i64) -> Result<()> {
        let row = &task.row;
        let mut sent = None;
        let values = task.first.with(&row.values);
        if &values[..] != b"{}" {
            let way = *self.way.get_or_try_init(|| self.find_way(&values, id)).await?;
            let request = Request::write(Step::Attributes, way, Some(id), values);
            let outcome = self.write_fields(&request, id).await?;
            sent = self.settle(row, &request, outcome).await?;
            if sent.is_none() {
                return Ok(());
            }
        }
        if !row.links.is_empty() {
            let linked = Some(&task.first).filter(|first| !first.fields.is_empty());
            return self.load.ledger.described(&row.source_key, row.fields.clone(), linked, sent).await;
        }
        self.load.ledger.complete(&row.source_key, row.fields.clone(), sent).await?;
        self.tally.complete(0);
        Ok(())
    }

    /// Tries whether annotations set the instance. What the trial leaves behind is overwritten by the write itself.
    async fn find_way(&self, values: &Bytes, id: i64) -> Result<Way> {
        let trial = Request::write(Step::Attributes, Way::Annotations, Some(id), values.clone());
        let way = match self.write_fields(&trial, id).await? {
            // A fault on the way says nothing about what annotations are: good for this load, not to be remembered.
            Outcome::Unclear(_) => return Ok(Way::Metadata),
            Outcome::Refused(_) => Way::Metadata,
            Outcome::Done(_) => {
                let found = self.load.client.metadata(id).await?.unwrap_or_default();
                let expected: Instance = serde_json::from_slice(values).unwrap_or_default();
                if instance::contains(&found, &expected) { Way::Annotations } else { Way::Metadata }
            }
        };
        tracing::info!(way = way.word(), "how field values are set was found out with the first asset");
        self.remember_way(way).await?;
        Ok(way)
    }

    /// Sends a request that may be repeated without harm.
    async fn write(&self, request: &Request) -> Result<Outcome<Written>> {
        self.load.client.write(&request.method, &request.path, request.body.clone(), true).await
    }

    /// Writes field values. An unclear POST, which may have made a row on a timeline, is read back before it is repeated.
    pub(super) async fn write_fields(&self, request: &Request, id: i64) -> Result<Outcome<Written>> {
        let client = &self.load.client;
        if request.method == reqwest::Method::PUT {
            return self.write(request).await;
        }
        for repeat in 1.. {
            let sent = client.write(&request.method, &request.path, request.body.clone(), false).await?;
            let Outcome::Unclear(message) = sent else { return Ok(sent) };
            let expected = request.instance();
            if client.metadata(id).await?.is_some_and(|found| instance::contains(&found, &expected)) {
                return Ok(Outcome::Done(Written { status: 0, id: None }));
            }
            if !client.again(repeat).await {
                return Ok(Outcome::Unclear(message));
            }
        }
        Ok(Outcome::Unclear("never sent".to_owned()))
    }

    /// Brings an asset that exists up to date.
    async fn rewrite(&self, bound: &Bound, task: &Task, entry: &Entry, id: i64) -> Result<()> {
        let row = &task.row;
        if is_untouched(row, entry) {
            return self.describe(task, id).await;
        }
        let rename = lacks_name(row, entry).then(|| Request::rename(id, &row.name));
        let hash = rename.as_ref().map(Request::hash);
        self.load.ledger.revise(&row.source_key, &bound.binding.query, row.payload, hash).await?;
        self.overwrite(bound, task, id, rename, entry.completions).await
    }

    /// Replaces the name, where it is another, and the whole instance, because a merge would leave fields that are gone;
    /// references that had ids before the load are set at once. `completions` are those before.
    async fn overwrite(
        &self,
        bound: &Bound,
        task: &Task,
        id: i64,
        rename: Option<Request>,
        completions: u32,
    ) -> Result<()> {
        let (row, ledger) = (&task.row, &self.load.ledger);
        if let Some(request) = rename {
            let outcome = self.write(&request).await?;
            let Some(sent) = self.settle(row, &request, outcome).await? else { return Ok(()) };
            ledger.renamed(&row.source_key, &row.name, sent).await?;
        }
        let request = Request::replace(id, row, &task.resolved);
        let outcome = self.write_fields(&request, id).await?;
        let Some(sent) = self.settle(row, &request, outcome).await? else { return Ok(()) };
        if task.resolved.unresolved > 0 {
            return ledger.described(&row.source_key, row.fields.clone(), Some(&task.resolved), Some(sent)).await;
        }
        self.finish(bound, row, Some(row.fields.clone()), &task.resolved, Some(sent)).await?;
        self.tally.complete(completions);
        Ok(())
    }

    /// The target holds all of a row.
    pub(super) async fn finish(
        &self,
        bound: &Bound,
        row: &Row,
        fields: Option<super::FieldPrints>,
        resolved: &Resolved,
        sent: Option<Sent>,
    ) -> Result<()> {
        match fields {
            Some(fields) if !bound.shape.has_references() => {
                self.load.ledger.complete(&row.source_key, fields, sent).await
            }
            fields => self.load.ledger.linked(&row.source_key, fields, resolved, sent).await,
        }
    }
}
