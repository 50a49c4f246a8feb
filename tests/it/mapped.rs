//! A small mapped run to load: collections that point to each other and projects with exact decimals, written to a
//! staging area as the engine would write them, and a local Flex to load them into.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, Fields, Schema};
use bytes::Bytes;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use reqwest::Method;
use serde_json::{Value, json};
use telecine::dataflow::{Progress, Sink};
use telecine::error::Result;
use telecine::flex::{FlexClient, FlexConfig, NewAsset, Outcome, RetryPolicy};
use telecine::load::{Attributes, Binding, Load, LoadConfig, LoadReport};
use telecine::rehearsal::flex::{LocalFlex, Options, Personality};
use telecine::staging::{Manifest, RunFolder, StagingArea, StagingConfig};
use tokio_util::sync::CancellationToken;

/// Every tenth collection is rejected; the others are loaded.
pub const REJECTED: usize = 10;

pub struct Rows {
    pub collections: usize,
    pub projects: usize,
    /// Goes into the titles: another version is another payload.
    pub version: u32,
    /// Goes into the names.
    pub name: &'static str,
}

pub fn rows(collections: usize, projects: usize) -> Rows {
    Rows { collections, projects, version: 1, name: "Collection" }
}

impl Rows {
    pub fn loadable(&self) -> u64 {
        (self.collections - self.collections / REJECTED + self.projects) as u64
    }
}

pub fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

pub fn list(item: ArrayRef, lengths: Vec<usize>) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(item.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), item, None))
}

pub fn structure(columns: Vec<(&str, ArrayRef)>, nulls: Option<Vec<bool>>) -> ArrayRef {
    let fields: Fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Arc::new(StructArray::new(fields, arrays, nulls.map(Into::into)))
}

/// A batch of these columns, all of them nullable.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

/// The columns before the instance.
fn head(kind: &str, count: usize, name: &str, rejects: bool) -> Vec<(&'static str, ArrayRef)> {
    let rejected = |i: usize| rejects && i % REJECTED == REJECTED - 1;
    let none = || texts((0..count).map(|_| None));
    vec![
        ("source_key", texts((0..count).map(|i| Some(format!("{kind}:{i}"))))),
        ("disposition", texts((0..count).map(|i| Some(if rejected(i) { "reject" } else { "load" }.to_owned())))),
        ("reason", texts((0..count).map(|i| rejected(i).then(|| "NO_TITLE".to_owned())))),
        ("details", none()),
        ("warnings", none()),
        ("name", texts((0..count).map(|i| Some(format!("{name} {}; n=/%,é", i % 50))))),
        ("title", texts((0..count).map(|i| Some(format!("Title of {i}"))))),
        ("externalId", texts((0..count).map(|i| Some(format!("{kind}-{i}"))))),
    ]
}

fn collections(rows: &Rows) -> RecordBatch {
    let count = rows.collections;
    let mut columns = head("Collection", count, rows.name, true);
    columns[6].1 = texts((0..count).map(|i| Some(format!("Title of {i}, version {}", rows.version))));
    let key = |i: usize| Some(format!("Collection:{i}"));
    let members = structure(vec![("source_key", texts((0..count).flat_map(|i| [key((i + 1) % count), key(9)])))], None);
    columns.extend([
        ("collectionKind", texts((0..count).map(|_| Some("Manual".to_owned())))),
        ("tags", list(texts((0..count * 2).map(|i| Some(format!("tag {i}")))), vec![2; count])),
        ("legacyId", Arc::new(Int64Array::from_iter_values((0..count).map(|i| 9_007_199_254_740_993 + i as i64))) as _),
        (
            "createdDate",
            Arc::new(TimestampMicrosecondArray::from(vec![1_555_061_400_123_456; count]).with_timezone("UTC")) as _,
        ),
        ("memberSummary", structure(vec![("videos", Arc::new(Int32Array::from(vec![3; count])))], None)),
        // Every second one has a parent.
        (
            "parent",
            structure(
                vec![("source_key", texts((0..count).map(|i| key(i / 2))))],
                Some((0..count).map(|i| i % 2 == 1).collect()),
            ),
        ),
        // Collection:9 is rejected, so it is dropped from each list.
        ("members", list(members, vec![2; count])),
    ]);
    batch(columns)
}

