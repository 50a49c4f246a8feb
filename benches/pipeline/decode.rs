//! Bytes of a binary `COPY` into Arrow, beside what the same bytes cost without it.

use criterion::{Criterion, Throughput};
use telecine::dataflow::ContentChecksum;
use telecine::source::framing::Framing;
use telecine::verify::WireChecksum;

use crate::prepared::Captured;

pub fn bench(criterion: &mut Criterion, captured: &[Captured]) {
    for table in captured {
        let batches = table.batches();
        let mut group = criterion.benchmark_group(format!("decode/{}", table.label));
        group.throughput(Throughput::Bytes(table.bytes));
        group.bench_function("framing", |bencher| bencher.iter(|| framing(table)));
        group.bench_function("arrow", |bencher| bencher.iter_with_large_drop(|| table.batches()));
        group.bench_function("wire_checksum", |bencher| bencher.iter(|| wire_checksum(table)));
        group.bench_function("arrow_checksum", |bencher| {
            bencher.iter(|| {
                let mut checksum = ContentChecksum::default();
                batches.iter().for_each(|batch| checksum.update(batch).unwrap());
                checksum
            });
        });
        group.finish();
    }
}

/// Cuts the bytes into tuples and looks at none.
fn framing(table: &Captured) -> u64 {
    let mut framing = Framing::new("bench", table.layout.wires.len());
    table.chunks.iter().for_each(|chunk| framing.push(chunk, |_| Ok(())).unwrap());
    framing.rows()
}

/// The source's side of `verify`.
fn wire_checksum(table: &Captured) -> ContentChecksum {
    let mut checksum = WireChecksum::new(table.table.clone(), table.layout.wires.clone());
    table.chunks.iter().for_each(|chunk| checksum.push(chunk).unwrap());
    checksum.checksum()
}
