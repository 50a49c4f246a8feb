//! The right to write a run: one process at a time. Two that write the same part files would each commit a manifest over
//! bytes of the other.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chrono::DateTime;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use serde::{Deserialize, Serialize};

use super::local::local_path;
use super::{RunFolder, StagingArea, object};
use crate::error::{Error, Result};

/// The name of the lease within the run's folder.
const FILE_NAME: &str = "_lease.json";

/// Who writes a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    /// What it does: `extract`, `transform`.
    work: String,
    host: String,
    pid: u32,
    /// When the process started, in the kernel's count; tells it from a later one of the same id.
    started: Option<u64>,
    /// When the lease was taken, RFC 3339.
    since: String,
    /// The boot of the kernel that runs it (random(4), `/proc/sys/kernel/random/boot_id`).
    #[serde(default)]
    boot: Option<String>,
    /// The namespace that its id is of (`pid_namespaces(7)`, `/proc/PID/ns/pid`).
    #[serde(default)]
    pid_namespace: Option<String>,
    /// Tells two leases of one process apart.
    random: u64,
}

/// The right to write a run, until [`Lease::release`]. Dropped without it, it is released as well as that can be done
/// without waiting.
#[derive(Debug)]
pub struct Lease {
    area: StagingArea,
    key: Path,
    held: bool,
}

impl RunFolder {
    /// Takes the right to write this run, for `work`. One that a process left behind when it was killed is taken
    /// over where that is known: by a process of the same boot of the same kernel that sees its id. After a restart of
    /// the machine, or from another container, it is to be deleted by hand.
    ///
    /// # Errors
    /// [`Error::Preflight`] naming the process that writes the run, or when the lease cannot be written.
    pub async fn lease(&self, work: &str) -> Result<Lease> {
        let key = self.lease_path();
        let holder = Holder::this(work);
        let bytes = serde_json::to_vec_pretty(&holder)
            .map_err(|cause| Error::staging(self.area.url_of(&key), "the lease gives no JSON", cause))?;
        let bytes = Bytes::from(bytes);
        let lease = || Lease { area: self.area.clone(), key: key.clone(), held: true };
        if object::try_create(&self.area, &key, bytes.clone()).await? {
            return Ok(lease());
        }
        let first = match read(&self.area, &key).await? {
            // A create that was sent twice can meet itself.
            Some((first, _)) if first == holder => return Ok(lease()),
            Some((first, version)) if first.is_gone() => {
                if self.take_over(&key, &first, version, (&holder, bytes)).await? {
                    tracing::warn!(pid = first.pid, work = first.work, "took the run over from a process that is gone");
                    return Ok(lease());
                }
                first
            }
            Some((first, _)) => first,
            // It ended between the two looks.
            None if object::try_create(&self.area, &key, bytes).await? => return Ok(lease()),
            None => return Err(self.taken("another process", &key)),
        };
        Err(self.taken(&first.to_string(), &key))
    }

    pub(super) fn lease_path(&self) -> Path {
        self.path.clone().join(FILE_NAME)
    }

    /// Who writes the run, as people are told it, and whether it is known that that process is no more.
    pub(super) async fn holder(&self) -> Result<Option<(String, bool)>> {
        let found = read(&self.area, &self.lease_path()).await?;
        Ok(found.map(|(holder, _)| (holder.to_string(), holder.is_gone())))
    }

    /// Puts the lease in place of that of `gone`, unless somebody else has done so.
    async fn take_over(
        &self,
        key: &Path,
        gone: &Holder,
        version: UpdateVersion,
        (ours, bytes): (&Holder, Bytes),
    ) -> Result<bool> {
        if !self.area.local {
            let attributes = self.area.attributes.clone();
            let options = PutOptions { mode: PutMode::Update(version), attributes, ..PutOptions::default() };
            return match self.area.store.put_opts(key, bytes.into(), options).await {
                Ok(_) => Ok(true),
                // One that was sent twice can meet itself.
                Err(object_store::Error::Precondition { .. }) => {
                    Ok(read(&self.area, key).await?.is_some_and(|(now, _)| now == *ours))
                }
                Err(cause) => Err(Error::staging(self.area.url_of(key), "cannot be taken over", cause)),
            };
        }
        let failed = |cause| Error::staging(self.area.url_of(key), "cannot be taken over", cause);
        // The lock is of this file and not of its name: who gets it and still finds the same lease there is alone.
        let Ok(file) = std::fs::File::open(local_path(key)) else { return Ok(false) };
        if file.try_lock().is_err() || read(&self.area, key).await?.is_none_or(|(now, _)| now != *gone) {
            return Ok(false);
        }
        std::fs::remove_file(local_path(key)).map_err(failed)?;
        object::try_create(&self.area, key, bytes).await
    }

    fn taken(&self, who: &str, key: &Path) -> Error {
        Error::preflight(format!(
            "run {} is being written by {who}; wait for its end or use another run id. If that process is no more, \
             delete {}",
            self.id,
            self.area.url_of(key)
        ))
    }
}