/// The collections, of which one has no parent.
pub fn collections_without_parent(rows: &Rows, orphan: usize) -> RecordBatch {
    let all = collections(rows);
    let parents = all.schema().index_of("parent").unwrap();
    let kept: Vec<bool> = (0..rows.collections).map(|i| i % 2 == 1 && i != orphan).collect();
    let (fields, arrays, _) = all.column(parents).as_struct().clone().into_parts();
    let mut columns = all.columns().to_vec();
    columns[parents] = Arc::new(StructArray::new(fields, arrays, Some(kept.into())));
    RecordBatch::try_new(all.schema(), columns).unwrap()
}

pub fn projects(rows: &Rows) -> RecordBatch {
    let count = rows.projects;
    let mut columns = head("Project", count, "Project", false);
    let budgets = Decimal128Array::from_iter_values((0..count).map(|i| 1_234_567_890_123_456_789_000 + i as i128));
    columns.extend([
        ("projectCode", texts((0..count).map(|i| Some(format!("P{i}"))))),
        ("projectType", texts((0..count).map(|_| Some("Promo Campaign".to_owned())))),
        ("status", texts((0..count).map(|_| Some("Active".to_owned())))),
        ("budgetAmount", Arc::new(budgets.with_precision_and_scale(30, 2).unwrap()) as _),
    ]);
    batch(columns)
}

pub async fn write_dataset(run: &RunFolder, query: &str, batch: RecordBatch) {
    let dataset = run.query(query);
    let schema = batch.schema();
    // More than one part, so that reading goes over files.
    let half = batch.num_rows() / 2;
    let mut parts = Vec::new();
    for (number, slice) in [batch.slice(0, half), batch.slice(half, batch.num_rows() - half)].into_iter().enumerate() {
        let stream = RecordBatchStreamAdapter::new(schema.clone(), futures::stream::iter([Ok(slice)]));
        parts.push(dataset.parquet_part(number, schema.clone()).write_all(Box::pin(stream)).await.unwrap());
    }
    dataset.commit(&Manifest::new(&dataset, &schema, parts)).await.unwrap();
}

/// Writes the rows as the run of this id.
pub async fn write_run(folder: &Path, id: &str, rows: &Rows) -> RunFolder {
    let run = run_of(folder, id);
    write_dataset(&run, "collection", collections(rows)).await;
    write_dataset(&run, "project", projects(rows)).await;
    write_report(&run, &[]).await;
    run
}

/// The report of a transform that wrote both datasets and ended with these problems.
pub async fn write_report(run: &RunFolder, problems: &[&str]) {
    let mut queries = Vec::new();
    for name in ["collection", "project"] {
        let manifest = run.query(name).manifest().await.unwrap().unwrap();
        queries.push(json!({"name": name, "checksum": manifest.content()}));
    }
    run.put_json("transform.json", &json!({"queries": queries, "problems": problems})).await.unwrap();
}

pub fn run_of(folder: &Path, id: &str) -> RunFolder {
    let url = folder.join("staging").display().to_string();
    StagingArea::open(&StagingConfig::at(url)).unwrap().run(id)
}

pub fn config(folder: &Path) -> LoadConfig {
    let binding = |query: &str, definition: &str| Binding {
        query: query.to_owned(),
        definition: definition.to_owned(),
        asset_type: "group-asset".to_owned(),
        open: Vec::new(),
    };
    LoadConfig {
        target: "dev".to_owned(),
        ledger: folder.join("dev.sqlite3"),
        external_id_column: "externalId".to_owned(),
        bindings: vec![binding("collection", "assetType_Collection"), binding("project", "assetType_Project")],
        ..LoadConfig::new()
    }
}

/// Patience in miniature, so that tests of faults take no minutes.
pub fn flex_config(url: &str) -> FlexConfig {
    FlexConfig {
        timeout: Duration::from_secs(10),
        settle: Duration::from_millis(5),
        patience: Duration::ZERO,
        retry: RetryPolicy {
            repeats: 12,
            first: Duration::from_millis(1),
            longest: Duration::from_millis(20),
            longest_retry_after: Duration::from_millis(50),
            ..RetryPolicy::default()
        },
        ..FlexConfig::new(url, "rehearsal", "rehearsal")
    }
}

pub fn client(url: &str) -> FlexClient {
    FlexClient::new(&flex_config(url)).unwrap()
}

pub fn flex(personality: Personality, faults: &[&str]) -> LocalFlex {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    LocalFlex::start(Options { personality, faults, ..Options::default() }).unwrap()
}

