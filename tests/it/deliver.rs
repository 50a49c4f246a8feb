//! The delivery through the binary, between folders and buckets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Workplace, files};

/// A project whose delivery goes from `source` to `area` and to the hot folders `dev` and `prod`, all below one folder.
fn place() -> Workplace {
    let place = Workplace::of_files(&[("migration.toml", "")]);
    let at = |name: &str| place.path().join(name).display().to_string();
    let settings = format!(
        "[staging]\nurl = \"file:{}\"\n[deliver]\nsource = \"{}\"\narea = \"{}\"\n\
         [deliver.publish.dev]\nurl = \"{}\"\n[deliver.publish.prod]\nurl = \"{}\"\nproduction = true\nafter = \"dev\"\n",
        at("staging"),
        at("source"),
        at("area"),
        at("dev"),
        at("prod"),
    );
    fs::write(place.project().join("migration.toml"), settings).unwrap();
    place
}

fn put(place: &Workplace, key: &str, text: impl AsRef<[u8]>) {
    let path = place.path().join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// All files below a folder with their bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    files(folder).into_iter().map(|file| (file.clone(), fs::read(folder.join(&file)).unwrap())).collect()
}

fn counts<'a>(report: &'a Value, step: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    &steps.iter().find(|found| found["step"] == step).unwrap_or_else(|| panic!("{step}: {report}"))["counts"]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_a_folder_is_copied_once_and_verified() {
    let place = place();
    for number in 0..50 {
        put(&place, &format!("source/2021/promo {number}.json"), format!("{{\"n\": {number}}}"));
    }
    put(&place, "source/empty.json", "");
    // More than a part.
    let large: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    put(&place, "source/large.bin", &large);
    std::os::unix::fs::symlink("/etc/passwd", place.path().join("source/link.json")).unwrap();
    let before = contents(&place.path().join("source"));

    let planned = place.run("deliver copy --dry-run --output json").await.code(0).json();
    assert_eq!(counts(&planned, "copy")["would copy"], 52, "{planned}");
    assert!(!place.path().join("area").exists());

    let done = place.run("deliver copy --output json").await.code(3);
    let report = done.json();
    let step = counts(&report, "copy");
    assert_eq!((&step["copied"], &step["verified"], &step["failed"]), (&52.into(), &52.into(), &1.into()), "{report}");
    assert!(done.stderr.contains("link.json") && done.stderr.contains("symbolic link"), "{}", done.stderr);
    let copied = contents(&place.path().join("area/objects"));
    let expected: BTreeMap<_, _> = before.clone().into_iter().filter(|(name, _)| name != "link.json").collect();
    assert_eq!(copied, expected);

    // The same again sends nothing; a new delivery neither, but for what changed.
    fs::remove_file(place.path().join("source/link.json")).unwrap();
    put(&place, "source/2021/promo 7.json", "{\"n\": \"new\"}");
    let report = place.run("deliver copy --delivery other --output json").await.code(0).json();
    let step = counts(&report, "copy");
    assert_eq!((&step["copied"], &step["skipped"]), (&1.into(), &51.into()), "{report}");
    let report = place.run("deliver copy --delivery other --output json").await.code(0).json();
    assert_eq!(report["steps"][0]["kept"], true, "{report}");
}

#[tokio::test]
async fn settings_that_would_write_the_source_stop_before_anything() {
    let place = place();
    put(&place, "source/a.json", "{}");
    for (name, area) in [("same", "source"), ("inside", "source/area"), ("around", ".")] {
        let area = place.path().join(area).canonicalize().unwrap_or_else(|_| place.path().join(area));
        let done = place.call("deliver").env("TELECINE_DELIVER_AREA", area).output().await.unwrap();
        assert_eq!(done.status.code(), Some(2), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8_lossy(&done.stderr).contains("never written to"), "{name}");
    }
    assert_eq!(files(&place.path().join("source")), ["a.json"]);
}
