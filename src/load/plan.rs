//! The difference between the mapped rows and the ledger: what a load would do. Sends nothing that changes the target.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::decide::{Need, is_untouched, lacks_name};
use super::ledger::{Entry, State};
use super::link::UNLESS_KNOWN;
use super::reference::{self, Resolved};
use super::request::{Request, Step, Way};
use super::seen::Seen;
use super::{Bound, Load, Row};
use crate::error::{Error, Result};

/// Names of gone assets that a report lists.
const MOST_GONE: usize = 100;
/// Entries of the ledger read at a time.
const PORTION: usize = 10_000;
/// How the asset's own name is called among its fields.
const ASSET_NAME: &str = "asset name";

/// What a load would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The target's name.
    pub target: String,
    /// Where it is.
    pub url: String,
    /// All queries together.
    #[serde(flatten)]
    pub counts: PlanCounts,
    /// Assets of the ledger that no row of the run stands for. They are reported, never removed by a load.
    pub gone: u64,
    /// The first hundred of them, by source key.
    pub gone_keys: Vec<String>,
    /// The same by query.
    pub queries: BTreeMap<String, QueryPlan>,
}

/// What a load would do with the rows of one query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryPlan {
    /// The definition that the query feeds.
    pub definition: String,
    /// Its rows.
    #[serde(flatten)]
    pub counts: PlanCounts,
    /// In how many of the rows to be updated each field differs from what the target holds.
    pub fields: BTreeMap<String, u64>,
    /// The content of the dataset that was planned.
    pub content: String,
}

/// Rows by what a load would do with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCounts {
    /// Not in the target, or not complete there yet.
    pub create: u64,
    /// In the target with other values.
    pub update: u64,
    /// Those of `update` of which only references differ.
    pub relink: u64,
    /// In the target as it should be.
    pub unchanged: u64,
    /// Unknown whether they are in the target.
    pub held: u64,
    /// Forbidden by the definition; they would fail without a request.
    pub invalid: u64,
    /// Those of all above that were created with another type, definition or external id than their rows have now. A load
    /// cannot change that.
    #[serde(default)]
    pub restated: u64,
    /// Those of all above that failed before and are tried again.
    pub retry: u64,
}

/// What is planned for one row.
struct Planned {
    requests: Vec<Request>,
    /// The fields that differ from what the target holds.
    fields: Vec<String>,
}

/// A plan in the making.
struct Planner<'a> {
    load: &'a Load,
    bound: &'a Bound,
    seen: &'a Seen,
    /// How field values are set, where that is known.
    way: Option<Way>,
    /// Ids of what the rows at hand refer to.
    ids: HashMap<String, i64>,
}

