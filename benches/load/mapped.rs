//! Mapped rows made from their numbers, written as a run that a load takes: one definition for all of them, three queries
//! of three asset types, in the shares that the full library leaves without a type of their own.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, Fields, Schema};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use serde_json::json;
use telecine::dataflow::Sink;
use telecine::staging::{Manifest, StagingArea, StagingConfig};

/// Query, asset type and rows at full size: the assets of the library that no rule gives a type.
const KINDS: [(&str, &str, u64); 3] =
    [("video", "media-asset", 250_000), ("image", "image-asset", 440_000), ("document", "text-asset", 131_000)];
/// All rows at full size.
pub const FULL: u64 = KINDS[0].2 + KINDS[1].2 + KINDS[2].2;
/// The definition that all rows are given.
const DEFINITION: &str = "assetType_Promo";
/// The run's id.
pub const RUN: &str = "mapped";
/// The target's name.
pub const TARGET: &str = "bench";
/// Rows of a batch.
const BATCH: u64 = 8_192;
/// Rows of a part file.
const PART: u64 = 16 * BATCH;
/// Words that texts are made of; some need escapes, some more than one byte.
const WORDS: [&str; 16] = [
    "archive",
    "programme",
    "été",
    "version \"B\"",
    "Straße",
    "trailer",
    "season",
    "的",
    "master",
    "clip",
    "night",
    "O'Neil",
    "a/b",
    "c;d=e",
    "island",
    "river",
];

/// Writes a run of `assets` rows below `folder`.
pub async fn write(folder: &Path, assets: u64) {
    let url = folder.join("staging").display().to_string();
    let run = StagingArea::open(&StagingConfig::at(url)).unwrap().run(RUN);
    let mut queries = Vec::new();
    let mut first = 0;
    for (place, (query, _, share)) in KINDS.iter().enumerate() {
        // The last takes what rounding left.
        let rows = if place + 1 == KINDS.len() { assets - first } else { assets * share / FULL };
        let dataset = run.query(query);
        let schema = batch(query, 0..1).schema();
        let mut parts = Vec::new();
        for (number, start) in (0..rows).step_by(usize::try_from(PART).unwrap()).enumerate() {
            let end = rows.min(start + PART);
            let starts = (start..end).step_by(usize::try_from(BATCH).unwrap());
            let query = (*query).to_owned();
            let batches = futures::stream::iter(starts).map(move |from| Ok(batch(&query, from..end.min(from + BATCH))));
            let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), batches);
            parts.push(dataset.parquet_part(number, Arc::clone(&schema)).write_all(Box::pin(stream)).await.unwrap());
        }
        let manifest = Manifest::new(&dataset, &schema, parts);
        dataset.commit(&manifest).await.unwrap();
        queries.push(json!({"name": query, "checksum": manifest.content()}));
        first += rows;
    }
    run.put_json("transform.json", &json!({"queries": queries, "problems": []})).await.unwrap();
}

/// Writes the settings of a load of that run into `project`.
pub fn settings(project: &Path, flex: &str, in_flight: usize) {
    let mut text = format!(
        "[load]\nexternal_id_key = \"reach\"\nexternal_id_column = \"externalId\"\n\n\
         [flex.{TARGET}]\nurl = \"{flex}\"\nusername = \"env:BENCH_FLEX_USERNAME\"\npassword = \"env:BENCH_FLEX_PASSWORD\"\n\
         max_in_flight = {in_flight}\n"
    );
    for (query, asset_type, _) in KINDS {
        write!(
            text,
            "\n[definitions.{query}]\ndefinition = \"{DEFINITION}\"\nasset_type = \"{asset_type}\"\nopen = [\"fileFormat\"]\n"
        )
        .unwrap();
    }
    fs::create_dir_all(project).unwrap();
    fs::write(project.join("migration.toml"), text).unwrap();
}