impl Lease {
    /// Gives the right back. A failure is logged: the work itself is done, and the next process is told what to delete.
    pub async fn release(mut self) {
        self.held = false;
        remove(self.area.clone(), self.key.clone()).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        if self.area.local {
            // What cannot be removed is taken over when this process has ended.
            let _ = std::fs::remove_file(local_path(&self.key));
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(remove(self.area.clone(), self.key.clone()));
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {} ({}, since {})", self.pid, self.host, self.work, self.since)
    }
}

impl Holder {
    fn this(work: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let since = i64::try_from(now).ok().and_then(|now| DateTime::from_timestamp(now, 0));
        let pid = std::process::id();
        Self {
            work: work.to_owned(),
            host: host(),
            pid,
            started: process(pid).map(|process| process.started),
            since: since.unwrap_or_default().to_rfc3339(),
            boot: boot(),
            pid_namespace: pid_namespace(),
            random: fastrand::u64(..),
        }
    }

    /// Whether it was a process whose end can be seen from here, and that has ended. A host's name is not enough: two
    /// containers may share it and a volume, and each sees only its own processes. Where the system does not tell, and
    /// of a holder that an earlier version wrote without boot and namespace, none has ended.
    fn is_gone(&self) -> bool {
        let is_ours = |theirs: &Option<String>, ours: Option<String>| theirs.is_some() && *theirs == ours;
        let seen = self.host == host()
            && is_ours(&self.boot, boot())
            && is_ours(&self.pid_namespace, pid_namespace())
            && process(std::process::id()).is_some();
        let Some(started) = self.started.filter(|_| seen) else { return false };
        process(self.pid).is_none_or(|now| now.started != started || now.ended)
    }
}

async fn read(area: &StagingArea, key: &Path) -> Result<Option<(Holder, UpdateVersion)>> {
    let failed = |cause| Error::staging(area.url_of(key), "cannot be read", cause);
    let found = match area.store.get(key).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
    let bytes = found.bytes().await.map_err(failed)?;
    let holder = serde_json::from_slice(&bytes).map_err(|cause| {
        Error::staging(area.url_of(key), "is damaged; if no other process writes the run, delete it", cause)
    })?;
    Ok(Some((holder, version)))
}

async fn remove(area: StagingArea, key: Path) {
    match area.store.delete(&key).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
        Err(cause) => tracing::warn!(lease = area.url_of(&key), %cause, "the lease of the run cannot be removed"),
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.ok().or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    name.trim().to_owned()
}

fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

fn pid_namespace() -> Option<String> {
    Some(std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

#[derive(Debug)]
struct Process {
    started: u64,
    /// It has ended and its parent has not asked for its result yet.
    ended: bool,
}

/// What the kernel tells of a process (proc(5), `/proc/PID/stat`: state is field 3, starttime field 22); `None` without it.
fn process(pid: u32) -> Option<Process> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some(Process { started, ended: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::StagingConfig;

    fn run(folder: &tempfile::TempDir) -> RunFolder {
        StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap().run("r1")
    }

    #[tokio::test]
    async fn one_process_writes_a_run_and_a_second_is_told_which() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&folder);
        let lease = run.lease("extract").await.unwrap();
        let error = run.lease("transform").await.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        let first = format!("process {} on {} (extract, since 2", std::process::id(), host());
        assert!(text.contains(&first) && text.contains("r1/_lease.json"), "{text}");
        lease.release().await;
        drop(run.lease("transform").await.unwrap());
        run.lease("extract").await.unwrap().release().await;
        assert!(!folder.path().join("runs/r1/_lease.json").exists());
    }

    #[tokio::test]
    async fn only_what_a_process_of_this_host_left_behind_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&folder);
        let place = folder.path().join("runs/r1/_lease.json");
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let alive =
            Holder { pid: child.id(), started: process(child.id()).map(|p| p.started), ..Holder::this("extract") };
        let write = |holder: &Holder| std::fs::write(&place, serde_json::to_vec(holder).unwrap()).unwrap();
        // No such process is seen here: that says something only of those who share kernel, boot and namespace with us.
        let unseen = Holder { pid: u32::MAX, ..alive.clone() };
        let elsewhere = Holder { host: "elsewhere".into(), ..unseen.clone() };
        let contained = Holder { pid_namespace: Some("pid:[1]".into()), ..unseen.clone() };
        let rebooted = Holder { boot: Some("another".into()), ..unseen.clone() };
        let older = Holder { boot: None, pid_namespace: None, ..unseen };
        for holder in [&alive, &elsewhere, &contained, &rebooted, &older] {
            write(holder);
            let text = run.lease("extract").await.unwrap_err().to_string();
            assert!(text.contains(&format!("process {} on {}", holder.pid, holder.host)), "{text}");
        }
        // The same id is now another process.
        write(&Holder { started: alive.started.map(|ticks| ticks - 1), ..alive.clone() });
        run.lease("extract").await.unwrap().release().await;
        write(&alive);
        child.kill().unwrap();
        let ended = || process(alive.pid).is_none_or(|now| now.ended);
        while !ended() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        // Ended, whether or not its parent has taken notice.
        run.lease("extract").await.unwrap().release().await;
        child.wait().unwrap();
        write(&alive);
        run.lease("extract").await.unwrap().release().await;
    }
}
