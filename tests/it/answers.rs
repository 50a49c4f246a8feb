//! The migration against the answer key: the sample library filled, extracted and transformed, and every cell of the
//! mapped datasets held against what the generator knows; which dirt there is; the key's files.
//!
//! One library is compared by default (scale 0.001, dirt 1, seed 42). Others are named `SCALE:DIRT:SEED`, with commas
//! between them:
//!
//! ```text
//! TELECINE_ANSWERS=0.001:0:42,0.001:3:42,0.001:0:7,0.001:1:7,0.001:3:7,0.01:1:42 \
//!     cargo nextest run --test it -E 'test(/^answers::/)'
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use telecine::dataflow::Progress;
use telecine::rehearsal::library::{Library, LibraryOptions, answers};
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::staging::RunFolder;
use telecine::transform::{Transform, TransformConfig};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support;

/// Kinds of dirt that stand in no cell of the core tables, and why.
const WITHOUT_A_CELL: &[(&str, &str)] = &[("D59", "secrets, which stand in tables that no migration reads")];

const DEFAULT: &str = "0.001:1:42";

fn library(shape: &str) -> Library {
    let parts: Vec<&str> = shape.split(':').collect();
    let [scale, dirt, seed] = parts.as_slice() else { panic!("{shape} is not SCALE:DIRT:SEED") };
    let (scale, dirt, seed) = (scale.parse().unwrap(), dirt.parse().unwrap(), seed.parse().unwrap());
    Library::new(LibraryOptions { scale, dirt, seed, tables: None }).unwrap()
}

fn queries() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("queries")
}

/// The library in a database of its own, extracted and transformed.
async fn migrated(server: &PrivateServer, library: &Arc<Library>, number: usize, folder: &Path) -> RunFolder {
    transformed(server, library, number, folder, queries()).await
}