/// The rows of these numbers: the same number, the same row.
pub fn batch(query: &str, rows: std::ops::Range<u64>) -> RecordBatch {
    let rows: Vec<Mixed> = rows.map(Mixed::of).collect();
    let mut columns = head(query, &rows);
    columns.extend(descriptive(query, &rows));
    columns.extend(technical(&rows));
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

type Column = (&'static str, ArrayRef);

/// A row's number, and a number that looks random and follows from it.
#[derive(Clone, Copy)]
struct Mixed {
    n: u64,
    hash: u64,
}

impl Mixed {
    fn of(n: u64) -> Self {
        // The finaliser of SplitMix64.
        let mut hash = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self { n, hash: hash ^ (hash >> 31) }
    }

    /// A number below `end`, another for each `salt`.
    fn below(self, salt: u64, end: u64) -> u64 {
        Self::of(self.hash ^ salt).hash % end
    }

    fn words(self, salt: u64, count: u64) -> String {
        let word = |place| WORDS[usize::try_from(self.below(salt + place, WORDS.len() as u64)).unwrap()];
        (0..count).map(word).collect::<Vec<_>>().join(" ")
    }

    fn one_of(self, salt: u64, words: &[&str]) -> String {
        words[usize::try_from(self.below(salt, words.len() as u64)).unwrap()].to_owned()
    }
}

/// The columns before the instance.
fn head(query: &str, rows: &[Mixed]) -> Vec<Column> {
    let none = || texts(rows, |_| None);
    vec![
        ("source_key", texts(rows, |row| Some(format!("{query}:{}", row.n)))),
        ("disposition", texts(rows, |_| Some("load".to_owned()))),
        ("reason", none()),
        ("details", none()),
        ("warnings", none()),
        ("name", texts(rows, |row| Some(format!("{} {}", row.words(1, 3), row.n)))),
    ]
}

fn descriptive(query: &str, rows: &[Mixed]) -> Vec<Column> {
    let migration = vec![
        ("batch", texts(rows, |_| Some(RUN.to_owned()))),
        ("sourceHash", texts(rows, |row| Some(format!("{:016x}{:016x}", row.hash, row.below(90, u64::MAX))))),
    ];
    vec![
        ("title", texts(rows, |row| Some(row.words(10, 4)))),
        ("originalTitle", texts(rows, |row| (row.n % 3 == 0).then(|| row.words(20, 4)))),
        ("alternateTitles", lists(rows, |row| (0..row.below(2, 3)).map(|i| row.words(30 + i, 3)).collect())),
        ("description", texts(rows, |row| Some(row.words(40, 12 + row.below(3, 24))))),
        ("tags", lists(rows, |row| (0..row.below(4, 6)).map(|i| row.words(100 + i, 1)).collect())),
        ("externalId", texts(rows, |row| Some(format!("{query}-{}", row.n)))),
        ("legacyId", longs(rows, |row| row.n.cast_signed())),
        ("legacyUuid", texts(rows, |row| Some(format!("{:08x}-0000-4000-8000-{:012x}", row.hash >> 32, row.n)))),
        ("legacyClass", texts(rows, |_| Some(query.to_owned()))),
        ("owner", texts(rows, |row| Some(format!("user{}@example.com", row.below(5, 400))))),
        ("categories", lists(rows, |row| vec![row.one_of(6, &["Promo", "Archive", "Music", "News"])])),
        ("createdDate", moments(rows, 7)),
        ("modifiedDate", moments(rows, 8)),
        ("migration", structure(migration)),
        ("notes", texts(rows, |row| (row.n % 4 == 0).then(|| row.words(200, 30)))),
    ]
}

fn technical(rows: &[Mixed]) -> Vec<Column> {
    vec![
        ("promoCode", texts(rows, |row| Some(format!("PR-{:07}", row.n)))),
        ("promoType", texts(rows, |row| Some(row.one_of(9, &["Episodic", "Image", "Movie", "Tune-In"])))),
        ("network", texts(rows, |row| Some(row.one_of(11, &["NLC", "NLM", "NLD", "NLX"])))),
        ("promoLength", integers(rows, |row| i32::try_from(row.below(12, 120)).unwrap())),
        ("durationMs", longs(rows, |row| row.below(13, 7_200_000).cast_signed())),
        ("resolution", texts(rows, |_| Some("1920x1080".to_owned()))),
        ("width", integers(rows, |_| 1_920)),
        ("height", integers(rows, |_| 1_080)),
        ("aspectRatio", texts(rows, |row| Some(row.one_of(14, &["16:9", "4:3"])))),
        ("frameRate", texts(rows, |row| Some(row.one_of(15, &["25/1", "30000/1001", "24000/1001"])))),
        ("videoCodec", texts(rows, |row| Some(row.one_of(16, &["ProRes 422 HQ", "XDCAM HD422", "H.264"])))),
        ("fileFormat", texts(rows, |row| Some(row.one_of(17, &["MOV", "MXF", "MP4"])))),
        ("fileName", texts(rows, |row| Some(format!("{}_{:07}.mov", row.words(300, 1), row.n)))),
        ("fileSize", longs(rows, |row| (row.hash >> 24).cast_signed())),
        ("checksumMd5", texts(rows, |row| Some(format!("{:016x}{:016x}", row.hash, row.below(18, u64::MAX))))),
        ("openEnded", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.n % 2 == 0)))) as _),
    ]
}

fn texts(rows: &[Mixed], value: impl Fn(Mixed) -> Option<String>) -> ArrayRef {
    Arc::new(StringArray::from_iter(rows.iter().map(|row| value(*row))))
}

fn longs(rows: &[Mixed], value: impl Fn(Mixed) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| value(*row))))
}

fn integers(rows: &[Mixed], value: impl Fn(Mixed) -> i32) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| value(*row))))
}

/// Moments of the years 2010 to 2024, to the millisecond.
fn moments(rows: &[Mixed], salt: u64) -> ArrayRef {
    let micros = |row: &Mixed| 1_262_304_000_000_000 + row.below(salt, 473_385_600_000).cast_signed() * 1_000;
    Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(micros)).with_timezone("UTC"))
}

fn lists(rows: &[Mixed], items: impl Fn(Mixed) -> Vec<String>) -> ArrayRef {
    let items: Vec<Vec<String>> = rows.iter().map(|row| items(*row)).collect();
    let offsets = OffsetBuffer::from_lengths(items.iter().map(Vec::len));
    let values: ArrayRef = Arc::new(StringArray::from_iter(items.into_iter().flatten().map(Some)));
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Arc::new(ListArray::new(field, offsets, values, None))
}

fn structure(columns: Vec<Column>) -> ArrayRef {
    let fields: Fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    Arc::new(StructArray::new(fields, columns.into_iter().map(|(_, array)| array).collect(), None))
}
