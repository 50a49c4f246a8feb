//! A query whose text, inputs and settings have not changed is not run again; a change says what becomes stale and why.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use telecine::transform::{Making, Outlook};

use super::*;
use crate::support::{PATIENCE, telecine, wait_for};

/// What a query did: its name, and why it ran; `kept` when it did not.
fn told(report: &TransformReport) -> Vec<(&str, String)> {
    let why = |query: &telecine::transform::QueryReport| match query.making {
        Making::Made => query.reasons.join("; "),
        Making::Kept => "kept".to_owned(),
    };
    report.queries.iter().map(|query| (query.name.as_str(), why(query))).collect()
}

fn texts(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(name, why)| (*name, (*why).to_owned())).collect()
}

impl Bench {
    fn run_folder(&self) -> PathBuf {
        self.path().join("staging 100%/runs/r1")
    }

    /// Every file of the run that the transform writes, with what tells a new file of the same content.
    fn files(&self) -> Vec<(PathBuf, u64, i64)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, u64, i64)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else if !path.ends_with("transform.json") {
                    let known = fs::metadata(&path).unwrap();
                    found.push((path, known.ino(), known.mtime_nsec()));
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.run_folder(), &mut found);
        found.sort();
        found
    }

    async fn outlook(&self) -> Vec<(String, Outlook, String)> {
        let outlook = self.open().unwrap().outlook(&self.run, &[]).await.unwrap();
        outlook.queries.into_iter().map(|query| (query.name, query.outlook, query.reasons.join("; "))).collect()
    }
}

#[tokio::test]
async fn what_has_not_changed_is_kept_to_the_last_file() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    let first = bench.run().await.unwrap();
    assert_eq!(told(&first), texts(&[("candidates", "never made"), ("titles", "never made"), ("promo", "never made")]));
    let files = bench.files();
    bench.write(&[("3_normalise/titles.sql", &format!("-- A remark.\n{TITLES}\n"))]);
    let again = bench.run().await.unwrap();
    assert_eq!(told(&again), texts(&[("candidates", "kept"), ("titles", "kept"), ("promo", "kept")]));
    assert_eq!((again.checks[0].making, again.documents[0].making), (Making::Kept, Making::Kept));
    assert_eq!(again.documents[0].rows, 3);
    assert_eq!(again.balance, first.balance);
    assert_eq!(bench.files(), files);
    // The load compares these with the datasets.
    let sums = |report: &TransformReport| report.queries.iter().map(|query| query.checksum.clone()).collect::<Vec<_>>();
    assert_eq!(sums(&again), sums(&first));

    let (none, progress, cancel) = (BTreeMap::new(), Progress::default(), CancellationToken::new());
    let forced = bench.open().unwrap().again();
    let forced = forced.run(&bench.run, &none, &["titles".to_owned()], &progress, &cancel).await.unwrap();
    assert_eq!(told(&forced), texts(&[("candidates", "asked for"), ("titles", "asked for")]));
}

