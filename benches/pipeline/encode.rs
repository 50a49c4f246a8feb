//! Batches into Parquet: the part file of a dataset, and Parquet alone.

use std::sync::Arc;

use arrow::array::RecordBatch;
use criterion::{Criterion, Throughput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use telecine::dataflow::{SendableRecordBatchStream, Sink};
use telecine::staging::Dataset;

use crate::prepared::{Captured, Prepared, area};

pub fn bench(criterion: &mut Criterion, prepared: &Prepared, captured: &[Captured]) {
    for table in captured {
        let batches = table.batches();
        let folder = prepared.scratch();
        let dataset = area(folder.path()).run("encode").raw(&table.table);
        let mut group = criterion.benchmark_group(format!("encode/{}", table.label));
        group.throughput(Throughput::Bytes(batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum()));
        group.bench_function("part_file", |bencher| {
            bencher.to_async(&prepared.runtime).iter(|| part_file(&dataset, batches.clone()));
        });
        for (name, compression) in [
            ("memory_zstd", Compression::ZSTD(ZstdLevel::try_new(1).unwrap())),
            ("memory_uncompressed", Compression::UNCOMPRESSED),
        ] {
            group.bench_function(name, |bencher| bencher.iter(|| in_memory(&batches, compression)));
        }
        group.finish();
    }
}

/// As a step writes it: with content checksum and BLAKE3, durable on disk.
async fn part_file(dataset: &Dataset, batches: Vec<RecordBatch>) -> u64 {
    let schema = batches[0].schema();
    let rows = futures::stream::iter(batches.into_iter().map(Ok));
    let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), rows));
    dataset.parquet_part(0, schema).write_all(rows).await.unwrap().bytes
}

/// The same properties as a part file's, and nothing but the encoder.
fn in_memory(batches: &[RecordBatch], compression: Compression) -> usize {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(true)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap().len()
}
