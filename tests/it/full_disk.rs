//! A disk without room: what is being written is told by name, nothing is there by halves, and with more room the same command
//! goes on. The disk is a small file system in memory, in a namespace of its own (`unshare`, of util-linux).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use crate::support::{Done, Source, Workplace, files, read_json, run};

/// Runs the same command on the small disk, then on a large one, and copies what is there each time to `first` and `second`.
const SCRIPT: &str = r#"
mkdir -p "$DISK" && mount -t tmpfs -o size="$SIZE" none "$DISK" || { echo "no disk" >&2; exit 99; }
"$@"; echo "exit $?" >&2; cp -a "$DISK" first
mount -o remount,size=64m "$DISK"
"$@"; code=$?; cp -a "$DISK" second; exit $code
"#;

/// The verb, twice, with the folder `disk` of the place as a disk of `size`.
async fn on_a_disk(place: &Workplace, size: &str, line: &str) -> Done {
    let call = place.call(line);
    let call = call.as_std();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", SCRIPT, "sh"]).arg(call.get_program()).args(call.get_args());
    command.envs(call.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("DISK", place.path().join("disk")).env("SIZE", size).current_dir(place.path());
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let done = run(&mut command).await;
    assert!(done.code != Some(99), "these tests mount a disk as root of a namespace of their own: {}", done.stderr);
    done
}

/// Files that are not named by a manifest beside them and are no JSON.
fn half_done(folder: &Path) -> Vec<String> {
    let all = files(folder);
    let named = all.iter().filter(|file| file.ends_with("_manifest.json")).flat_map(|manifest| {
        let at = manifest.trim_end_matches("_manifest.json").to_owned();
        let parts = read_json(&folder.join(manifest))["files"].as_array().unwrap().clone();
        parts.into_iter().map(move |part| format!("{at}{}", part["name"].as_str().unwrap()))
    });
    let named: Vec<String> = named.collect();
    all.iter().filter(|file| !named.contains(file) && !file.ends_with(".json")).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extraction_says_that_the_disk_is_full_and_goes_on_when_it_is_not() {
    let source = Source::of_sql(
        "create table small (id int); insert into small values (1);
         create table large (id int, v text);
         insert into large select i, md5(i::text) || md5((-i)::text) from generate_series(1, 20000) i",
    )
    .await;
    let place = Workplace::of_files(&[]).with_source(&source);
    let staging = format!("file:{}", place.path().join("disk").display());
    let place = place.set("TELECINE_STAGING_URL", &staging);
    let done = on_a_disk(&place, "300k", "extract --run r -q --output json").await.code(0);
    assert!(done.stderr.contains("exit 1"), "{}", done.stderr);
    assert!(done.stderr.contains("raw/public.large/part-00000.parquet: cannot be written"), "{}", done.stderr);
    assert!(done.stderr.contains("No space left on device"), "{}", done.stderr);
    assert_eq!(half_done(&place.path().join("first")), Vec::<String>::new());
    assert_eq!(half_done(&place.path().join("second")), Vec::<String>::new());
    assert_eq!(done.json()["rows"], json!(20_001));
    source.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_onto_a_full_disk_goes_on_when_there_is_room() {
    let place = Workplace::of_files(&[("migration.toml", "")]);
    let at = |name: &str| place.path().join(name).display().to_string();
    let settings = format!("[deliver]\nsource = \"{}\"\narea = \"{}\"\n", at("truth"), at("disk/area"));
    fs::write(place.project().join("migration.toml"), settings).unwrap();
    fs::create_dir(place.path().join("truth")).unwrap();
    for number in 0..100 {
        let text = json!({"n": number, "text": "x".repeat(8_000)}).to_string();
        fs::write(place.path().join(format!("truth/{number}.json")), text).unwrap();
    }
    let done = on_a_disk(&place, "400k", "deliver copy --delivery d -q --output json").await.code(0);
    assert!(done.stderr.contains("exit 1"), "{}", done.stderr);
    assert!(done.stderr.contains("No space left on device"), "{}", done.stderr);
    let truth = place.path().join("truth");
    for (folder, least) in [("first", 1), ("second", 100)] {
        let folder = place.path().join(folder).join("area/objects");
        let there = files(&folder);
        assert!(there.len() >= least, "{}", there.len());
        for file in there {
            assert_eq!(fs::read(folder.join(&file)).unwrap(), fs::read(truth.join(&file)).unwrap(), "{file}");
        }
    }
    let report = done.json();
    assert_eq!(report["steps"][0]["counts"]["failed"], json!(null), "{report}");
}