#[tokio::test]
async fn a_change_says_what_is_stale_and_why() {
    let mut bench = Bench::new(&PROJECT);
    bench.config.now = Some("2026-01-31T12:00:00Z".into());
    bench.write(&[("2_collect/day.sql", "select current_date as day")]);
    bench.library().await;
    bench.run().await.unwrap();
    // Another text that gives the same rows leaves those that read them as they are.
    bench.write(&[("3_normalise/titles.sql", &format!("{TITLES} where true"))]);
    let stale = |name: &str, why: &str| (name.to_owned(), Outlook::Stale, why.to_owned());
    let unchanged = |name: &str| (name.to_owned(), Outlook::Unchanged, String::new());
    let waits = |name: &str, why: &str| (name.to_owned(), Outlook::Waits, why.to_owned());
    let files = bench.files();
    assert_eq!(
        bench.outlook().await,
        [
            unchanged("candidates"),
            unchanged("day"),
            stale("titles", "text of titles changed"),
            waits("promo", "titles")
        ]
    );
    assert_eq!(bench.files(), files, "a look writes nothing");
    let kept = |titles: &str, promo: &str| {
        texts(&[("candidates", "kept"), ("day", "kept"), ("titles", titles), ("promo", promo)])
    };
    assert_eq!(told(&bench.run().await.unwrap()), kept("text of titles changed", "kept"));
    // A view stands for its text.
    bench.write(&[("2_collect/genres.sql", &GENRES.replace("lower", "upper"))]);
    assert_eq!(told(&bench.run().await.unwrap()), kept("text of genres changed", "dataset titles changed"),);
    bench.write(&[("mappings/genre_map.csv", "raw,target\nDOC,Documentary\nDRA,Drama\n")]);
    let report = bench.run().await.unwrap();
    assert_eq!(told(&report), kept("kept", "mapping genre_map.csv changed"));
    assert_eq!((report.checks[0].making, report.documents[0].making), (Making::Made, Making::Made));
    assert_eq!(report.documents[0].rows, 3);
    // The time matters to those that ask for it.
    bench.config.now = Some("2026-02-01T12:00:00Z".into());
    let report = bench.run().await.unwrap();
    assert_eq!(told(&report)[1], ("day", "setting transform.now changed".to_owned()));
    assert_eq!(report.queries.iter().filter(|query| query.making == Making::Made).count(), 1);
    bench.config.threads = 1;
    bench.config.memory = 32 << 20;
    assert_eq!(told(&bench.run().await.unwrap()), kept("kept", "kept"));
    // Equal values under other names are other rows.
    bench.write(&[("3_normalise/titles.sql", &TITLES.replace("as title, g.raw as genre", "as genre, g.raw as title"))]);
    assert_eq!(told(&bench.run().await.unwrap()), kept("text of titles changed", "dataset titles changed"));
}

#[tokio::test]
async fn a_table_of_the_source_that_changed_and_a_file_that_is_gone_are_reasons() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    bench.run().await.unwrap();
    let document = bench.run_folder().join("documents/assetType_Promo/Promo.1.json");
    fs::remove_file(&document).unwrap();
    let report = bench.run().await.unwrap();
    assert_eq!((report.queries[2].making, report.documents[0].making), (Making::Kept, Making::Made));
    assert!(document.exists());

    for (query, name) in [(1, "titles"), (2, "promo")] {
        let file = bench.run_folder().join(name).join("part-00000.parquet");
        let mut bytes = fs::read(&file).unwrap();
        bytes[40] ^= 1;
        fs::write(&file, bytes).unwrap();
        let report = bench.run().await.unwrap();
        let why = &report.queries[query].reasons[0];
        assert!(why.contains(&format!("{name}/part-00000.parquet its bytes have changed")), "{why}");
        assert_eq!(report.queries.iter().filter(|query| query.making == Making::Made).count(), 1);
    }
    let place = bench.run_folder().join("raw/public.asset/_manifest.json");
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(&place).unwrap()).unwrap();
    manifest.files.pop();
    manifest.checksum.rows = 3;
    fs::write(place, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let report = bench.run().await.unwrap();
    let table = "table public.asset changed";
    assert_eq!(
        told(&report),
        texts(&[
            ("candidates", table),
            ("titles", &format!("dataset candidates changed; {table}")),
            ("promo", &format!("dataset titles changed; {table}"))
        ])
    );
}

/// A file that is gone, one cut short and a manifest that is no JSON are told by a look, and made again by a run.
#[tokio::test]
async fn a_look_tells_of_datasets_that_are_damaged() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    bench.run().await.unwrap();
    let damages: [(&str, &str, Option<&[u8]>, &str); 3] = [
        ("titles", "part-00000.parquet", None, "cannot be found"),
        ("titles", "part-00000.parquet", Some(b"PAR1"), "has 4 bytes where the manifest says"),
        ("titles", "_manifest.json", Some(b"{"), "is damaged"),
    ];
    for (query, file, bytes, why) in damages {
        let place = bench.run_folder().join(query).join(file);
        match bytes {
            Some(bytes) => fs::write(&place, bytes).unwrap(),
            None => fs::remove_file(&place).unwrap(),
        }
        let outlook = bench.outlook().await;
        let (_, outlook, reason) = outlook.iter().find(|(name, ..)| name == query).unwrap();
        assert!(*outlook == Outlook::Stale && reason.contains(why), "{outlook:?} {reason}");
        let report = bench.run().await.unwrap();
        let made: Vec<_> = report.queries.iter().filter(|query| query.making == Making::Made).collect();
        assert_eq!(made.len(), 1, "{why}");
        assert!(made[0].name == query && made[0].reasons[0].contains(file), "{:?}", made[0].reasons);
    }
}

