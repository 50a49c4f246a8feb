//! The largest resident memory of a step, as the kernel counts it (Linux).

/// The high-water mark of resident memory since it was started.
#[derive(Debug)]
pub struct PeakMemory(());

impl PeakMemory {
    /// Resets the kernel's high-water mark; where that is not permitted, the mark is that of the whole process.
    pub fn start() -> Self {
        // `5` resets the peak resident set size (proc(5), /proc/pid/clear_refs). Failing to is harmless.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Self(())
    }

    /// The mark now in bytes; `None` on systems without `/proc`.
    pub fn bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes << 10)
    }
}
