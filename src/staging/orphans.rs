//! What nobody speaks of: files and uploads that a process left behind when it was killed, and the leases of such
//! processes.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::Serialize;

use super::local::is_temporary;
use super::manifest::FILE_NAME;
use super::s3::OpenUpload;
use super::{Dataset, Manifest, RunFolder, StagingArea, object};
use crate::error::{Error, Result};

/// Uploads of what no lease guards (copies of ledgers) are left alone so long: the process may be at it.
const AT_WORK: TimeDelta = TimeDelta::hours(24);

/// The folder of a delivery that is as a run's.
const TRANSFORM: &str = "transform";
/// What a record of a delivery is made of while it is written.
const PROGRESS: &str = "_progress.json";

/// Why something is an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrphanKind {
    /// A data file that the manifest of its dataset does not name, or of a dataset without one.
    Part,
    /// A file that was being written.
    Temporary,
    /// An upload in parts that was neither completed nor aborted.
    Upload,
    /// The lease of a process that is no more.
    Lease,
    /// A file in a dataset's folder that telecine does not write. It is named and never swept.
    Foreign,
}

/// One thing that nobody speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// What it is.
    pub kind: OrphanKind,
    /// The run it is in, if it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The delivery that left it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// Where it is.
    pub url: String,
    /// Its bytes; what is stored of an upload is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Since when it is there, RFC 3339.
    pub since: String,
}

/// What an area holds that nobody speaks of.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Orphans {
    /// All of them, ordered by URL.
    pub orphans: Vec<Orphan>,
    /// Runs that are being written, by whom: they were not looked at.
    pub busy: BTreeMap<String, String>,
    /// The same of deliveries.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub busy_deliveries: BTreeMap<String, String>,
    /// Whether the store tells its open uploads. A folder has none.
    pub uploads_told: bool,
    /// Whether all but the foreign ones were removed.
    pub swept: bool,
}

/// Something to be removed.
enum Remains {
    Object(Path),
    Upload(OpenUpload),
}

impl StagingArea {
    /// Looks for orphans in every run and every delivery that nobody writes, and removes them if they are to be swept: all but files that
    /// telecine did not write. A run is held by a lease of our own while it is swept.
    ///
    /// # Errors
    /// When the area cannot be listed, a manifest cannot be read (what it names is not known then), or an orphan cannot be
    /// removed.
    pub async fn orphans(&self, sweep: bool) -> Result<Orphans> {
        let mut found = Orphans { uploads_told: true, swept: sweep, ..Orphans::default() };
        let uploads = self.open_uploads(&mut found).await?;
        for run in self.runs().await? {
            self.orphans_of(&self.run(&run), &uploads, sweep, &mut found).await?;
        }
        for delivery in self.deliveries().await? {
            self.orphans_of(&self.delivery(&delivery), &uploads, sweep, &mut found).await?;
        }
        let guarded = ["runs", "deliveries"].map(|folder| format!("{}/", self.root.clone().join(folder)));
        let is_guarded = |upload: &OpenUpload| guarded.iter().any(|folder| upload.key.starts_with(folder));
        for upload in uploads.into_iter().filter(|upload| !is_guarded(upload)) {
            let begun = upload.initiated.parse::<DateTime<Utc>>();
            if begun.is_ok_and(|begun| Utc::now() - begun > AT_WORK) {
                found.orphans.push(self.upload_orphan(&upload, None));
                if sweep {
                    self.remove(Remains::Upload(upload)).await?;
                }
            }
        }
        found.orphans.sort_by(|a, b| a.url.cmp(&b.url));
        Ok(found)
    }

    async fn open_uploads(&self, found: &mut Orphans) -> Result<Vec<OpenUpload>> {
        let Some(bucket) = &self.bucket else { return Ok(Vec::new()) };
        let listed = bucket.uploads.list(&self.root).await;
        let failed = |cause| Error::staging(self.url(), "its open uploads cannot be listed", cause);
        match listed.map_err(failed)? {
            Some(uploads) => Ok(uploads),
            None => {
                found.uploads_told = false;
                Ok(Vec::new())
            }
        }
    }