/// The same by the queries of a folder.
async fn transformed(
    server: &PrivateServer,
    library: &Arc<Library>,
    number: usize,
    folder: &Path,
    project: PathBuf,
) -> RunFolder {
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let run = support::extracted_library(server, &format!("answers{number}"), library, folder).await;
    let now = Some(support::LIBRARY_NOW.to_owned());
    let transform =
        Transform::open(&TransformConfig { project, memory: 1 << 30, threads: 2, spill: None, now }).unwrap();
    let report = transform.run(&run, &BTreeMap::new(), &[], &progress, &cancel).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mapped_datasets_are_what_the_answer_key_says() {
    let shapes = std::env::var("TELECINE_ANSWERS").unwrap_or_else(|_| DEFAULT.to_owned());
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    let mut different = String::new();
    for (number, shape) in shapes.split(',').enumerate() {
        let folder = TempDir::new().unwrap();
        let library = Arc::new(library(shape));
        let run = migrated(&server, &library, number, folder.path()).await;
        let sheets = answers::expected(&library);
        let comparison = answers::compare(&sheets, &run).await.unwrap();
        assert!(comparison.rows > 300 && comparison.cells > 10_000, "{comparison:?}");
        if comparison.differences > 0 {
            different.push_str(&format!("{shape}: {:#?}\n{:#?}\n", comparison.by_field, comparison.samples));
        }
    }
    server.stop().await.unwrap();
    assert!(different.is_empty(), "{different}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &place);
        } else {
            std::fs::copy(path, place).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn html_is_kept_where_the_setting_says_so() {
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    let folder = TempDir::new().unwrap();
    let project = folder.path().join("queries");
    copy(&queries(), &project);
    let settings = project.join("mappings/setting.csv");
    let text = std::fs::read_to_string(&settings).unwrap();
    assert!(text.contains("\nlegacy_html,false\n"), "{text}");
    std::fs::write(&settings, text.replace("\nlegacy_html,false\n", "\nlegacy_html,true\n")).unwrap();
    let library = Arc::new(library("0.0003:1:42"));
    let run = transformed(&server, &library, 0, folder.path(), project).await;
    let sheets = answers::with_html(answers::expected(&library));
    let kept = |key: &str| sheets.iter().find(|sheet| sheet.source_key == key).unwrap().get("legacyHtml");
    assert_eq!(kept("Promo:64"), "<p>A market opens.</p>\n<p>Another closes.</p>\n");
    assert_eq!(kept("Promo:67"), serde_json::Value::Null);
    let comparison = answers::compare(&sheets, &run).await.unwrap();
    server.stop().await.unwrap();
    assert!(comparison.differences == 0, "{:#?}\n{:#?}", comparison.by_field, comparison.samples);
}

/// Cells by kind of dirt.
fn dirt(library: &Library) -> BTreeMap<&'static str, u64> {
    let mut kinds = BTreeMap::new();
    answers::each_dirty_cell(library, |cell| {
        *kinds.entry(cell.dirt).or_default() += 1;
        Ok(())
    })
    .unwrap();
    kinds
}

#[test]
fn every_kind_of_dirt_has_a_cell() {
    let found: BTreeSet<String> = dirt(&library(DEFAULT)).into_keys().map(str::to_owned).collect();
    let wanted: BTreeSet<String> = (1..=75)
        .map(|number| format!("D{number:02}"))
        .filter(|kind| !WITHOUT_A_CELL.iter().any(|known| known.0 == kind))
        .collect();
    let missing: Vec<_> = wanted.difference(&found).collect();
    let more: Vec<_> = found.difference(&wanted).collect();
    assert!(missing.is_empty() && more.is_empty(), "without a cell: {missing:?}; not listed as such: {more:?}");
}

/// Fixtures of D11 and D31: a merged row, the lists that name it, and links to what is deleted, missing or repeated.
#[test]
fn links_of_a_merged_row_are_its_winners() {
    let sheets = answers::expected(&library(DEFAULT));
    let by_key: BTreeMap<&str, &answers::Sheet> =
        sheets.iter().map(|sheet| (sheet.source_key.as_str(), sheet)).collect();
    let merged: Vec<_> = sheets.iter().filter(|sheet| sheet.disposition() == "merged").collect();
    assert!(!merged.is_empty());
    for sheet in &merged {
        assert_eq!(by_key[sheet.details().unwrap().as_str()].disposition(), "load", "{}", sheet.source_key);
    }
    let collection = by_key["AssetCollection:151"];
    let named = collection.get("members").to_string();
    assert!(merged.iter().all(|sheet| !named.contains(&format!("\"{}\"", sheet.source_key))), "{named}");
    assert!(merged.iter().any(|sheet| named.contains(&format!("\"{}\"", sheet.details().unwrap()))), "{named}");
    let raws = |code: &str| -> Vec<&str> {
        collection.warnings.iter().filter(|found| found.code == code).filter_map(|found| found.raw.as_deref()).collect()
    };
    assert!(raws("LINK_TARGET_NOT_MIGRATED").contains(&"AssetMaster.132"), "a deleted asset");
    assert_eq!(raws("DUPLICATE_LINK"), ["AssetMaster.1", "AssetMaster.35"]);
    assert_eq!(raws("SELF_LINK"), ["AssetCollection.151"]);
    assert_eq!(raws("BAD_MEMBERSHIP").len(), 2);
}

#[test]
fn a_clean_library_has_no_dirt() {
    assert_eq!(dirt(&library("0.001:0:42")), BTreeMap::new());
}

#[test]
fn the_key_is_the_same_on_every_run() {
    let folder = TempDir::new().unwrap();
    let mut written = Vec::new();
    for name in ["first", "second"] {
        let library = library("0.0003:1:42");
        let sheets = answers::expected(&library);
        let place = folder.path().join(name);
        let rows = answers::write(&library, &sheets, &place).unwrap().rows;
        assert!(rows.values().all(|rows| *rows > 100), "{rows:?}");
        let mut files: Vec<_> = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 6);
        written.push(files.into_iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>());
    }
    assert!(written[0] == written[1]);
}

/// The fields of which the key tells a code, in libraries that are dirty enough to meet most ways to it.
fn told(code: &str) -> BTreeSet<String> {
    let sheets = ["0.001:3:7", "0.001:9:42"].iter().flat_map(|shape| answers::expected(&library(shape)));
    let warnings = sheets.flat_map(|sheet| sheet.warnings);
    warnings.filter(|warning| warning.code == code).map(|warning| warning.field).collect()
}

fn among(found: &BTreeSet<String>, wanted: &str) {
    let missing: Vec<&str> = wanted.split_whitespace().filter(|field| !found.contains(*field)).collect();
    assert!(missing.is_empty(), "not met: {missing:?}; met: {found:?}");
}

#[test]
fn every_property_for_one_value_is_met_twice() {
    let fields = "aspectRatio audioLayout budgetAmount campaign captionStatus description durationMs eidr episodeNumber \
        fileFormat firstAirDate houseCode language legacyRecordId location preValidated promoLength rating releaseYear \
        resolution resolutionClass rightsExpireDate rightsNotes scanType seasonNumber seriesCode seriesName studio \
        svodKillDate svodLiveDate synopsisShort telecine title titleClass";
    among(&told("MULTI_FOR_SINGLE"), fields);
}

#[test]
fn every_text_of_an_asset_is_met_garbled() {
    let fields = "airDates audioLayout cast description directors legacyRecordId markers notes script sequences \
        seriesName synopsisShort tagline tags title versionLabel";
    among(&told("MOJIBAKE_FIXED"), fields);
}
