//! The staging area on a local folder: whole or not at all, and checked when read.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use super::*;
use crate::dataflow::{ContentChecksum, SendableRecordBatchStream, Sink, Source};

fn sample() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false).with_metadata([("pg_type".to_owned(), "bigint".to_owned())].into()),
        Field::new("name", DataType::Utf8, true),
    ]);
    let columns: Vec<arrow::array::ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2, 3])), Arc::new(StringArray::from(vec![Some("a"), None, Some("")]))];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn stream(batch: RecordBatch) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])))
}

async fn committed(run: &RunFolder, table: &TableName) -> Manifest {
    let dataset = run.raw(table);
    let batch = sample();
    let part = dataset.parquet_part(0, batch.schema()).write_all(stream(batch.clone())).await.unwrap();
    let mut manifest = Manifest::new(&dataset, &batch.schema(), [part]);
    manifest.table = Some(table.clone());
    dataset.commit(&manifest).await.unwrap();
    manifest
}

fn area(folder: &tempfile::TempDir) -> StagingArea {
    StagingArea::open(&StagingConfig::at(format!("file:{}", folder.path().display()))).unwrap()
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = area(&folder).run("r1");
    let table = TableName::new("public", "Legacy Metadata");
    assert!(run.raw(&table).manifest().await.unwrap().is_none());
    let manifest = committed(&run, &table).await;
    assert_eq!(manifest.schema[0].pg_type.as_deref(), Some("bigint"));
    let source = RawTables::new(&run);
    let tables = source.tables().await.unwrap();
    assert_eq!(tables.len(), 1);
    let mut checksum = ContentChecksum::default();
    for partition in source.partitions(&tables[0]).await.unwrap() {
        let batches: Vec<_> = source.scan(&partition).await.unwrap().try_collect().await.unwrap();
        for batch in batches {
            assert_eq!(batch.schema(), sample().schema());
            checksum.update(&batch).unwrap();
        }
    }
    assert_eq!(checksum, manifest.checksum);
    assert_eq!(checksum.rows, 3);
}

#[tokio::test]
async fn a_changed_byte_and_a_missing_part_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = area(&folder).run("r1");
    let table = TableName::new("public", "t");
    let manifest = committed(&run, &table).await;
    let place = folder.path().join("runs/r1/raw/public.t/part-00000.parquet");
    let mut bytes = std::fs::read(&place).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&place, &bytes).unwrap();
    let dataset = run.raw(&table);
    let error = dataset.read_part(&manifest.files[0]).await.err().unwrap().to_string();
    assert!(error.contains("part-00000.parquet") && error.contains("changed"), "{error}");
    std::fs::remove_file(&place).unwrap();
    let error = dataset.read_part(&manifest.files[0]).await.err().unwrap().to_string();
    assert!(error.contains("part-00000.parquet"), "{error}");
}

#[tokio::test]
async fn a_manifest_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = area(&folder).run("r1");
    let table = TableName::new("public", "t");
    committed(&run, &table).await;
    let place = folder.path().join("runs/r1/raw/public.t/_manifest.json");
    let text = std::fs::read_to_string(&place).unwrap();
    std::fs::write(&place, text.replace("\"manifest_version\": 2", "\"manifest_version\": 1")).unwrap();
    let error = run.raw(&table).manifest().await.err().unwrap().to_string();
    let told = "_manifest.json: is of another version of telecine: manifest_version 1";
    assert!(error.contains(told) && error.contains("start a new run"), "{error}");
    // Nothing goes on over it either: every table of a run is looked at before the first is read.
    assert_eq!(run.raw_tables().await.err().unwrap().to_string(), error);
}

/// The manifest is removed and the step runs again: that is all, and the error says it.
#[tokio::test]
async fn a_damaged_manifest_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run = area(&folder).run("r1");
    let table = TableName::new("public", "t");
    committed(&run, &table).await;
    let place = folder.path().join("runs/r1/raw/public.t/_manifest.json");
    let text = std::fs::read_to_string(&place).unwrap();
    for damage in [&text[..40], "{}", &text.replace("\"rows\"", "\"rose\""), "[]", ""] {
        std::fs::write(&place, damage).unwrap();
        let error = run.raw(&table).manifest().await.err().unwrap().to_string();
        let told =
            "runs/r1/raw/public.t/_manifest.json: is damaged or of another version of telecine; remove it and run";
        assert!(error.contains(told) && error.contains("start a new run"), "{error}");
    }
    std::fs::remove_file(&place).unwrap();
    committed(&run, &table).await;
    assert_eq!(run.raw_tables().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_commit_meets_itself_but_not_another() {
    let folder = tempfile::tempdir().unwrap();
    let run = area(&folder).run("r1");
    let table = TableName::new("public", "t");
    let mut manifest = committed(&run, &table).await;
    run.raw(&table).commit(&manifest).await.unwrap();
    manifest.rows += 1;
    let error = run.raw(&table).commit(&manifest).await.err().unwrap().to_string();
    assert!(error.contains("_manifest.json"), "{error}");
    run.raw(&table).discard().await.unwrap();
    assert!(run.raw(&table).manifest().await.unwrap().is_none());
    run.raw(&table).commit(&manifest).await.unwrap();
}

#[tokio::test]
async fn nothing_half_written_is_left_by_a_broken_stream() {
    let folder = tempfile::tempdir().unwrap();
    let run = area(&folder).run("r1");
    let broken = futures::stream::iter([Ok(sample()), Err(Error::preflight("gone").into_datafusion())]);
    let broken: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(sample().schema(), broken));
    let dataset = run.query("q");
    let error = dataset.parquet_part(0, sample().schema()).write_all(broken).await.err().unwrap();
    assert_eq!(error.exit_code(), 2, "the stream's own error comes through: {error}");
    let left: Vec<_> = std::fs::read_dir(folder.path().join("runs/r1/q")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_ledger_is_copied_whole_and_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..(5_u32 << 19) + 7).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
    let file = folder.path().join("file");
    std::fs::write(&file, &bytes).unwrap();
    let area = area(&folder);
    for size in [bytes.len(), 1 << 20, 0] {
        std::fs::write(&file, &bytes[..size]).unwrap();
        area.put_ledger_copy("dev", "copy", &file).await.unwrap();
        assert!(std::fs::read(folder.path().join("ledger/dev/copy")).unwrap() == bytes[..size]);
    }
}

#[tokio::test]
async fn documents_are_one_file_a_row_and_lines() {
    let folder = tempfile::tempdir().unwrap();
    let run = area(&folder).run("r1");
    let schema = Schema::new(vec![
        Field::new("source_key", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("title", DataType::Utf8, true),
    ]);
    let columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["Promo:1", "Promo:2"])),
        Arc::new(StringArray::from(vec!["one", "two"])),
        Arc::new(StringArray::from(vec![Some("One"), None])),
    ];
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    let summary = run.documents("assetType_Promo").write(stream(batch)).await.unwrap();
    assert_eq!(summary.rows, 2);
    let documents = folder.path().join("runs/r1/documents");
    assert_eq!(std::fs::read_to_string(documents.join("assetType_Promo/Promo.1.json")).unwrap(), r#"{"title":"One"}"#);
    assert_eq!(std::fs::read_to_string(documents.join("assetType_Promo/Promo.2.json")).unwrap(), "{}");
    let lines = std::fs::read_to_string(documents.join("assetType_Promo.ndjson")).unwrap();
    assert_eq!(lines.lines().next().unwrap(), r#"{"source_key":"Promo:1","name":"one","instance":{"title":"One"}}"#);
}
