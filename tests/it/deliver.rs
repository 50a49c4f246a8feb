//! The delivery through the binary, between folders and buckets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

pub mod bucket;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use self::bucket::{Asked, Buckets, writes};
use crate::support::{Workplace, files, finish};

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

/// Settings of a delivery between the buckets of a server.
const BETWEEN_BUCKETS: &str = "[deliver]
source = \"s3://truth/p\"
area = \"s3://work/area\"
[deliver.publish.dev]
url = \"s3://dev/drop\"
[deliver.publish.prod]
url = \"s3://prod/drop\"
production = true
";
const BY_NAME: &str = "select key, 'no document' as reason from inventory where key like '%.db'";
const BY_VALIDITY: &str = "select key, coalesce(reason, validity) as reason from documents where validity <> 'valid'";

/// A source with names and bytes of many kinds: 107 objects, of which rules find three.
fn dirty(place: &Workplace) {
    for number in 0..100 {
        put(place, &format!("source/2021/Promo ({number}) caf\u{e9}.json"), format!("{{\"n\": {number}}}"));
    }
    for (name, text) in [
        ("a.json", "[]"),
        ("A.json", "{}"),
        ("con.json", "{}"),
        (".hidden", "1"),
        ("broken.json", "{\"a\": "),
        ("empty.json", ""),
        ("Thumbs.db", "1"),
    ] {
        put(place, &format!("source/{name}"), text);
    }
    place.write("deliver/purge/1_name.sql", BY_NAME);
    place.write("deliver/purge/2_validity.sql", BY_VALIDITY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dirty_folder_is_delivered_to_dev_and_then_to_prod() {
    let place = place();
    dirty(&place);
    let before = contents(&place.path().join("source"));

    // Three of 107 are within five per cent; a lower cap stops the purge before anything is moved.
    place.run("deliver copy").await.code(0);
    place.run("deliver sanitise").await.code(0);
    let capped = place.call("deliver purge").env("TELECINE_DELIVER_PURGE_CAP", "2%").spawn().unwrap();
    let capped = finish(capped).await.code(2);
    assert!(capped.stderr.contains("would move 3 of 107") && capped.stderr.contains("2_validity"), "{}", capped.stderr);
    assert!(!place.path().join("area/quarantine").exists());
    let planned = place.json("deliver purge --dry-run").await;
    assert_eq!(counts(&planned, "purge")["would quarantine by 2_validity"], 2, "{planned}");
    assert!(!place.path().join("area/quarantine").exists());

    let report = place.json("deliver").await;
    assert_eq!(counts(&report, "purge")["quarantined"], 3, "{report}");
    assert_eq!(counts(&report, "publish dev")["verified"], 104, "{report}");
    assert_eq!(counts(&report, "sanitise")["name collision"], 2, "{report}");
    let dev = contents(&place.path().join("dev"));
    assert_eq!(dev.len(), 104);
    assert_eq!(dev["2021/Promo~_(7)~_caf~C3~A9.json"], b"{\"n\": 7}");
    assert!(dev.contains_key("~63on.json") && dev.contains_key("~2Ehidden"), "{:?}", dev.keys());
    assert_eq!(contents(&place.path().join("source")), before, "the source of truth was written to");

    // Production waits for a word, and for a target that holds the same.
    let id = report["delivery"].as_str().unwrap();
    let refused = place.run("deliver publish --target prod").await.code(2);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert!(!place.path().join("prod").exists());
    let report = place.json("deliver publish --target prod --yes").await;
    assert_eq!(contents(&place.path().join("prod")), dev);
    let digests: Vec<&Value> =
        report["steps"].as_array().unwrap().iter().filter_map(|step| step.get("digest")).collect();
    assert!(digests.len() == 2 && digests[0] == digests[1], "{report}");

    // Brought back, the documents are others than dev holds: prod is refused again until dev has them.
    let report = place.json("deliver purge --restore").await;
    assert_eq!(counts(&report, "purge")["restored"], 3, "{report}");
    fs::remove_file(place.project().join("deliver/purge/1_name.sql")).unwrap();
    place.run("deliver purge conflicts").await.code(0);
    let refused = place.run("deliver publish --target prod --yes").await.code(2);
    assert!(refused.stderr.contains("first dev"), "{}", refused.stderr);
    place.run("deliver publish").await.code(0);
    place.run("deliver publish --target prod --yes").await.code(0);
    assert_eq!(contents(&place.path().join("prod")).len(), 105);

    // Deleted is what was quarantined, when it is said.
    place.run("deliver purge --delete").await.code(0);
    assert_eq!(files(&place.path().join("area/quarantine").join(id)).len(), 2);
    let report = place.json("deliver purge --delete --yes").await;
    assert_eq!(counts(&report, "purge")["deleted"], 2, "{report}");
    assert_eq!(files(&place.path().join("area/quarantine")).len(), 0);
    assert_eq!(contents(&place.path().join("source")), before, "the source of truth was written to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_the_way_is_named_and_replaced_only_when_said() {
    let place = place();
    put(&place, "source/a.json", "{\"a\": 1}");
    put(&place, "source/b.json", "{\"b\": 1}");
    put(&place, "dev/a.json", "{\"a\": 2}");
    put(&place, "dev/b.json", "{\"b\": 1}");
    let done = place.run("deliver --output json").await.code(3);
    let step = done.json();
    let step = counts(&step, "publish dev");
    assert_eq!((&step["different"], &step["skipped"]), (&1.into(), &1.into()), "{step}");
    assert!(done.stderr.contains("a.json") && done.stderr.contains("--replace"), "{}", done.stderr);
    assert_eq!(fs::read(place.path().join("dev/a.json")).unwrap(), b"{\"a\": 2}");
    let refused = place.run("deliver publish --target prod --yes").await.code(2);
    assert!(refused.stderr.contains("first dev"), "{}", refused.stderr);
    place.run("deliver publish --replace").await.code(0);
    assert_eq!(fs::read(place.path().join("dev/a.json")).unwrap(), b"{\"a\": 1}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changes_during_the_run_is_noticed() {
    let place = place();
    for name in ["changed.json", "gone.json", "same.json"] {
        put(&place, &format!("source/{name}"), "{}");
    }
    // The plan lists the source; the copy works on that list.
    place.run("deliver copy --dry-run --delivery d").await.code(0);
    put(&place, "source/changed.json", "{ }");
    fs::remove_file(place.path().join("source/gone.json")).unwrap();
    let done = place.run("deliver copy --delivery d --output json").await.code(3);
    let report = done.json();
    let problems = &report["steps"][0]["problems"];
    assert_eq!(problems[0]["key"], "changed.json", "{report}");
    assert_eq!(problems[0]["reason"], "changed during the run", "{report}");
    assert_eq!(problems[1]["reason"], "gone during the run", "{report}");
    assert_eq!(files(&place.path().join("area/objects")), ["same.json"]);
}

/// Files that a delivery between folders has written; those that are being written, too.
fn written(place: &Workplace) -> usize {
    ["area", "dev"].iter().map(|folder| files(&place.path().join(folder)).len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_a_delivery_ends_like_an_unbroken_one() {
    let [whole, broken] = [place(), place()];
    for place in [&whole, &broken] {
        for number in 0..2_500 {
            put(place, &format!("source/{}/n {number}.json", number % 7), format!("{{\"n\": {number}}}"));
        }
        put(place, "source/bad.json", "{");
        place.write("deliver/purge/2_validity.sql", BY_VALIDITY);
    }
    whole.run("deliver --delivery d").await.code(0);
    let mut random = fastrand::Rng::with_seed(7);
    let mut killed = 0;
    let ended = 'attempts: {
        for _ in 0..60 {
            let mut child = broken.call("deliver --delivery d --output json").spawn().unwrap();
            // So many more files are there, or the attempt has ended.
            let enough = written(&broken) + random.usize(100..1_200);
            while written(&broken) < enough && child.try_wait().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if child.try_wait().unwrap().is_some() {
                break 'attempts finish(child).await.code(0);
            }
            child.kill().await.unwrap();
            killed += 1;
        }
        broken.run("deliver --delivery d --output json").await.code(0)
    };
    assert!(killed >= 3, "{killed}");
    let report = ended.json();
    assert!(report["steps"].as_array().unwrap().iter().all(|step| step["balanced"] == true), "{report}");
    for folder in ["area/objects", "area/documents", "area/quarantine", "dev"] {
        let [whole, broken] = [&whole, &broken].map(|place| contents(&place.path().join(folder)));
        let broken: BTreeMap<_, _> = broken.into_iter().filter(|(name, _)| !name.ends_with(".tmp")).collect();
        assert_eq!(whole.len(), broken.len(), "{folder}");
        assert!(whole == broken, "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_buckets_with_every_fault_nothing_is_lost_and_the_source_not_written() {
    let buckets = Buckets::start().await;
    let keys = [
        "a//b.json",
        "\u{e9}+\u{fc} %25.json",
        "\u{1}control.json",
        "lt<&>.json",
        "\"q\" ' .json",
        "t/",
        "A.json",
        "a.json",
    ];
    for key in keys {
        buckets.put("truth", &format!("p/{key}"), "{}").await;
    }
    for number in 0..200 {
        buckets.put("truth", &format!("p/2021/promo {number}.json"), &format!("{{\"n\": {number}}}")).await;
    }
    buckets.put("truth", "p/bad.json", "{\"n\": ").await;
    buckets.put("truth", "p/large.json", &format!("\"{}\"", "x".repeat(9 << 20))).await;
    // Nobody asks for what is beside the prefix.
    buckets.put("truth", "other.json", "{}").await;

    let place =
        Workplace::of_files(&[("deliver/purge/v.sql", "select key, reason from documents where validity = 'invalid'")]);
    place.write("migration.toml", BETWEEN_BUCKETS);
    let place = buckets.settings(place);
    buckets.faults(true);
    let report = place.json("deliver").await;
    place.run("deliver publish --target prod --yes").await.code(0);
    buckets.faults(false);
    assert!(buckets.played() > 100, "{}", buckets.played());
    let step = counts(&report, "copy");
    assert_eq!((&step["copied"], &step["verified"]), (&210.into(), &210.into()), "{report}");
    assert_eq!(counts(&report, "purge")["quarantined"], 1, "{report}");
    let step = counts(&report, "publish dev");
    assert_eq!(step["verified"], 209, "{report}");
    let (dev, prod) = (buckets.contents("dev").await, buckets.contents("prod").await);
    assert_eq!(dev.len(), 209);
    assert!(dev == prod);
    assert_eq!(dev["drop/2021/promo~_7.json"], "{\"n\": 7}");
    assert!(
        dev.contains_key("drop/a/~-/b.json") && dev.contains_key("drop/~C3~A9~2B~C3~BC~_~2525.json"),
        "{:?}",
        dev.keys()
    );
    assert_eq!(buckets.contents("work").await.keys().filter(|key| key.starts_with("area/quarantine/")).count(), 1);
    assert_eq!(buckets.writes_to("truth"), Vec::<String>::new(), "the source of truth was written to");

    // Again, and nothing is sent: not within this delivery, nor by the next but for what is looked at.
    let writes = buckets.writes_to("");
    place.run("deliver copy --delivery again").await.code(0);
    place.run("deliver publish").await.code(2);
    assert_eq!(buckets.writes_to("").len(), writes.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_between_buckets_no_object_is_sent_again() {
    const OBJECTS: usize = 250;
    let buckets = Buckets::start().await;
    for number in 0..OBJECTS {
        buckets.put("truth", &format!("p/{}/n {number}.json", number % 3), &format!("{{\"n\": {number}}}")).await;
    }
    buckets.put("truth", "p/bad.json", "{").await;
    let place = Workplace::of_files(&[("deliver/purge/v.sql", BY_VALIDITY), ("migration.toml", BETWEEN_BUCKETS)]);
    let place = buckets.settings(place);
    let mut random = fastrand::Rng::with_seed(11);
    let mut killed = 0;
    let report = 'attempts: {
        for _ in 0..30 {
            let mut child = place.call("deliver --delivery d --output json").spawn().unwrap();
            // Every other attempt gets as far as a number of writes, the others may be killed while they only read. All
            // that is to be written is five times what one attempt may: the first ones never come to the end.
            let (number, by_writes) = (random.usize(1..150), killed % 2 == 0);
            let enough = |asked: &[Asked]| number <= asked.iter().filter(|asked| !by_writes || writes(asked)).count();
            if !buckets.kill_when(&mut child, enough).await {
                break 'attempts finish(child).await.code(0).json();
            }
            killed += 1;
        }
        place.json("deliver --delivery d").await
    };
    assert!(killed >= 3, "{killed}");
    assert!(report["steps"].as_array().unwrap().iter().all(|step| step["balanced"] == true), "{report}");
    let expected: BTreeMap<String, String> = (0..OBJECTS)
        .map(|number| (format!("drop/{}/n~_{number}.json", number % 3), format!("{{\"n\": {number}}}")))
        .collect();
    assert!(buckets.contents("dev").await == expected);
    assert_eq!(buckets.contents("work").await.keys().filter(|key| key.starts_with("area/quarantine/")).count(), 1);
    assert_eq!(buckets.writes_to("truth"), Vec::<String>::new(), "the source of truth was written to");
    // What was under way when the process was killed may go twice, 32 objects at most.
    for place in ["work/area/objects/", "work/area/documents/", "dev/drop/"] {
        let sent = buckets.writes_to(place).len();
        assert!(sent <= OBJECTS + 2 + 32 * killed, "{place}: {sent} for {OBJECTS}, {killed} kills");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_killed_deliveries_are_ended_and_nobody_elses() {
    let buckets = Buckets::start().await;
    buckets.put("truth", "p/large.json", &format!("\"{}\"", "x".repeat(17 << 20))).await;
    let place = buckets.settings(Workplace::of_files(&[("migration.toml", BETWEEN_BUCKETS)]));
    let report = place.json("deliver copy sanitise purge --delivery d").await;
    // The copy is the server's, and verified by its ETag: one page of the source, one of the area, one CopyObject.
    let sent = &report["steps"][0]["requests"];
    assert_eq!((&sent["listed"], &sent["written"], &sent["failed"]), (&2.into(), &1.into(), &0.into()), "{report}");
    // Of the same key, by somebody else.
    buckets.begin_upload("dev", "drop/large.json").await;
    buckets.begin_upload("work", "area/documents/large.json").await;
    let killed = async || {
        let mut child = place.call("deliver publish --delivery d -q").spawn().unwrap();
        let second = |asked: &[Asked]| asked.iter().any(|(_, path)| path.contains("partNumber=2"));
        assert!(buckets.kill_when(&mut child, second).await, "{}", finish(child).await.stderr);
        assert_eq!(buckets.open_uploads("dev").await, ["drop/large.json"; 2]);
    };

    // The next process of the delivery ends what the one before has left.
    killed().await;
    killed().await;
    // The verb names it, with the lease of the process that is no more, and ends it when it shall.
    let found = place.json("staging orphans").await;
    let kinds = |found: &Value| -> Vec<String> {
        let orphans = found["orphans"].as_array().unwrap().iter();
        orphans.map(|orphan| format!("{} {}", orphan["kind"].as_str().unwrap(), orphan["delivery"])).collect()
    };
    assert_eq!(kinds(&found), ["lease \"d\"", "upload \"d\""], "{found}");
    assert_eq!(found["orphans"][1]["url"], "s3://dev/drop/large.json", "{found}");
    assert_eq!(buckets.open_uploads("dev").await.len(), 2);
    assert_eq!(kinds(&place.json("staging orphans --sweep").await).len(), 2);
    assert_eq!(kinds(&place.json("staging orphans").await).len(), 0);
    assert_eq!(buckets.open_uploads("dev").await.len(), 1, "somebody else's was ended, or ours is there");
    assert_eq!(buckets.open_uploads("work").await.len(), 1, "somebody else's was ended");

    let report = place.json("deliver publish --delivery d").await;
    let sent = &report["steps"][3]["requests"];
    // Three parts, begun and completed; the page of the target; each part read once.
    assert_eq!((&sent["listed"], &sent["written"], &sent["read"]), (&1.into(), &5.into(), &6.into()), "{report}");
    assert_eq!(buckets.open_uploads("dev").await.len(), 1);
    let text = place.run("deliver publish --delivery d").await.code(0).stdout;
    assert!(text.contains("bucket     copy: 0 read, 1 written, 2 listed"), "{text}");
    assert!(files(&place.path().join("staging")).iter().all(|file| !file.contains("_uploads")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_meant_is_refused_before_anything_is_moved() {
    let place = place();
    let nothing = place.run("deliver copy").await.code(2);
    assert!(nothing.stderr.contains("holds no object; see deliver.source"), "{}", nothing.stderr);
    dirty(&place);
    place.run("deliver copy sanitise").await.code(0);

    // A delivery is between the places that it was begun with.
    fs::create_dir(place.path().join("other")).unwrap();
    put(&place, "other/a.json", "{}");
    let other = place.call("deliver copy").env("TELECINE_DELIVER_SOURCE", "file:other").spawn().unwrap();
    let other = finish(other).await.code(2);
    assert!(
        other.stderr.contains("correct deliver.source") && other.stderr.contains("/source to "),
        "{}",
        other.stderr
    );

    for (rule, said) in [
        (
            "select 'no/such/key' as key, 'x' as reason",
            "\"no/such/key\", which the inventory does not have (1 such keys",
        ),
        ("select key from inventory", "the rule cannot be used; it gives key and reason"),
        ("selec key from inventory", "selec"),
    ] {
        place.write("deliver/purge/0_wrong.sql", rule);
        let refused = place.run("deliver purge").await.code(2);
        assert!(refused.stderr.contains("deliver/purge/0_wrong.sql"), "{}", refused.stderr);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert!(!place.path().join("area/quarantine").exists());
    }
}
