//! Conflicts of documents with the target's definitions, with each other and with the delivery before, through the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;

use object_store::ObjectStoreExt;
use serde_json::{Value, json};

use crate::buckets::{BUCKET, Bucket, Fault};
use crate::support::{Done, Workplace, files, finish};

const DELIVER: &str = "source = \"file:source\"\narea = \"file:area\"\n[deliver.publish.dev]\nurl = \"file:dev\"\n";

/// A project with these settings within `[deliver.conflicts]`, and documents.
fn place(settings: &str, documents: &[(&str, &str)]) -> Workplace {
    let place = Workplace::of_files(&[("migration.toml", "")]);
    let at = |name: &str| place.path().join(name).display().to_string();
    let deliver = DELIVER.replace("file:", &format!("file:{}/", place.path().display()));
    let text =
        format!("[staging]\nurl = \"file:{}\"\n[deliver]\n{deliver}[deliver.conflicts]\n{settings}\n", at("staging"));
    place.write("migration.toml", &text);
    documents.iter().for_each(|(key, text)| put(&place, key, text));
    place
}

fn put(place: &Workplace, key: &str, text: impl AsRef<[u8]>) {
    let path = place.path().join("source").join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn define(place: &Workplace, name: &str, fields: Value) {
    place.write(&format!("definitions/{name}.json"), &json!({"name": name, "definition": fields}).to_string());
}

const STEPS: &str = "deliver copy sanitise purge conflicts --output json";

fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|found| found["step"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

/// `severity kind group path against count, key, document, text there` of every conflict.
fn lines(place: &Workplace, done: &Done) -> Vec<String> {
    let report = done.json();
    let conflicts = step(&report, "conflicts")["conflicts"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |conflict: &Value| {
        let there = conflict["object"].as_str().map(|key| {
            let bytes = fs::read(place.path().join("source").join(key)).unwrap();
            let from = usize::try_from(conflict["offset"].as_u64().unwrap()).unwrap();
            let there = String::from_utf8_lossy(&bytes[from..]).into_owned();
            format!(" {key} {} {}", conflict["document"], there.chars().take(9).collect::<String>())
        });
        let words = ["severity", "kind", "group", "path", "against"].map(|name| text(&conflict[name])).join(" ");
        format!("{words} {}{}", conflict["count"], there.unwrap_or_default())
    };
    let mut lines: Vec<String> = conflicts.iter().map(line).collect();
    lines.sort();
    lines
}

fn proposal(done: &Done, path: &str) -> String {
    let report = done.json();
    let conflicts = step(&report, "conflicts")["conflicts"].as_array().unwrap().clone();
    let found =
        conflicts.iter().find(|conflict| conflict["path"] == path).unwrap_or_else(|| panic!("{path}: {report}"));
    found["proposal"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_differs_nothing_is_told() {
    let documents = [
        ("a/1.json", r#"{"id": "1", "n": 1, "tags": []}"#),
        ("a/2.json", r#"{"id": "2", "n": 1.5, "tags": ["x"], "part": null}"#),
        ("b/1.json", "{\"id\": \"3\", \"n\": 7}\n{\"id\": \"4\"}\n"),
    ];
    let place = place("", &documents);
    define(
        &place,
        "a",
        json!([{"name": "id", "type": "string", "required": true}, {"name": "n", "type": "double"},
        {"name": "tags", "type": "string", "multiplicity": "0..*"}, {"name": "part", "type": "date"}]),
    );
    let planned = place.run("deliver copy sanitise purge").await.code(0);
    assert!(!planned.stdout.contains("conflict"), "{}", planned.stdout);
    let planned = place.json("deliver conflicts --dry-run").await;
    assert_eq!(step(&planned, "conflicts")["counts"]["would read"], 3, "{planned}");
    let done = place.run("deliver conflicts --output json").await.code(0);
    assert_eq!(lines(&place, &done), Vec::<String>::new());
    let report = done.json();
    let counts = &step(&report, "conflicts")["counts"];
    assert_eq!((&counts["documents"], &counts["groups"]), (&4.into(), &2.into()), "{report}");
    // The next delivery holds the same.
    let done = place.run(&format!("{STEPS} --delivery next")).await.code(0);
    assert_eq!(lines(&place, &done), Vec::<String>::new());
    assert_eq!(step(&done.json(), "conflicts")["kept"], false);
    let again = place.run("deliver conflicts --output json --delivery next").await.code(0);
    assert_eq!(step(&again.json(), "conflicts")["kept"], true);
}

/// Every kind of conflict, and where it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_found_with_its_place() {
    let documents = [
        (
            "a/1.json",
            r#"{"id": "1", "n": 1, "code": "c", "kind": "x", "at": "2021-01-01", "tags": ["t"], "file": {"bytes": 1}}"#,
        ),
        ("a/2.json", r#"{"id": "2", "n": "7", "kind": "y", "at": "2021-02-30", "tags": "t", "file": "f"}"#),
        (
            "a/3.json",
            "{\"id\": \"3\", \"kind\": \"x\"}\n{\"kind\": \"x\", \"id\": null, \"file\": {\"byte\": 2}}\n{\"id\": 9, \"any\": true}",
        ),
        ("a/4.json", "{\"id\": \"4\", \"kind\": \"xyz\""),
        ("b/1.json", r#"{"id": 5, "code": 0, "free": "x"}"#),
        ("b/2.json", r#"{"id": 6, "free": {"en": "x"}}"#),
        ("b/3.json", r#"{"id": 7, "free": "x"}"#),
    ];
    let place = place("", &documents);
    define(
        &place,
        "a",
        json!([
            {"name": "id", "type": "string", "required": true},
            {"name": "name", "type": "string", "required": true},
            {"name": "n", "type": "integer"},
            {"name": "code", "type": "string"},
            {"name": "kind", "type": "single-option", "options": [{"value": "x"}]},
            {"name": "at", "type": "date"},
            {"name": "tags", "type": "string", "multiplicity": "0..*"},
            {"name": "file", "type": "complex", "children": [{"name": "bytes", "type": "long"}]},
        ]),
    );
    let done = place.run(STEPS).await.code(3);
    let expected = [
        r#"blocking missing a id definition a 1 a/3.json 1 "id": nul"#,
        r#"blocking missing a name definition a 5 a/1.json 0 {"id": "1"#,
        r#"blocking nested a file definition a 1 a/2.json 0 "file": ""#,
        r#"blocking nested a tags definition a 1 a/2.json 0 "tags": ""#,
        r#"blocking retyped a id definition a 1 a/3.json 2 "id": 9, "#,
        r#"blocking retyped a n definition a 1 a/2.json 0 "n": "7","#,
        r#"blocking unparseable a $ itself 1 a/4.json 0 "#,
        r#"warning mixed b free itself 1 b/2.json 0 "free": {"#,
        r#"warning new a any definition a 1 a/3.json 2 "any": tr"#,
        r#"warning new a file.byte definition a 1 a/3.json 1 "byte": 2"#,
        r#"warning retyped b code group a 1 b/1.json 0 "code": 0"#,
        r#"warning retyped b id group a 3 b/1.json 0 "id": 5, "#,
        r#"warning value a at definition a 1 a/2.json 0 "at": "20"#,
        r#"warning value a kind definition a 1 a/2.json 0 "kind": ""#,
    ];
    assert_eq!(lines(&place, &done), expected);
    assert!(done.stderr.contains("conflicts: 7 objects need a look"), "{}", done.stderr);
    for (path, wanted) in [
        ("n", "try_cast(json_text(\"n\", '')['value'] as int) as \"n\""),
        ("name", "'?' as \"name\""),
        (
            "tags",
            "make_array(coalesce(json_text(\"tags\", '0')['value'], json_text(\"tags\", '')['value'])) as \"tags\"",
        ),
        ("free", "coalesce(json_text(\"free\", 'en')['value'], json_text(\"free\", '')['value']) as \"free\""),
        ("kind", "case \"kind\" when 'y' then '?' else \"kind\" end as \"kind\""),
        ("file.byte", "coalesce(\"file\"['bytes'], \"file\"['byte']) as \"bytes\""),
        ("$", "select key, 'TRUNCATED' as reason from inventory where key = 'a/4.json'"),
    ] {
        assert_eq!(proposal(&done, path), wanted);
    }
    let delivery = done.json()["delivery"].as_str().unwrap().to_owned();
    let proposals =
        fs::read_to_string(place.path().join(format!("staging/deliveries/{delivery}/proposals.sql"))).unwrap();
    assert!(
        proposals.contains("-- blocking: a n: retyped (definition a): integer → ")
            && proposals.contains("as int) as \"n\""),
        "{proposals}"
    );
    assert!(!place.project().join("deliver").exists());

    // Nothing is published while they block, and the table says what and where.
    let refused = place.run("deliver publish").await.code(2);
    assert!(
        refused.stderr.contains("7 conflicts of delivery") && refused.stderr.contains("proposals.sql"),
        "{}",
        refused.stderr
    );
    let shown = place.run("deliver conflicts").await.code(3);
    assert!(
        shown.stdout.contains("blocking unparseable") && shown.stdout.contains("a/4.json document 0 offset 25"),
        "{}",
        shown.stdout
    );
    assert!(!place.path().join("dev").exists());
    let mut accepting = place.call("deliver conflicts publish --output json");
    let report =
        finish(accepting.env("TELECINE_DELIVER_CONFLICTS_ACCEPT", "true").spawn().unwrap()).await.code(0).json();
    assert_eq!(step(&report, "conflicts")["counts"]["accepted unparseable"], 1, "{report}");
    assert_eq!(files(&place.path().join("dev")).len(), 7);
}

/// What was read by the delivery before is compared, also where its documents are the same now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delivery_before_is_compared_and_told_of() {
    let place = place(
        "",
        &[
            ("a/1.json", r#"{"id": "1", "n": 1, "gone": {"x": 1}, "tags": ["t"], "only": null}"#),
            ("a/2.json", r#"{"id": "2", "n": 2, "tags": []}"#),
            ("old/1.json", r#"{"id": "3"}"#),
        ],
    );
    let first = place.run(&format!("{STEPS} --delivery first")).await.code(0);
    assert_eq!(lines(&place, &first), Vec::<String>::new());
    put(&place, "a/1.json", r#"{"id": "1", "n": 1.5, "tags": ["t", {"x": 1}], "only": "x"}"#);
    put(&place, "a/2.json", r#"{"id": true, "n": 2, "tags": [], "fresh": {"y": 1}}"#);
    put(&place, "b/1.json", r#"{"id": "3"}"#);
    fs::remove_dir_all(place.path().join("source/old")).unwrap();
    let done = place.run(&format!("{STEPS} --delivery second")).await.code(3);
    let expected = [
        r#"blocking nested a tags[] former first 1 a/1.json 0 "t", {"x""#,
        r#"blocking retyped a id former first 1 a/2.json 0 "id": tru"#,
        r#"blocking retyped a n former first 1 a/1.json 0 "n": 1.5,"#,
        r#"warning missing a gone former first 2 a/1.json 0 {"id": "1"#,
        r#"warning missing old $ former first 0"#,
        r#"warning mixed a id itself 1 a/1.json 0 "id": "1""#,
        r#"warning mixed a tags[] itself 1 a/1.json 0 "t", {"x""#,
        r#"warning new a fresh former first 1 a/2.json 0 "fresh": "#,
        r#"warning new b $ former first 1"#,
    ];
    assert_eq!(lines(&place, &done), expected);
    assert_eq!(proposal(&done, "fresh"), "\"fresh\" as \"fresh\"");
    // Once more, and it is what it was.
    let third = place.run(&format!("{STEPS} --delivery third")).await.code(0);
    let told = lines(&place, &third);
    assert!(told.iter().all(|line| line.starts_with("warning mixed a ")) && told.len() == 2, "{told:?}");
}

/// What blocks is said by settings, for all and for a group; nothing is read again for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_say_what_blocks() {
    let documents = [("a/1.json", r#"{"id": 1, "part": {"x": 1}}"#), ("a/2.json", r#"{"id": "1", "part": {"x": ""}}"#)];
    let of = async |settings: &str| {
        let place = place(settings, &documents);
        let done = place.run(&format!("{STEPS} --delivery d")).await;
        (done.code, place)
    };
    assert_eq!(of("").await.0, Some(0));
    assert_eq!(of("blocking = [\"mixed\"]").await.0, Some(3));
    assert_eq!(of("blocking = [\"mixed/former\"]").await.0, Some(0));
    assert_eq!(of("[deliver.conflicts.a]\nblocking = [\"mixed/itself\"]").await.0, Some(3));
    assert_eq!(of("[deliver.conflicts.b]\nblocking = [\"mixed/itself\"]").await.0, Some(0));
    assert_eq!(of("blocking = [\"mixed\"]\naccept = true").await.0, Some(0));
    assert_eq!(of("blocking = [\"mixed\"]\nallow = [\"id\", \"part\"]").await.0, Some(0));
    let (code, place) = of("blocking = [\"mixed\"]\n[deliver.conflicts.a]\nallow = [\"part\"]").await;
    assert_eq!(code, Some(3));

    // The same delivery under other settings: judged anew, though the documents are not there to be read again.
    let settings = fs::read_to_string(place.project().join("migration.toml")).unwrap();
    place.write("migration.toml", &settings.replace("blocking = [\"mixed\"]", "blocking = []"));
    fs::remove_dir_all(place.path().join("area/documents")).unwrap();
    let done = place.run("deliver conflicts --delivery d --output json").await.code(0);
    assert_eq!(lines(&place, &done).len(), 1, "the other is allowed");
    let report = done.json();
    let counts = &step(&report, "conflicts")["counts"];
    assert_eq!((&counts["warning mixed"], &counts["allowed mixed"]), (&1.into(), &1.into()), "{report}");

    for (settings, said) in [
        ("blocking = [\"retype\"]", "`retype`: unparseable, missing"),
        ("blocking = [\"mixed/before\"]", "/itself, /definition, /declared, /group, /former is wanted"),
        ("blocking = \"mixed\"", "deliver.conflicts.blocking: a list of texts is wanted"),
        ("acept = true", "did you mean"),
        ("[deliver.conflicts.a]\ndefinition = \"nowhere\"", "there is no file of the definition nowhere"),
    ] {
        let place = self::place(settings, &documents);
        let refused = place.run(STEPS).await.code(2);
        assert!(refused.stderr.contains(said), "{settings}: {}", refused.stderr);
        assert!(!place.path().join("area").exists());
    }
}

/// Steps can be run alone: production is not published where nobody looked, nor are documents that came after the look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_asks_whether_somebody_has_looked() {
    let production = "[deliver.publish.prod]\nurl = \"file:prod\"\nproduction = true";
    let place = place(production, &[("a/1.json", "{}"), ("a/2.json", "[]")]);
    let done = place.run("deliver copy sanitise purge publish --delivery d").await.code(0);
    assert!(done.stderr.contains("nobody has looked for conflicts"), "{}", done.stderr);
    let refused = place.run("deliver publish --target prod --yes --delivery d").await.code(2);
    assert!(refused.stderr.contains("`telecine deliver conflicts --delivery d` does"), "{}", refused.stderr);
    place.run("deliver conflicts publish --delivery d").await.code(0);
    place.write("deliver/purge/2.sql", "select key, 'x' as reason from inventory where key like '%2%'");
    let capped = place.set("TELECINE_DELIVER_PURGE_CAP", "50%");
    capped.run("deliver purge --restore --delivery d").await.code(0);
    capped.run("deliver purge --delivery d").await.code(0);
    let stale = capped.run("deliver publish --delivery d").await.code(2);
    assert!(stale.stderr.contains("have changed since conflicts were looked for"), "{}", stale.stderr);
}

/// The sample library's documents against what their queries declare: what its flaws of shape are, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sample_documents_have_the_conflicts_of_their_flaws() {
    let place = place("", &[]);
    for rule in ["backups", "desktop", "folders", "unreadable"] {
        copy(&place, &format!("deliver/purge/{rule}.sql"));
    }
    copy(&place, "deliver/documents.sql");
    let answers = place.path().join("answers.ndjson");
    let truth = place.path().join("source");
    let line = format!("library documents --out {} --answers {} --count 400", truth.display(), answers.display());
    place.run(&line).await.code(0);
    let flaws: Vec<(String, String)> = fs::read_to_string(&answers)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|answer| Some((answer["flaw"].as_str()?.to_owned(), answer["key"].as_str()?.to_owned())))
        .collect();
    let keys = |flaws_wanted: &[&str]| -> BTreeMap<String, Vec<String>> {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, key) in flaws.iter().filter(|(flaw, _)| flaws_wanted.contains(&flaw.as_str())) {
            let group = key.split('/').next().unwrap().to_owned();
            groups.entry(group).or_default().push(key.clone());
        }
        groups
    };
    let purge = "deliver copy sanitise purge conflicts --output json";
    let mut call = place.call(purge);
    let done = finish(call.env("TELECINE_DELIVER_PURGE_CAP", "30%").spawn().unwrap()).await.code(0);

    // Of each flaw one row a group, with the count of its documents and one of them as the example.
    let report = done.json();
    let conflicts = step(&report, "conflicts")["conflicts"].as_array().unwrap().clone();
    let told = |kind: &str, path: &str| -> BTreeMap<String, (u64, String)> {
        let same = conflicts.iter().filter(|conflict| conflict["kind"] == kind && conflict["path"] == path);
        let of = |conflict: &Value| {
            let text = |name: &str| conflict[name].as_str().unwrap().to_owned();
            (text("group"), (conflict["count"].as_u64().unwrap(), text("object")))
        };
        same.map(of).collect()
    };
    let mut known = 0;
    for (kind, path, flaws) in [
        ("retyped", "createdMs", &["retyped"] as &[&str]),
        ("nested", "title", &["nested"]),
        ("nested", "$", &["array", "scalar"]),
        ("new", "clientNotes", &["new"]),
        ("new", "_history", &["deep"]),
        ("new", "_checks", &["long_numbers"]),
    ] {
        let (told, keys) = (told(kind, path), keys(flaws));
        assert_eq!(told.keys().collect::<Vec<_>>(), keys.keys().collect::<Vec<_>>(), "{kind} {path}");
        for (group, (count, object)) in &told {
            assert_eq!(*count, keys[group].len() as u64, "{kind} {path} {group}");
            assert!(keys[group].contains(object), "{kind} {path} {object}");
        }
        known += told.len();
    }
    // What no query declares, for it is nobody's.
    known += told("new", "_export").len();
    assert_eq!(told("new", "_export").len(), 4);
    assert_eq!(conflicts.len(), known, "{conflicts:?}");
    let proposed = proposal(&done, "createdMs");
    let wanted =
        "coalesce(\"createdMs\", try_cast(json_text(_rescued, 'createdMs')['value'] as bigint)) as \"createdMs\"";
    assert_eq!(proposed, wanted);
}

/// A file of the migration into the project.
fn copy(place: &Workplace, name: &str) {
    let queries = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    place.write(name, &fs::read_to_string(queries.join(name)).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_the_conflicts_are_those_of_an_unbroken_step() {
    let documents: Vec<(String, String)> = (0..7_000)
        .map(|number| {
            let text = match number % 1_000 {
                0 => "{\"id\": ".to_owned(),
                1 => format!("{{\"id\": \"{number}\", \"rare{number}\": []}}"),
                _ => format!("{{\"id\": {number}, \"part\": {{\"n\": {number}}}}}"),
            };
            (format!("{}/{number:05}.json", number % 3), text)
        })
        .collect();
    let documents: Vec<(&str, &str)> = documents.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    let place = place("blocking = []", &documents);
    place.run("deliver copy sanitise purge --delivery d").await.code(0);
    let records = || {
        let of = |name: &str| {
            let manifest = place.path().join(format!("staging/deliveries/d/{name}/_manifest.json"));
            let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
            (manifest["rows"].clone(), manifest["checksum"].clone(), manifest["inputs"].clone())
        };
        ["defects", "shapes", "conflicts"].map(of)
    };
    let begun = std::time::Instant::now();
    place.run("deliver conflicts --delivery d").await.code(0);
    let (whole, wanted) = (begun.elapsed(), records());
    assert_eq!(wanted[0].0, 7);
    for name in ["defects", "shapes", "conflicts"] {
        fs::remove_dir_all(place.path().join("staging/deliveries/d").join(name)).unwrap();
    }
    let mut killed = 0;
    for attempt in 0..12 {
        let mut child = place.call("deliver conflicts --delivery d").spawn().unwrap();
        let patience = whole.mul_f64(0.1 + 0.06 * f64::from(attempt));
        if tokio::time::timeout(patience, child.wait()).await.is_err() {
            child.kill().await.unwrap();
            killed += 1;
        }
    }
    assert!(killed > 1, "{killed}");
    place.run("deliver conflicts --delivery d").await.code(0);
    assert_eq!(records(), wanted, "{killed} kills");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_a_bucket_are_read_as_those_of_a_folder() {
    let bucket = Bucket::s3s().await;
    let place = Workplace::of_files(&[]);
    let at = |name: &str| format!("s3://{BUCKET}/{name}");
    let settings = format!("[deliver]\nsource = \"{}\"\narea = \"{}\"\n", at("truth"), at("work"));
    place.write("migration.toml", &settings);
    let place = bucket.settings(place);
    let large = format!("{{\"id\": 1, \"log\": \"{}\", \"n\": \"x\"}}", "x".repeat(9 << 20));
    for (key, text) in [("a/1.json", "{\"id\": 1, \"n\": 1}"), ("a/2.json", "{\"id\""), ("a/3.json", large.as_str())] {
        let key = object_store::path::Path::parse(format!("truth/{key}")).unwrap();
        bucket.area().store().put(&key, text.to_owned().into()).await.unwrap();
    }
    // What fails once is asked for again.
    let mut number = 0;
    bucket.judge(move |arrived| {
        number += 1;
        (arrived.uri.path().contains("/work/documents/") && number % 3 == 0).then_some(Fault::SlowDown)
    });
    let done = place.run(STEPS).await.code(3);
    let report = done.json();
    let conflicts = step(&report, "conflicts")["conflicts"].as_array().unwrap().clone();
    let told: Vec<[&Value; 4]> =
        conflicts.iter().map(|conflict| ["kind", "path", "object", "offset"].map(|name| &conflict[name])).collect();
    let offset = (large.len() - "\"n\": \"x\"}".len()) as u64;
    let expected = [json!(["unparseable", "$", "a/2.json", 5]), json!(["mixed", "n", "a/3.json", offset])];
    assert_eq!(told.iter().map(|row| json!(row)).collect::<Vec<_>>(), expected, "{report}");
}

const CANDIDATES: &str = "select _object as source_key, _object as object, _document as document from documents.film";
const FILM: &str = "-- materialise: parquet
select _object as source_key, 'load' as disposition, cast(null as varchar) as reason, cast(null as varchar) as details,
    warn('x', 'y', null) as warnings, title as name, title from documents.film";
const DECLARED: &str = "create table film (title varchar, minutes bigint, summary varchar, \
                        \"cast\" struct<role varchar>, tags varchar[]);";

/// What is proposed is SQL, and what it gives is what was wanted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_declared_is_compared_and_proposals_run() {
    let documents = [
        ("film/1.json", r#"{"title": "A", "minutes": 90, "cast": {"role": "x"}, "tags": ["t"], "sumary": "s"}"#),
        ("film/2.json", r#"{"title": {"en": "B"}, "minutes": "91", "cast": {"role": 7}, "tags": "t"}"#),
        ("film/3.json", r#"{"title": "C", "odd": [{"by": "desk", "n": 1.5}], "also": true}"#),
    ];
    let place = place("", &documents);
    place.write("deliver/documents.sql", DECLARED);
    place.write("deliver/transform/1_select/candidates.sql", CANDIDATES);
    place.write("deliver/transform/4_map/film.sql", FILM);
    let done = place.run(&format!("{STEPS} --delivery d")).await.code(0);
    let against = "declared deliver/documents.sql";
    let expected = [
        format!(r#"warning missing film summary {against} 3 film/1.json 0 {{"title":"#),
        format!(r#"warning nested film tags {against} 1 film/2.json 0 "tags": ""#),
        format!(r#"warning nested film title {against} 1 film/2.json 0 "title": "#),
        format!(r#"warning new film also {against} 1 film/3.json 0 "also": t"#),
        format!(r#"warning new film odd {against} 1 film/3.json 0 "odd": [{{"#),
        format!(r#"warning new film sumary {against} 1 film/1.json 0 "sumary":"#),
        format!(r#"warning retyped film cast.role {against} 1 film/2.json 0 "role": 7"#),
        format!(r#"warning retyped film minutes {against} 1 film/2.json 0 "minutes""#),
    ];
    assert_eq!(lines(&place, &done), expected);
    // The mapping speaks of it: then it is no longer new.
    place.write("deliver/transform/4_map/film.sql", &FILM.replace("title from", "title, also from"));
    let again = place.run("deliver conflicts --delivery d --output json").await.code(0);
    assert_eq!(lines(&place, &again).len(), expected.len() - 1);

    place.run("deliver transform --delivery d").await.code(0);
    for (path, values) in [
        ("summary", json!(["s", null, null])),
        ("title", json!(["A", "B", "C"])),
        ("minutes", json!([90, 91, null])),
        ("tags", json!([["t"], ["t"], [null]])),
        ("cast.role", json!(["x", "7", null])),
    ] {
        let sql = format!("select {} from documents.film order by _object", proposal(&done, path));
        let mut call = place.call("sql --delivery d --output json");
        let found = finish(call.arg(&sql).spawn().unwrap()).await.code(0).json();
        let column: Vec<Value> = found["rows"].as_array().unwrap().iter().map(first).collect();
        assert_eq!(json!(column), values, "{sql}");
    }
    let odd = proposal(&done, "odd");
    let (comment, column) = odd.split_once('\n').unwrap();
    assert_eq!(comment, "-- in deliver/documents.sql, create table film (…):");
    assert_eq!(column, r#""odd" struct<"by" varchar, "n" double>[]"#);
    place.write("deliver/documents.sql", &DECLARED.replace("film (", &format!("film ({column}, ")));
    place.run("deliver transform --delivery d").await.code(0);
}

fn first(row: &Value) -> Value {
    row.as_object().unwrap().values().next().cloned().unwrap_or_default()
}