pub async fn load(config: LoadConfig, url: &str, run: &RunFolder) -> Result<LoadReport> {
    let load = Load::prepare(config, client(url), run.clone()).await?;
    load.apply(&Progress::default(), &CancellationToken::new()).await
}

/// The writes of a load, one by one.
pub trait Writes {
    async fn create_asset(&self, asset: &NewAsset) -> Result<Outcome<i64>>;
    async fn put_metadata(&self, id: i64, instance: Bytes) -> Result<Outcome<()>>;
    async fn post_annotations(&self, id: i64, instance: Bytes) -> Result<Outcome<()>>;
    async fn rename_asset(&self, id: i64, name: &str) -> Result<Outcome<()>>;
}

impl Writes for FlexClient {
    async fn create_asset(&self, asset: &NewAsset) -> Result<Outcome<i64>> {
        let body = self.create_body(asset).to_string();
        Ok(match self.write(&Method::POST, "/assets", body.into(), false).await?.map(|written| written.id) {
            Outcome::Done(None) => Outcome::Unclear("no id".to_owned()),
            outcome => outcome.map(|id| id.unwrap()),
        })
    }

    async fn put_metadata(&self, id: i64, instance: Bytes) -> Result<Outcome<()>> {
        Ok(self.write(&Method::PUT, &format!("/assets/{id}/metadata"), instance, true).await?.map(drop))
    }

    async fn post_annotations(&self, id: i64, instance: Bytes) -> Result<Outcome<()>> {
        let body = [br#"{"metadata":"#, &instance[..], b"}"].concat();
        Ok(self.write(&Method::POST, &format!("/assets/{id}/annotations"), body.into(), false).await?.map(drop))
    }

    async fn rename_asset(&self, id: i64, name: &str) -> Result<Outcome<()>> {
        let body = json!({ "name": name }).to_string();
        Ok(self.write(&Method::PUT, &format!("/assets/{id}"), body.into(), true).await?.map(drop))
    }
}

pub fn with_metadata(folder: &Path, attributes: Attributes) -> LoadConfig {
    LoadConfig { attributes, ..config(folder) }
}

/// What the local Flex holds, from its oracle.
pub struct Dump {
    /// Assets by uuid.
    pub assets: BTreeMap<String, Vec<Value>>,
    /// Requests by route and status.
    pub totals: BTreeMap<(String, u64), u64>,
}

impl Dump {
    pub async fn of(url: &str) -> Self {
        let text = http().get(oracle(url, "dump")).send().await.unwrap().text().await.unwrap();
        let mut dump = Self { assets: BTreeMap::new(), totals: BTreeMap::new() };
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            match value["kind"].as_str().unwrap() {
                "asset" => dump.assets.entry(value["uuid"].as_str().unwrap().to_owned()).or_default().push(value),
                "total" => {
                    let key = (value["route"].as_str().unwrap().to_owned(), value["status"].as_u64().unwrap_or(0));
                    *dump.totals.entry(key).or_default() += value["count"].as_u64().unwrap();
                }
                _ => {}
            }
        }
        dump
    }

    /// Requests whose route begins so, whatever came of them.
    pub fn requests(&self, route: &str) -> u64 {
        self.totals.iter().filter(|((name, _), _)| name.starts_with(route)).map(|(_, count)| count).sum()
    }

    /// Each asset is there once, and there are so many.
    pub fn assert_each_once(&self, count: u64) {
        let twice: Vec<_> = self.assets.values().filter(|assets| assets.len() > 1).collect();
        assert!(twice.is_empty(), "twice: {twice:?}");
        assert_eq!(self.assets.len() as u64, count);
    }

    /// The asset of this external id.
    pub fn asset(&self, external_id: &str) -> &Value {
        let is_it = |asset: &&Value| asset["externalIds"][0]["value"] == external_id;
        self.assets.values().flatten().find(is_it).unwrap_or_else(|| panic!("no asset {external_id}"))
    }
}

pub async fn tamper(url: &str, change: Value) {
    let response = http().post(oracle(url, "tamper")).body(change.to_string()).send().await.unwrap();
    assert!(response.status().is_success(), "{:?}", response.text().await);
}

/// A client of plain http, which needs no certificates: reading the system's takes longer than most requests here.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_built_in_root_certs(false).build().unwrap()
}

fn oracle(url: &str, word: &str) -> String {
    format!("{}/__standin/{word}", url.strip_suffix("/api").unwrap())
}
