//! The benches: what each step costs beside the others, on data they make themselves.
//!
//! ```text
//! cargo bench                                              all of them
//! cargo bench -- decode                                    those whose name matches
//! cargo bench --profile dev --bench pipeline -- --test     each once, unmeasured: do they still run?
//! ```
//!
//! A run starts a private PostgreSQL with the sample library, migrates it once, and measures on what that left; when it
//! ends, the server and all files are gone. `TELECINE_BENCH_SCALE` is the size of the library (0.0005; 1 is the full
//! system). Times on machines with other work are noise: compare what stands in one group of one run.
//!
//! | group | what is compared | throughput |
//! |---|---|---|
//! | `decode/{wide,eav}` | a captured `COPY`: cut into tuples; into Arrow; checksum off the wire; checksum of the batches | bytes on the wire |
//! | `encode/{wide,eav}` | batches into a part file (checksum, BLAKE3, disk); Parquet alone in memory, with and without zstd | bytes in Arrow |
//! | `extract` | all tables over 1 and 2 connections: raw `COPY`; decoded and dropped; into `raw/`, by each reader of the build | bytes on the wire |
//! | `functions` | SQL functions over texts in their one form and in others | rows |
//! | `map` | opening a run; each query of `4_map` over its inputs; its dataset read back | rows |
//! | `load` | assets into a local Flex without any, 1 and 32 at a time | assets |
//! | `pipeline` | the whole job into an empty folder and an empty Flex | rows in the source |

#![allow(clippy::unwrap_used, reason = "a bench that cannot run ends with what went wrong")]

mod decode;
mod encode;
mod extract;
mod functions;
mod load;
mod map;
mod prepared;
mod whole;

use std::time::Duration;

use criterion::Criterion;

use crate::prepared::Prepared;

fn main() {
    let prepared = Prepared::new();
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let captured = prepared.captured();
    decode::bench(&mut criterion, &captured);
    encode::bench(&mut criterion, &prepared, &captured);
    extract::bench(&mut criterion, &prepared);
    functions::bench(&mut criterion);
    map::bench(&mut criterion, &prepared);
    load::bench(&mut criterion, &prepared);
    whole::bench(&mut criterion, &prepared);
    criterion.final_summary();
    prepared.end();
}
