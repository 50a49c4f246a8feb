//! What must hold after every load, however it went, and what must hold at the end.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};
use telecine::load::LoadReport;
use telecine::load::ledger::State;
use uuid::Uuid;

use super::rows::Asset;
use super::script::{Late, LookUps};
use super::world::{Ended, Seen, World};

type Check = Result<(), String>;

/// The uuid of a source key, by the rule of the product's documents and not by its code.
pub fn uuid_of(key: &str) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://telecine/source-key");
    Uuid::new_v5(&namespace, key.as_bytes()).to_string()
}

fn demand(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64()
}

/// A request of the log: method, path, status (none where the reply was lost), fault.
struct Logged<'a>(&'a Value);

impl Logged<'_> {
    fn method(&self) -> &str {
        self.0["method"].as_str().unwrap_or_default()
    }

    fn path(&self) -> &str {
        self.0["path"].as_str().unwrap_or_default()
    }

    fn status(&self) -> Option<u64> {
        number(&self.0["status"])
    }

    /// When it came, by the server's clock in milliseconds.
    fn came(&self) -> Option<u64> {
        number(&self.0["came"])
    }

    /// When it was answered, by the same clock.
    fn answered(&self) -> Option<u64> {
        number(&self.0["ms"])
    }

    fn fault(&self) -> Option<&str> {
        self.0["fault"].as_str()
    }

    fn creates(&self) -> bool {
        self.method() == "POST" && self.path() == "/assets"
    }

    fn looks_up(&self) -> bool {
        self.method() == "GET" && self.path().starts_with("/assets;")
    }
}

fn logged(seen: &Seen) -> impl Iterator<Item = Logged<'_>> {
    seen.log.iter().map(Logged)
}

/// What a script did, for the summary.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    pub scripts: u64,
    pub loads: u64,
    pub aborted: u64,
    pub failed_loads: u64,
    pub requests: u64,
    pub retries: u64,
    pub look_ups: u64,
    pub created: u64,
    /// Assets whose creation was never answered with success: found by a search.
    pub adopted: u64,
    pub held: u64,
    pub late: u64,
    pub faults: BTreeMap<String, u64>,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.scripts += other.scripts;
        self.loads += other.loads;
        self.aborted += other.aborted;
        self.failed_loads += other.failed_loads;
        self.requests += other.requests;
        self.retries += other.retries;
        self.look_ups += other.look_ups;
        self.created += other.created;
        self.adopted += other.adopted;
        self.held += other.held;
        self.late += other.late;
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
    }

    pub fn see(&mut self, seen: &Seen) {
        self.loads += 1;
        self.aborted += u64::from(matches!(seen.ended, Ended::Aborted));
        self.failed_loads += u64::from(matches!(seen.ended, Ended::Error(_)));
        self.requests += seen.log.len() as u64;
        self.retries += seen.traffic.retries;
        for request in logged(seen) {
            self.look_ups += u64::from(request.looks_up());
            self.created += u64::from(request.creates() && request.status() == Some(201) && request.fault().is_none());
            if let Some(fault) = request.fault() {
                let status = request.status().map(|status| format!(" {status}")).unwrap_or_default();
                *self.faults.entry(format!("{fault}{status}")).or_default() += 1;
            }
        }
    }
}

/// After every load.
pub fn always(world: &World<'_>, seen: &Seen, counts: &mut Counts) -> Check {
    demand(!matches!(seen.ended, Ended::Never), || "a load does not come to an end".to_owned())?;
    for (uuid, assets) in &seen.assets {
        demand(assets.len() == 1, || format!("there twice: {uuid}: {assets:?}"))?;
    }
    no_second_asset_is_asked_for(world, seen, counts)?;
    nothing_follows_a_refused_credential(world, seen)?;
    held_for_a_reason(world, seen)?;
    the_ledger_is_right(world, seen)
}

/// A 409 that is no fault says that an asset was to be made that is there: on a server without unique uuids, a double.
fn no_second_asset_is_asked_for(world: &World<'_>, seen: &Seen, counts: &mut Counts) -> Check {
    let refused = logged(seen).filter(|request| request.creates() && request.status() == Some(409));
    let refused = refused.filter(|request| request.fault().is_none()).count() as u64;
    if world.script.late == Late::Unsettled {
        // The request before may be carried out when the client has long given it up.
        counts.late += refused;
        return Ok(());
    }
    demand(refused == 0, || format!("{refused} assets were to be made that were there already"))
}

fn nothing_follows_a_refused_credential(world: &World<'_>, seen: &Seen) -> Check {
    let refused = |request: &Logged<'_>| matches!(request.status(), Some(401 | 403));
    let Some(first) = logged(seen).find(refused) else { return Ok(()) };
    // Those under way when the first was refused may still arrive, and what was given up long before be carried out.
    let after = logged(seen).filter(|request| request.came() > first.answered()).count();
    demand(after < world.script.in_flight, || format!("{after} requests after a 401 or 403"))
}