impl Load {
    /// What a load would do. With `requests`, the exact requests are written there as NDJSON, one a line in the order in
    /// which they are sent for a row: `source_key`, `query`, `step`, `method`, `url`, `body` (the exact text), `blake3`
    /// (over `METHOD SP PATH LF BODY`, PATH below the base URL), `fields` that differ (updates) and `references`. Ids that
    /// only the target can give stand as `{id}` in URLs and as `{"id":"{SOURCE KEY}"}` in bodies; such a line has no
    /// `blake3`.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the ledger is blank over a target that holds our assets. When the datasets or the ledger
    /// cannot be read, two rows have the same key, or `requests` cannot be written.
    pub async fn plan(&self, mut requests: Option<&mut (dyn Write + Send)>) -> Result<PlanReport> {
        self.require_known().await?;
        let (seen, way) = (self.see_all().await?, self.known_way().await?);
        let (target, url) = (self.config.target.clone(), self.client.base_url().to_owned());
        let mut report = PlanReport { target, url, ..PlanReport::default() };
        for bound in &self.bound {
            let mut plan = QueryPlan {
                definition: bound.definition.name.clone(),
                content: bound.content(),
                ..QueryPlan::default()
            };
            let mut batches = bound.batches().await?;
            while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                let faults = bound.rules.faults(&batch);
                let rows = bound.shape.rows(&batch)?;
                let entries = self.ledger.entries(rows.iter().map(|(_, row)| row.source_key.clone()).collect()).await?;
                let ids = self.ids_of(rows.iter().map(|(_, row)| row), None).await?;
                let planner = Planner { load: self, bound, seen: &seen, way, ids };
                for (index, row) in &rows {
                    let entry = entries.get(&row.source_key);
                    let planned = planner.plan(row, entry, faults.contains_key(index), &mut plan)?;
                    if let (Some(out), Some(planned)) = (&mut requests, planned) {
                        self.write_lines(*out, bound, row, &planned)?;
                    }
                }
            }
            report.counts.add(&plan.counts);
            report.queries.insert(bound.binding.query.clone(), plan);
        }
        self.find_gone(&seen, &mut report).await?;
        Ok(report)
    }

    /// All source keys to be loaded, with whether their assets will be there.
    pub(super) async fn see_all(&self) -> Result<Seen> {
        let seen = Seen::new()?;
        for bound in &self.bound {
            let mut batches = bound.batches().await?;
            while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                let faults = bound.rules.faults(&batch);
                let keys = bound.shape.keys(&batch)?;
                let entries = self.ledger.entries(keys.iter().map(|(_, key)| key.clone()).collect()).await?;
                let there = |index: &usize, key: &String| match entries.get(key) {
                    Some(entry) if entry.flex_id.is_some() => true,
                    Some(entry) if entry.state == State::Unknown => false,
                    _ => !bound.has_needed() && !faults.contains_key(index),
                };
                seen.add(keys.iter().map(|(index, key)| (key.clone(), there(index, key))))?;
            }
        }
        if self.bound.iter().any(|bound| bound.has_needed()) {
            self.see_needed(&seen).await?;
        }
        Ok(seen)
    }

    async fn find_gone(&self, seen: &Seen, report: &mut PlanReport) -> Result<()> {
        let mut after = String::new();
        loop {
            let assets = self.ledger.assets_after(after, PORTION).await?;
            let Some(last) = assets.last().map(|asset| asset.source_key.clone()) else { return Ok(()) };
            for asset in assets.into_iter().filter(|asset| asset.flex_id.is_some()) {
                if seen.get(&asset.source_key)?.is_none() {
                    report.gone += 1;
                    if report.gone_keys.len() < MOST_GONE {
                        report.gone_keys.push(asset.source_key);
                    }
                }
            }
            after = last;
        }
    }

    fn write_lines(&self, out: &mut (dyn Write + Send), bound: &Bound, row: &Row, planned: &Planned) -> Result<()> {
        for request in &planned.requests {
            let mut line = json!({
                "source_key": row.source_key,
                "query": bound.binding.query,
                "step": request.step.word(),
                "method": request.method.as_str(),
                "url": format!("{}{}", self.client.base_url(), request.path),
                "body": String::from_utf8_lossy(&request.body),
            });
            if !request.has_unknown_ids() {
                line["blake3"] = json!(blake3::Hash::from_bytes(request.hash()).to_hex().as_str());
            }
            if !planned.fields.is_empty() {
                line["fields"] = json!(planned.fields);
            }
            if request.step == Step::References || request.names_coming() {
                line["references"] = json!(row.references);
            }
            writeln!(out, "{line}").map_err(|cause| Error::Preflight {
                message: "the requests cannot be written".to_owned(),
                cause: Some(Box::new(cause)),
            })?;
        }
        Ok(())
    }
}

