//! Child processes and what they cost, as the kernel counts it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Clock ticks a second in `/proc/PID/stat` (`USER_HZ`, 100 on every Linux that this runs on).
const TICKS: f64 = 100.0;
/// How long a child may take.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// How often a child is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What a process that has ended cost.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// Seconds from start to end.
    pub wall: f64,
    /// Seconds of CPU, user and system.
    pub cpu: f64,
    /// The largest resident set, bytes.
    pub peak: u64,
    /// What it printed.
    pub stdout: String,
}

/// A call of `program`, bound to a core where one is named.
pub fn command(program: &Path, core: Option<u32>) -> Command {
    let mut command = match core {
        None => Command::new(program),
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string()]).arg(program);
            command
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Runs a call to its end. Its output is small: it fits the pipe.
pub fn run(command: &mut Command) -> Cost {
    let started = Instant::now();
    let child = command.spawn().unwrap_or_else(|cause| panic!("{command:?}: {cause}"));
    let pid = child.id();
    let mut peak = 0;
    while !is_zombie(pid) {
        peak = peak.max(peak_memory(pid));
        assert!(started.elapsed() < PATIENCE, "{command:?} does not end");
        sleep(LOOK);
    }
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu(pid));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    Cost { wall, cpu, peak, stdout: String::from_utf8(output.stdout).unwrap() }
}

/// Ends a process and waits until it is gone.
pub fn stop(child: &mut Child) {
    // One that has ended already cannot be killed.
    let _ = child.kill();
    let _ = child.wait();
}

/// Seconds of CPU that a process has used so far, user and system.
pub fn cpu(pid: u32) -> f64 {
    let fields = stat(pid);
    // utime and stime: fields 14 and 15 of proc(5), counted from 1; the first two are cut off.
    fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// The largest resident set of a process so far, bytes; 0 when it has ended.
pub fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

fn is_zombie(pid: u32) -> bool {
    stat(pid).first().is_none_or(|state| state == "Z")
}

/// The fields after the name, which is in parentheses and may hold anything.
fn stat(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = text.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    rest.split_whitespace().map(str::to_owned).collect()
}
