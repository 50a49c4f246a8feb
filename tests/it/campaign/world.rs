//! One script's target, ledger and staging area, and the one place where the campaign uses the load.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};
use telecine::dataflow::Progress;
use telecine::error::{Error, Result};
use telecine::flex::{FlexClient, FlexConfig, RetryPolicy, Traffic};
use telecine::load::ledger::Entry;
use telecine::load::{Binding, Ledger, Load, LoadConfig, LoadReport, Shape};
use telecine::rehearsal::flex::{LocalFlex, Options};
use telecine::staging::RunFolder;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::rows::{Asset, KINDS, dataset};
use super::script::{Script, Stop};
use crate::mapped::{http, run_of, write_dataset};

/// What the ledger knows the target by, whatever its port.
const IDENTITY: &str = "the campaign's target";
const TARGET: &str = "dev";
/// A load that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// What stays from load to load.
pub struct World<'a> {
    pub script: &'a Script,
    folder: TempDir,
    runs: usize,
    /// What is mapped now.
    pub rows: Vec<Asset>,
    /// BLAKE3 of each mapped row.
    pub payloads: HashMap<String, [u8; 32]>,
    http: reqwest::Client,
}

/// How a load ended.
pub enum Ended {
    Report(Box<LoadReport>),
    Error(Error),
    Aborted,
    /// Not within [`PATIENCE`].
    Never,
}

/// What was to be seen when a load was over.
pub struct Seen {
    pub ended: Ended,
    pub traffic: Traffic,
    /// Assets that are not deleted, by uuid.
    pub assets: BTreeMap<String, Vec<Value>>,
    /// The requests of this load.
    pub log: Vec<Value>,
    pub ledger: HashMap<String, Entry>,
}

impl<'a> World<'a> {
    pub fn new(script: &'a Script) -> Self {
        let folder = TempDir::new().unwrap();
        Self { script, folder, runs: 0, rows: Vec::new(), payloads: HashMap::new(), http: http() }
    }

    fn run(&self) -> RunFolder {
        run_of(self.folder.path(), &format!("r{}", self.runs))
    }

    /// Another run with these rows.
    pub async fn map(&mut self, rows: &[Asset]) {
        if self.runs > 0 && self.rows == rows {
            return;
        }
        self.runs += 1;
        rows.clone_into(&mut self.rows);
        self.payloads.clear();
        let run = self.run();
        let mut queries = Vec::new();
        for kind in self.script.kinds.clone() {
            let of_kind: Vec<&Asset> = rows.iter().filter(|asset| asset.kind == kind).collect();
            let (name, batch) = (KINDS[kind].0, dataset(kind, &of_kind));
            let mapped = Shape::of(name, &batch.schema()).unwrap().rows(&batch).unwrap();
            self.payloads.extend(mapped.into_iter().map(|(_, row)| (row.source_key, row.payload)));
            write_dataset(&run, name, batch).await;
            let manifest = run.query(name).manifest().await.unwrap().unwrap();
            queries.push(json!({"name": name, "checksum": manifest.content()}));
        }
        run.put_json("transform.json", &json!({"queries": queries, "problems": []})).await.unwrap();
    }

    fn config(&self) -> LoadConfig {
        let binding = |kind: &usize| Binding {
            query: KINDS[*kind].0.to_owned(),
            definition: KINDS[*kind].2.to_owned(),
            asset_type: "group-asset".to_owned(),
            open: Vec::new(),
        };
        LoadConfig {
            target: TARGET.to_owned(),
            ledger: self.folder.path().join("dev.sqlite3"),
            identity: Some(IDENTITY.to_owned()),
            attributes: self.script.attributes,
            bindings: self.script.kinds.iter().map(binding).collect(),
            external_id_column: if self.script.no_external_ids { "" } else { "externalId" }.to_owned(),
            ..LoadConfig::new()
        }
    }

