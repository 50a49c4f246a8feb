//! As many keys as the library has assets: a document of each in a staging area on S3, and listings of them.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use telecine::staging::{S3Settings, StagingArea, StagingConfig};

use crate::sessions::{Measured, Session};

/// Where the staging area is.
const STAGING: &str = "s3://work/staging";
/// Rows of a batch.
const BATCH: usize = 8_192;

/// Writes a document of each asset, in the process that is measured.
pub async fn write(objects: usize) {
    let s3 = S3Settings::of_environment(std::env::vars());
    let area = StagingArea::open(&StagingConfig { s3, ..StagingConfig::at(STAGING.to_owned()) }).unwrap();
    let schema = batch(0..0).schema();
    let batches = (0..objects).step_by(BATCH).map(move |start| Ok(batch(start..objects.min(start + BATCH))));
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::iter(batches));
    let documents = area.run("many").documents("assetType_Promo");
    let written = documents.write(Box::pin(stream)).await.unwrap();
    documents.commit(&written, Default::default()).await.unwrap();
    assert_eq!(usize::try_from(written.rows).unwrap(), objects);
}

fn batch(rows: std::ops::Range<usize>) -> RecordBatch {
    let text =
        |text: fn(usize) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.clone().map(text))) };
    let number: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64)));
    RecordBatch::try_from_iter([
        ("source_key", text(|row| format!("Promo:{row}"))),
        ("name", text(|row| format!("Promo {row}"))),
        ("number", number),
        ("notes", text(|row| format!("{row} {}", "lorem ipsum ".repeat(80)))),
    ])
    .unwrap()
}

/// Documents, then the listings: of the staging area by the verb that looks at every key, of a source of truth by a plan.
pub fn measure(telecine: &Path, objects: usize) {
    let session = Session::start(objects, 100, 32);
    let program = std::env::current_exe().unwrap();
    let count = objects.to_string();
    println!("{objects} keys");
    Measured::head();
    session.measure(objects, &program, &["documents", &count]).print("documents of assets");
    let held = session.counts()["work"];
    assert!(held > objects, "{held} objects in the staging area");
    let orphans = ["staging", "orphans", "--staging", STAGING, "--output", "json"];
    let listed = session.measure(objects, telecine, &orphans);
    assert!(listed.stdout.contains("\"orphans\": []"), "{}", listed.stdout);
    listed.print("telecine staging orphans");
    let plan = ["deliver", "copy", "--dry-run", "-q", "--output", "json"];
    let planned = session.measure(objects, telecine, &plan);
    assert!(planned.stdout.contains(&format!("\"would copy\": {objects}")), "{}", planned.stdout);
    planned.print("telecine deliver copy --dry-run");
}
