//! What it costs to make mapped rows ready, without sending them.

use std::hint::black_box;
use std::time::Instant;

use telecine::load::Shape;
use telecine::staging::json;

use crate::mapped;

/// Rows made ready.
const ROWS: u32 = 8_192;
/// Times that each is measured.
const TIMES: usize = 9;

/// Prints the least time of each: other work on the machine only adds to it.
pub fn measure() {
    let batch = mapped::batch("video", 0..u64::from(ROWS));
    let shape = Shape::of("video", batch.schema_ref()).unwrap();
    let name = batch.schema().index_of("name").unwrap();
    let fields: Vec<usize> = (name + 1..batch.num_columns()).collect();
    let instances = batch.project(&fields).unwrap();
    tell("rows as the load takes them", || black_box(shape.rows(&batch).unwrap()).len());
    tell("their text alone", || {
        let rows = json::Rows::new(&instances, &[]);
        let mut bytes = 0;
        for index in 0..instances.num_rows() {
            let mut text = Vec::with_capacity(2_048);
            rows.write(index, &mut text).unwrap();
            bytes += black_box(text).len();
        }
        bytes
    });
}

fn tell(what: &str, mut work: impl FnMut() -> usize) {
    let least = (0..TIMES)
        .map(|_| {
            let started = Instant::now();
            black_box(work());
            started.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    println!("{what:<28} {:>6.2} us a row", least / f64::from(ROWS) * 1e6);
}
