//! Progress on stderr: a bar on a terminal, a line every ten seconds otherwise.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use super::{mebibytes, thousands};
use crate::dataflow::Progress;
use crate::dataflow::progress::Reading;

/// How often the counters are read for a bar.
const REDRAW: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(10);
/// After how long without movement a step says so.
const STILL: Duration = Duration::from_secs(60);

/// Shows the counters of one step until it is dropped.
#[derive(Debug)]
pub struct Display {
    task: JoinHandle<()>,
}

impl Display {
    /// Starts showing; must be called within a Tokio runtime. With `quiet`, nothing is shown.
    pub fn start(step: &'static str, progress: &Progress, quiet: bool) -> Self {
        let progress = progress.clone();
        let terminal = std::io::stderr().is_terminal();
        let task = tokio::spawn(async move {
            match (quiet, terminal) {
                (true, _) => {}
                (false, true) => bar(step, progress).await,
                (false, false) => lines(step, progress).await,
            }
        });
        Self { task }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Removes the bar when its step ends, so that the last thing on the terminal is the balance sheet.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

async fn bar(step: &'static str, progress: Progress) {
    let bar = Bar(ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()));
    bar.0.set_prefix(step);
    let mut rate = Rate::start();
    loop {
        let reading = progress.reading();
        // Until it is known how much there is, there is no share of it and no time left.
        let template = match reading.total {
            0 => "{prefix:10} {spinner} {human_pos} {msg}",
            _ => "{prefix:10} {bar:30} {human_pos}/{human_len} {msg}, {eta} left",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.0.set_style(style);
        }
        bar.0.set_length(reading.total.max(reading.rows));
        bar.0.set_position(reading.rows);
        bar.0.set_message(rate.words(&reading));
        tokio::time::sleep(REDRAW).await;
    }
}

async fn lines(step: &'static str, progress: Progress) {
    let mut rate = Rate::start();
    loop {
        tokio::time::sleep(LINE).await;
        let reading = progress.reading();
        let words = rate.words(&reading);
        let total = if reading.total == 0 {
            String::new()
        } else {
            format!(" of {}", thousands(reading.total.max(reading.rows)))
        };
        // A closed stderr must not stop the work.
        let _ = writeln!(std::io::stderr(), "{step}: {}{total} {words}", thousands(reading.rows));
    }
}

/// Speeds since the step began, and how long it has stood still.
struct Rate {
    started: Instant,
    moved: Instant,
    last: u64,
}

impl Rate {
    fn start() -> Self {
        let now = Instant::now();
        Self { started: now, moved: now, last: 0 }
    }

    fn words(&mut self, reading: &Reading) -> String {
        if reading.rows != self.last {
            self.last = reading.rows;
            self.moved = Instant::now();
        }
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let mut words = format!("{:.0}/s", reading.rows as f64 / seconds);
        if reading.bytes > 0 {
            words.push_str(&format!(", {:.1} MiB/s", mebibytes(reading.bytes) / seconds));
        }
        if let Some(sending) = reading.sending {
            let requests = sending.requests as f64 / seconds;
            words
                .push_str(&format!(", {requests:.0} requests/s, {} of {} in flight", sending.in_flight, sending.limit));
            if !sending.paused.is_zero() {
                words.push_str(&format!(", pauses for {} s", sending.paused.as_secs() + 1));
            }
        } else if reading.in_flight > 0 {
            words.push_str(&format!(", {} in flight", reading.in_flight));
        }
        if reading.rejects > 0 {
            words.push_str(&format!(", {} set aside", thousands(reading.rejects)));
        }
        if self.moved.elapsed() > STILL {
            let waits = if reading.in_flight > 0 { "for what is in flight" } else { "for its input" };
            words.push_str(&format!(", has not moved for {} s: waits {waits}", self.moved.elapsed().as_secs()));
        }
        words
    }
}