impl Planner<'_> {
    /// Counts the row and gives what would be sent for it.
    fn plan(&self, row: &Row, entry: Option<&Entry>, invalid: bool, plan: &mut QueryPlan) -> Result<Option<Planned>> {
        let need = Need::of(row, entry);
        let counts = &mut plan.counts;
        let restated = entry.is_some_and(|entry| self.load.config.is_restated(self.bound, row, entry));
        counts.restated += u64::from(restated);
        if need == Need::Held {
            counts.held += 1;
            return Ok(None);
        }
        let first = self.links(true, |of| self.bound.first_links(row, of))?;
        if matches!(need, Need::Create | Need::Update) && (invalid || self.bound.unmet(row, &first).is_some()) {
            counts.invalid += 1;
            return Ok(None);
        }
        counts.retry += u64::from(entry.is_some_and(|entry| entry.state == State::Failed));
        let resolved = self.links(true, |of| Resolved::of(&row.links, of))?;
        let mut requests = Vec::new();
        let mut fields = Vec::new();
        match (need, entry) {
            (Need::Create | Need::Held, _) | (_, None) => {
                counts.create += 1;
                self.create(row, entry, &first, &resolved, &mut requests)?;
            }
            (Need::Link, Some(entry)) => {
                counts.create += u64::from(entry.completions == 0);
                counts.update += u64::from(entry.completions > 0);
                requests.extend(self.load.link_request(self.bound, row, entry, &resolved, self.way, true));
            }
            (Need::Update, Some(entry)) => {
                counts.update += 1;
                fields = self.changed(row, entry);
                self.update(row, entry, &resolved, &mut requests)?;
            }
            (Need::Nothing, Some(entry)) => {
                match self.load.link_request(self.bound, row, entry, &resolved, self.way, false) {
                    Some(request) => {
                        counts.update += 1;
                        counts.relink += 1;
                        fields = self.changed(row, entry);
                        requests.push(request);
                    }
                    None => counts.unchanged += 1,
                }
            }
        }
        for field in &fields {
            *plan.fields.entry(field.clone()).or_default() += 1;
        }
        Ok(Some(Planned { requests, fields }))
    }

    /// References with ids; with `all`, those to assets that the load is to make stand there by their source keys.
    fn id_of(&self, key: &str, all: bool, failed: &Cell<Option<Error>>) -> Option<Value> {
        if let Some(id) = self.ids.get(key) {
            return Some(reference::to(*id));
        }
        if !all {
            return None;
        }
        match self.seen.get(key) {
            Ok(there) => there.filter(|there| *there).map(|_| reference::to_coming(key)),
            Err(error) => {
                failed.set(Some(error));
                None
            }
        }
    }

    fn links(&self, all: bool, resolve: impl FnOnce(&dyn Fn(&str) -> Option<Value>) -> Resolved) -> Result<Resolved> {
        let failed = Cell::new(None);
        let resolved = resolve(&|key| self.id_of(key, all, &failed));
        failed.into_inner().map_or(Ok(resolved), Err)
    }

    fn create(
        &self,
        row: &Row,
        entry: Option<&Entry>,
        first: &Resolved,
        resolved: &Resolved,
        requests: &mut Vec<Request>,
    ) -> Result<()> {
        // What is tried first with the first asset.
        let (load, way) = (self.load, self.way.unwrap_or(Way::Annotations));
        let id = entry.and_then(|entry| entry.flex_id);
        match (entry, id) {
            (Some(entry), Some(_)) if !is_untouched(row, entry) => return self.update(row, entry, resolved, requests),
            (_, Some(_)) => {}
            (_, None) => requests.push(load.create_request(self.bound, row)),
        }
        if &row.values[..] != b"{}" || !first.fields.is_empty() {
            requests.push(Request::describe(way, id, row, first));
        }
        if resolved.fields != first.fields {
            requests.push(Request::references(way, id, row, resolved));
        }
        Ok(())
    }

    fn update(&self, row: &Row, entry: &Entry, resolved: &Resolved, requests: &mut Vec<Request>) -> Result<()> {
        let Some(id) = entry.flex_id else { return Ok(()) };
        if lacks_name(row, entry) {
            requests.push(Request::rename(id, &row.name));
        }
        let failed = Cell::new(None);
        let of = |all: bool| {
            let failed = &failed;
            move |key: &str| self.id_of(key, all, failed)
        };
        let known = self.bound.links_at_once(row, &of(false), &of(true));
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        requests.push(Request::replace(id, row, &known));
        if known != *resolved {
            requests.push(Request::references(self.way.unwrap_or(UNLESS_KNOWN), Some(id), row, resolved));
        }
        Ok(())
    }

    /// The names of the fields that differ from what the target holds.
    fn changed(&self, row: &Row, entry: &Entry) -> Vec<String> {
        let name = (entry.name != row.name).then(|| ASSET_NAME.to_owned());
        let numbers = entry.fields.changed(&row.fields).into_iter();
        let unknown = |number: u16| format!("a field that the query no longer gives (number {number})");
        let fields =
            numbers.map(|number| self.bound.shape.name_of(number).map_or_else(|| unknown(number), str::to_owned));
        name.into_iter().chain(fields).collect()
    }
}

impl PlanReport {
    /// Rows to be loaded.
    pub fn total(&self) -> u64 {
        let PlanCounts { create, update, unchanged, held, invalid, .. } = self.counts;
        create + update + unchanged + held + invalid
    }

    /// Rows that need requests.
    pub fn to_send(&self) -> u64 {
        self.counts.create + self.counts.update
    }
}

impl PlanCounts {
    fn add(&mut self, other: &Self) {
        self.create += other.create;
        self.update += other.update;
        self.relink += other.relink;
        self.unchanged += other.unchanged;
        self.held += other.held;
        self.invalid += other.invalid;
        self.restated += other.restated;
        self.retry += other.retry;
    }
}