    fn flex_config(&self, url: &str, timeout_ms: u64) -> FlexConfig {
        FlexConfig {
            max_in_flight: self.script.in_flight,
            timeout: Duration::from_millis(timeout_ms),
            // Twice as many as are under way by default: faults of a script are no outage.
            open_after: Some(64),
            settle: Duration::from_millis(self.script.late.settle_ms()),
            // A target that is to stay away does so for the rest of its script.
            patience: Duration::from_millis(200),
            retry: RetryPolicy {
                repeats: 5,
                first: Duration::from_micros(200),
                longest: Duration::from_millis(2),
                longest_retry_after: Duration::from_millis(5),
                ..RetryPolicy::default()
            },
            ..FlexConfig::new(url, "rehearsal", "rehearsal")
        }
    }

    /// One load with these faults, and a look at everything afterwards. The server is another one each time, with what
    /// its predecessors stored.
    pub async fn load(&self, faults: &[String], timeout_ms: u64, stop: Stop) -> Seen {
        let mut faults: Vec<_> = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        if self.script.no_external_ids {
            faults.push("no-external-ids".parse().unwrap());
        }
        let data = Some(self.folder.path().join("flex"));
        let personality = self.script.personality;
        let fault_seed = self.script.seed;
        let server = LocalFlex::start(Options { personality, faults, data, fault_seed, ..Options::default() }).unwrap();
        let client = FlexClient::new(&self.flex_config(server.base_url(), timeout_ms)).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.apply(&client, stop)).await.unwrap_or(Ended::Never);
        let traffic = client.traffic();
        drop(client);
        let (assets, log) = self.dump(server.base_url()).await;
        let ledger = self.ledger().await;
        server.shutdown().await;
        Seen { ended, traffic, assets, log, ledger }
    }

    async fn apply(&self, client: &FlexClient, stop: Stop) -> Ended {
        let prepared = match Load::prepare(self.config(), client.clone(), self.run()).await {
            Ok(load) => load,
            Err(error) => return Ended::Error(error),
        };
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let moment = async |requests: u64| {
            while client.traffic().requests < requests {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        };
        let applied = prepared.apply(&progress, &cancel);
        let result = match stop {
            Stop::Never => applied.await,
            Stop::Drain(requests) => {
                let drain = async {
                    moment(requests).await;
                    cancel.cancel();
                    std::future::pending::<()>().await;
                };
                tokio::select! { result = applied => result, () = drain => return Ended::Aborted }
            }
            Stop::Abort(requests) => {
                tokio::select! { result = applied => result, () = moment(requests) => return Ended::Aborted }
            }
        };
        match result {
            Ok(report) => Ended::Report(Box::new(report)),
            Err(error) => Ended::Error(error),
        }
    }

    /// The ledger's entries, once the tasks of an aborted load have let go of it.
    async fn ledger(&self) -> HashMap<String, Entry> {
        let config = self.config();
        for _ in 0..2_000 {
            match Ledger::open(&config.ledger, TARGET, IDENTITY) {
                Ok(ledger) => return entries(&ledger).await.unwrap(),
                Err(error) if error.to_string().contains("in use") => {
                    tokio::time::sleep(Duration::from_millis(1)).await
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the ledger stays in use")
    }

    async fn dump(&self, url: &str) -> (BTreeMap<String, Vec<Value>>, Vec<Value>) {
        let oracle = format!("{}/__standin/dump", url.strip_suffix("/api").unwrap());
        let text = self.http.get(oracle).send().await.unwrap().text().await.unwrap();
        let (mut assets, mut log) = (BTreeMap::<String, Vec<Value>>::new(), Vec::new());
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            match value["kind"].as_str().unwrap() {
                "asset" if value["deleted"] == false => {
                    assets.entry(value["uuid"].as_str().unwrap().to_owned()).or_default().push(value);
                }
                "request" => log.push(value),
                _ => {}
            }
        }
        (assets, log)
    }
}

async fn entries(ledger: &Ledger) -> Result<HashMap<String, Entry>> {
    let keys = ledger.assets_after(String::new(), 10_000).await?.into_iter().map(|asset| asset.source_key).collect();
    ledger.entries(keys).await
}