    async fn orphans_of(
        &self,
        run: &RunFolder,
        uploads: &[OpenUpload],
        sweep: bool,
        found: &mut Orphans,
    ) -> Result<()> {
        let (holder, stale) = match run.holder().await? {
            Some((holder, true)) => (Some(holder), true),
            Some((holder, false)) => {
                let busy = if run.is_delivery() { &mut found.busy_deliveries } else { &mut found.busy };
                busy.insert(run.id.clone(), holder);
                return Ok(());
            }
            None => (None, false),
        };
        // From here on nobody else begins to write it.
        let lease = if sweep { Some(run.lease("sweep").await?) } else { None };
        if stale {
            let since = holder.unwrap_or_default();
            found.orphans.push(self.orphan(OrphanKind::Lease, run, &run.lease_path(), (None, since)));
        }
        let looked = async {
            for (orphan, remains) in run.remains().await? {
                let swept = sweep && orphan.kind != OrphanKind::Foreign;
                found.orphans.push(orphan);
                if swept {
                    self.remove(Remains::Object(remains)).await?;
                }
            }
            let ours = |upload: &&OpenUpload| upload.key.starts_with(&format!("{}/", run.path));
            for upload in uploads.iter().filter(ours) {
                found.orphans.push(self.upload_orphan(upload, Some(run)));
                if sweep {
                    self.remove(Remains::Upload(upload.clone())).await?;
                }
            }
            Ok(())
        };
        let looked = looked.await;
        if let Some(lease) = lease {
            lease.release().await;
        }
        looked
    }

    fn orphan(&self, kind: OrphanKind, run: &RunFolder, key: &Path, (bytes, since): (Option<u64>, String)) -> Orphan {
        Orphan { kind, bytes, since, ..Orphan::of(Some(run), self.url_of(key)) }
    }

    fn upload_orphan(&self, upload: &OpenUpload, run: Option<&RunFolder>) -> Orphan {
        let url = format!("{}/{}", self.store_url.as_str().trim_end_matches('/'), upload.key);
        Orphan { since: upload.initiated.clone(), ..Orphan::of(run, url) }
    }

    async fn remove(&self, remains: Remains) -> Result<()> {
        match (remains, &self.bucket) {
            (Remains::Object(key), _) => self.delete(&key).await,
            (Remains::Upload(upload), Some(bucket)) => {
                let failed = |cause| Error::staging(upload.key.clone(), "its open upload cannot be removed", cause);
                bucket.uploads.abort(&upload).await.map_err(failed)
            }
            (Remains::Upload(_), None) => Ok(()),
        }
    }

    /// Ends the open uploads of keys below a prefix. A store that does not tell them is left to the bucket's own rules.
    pub(super) async fn abort_uploads(&self, prefix: &Path) -> Result<()> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let open = match bucket.uploads.list(prefix).await {
            Ok(open) => open.unwrap_or_default(),
            // To look at them takes a permission of its own (s3:ListBucketMultipartUploads) that a run does not need.
            Err(cause) => {
                tracing::warn!(%cause, "open uploads of an earlier attempt cannot be listed; a rule of the bucket may remove them");
                return Ok(());
            }
        };
        for upload in open {
            self.remove(Remains::Upload(upload)).await?;
        }
        Ok(())
    }
}

impl Orphan {
    fn of(folder: Option<&RunFolder>, url: String) -> Self {
        let id = |delivery| Some(folder.filter(|folder| folder.is_delivery() == delivery)?.id.clone());
        Self { kind: OrphanKind::Upload, run: id(false), delivery: id(true), url, bytes: None, since: String::new() }
    }
}

