//! What it costs to make bodies of mapped rows, without sending them.

use std::hint::black_box;
use std::time::Instant;

use arrow::array::RecordBatch;
use telecine::load::Shape;
use telecine::staging::json;

use crate::mapped;

/// Rows made into bodies.
const ROWS: u64 = 8_192;
/// Times that each way is measured.
const TIMES: usize = 9;

/// Prints the median of each way.
pub fn measure() {
    let batch = mapped::batch("video", 0..ROWS);
    let shape = Shape::of("video", batch.schema_ref()).unwrap();
    let name = batch.schema().index_of("name").unwrap();
    let fields: Vec<usize> = (name + 1..batch.num_columns()).collect();
    let instances = batch.project(&fields).unwrap();
    let maps = || shape.rows(&batch).unwrap();
    let size: usize = maps().iter().map(|row| serde_json::to_vec(&row.instance).unwrap().len()).sum();
    println!("bytes a row {}", size as u64 / ROWS);
    tell("rows as maps, with their hash", size, || drop(black_box(maps())));
    let rows = maps();
    tell("maps copied and written", size, || {
        for row in &rows {
            black_box(serde_json::to_vec(&row.without_references()).unwrap());
        }
    });
    tell("text from the arrays", size, || text(&instances, false));
    tell("text from the arrays, with its hash", size, || text(&instances, true));
}

fn text(instances: &RecordBatch, hashed: bool) {
    let rows = json::Rows::new(instances, &[]);
    for index in 0..instances.num_rows() {
        let mut bytes = Vec::with_capacity(2_048);
        rows.write(index, &mut bytes).unwrap();
        if hashed {
            black_box(blake3::hash(&bytes));
        }
        black_box(bytes);
    }
}

fn tell(what: &str, bytes: usize, mut work: impl FnMut()) {
    let mut times: Vec<f64> = (0..TIMES)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let median = times[TIMES / 2];
    let micros = median / f64::from(u32::try_from(ROWS).unwrap()) * 1e6;
    println!("{what:<36} {micros:>6.2} us a row  {:>6.0} MB/s", bytes as f64 / median / 1e6);
}
