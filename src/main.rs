//! telecine's command line: arguments, runtime, signals, exit code. The error chain is printed here.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use clap::Parser;
use telecine::Error;
use telecine::cli::{self, Cli, Global, LogFormat, Surroundings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Plans of deep queries are walked on worker threads, too; an unoptimised build needs more than the usual 2 MiB.
const STACK: usize = 16 << 20;

/// What a verb may take to stop: the thirty seconds in which a load drains, and what it needs to say so.
const DRAIN: Duration = Duration::from_secs(40);

/// The signal for a file that grows beyond the limit; this number on Linux (but MIPS), macOS and the BSDs.
const SIGXFSZ: i32 = 25;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli.global);
    let format = cli.global.log_format;
    let runtime = match tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            return fail(&Error::Preflight { message: "no threads".into(), cause: Some(cause.into()) }, format);
        }
    };
    let received = Arc::new(AtomicI32::new(0));
    let outcome = runtime.block_on(async {
        let cancel = CancellationToken::new();
        // A limit on the size of files (`ulimit -f`) would end the process without a word; caught, the write fails and says so.
        let _file_size = signal(SignalKind::from_raw(SIGXFSZ));
        let surroundings = Surroundings { environment: std::env::vars().collect(), cancel: cancel.clone() };
        // Caught from here on: before the work begins, and not some time after.
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let listening = tokio::spawn(listen(signals, cancel.clone(), Arc::clone(&received)));
        let late = async {
            cancel.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let outcome = tokio::select! {
            biased;
            outcome = cli::run(cli, &surroundings) => outcome,
            () = late => Err(Error::Interrupted { signal: 2 }),
        };
        listening.abort();
        outcome
    });
    // Blocking work of a broken-off step must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted { signal }) => {
            let seen = received.load(Ordering::Relaxed);
            fail(&Error::Interrupted { signal: if seen == 0 { signal } else { seen } }, format)
        }
        Err(error) => fail(&error, format),
    }
}

/// The first signal asks the work to drain; the second ends the process at once.
async fn listen(
    signals: (io::Result<Signal>, io::Result<Signal>),
    cancel: CancellationToken,
    received: Arc<AtomicI32>,
) {
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
    loop {
        let number = tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
        };
        if cancel.is_cancelled() {
            std::process::exit(128 + number);
        }
        received.store(number, Ordering::Relaxed);
        cancel.cancel();
        // A closed stderr must not keep the process from stopping.
        let _ = writeln!(io::stderr(), "stopping; what is in flight is finished first (a second signal stops at once)");
    }
}

fn start_log(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "telecine=info,warn",
        (false, 2) => "telecine=debug,info",
        (false, _) => "telecine=trace,debug",
    };
    let filter = EnvFilter::try_from_env("TELECINE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // Colours are for eyes: not in files and pipes, nor where NO_COLOR asks for none (no-color.org).
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    match global.log_format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

fn fail(error: &Error, format: LogFormat) -> ExitCode {
    let mut text = match format {
        LogFormat::Text => format!("telecine: {error}"),
        LogFormat::Json => error.to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(&format!("\n  caused by: {words}"));
        }
        cause = inner.source();
    }
    if format == LogFormat::Json {
        text = serde_json::json!({"level": "ERROR", "exit_code": error.exit_code(), "message": text}).to_string();
    }
    // A closed stderr must not change the exit code.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(error.exit_code())
}
