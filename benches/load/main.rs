//! The load beside plain load generators: the same bodies, at the same concurrency, to the same local Flex.
//!
//! ```text
//! cargo bench --bench load                       requests a second at 0, 5 and 50 ms of latency
//! cargo bench --bench load -- --pin              server and client on a core each
//! cargo bench --bench load -- full               a load of 821,000 assets: memory, time, ledger
//! cargo bench --bench load -- bodies             mapped rows as the load takes them, and as text alone
//! cargo bench --bench load -- --telecine PATH    with a binary that is built already
//! ```
//!
//! Each measurement starts a local Flex of its own in a process of its own (`telecine flex serve`). The rows are made
//! from their numbers; the bodies are those that `telecine plan --requests` writes. Three clients send them in turn, over
//! several rounds, and the medians are told:
//! - `telecine`: `telecine load` with its ledger, into which every step is durable before the next is made;
//! - `sender`: the smallest client that can do it, in this program: ready bytes, no ledger, no checks, one thread;
//! - `wrk`: Debian's package of that name, where it is installed (`apt-get install wrk`).
//!
//! What is told of each: requests a second from the first request to the last answer (for telecine the time of the
//! whole load, its ledger's copy included), its share of the fastest generator's, CPU of client and server in
//! microseconds a request, peak memory of the client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot run ends with what went wrong")]

mod bodies;
mod mapped;
mod process;
mod rounds;
mod sender;
mod server;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Load generators beside telecine's load.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// The binary to measure; the one that this build made without it.
    #[arg(long, global = true, default_value = env!("CARGO_BIN_EXE_telecine"))]
    telecine: PathBuf,
    /// Latencies of the local Flex, milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "0,5,50")]
    latency: Vec<u64>,
    /// Requests under way.
    #[arg(long, value_delimiter = ',', default_value = "32")]
    in_flight: Vec<usize>,
    /// Rounds of which the median is told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Assets of one round without latency; fewer with it, so that a round takes as long.
    #[arg(long, default_value_t = 50_000)]
    assets: usize,
    /// The server on the first core, the client on the second.
    #[arg(long)]
    pin: bool,
    /// Each once, with few assets: does it still run?
    #[arg(long)]
    test: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A load of all assets that have no type of their own.
    Full {
        #[arg(long, default_value_t = mapped::FULL)]
        assets: u64,
        #[arg(long, default_value_t = 32)]
        in_flight: usize,
    },
    /// The sender alone.
    #[command(hide = true)]
    Send { file: PathBuf, assets: usize, host: String, in_flight: usize },
    /// Mapped rows into bodies, without sending them.
    Bodies,
    /// Only makes rows below a folder.
    #[command(hide = true)]
    Rows { folder: PathBuf, assets: u64 },
    /// The name of a bench of another program.
    #[command(external_subcommand)]
    Elsewhere(Vec<String>),
}

fn main() {
    let arguments = Arguments::parse();
    match &arguments.what {
        Some(What::Send { file, assets, host, in_flight }) => sender::send(file, *assets, host, *in_flight),
        Some(What::Rows { folder, assets }) => server::runtime().block_on(mapped::write(folder, *assets)),
        Some(What::Full { assets, in_flight }) => rounds::full(&arguments.telecine, *assets, *in_flight),
        Some(What::Bodies) => bodies::measure(),
        Some(What::Elsewhere(names)) => println!("no bench of this program is named {}", names.join(" ")),
        None if arguments.test => {
            let small = Arguments { latency: vec![1], in_flight: vec![4], rounds: 1, assets: 60, ..arguments };
            rounds::compare(&small);
        }
        None => rounds::compare(&arguments),
    }
}
