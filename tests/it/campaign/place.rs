//! A workplace whose runs were mapped beforehand, and a local Flex in this process, for the real binary to load.

use std::collections::BTreeMap;

use serde_json::Value;
use telecine::rehearsal::flex::{LocalFlex, Options};

use crate::mapped::{Dump, Rows, write_run};
use crate::support::{FLEX_PASSWORD, FLEX_USER, Workplace, comparable};

const SETTINGS: &str = "
    [load]
    external_id_column = \"externalId\"
    [definitions.collection]
    definition = \"assetType_Collection\"
    asset_type = \"group-asset\"
    [definitions.project]
    definition = \"assetType_Project\"
    asset_type = \"group-asset\"
";

/// A project without queries, and these rows as its run `r1`.
pub async fn workplace(rows: &Rows) -> Workplace {
    let place = Workplace::of_files(&[("migration.toml", SETTINGS)]);
    write_run(place.path(), "r1", rows).await;
    place
}

/// A local Flex with the credentials that the binary is given.
pub fn server(faults: &[&str]) -> LocalFlex {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let options = Options { faults, username: FLEX_USER.into(), password: FLEX_PASSWORD.into(), ..Options::default() };
    LocalFlex::start(options).unwrap()
}

/// What the server holds, each uuid once, as it can be compared between servers.
pub async fn held(url: &str) -> BTreeMap<String, Value> {
    let dump = Dump::of(url).await;
    let mut assets = BTreeMap::new();
    for (uuid, mut of_uuid) in dump.assets {
        assert_eq!(of_uuid.len(), 1, "there twice: {of_uuid:?}");
        assets.extend(of_uuid.pop().map(|asset| (uuid, asset)));
    }
    comparable(&assets)
}

/// Requests so far, by a client that is kept.
pub async fn requests(http: &reqwest::Client, url: &str) -> u64 {
    let oracle = format!("{}/__standin/totals", url.strip_suffix("/api").unwrap());
    let answer = http.get(oracle).send().await.unwrap().text().await.unwrap();
    let totals: Vec<Value> = serde_json::from_str(&answer).unwrap();
    totals.iter().map(|total| total["count"].as_u64().unwrap()).sum()
}
