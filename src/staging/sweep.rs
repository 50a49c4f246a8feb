//! Files that nothing refers to: what a process left behind when it was killed while it wrote.

use std::collections::HashSet;

use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::local::is_temporary;
use super::{Manifest, RunFolder};
use crate::dataflow::TableName;
use crate::error::{Error, Result};

impl RunFolder {
    /// Removes everything from `raw/` that no manifest speaks of (parts of tables that were not finished, temporary
    /// files), and temporary files beside it. `held` are the run's committed tables ([`RunFolder::raw_tables`]). To be
    /// called only by the process that holds the run's lease. Uploads to `raw/` that were broken off are ended, where the
    /// store tells them.
    ///
    /// # Errors
    /// When the folder cannot be listed or a file cannot be deleted.
    pub async fn sweep_raw<'a>(&self, held: impl IntoIterator<Item = (&'a TableName, &'a Manifest)>) -> Result<()> {
        let exceptions = self.exceptions();
        let mut known: HashSet<Path> = HashSet::new();
        for (table, manifest) in held {
            let dataset = self.raw(table);
            known.insert(dataset.manifest_path());
            known.extend(manifest.files.iter().map(|file| dataset.file_path(file)));
            known.extend(manifest.exceptions.iter().map(|note| exceptions.file_path(&note.file)));
        }
        if let Some(manifest) = exceptions.manifest().await? {
            known.insert(exceptions.manifest_path());
            known.extend(manifest.files.iter().map(|file| exceptions.file_path(file)));
        }
        let raw = self.path.clone().join("raw");
        let failed = |cause| Error::staging(self.url(), "files of an earlier attempt cannot be listed", cause);
        let in_raw: Vec<ObjectMeta> = self.area.metas_below(&raw).try_collect().await.map_err(failed)?;
        let beside = self.area.store.list_with_delimiter(Some(&self.path)).await.map_err(failed)?.objects;
        let beside = beside.into_iter().map(|object| object.location).filter(is_temporary);
        let in_raw = in_raw.into_iter().map(|object| object.location).filter(|key| !known.contains(key));
        for orphan in in_raw.chain(beside) {
            self.area.delete(&orphan).await?;
            tracing::info!(file = self.area.url_of(&orphan), "removed: an earlier attempt left it");
        }
        self.area.abort_uploads(&raw).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::{StagingArea, StagingConfig};

    #[tokio::test]
    async fn what_no_manifest_speaks_of_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
        let run = area.run("r");
        let table = TableName::new("public", "t");
        let manifest = Manifest::new(&run.raw(&table), &arrow::datatypes::Schema::empty(), []);
        run.raw(&table).commit(&manifest).await.unwrap();
        run.put_json("extract.json", &1).await.unwrap();
        let place = |name: &str| folder.path().join("runs/r").join(name);
        let orphans = [
            "raw/public.t/part-00000.parquet",
            "raw/public.t/._manifest.json.7.0.00ff.tmp",
            "raw/public.u/part-00001.parquet",
            "raw/_exceptions/part-00000.parquet",
            ".extract.json.7.0.00ff.tmp",
        ];
        for name in orphans {
            std::fs::create_dir_all(place(name).parent().unwrap()).unwrap();
            std::fs::write(place(name), "x").unwrap();
        }
        run.sweep_raw([(&table, &manifest)]).await.unwrap();
        for name in orphans {
            assert!(!place(name).exists(), "{name}");
        }
        assert!(place("raw/public.t/_manifest.json").exists() && place("extract.json").exists());
    }
}