#[tokio::test]
async fn a_document_that_was_altered_is_written_again() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    bench.run().await.unwrap();
    let document = bench.run_folder().join("documents/assetType_Promo/Promo.1.json");
    let written = fs::read(&document).unwrap();
    let mut altered = written.clone();
    altered[2] ^= 1;
    fs::write(&document, altered).unwrap();
    let report = bench.run().await.unwrap();
    assert_eq!((report.queries[2].making, report.documents[0].making), (Making::Kept, Making::Made));
    assert_eq!(fs::read(&document).unwrap(), written);
    assert_eq!(bench.run().await.unwrap().documents[0].making, Making::Kept);
}

/// A transform that fails leaves nothing that speaks of rows that are gone.
#[tokio::test]
async fn a_transform_that_fails_leaves_no_report_of_what_was() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    bench.run().await.unwrap();
    let there = |name: &str| bench.run_folder().join(name).exists();
    let shown = ["transform.json", "rejected/_manifest.json", "documents/assetType_Promo.ndjson"];
    assert!(shown.iter().all(|name| there(name)));
    // What cannot be planned changes nothing.
    bench.write(&[("3_normalise/titles.sql", "select nothing from candidates")]);
    assert_eq!(bench.run().await.unwrap_err().exit_code(), 2);
    assert!(shown.iter().all(|name| there(name)));
    bench.write(&[("3_normalise/titles.sql", TITLES)]);
    let failing = PROMO.replace("    title as name,", "    title as name, cast(concat('x', title) as int) as broken,");
    bench.write(&[("4_map/promo.sql", &failing)]);
    let failed = bench.run().await.unwrap_err();
    assert_eq!(failed.exit_code(), 1, "{failed}");
    assert_eq!(shown.map(there), [false; 3]);
    assert!(!there("documents/assetType_Promo/Promo.1.json"));
    bench.write(&[("4_map/promo.sql", PROMO)]);
    bench.run().await.unwrap();
    assert!(shown.iter().all(|name| there(name)));
}

#[tokio::test]
async fn what_was_wrong_with_a_dataset_that_is_kept_is_still_wrong() {
    let bench = Bench::new(&[
        ("1_select/titles.sql", "-- key: title\nselect \"Title\" as title from public.asset"),
        ("checks/none.sql", "select title from titles order by title"),
    ]);
    bench.library().await;
    let first = bench.run().await.unwrap_err().to_string();
    assert!(first.contains("its key (title) is not unique") && first.contains("none.sql: 6 rows"), "{first}");
    assert_eq!(bench.outlook().await[0].1, Outlook::Unchanged);
    assert_eq!(bench.run().await.unwrap_err().to_string(), first);
}

/// Killed while its second query runs, a transform leaves the first, and going on runs what is missing alone.
#[tokio::test]
async fn a_transform_that_was_killed_goes_on_with_what_is_missing() {
    let long = "select count(*) as n from (select unnest(range(0, 6000)) as v) a \
        cross join (select unnest(range(0, 3000)) as v) b where (a.v * b.v) % 7 = cast('3' as int)";
    let bench = Bench::new(&[("1_select/first.sql", "select 1 as one"), ("2_collect/second.sql", long)]);
    let transform = || {
        let mut command = telecine(["transform", "--run", "r1", "--output", "json", "--project"]);
        command.arg(&bench.config.project).arg("--staging").arg(bench.path().join("staging 100%"));
        command
    };
    fs::create_dir_all(bench.run_folder()).unwrap();
    let mut killed = transform().spawn().unwrap();
    let first = bench.run_folder().join("first/_manifest.json");
    wait_for("the first dataset", PATIENCE, async || first.exists().then_some(())).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    killed.kill().await.unwrap();
    assert!(!bench.run_folder().join("second/_manifest.json").exists(), "the second query was too quick to be killed");
    let report = crate::support::run(&mut transform()).await.code(0).json();
    let told = |number: usize| (report["queries"][number]["name"].clone(), report["queries"][number]["making"].clone());
    assert_eq!(told(0), ("first".into(), "kept".into()));
    assert_eq!(told(1), ("second".into(), "made".into()));
    let left: Vec<_> =
        bench.files().into_iter().filter(|(path, ..)| path.extension().is_some_and(|end| end == "tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}