/// A row is held only where the answer to a search, or all answers to the creation, were taken away.
fn held_for_a_reason(world: &World<'_>, seen: &Seen) -> Check {
    let Ended::Report(report) = &seen.ended else { return Ok(()) };
    if world.script.is_hasty() || world.script.look_ups != LookUps::All {
        // Requests that still wait are not in the log.
        return Ok(());
    }
    let reason = |request: &Logged<'_>| {
        request.fault().is_some() && (request.looks_up() || request.creates()) || request.status() == Some(409)
    };
    demand(report.held == 0 || logged(seen).any(|request| reason(&request)), || "held without any reason".to_owned())
}

/// Every asset is known to the ledger; every id in it is that of the asset of its key; what it calls complete is.
fn the_ledger_is_right(world: &World<'_>, seen: &Seen) -> Check {
    let keys: HashMap<String, &String> = seen.ledger.keys().map(|key| (uuid_of(key), key)).collect();
    for uuid in seen.assets.keys() {
        demand(keys.contains_key(uuid), || format!("an asset that the ledger knows nothing of: {uuid}"))?;
    }
    for (key, entry) in &seen.ledger {
        let Some(id) = entry.flex_id else { continue };
        let asset = seen.assets.get(&uuid_of(key)).and_then(|assets| assets.first());
        let asset = asset.ok_or_else(|| format!("{key}: the ledger has the id {id} and no asset is there"))?;
        demand(asset["id"].as_i64() == Some(id), || format!("{key}: the ledger has the id {id}: {asset}"))?;
        let row = world.rows.iter().find(|row| row.key() == *key && world.payloads.get(key) == Some(&entry.payload));
        if let (State::Complete, Some(row), false) = (entry.state, row, world.script.may_undo()) {
            values_are_right(row, asset)?;
        }
    }
    Ok(())
}

/// All but the references, which may still lack their targets.
fn values_are_right(row: &Asset, asset: &Value) -> Check {
    demand(asset["name"] == row.name, || format!("{}: called complete, name {}", row.key(), asset["name"]))?;
    let references = HashSet::from(["parent", "members"]);
    let found = asset["instance"].as_object().into_iter().flatten();
    let found: Map<String, Value> =
        found.filter(|(name, _)| !references.contains(name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect();
    demand(found == row.plain(), || {
        format!("{}: called complete\n expected {:?}\n found    {found:?}", row.key(), row.plain())
    })
}

/// After a load without faults in which everything could be looked up: all is there, and is what was mapped.
pub fn complete(world: &World<'_>, seen: &Seen) -> Check {
    let report = clean(seen)?;
    let done = report.created + report.updated + report.unchanged;
    demand((report.failed, report.held, done) == (0, 0, world.rows.len() as u64), || format!("not all: {report:?}"))?;
    let ids: HashMap<String, i64> =
        seen.ledger.iter().filter_map(|(key, entry)| Some((key.clone(), entry.flex_id?))).collect();
    for row in &world.rows {
        let key = row.key();
        let asset = seen.assets.get(&uuid_of(&key)).and_then(|assets| assets.first());
        let asset = asset.ok_or_else(|| format!("{key} is lost"))?;
        demand(ids.get(&key).copied() == asset["id"].as_i64(), || format!("{key}: not the ledger's id: {asset}"))?;
        demand(asset["name"] == row.name, || format!("{key}: name {}, not {}", asset["name"], row.name))?;
        let (found, wanted) = (asset["instance"].as_object().cloned().unwrap_or_default(), row.instance(&ids));
        demand(found == wanted || world.script.may_undo(), || {
            format!("{key}:\n expected {wanted:?}\n found    {found:?}")
        })?;
        let external = if world.script.no_external_ids { Value::Null } else { row.external_id().into() };
        demand(asset["externalIds"][0]["value"] == external, || format!("{key}: external id in {asset}"))?;
        demand(seen.ledger[&key].state == State::Complete, || format!("{key}: {:?}", seen.ledger[&key]))?;
    }
    Ok(())
}

fn clean(seen: &Seen) -> Result<&LoadReport, String> {
    match &seen.ended {
        Ended::Report(report) if !report.interrupted => Ok(report),
        Ended::Report(report) => Err(format!("interrupted by nobody: {report:?}")),
        Ended::Error(error) => Err(format!("a load without faults failed: {error}")),
        Ended::Aborted | Ended::Never => Err("broken off by nobody".to_owned()),
    }
}

/// After a load in which no list could be read: what is unclear is held, and everything else is done.
pub fn blind(world: &World<'_>, seen: &Seen) -> Check {
    if too_many_held(seen) {
        return Ok(());
    }
    let report = clean(seen)?;
    let done = report.created + report.updated + report.unchanged + report.held;
    demand((report.failed, done) == (0, world.rows.len() as u64), || format!("not all: {report:?}"))
}

/// Whether the first rows of a query were all held, after which no others are tried.
fn too_many_held(seen: &Seen) -> bool {
    matches!(&seen.ended, Ended::Error(error) if error.to_string().contains("no search proves"))
}

/// A load that finds all in order changes nothing.
pub fn writes_nothing(seen: &Seen) -> Check {
    if !too_many_held(seen) {
        clean(seen)?;
    }
    let written: Vec<_> = seen.log.iter().filter(|request| Logged(request).method() != "GET").collect();
    demand(written.is_empty(), || format!("written again: {written:?}"))
}