impl RunFolder {
    fn is_delivery(&self) -> bool {
        self.path.prefix_matches(&self.area.root.clone().join("deliveries"))
    }

    /// The objects of this run that no manifest speaks of; of a delivery also those of its transform, which is as a run is.
    async fn remains(&self) -> Result<Vec<(Orphan, Path)>> {
        let mut remains = self.remains_here().await?;
        if self.is_delivery() {
            remains.extend(self.within(TRANSFORM).remains_here().await?);
        }
        Ok(remains)
    }

    async fn remains_here(&self) -> Result<Vec<(Orphan, Path)>> {
        let failed = |cause| Error::staging(self.url(), "cannot be listed", cause);
        let objects: Vec<ObjectMeta> = self.area.metas_below(&self.path).try_collect().await.map_err(failed)?;
        let known = self.spoken_of(&objects).await?;
        let documents = self.path.clone().join("documents");
        let told = objects.iter().filter_map(|object| {
            let mut below = object.location.prefix_match(&documents)?;
            let name = below.next()?.as_ref().strip_suffix(".manifest.json")?.to_owned();
            Some(name)
        });
        let told: HashSet<String> = told.collect();
        let judged = objects.into_iter().filter(|object| !known.contains(&object.location));
        let judged = judged.filter_map(|object| {
            let kind = self.judge(&object.location, &told)?;
            let size = (Some(object.size), object.last_modified.to_rfc3339());
            Some((self.area.orphan(kind, self, &object.location, size), object.location))
        });
        Ok(judged.collect())
    }

    /// What an object is that no manifest of a dataset names; `None` where none need to: reports, plans, the documents of
    /// the definitions of which manifests `told`.
    fn judge(&self, key: &Path, told: &HashSet<String>) -> Option<OrphanKind> {
        let below: Vec<String> = key.prefix_match(&self.path)?.map(|part| part.as_ref().to_owned()).collect();
        let name = below.last()?;
        let is_part = name.starts_with("part-") && name.ends_with(".parquet");
        match below.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [TRANSFORM, ..] if self.path == self.area.delivery(&self.id).path => None,
            _ if is_temporary(key) => Some(OrphanKind::Temporary),
            // Written by a step that takes no lease.
            ["_reconcile", ..] | [_] => None,
            ["plan", _] => None,
            // Of a delivery: open uploads, each by its id; how far a record has come.
            ["_uploads", _] | [_, PROGRESS] => None,
            ["documents", of, ..] => {
                let definition = of.split('.').next().unwrap_or_default();
                (!told.contains(definition)).then_some(OrphanKind::Part)
            }
            [_, FILE_NAME] | ["raw", _, FILE_NAME] => None,
            ["raw", _, _] | [_, _] if is_part => Some(OrphanKind::Part),
            _ => Some(OrphanKind::Foreign),
        }
    }

    /// All that the manifests among these objects name.
    async fn spoken_of(&self, objects: &[ObjectMeta]) -> Result<HashSet<Path>> {
        let mut known = HashSet::new();
        let exceptions = self.exceptions();
        let tells = |object: &&ObjectMeta| matches!(object.location.filename(), Some(FILE_NAME | PROGRESS));
        for object in objects.iter().filter(tells) {
            let mut parts: Vec<_> = object.location.parts().collect();
            parts.pop();
            let folder: Path = parts.into_iter().collect();
            let dataset = Dataset::new(&self.area, folder.filename().unwrap_or_default().to_owned(), folder);
            let manifest = match object.location.filename() {
                Some(PROGRESS) => object::read_json::<Manifest>(&self.area, &object.location).await?,
                _ => dataset.manifest().await?,
            };
            if let Some(manifest) = manifest {
                known.extend(manifest.files.iter().map(|file| dataset.file_path(file)));
                known.extend(manifest.exceptions.iter().map(|note| exceptions.file_path(&note.file)));
            }
        }
        Ok(known)
    }
}
