//! The migration in `queries/` over a rehearsal's tables: the same rows at every number of threads and every size of
//! memory, and a clean end where memory is too small. (That what goes by way of the disk comes out the same is shown in
//! `transform`: a rehearsal of this size needs no disk.)

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use telecine::Result;
use telecine::dataflow::Progress;
use telecine::staging::{RunFolder, StagingArea, StagingConfig};
use telecine::transform::{Making, Transform, TransformConfig, TransformReport};
use tokio_util::sync::CancellationToken;

use crate::support::{open_folder, run, telecine};

/// The clock of a rehearsal.
const NOW: &str = "2025-03-01T00:00:00Z";

const MIB: usize = 1 << 20;

/// The run of a rehearsal, and a folder to spill to.
struct Rehearsed {
    run: RunFolder,
    files: PathBuf,
    spill: PathBuf,
}

impl Rehearsed {
    fn transform(&self, threads: usize, memory: usize) -> Transform {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let (spill, now) = (Some(self.spill.clone()), Some(NOW.to_owned()));
        Transform::open(&TransformConfig { project, memory, threads, spill, now }).unwrap()
    }

    async fn transformed(&self, transform: Transform) -> Result<TransformReport> {
        let definitions = [
            ("project", "assetType_Project"),
            ("promo", "assetType_Promo"),
            ("collection", "assetType_Collection"),
            ("deliverable_image", "assetType_DeliverableImage"),
        ]
        .map(|(query, definition)| (query.to_owned(), definition.to_owned()));
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        transform.run(&self.run, &definitions.into(), &[], &progress, &cancel).await
    }

    /// The content of every dataset, and the bytes of every file of documents, which are in order.
    async fn contents(&self) -> BTreeMap<String, String> {
        let datasets = self.run.query_datasets().await.unwrap().into_iter();
        let mut found: BTreeMap<String, String> =
            datasets.map(|(dataset, manifest)| (dataset.name().to_owned(), manifest.content())).collect();
        for entry in std::fs::read_dir(self.files.join("documents")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "ndjson") {
                let hash = blake3::hash(&std::fs::read(&path).unwrap()).to_hex().to_string();
                found.insert(path.display().to_string(), hash);
            }
        }
        found
    }

    fn assert_nothing_is_left(&self) {
        let spilled: Vec<_> = crate::support::files(&self.spill);
        assert!(spilled.is_empty(), "{spilled:?}");
        let files = crate::support::files(&self.files);
        let left: Vec<_> = files.iter().filter(|file| file.ends_with(".tmp") || file.contains("_lease")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_and_memory_change_no_row() {
    let folder = open_folder();
    let dir = folder.path().join("rehearsal");
    let mut rehearse = telecine(["rehearse", "-q", "--scale", "0.001", "--output", "json", "--dir"]);
    let report = run(rehearse.arg(&dir)).await.code(0).json();
    let id = report["run"].as_str().unwrap();
    let staging = dir.join("staging");
    let run = StagingArea::open(&StagingConfig::at(staging.display().to_string())).unwrap().run(id);
    let spill = folder.path().join("spill");
    std::fs::create_dir(&spill).unwrap();
    let rehearsed = Rehearsed { run, files: staging.join("runs").join(id), spill };

    // What the binary made, with a thread for each core and the usual memory.
    let first = rehearsed.contents().await;
    assert!(first.len() > 40);
    let report = rehearsed.transformed(rehearsed.transform(1, 256 * MIB).again()).await.unwrap();
    assert!(report.queries.len() > 40 && report.queries.iter().all(|query| query.making == Making::Made));
    report.verdict().unwrap();
    let contents = rehearsed.contents().await;
    for (name, content) in &contents {
        assert_eq!(Some(content), first.get(name), "{name} at one thread and 256 MiB");
    }
    assert_eq!(contents.len(), first.len());
    rehearsed.assert_nothing_is_left();

    // Too small for what cannot spill.
    let error = rehearsed.transformed(rehearsed.transform(2, 2 * MIB).again()).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 1, "{text}");
    let query = text.strip_prefix("query ").unwrap().split(':').next().unwrap();
    assert!(text.contains("the memory for queries is used up in ") && text.contains("[transform] memory"), "{text}");
    let dataset = rehearsed.run.query(query);
    assert!(dataset.manifest().await.unwrap().is_none(), "{text}");
    assert!(!rehearsed.files.join(query).join("part-00000.parquet").exists());
    rehearsed.assert_nothing_is_left();
    // With enough, it goes on from there.
    let report = rehearsed.transformed(rehearsed.transform(2, 256 * MIB)).await.unwrap();
    assert!(report.queries.iter().any(|query| query.making == Making::Kept));
    assert_eq!(report.queries.iter().find(|made| made.name == query).unwrap().making, Making::Made, "{text}");
    assert_eq!(rehearsed.contents().await, first, "at two threads and 256 MiB");
}
