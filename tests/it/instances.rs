//! The sample documents through the queries of the project, from a source with every flaw into hot folders: each document that
//! the answer key wants is there as it wants it, and every other one is accounted for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use telecine::rehearsal::documents::{DocumentOptions, SampleObject, objects};

use crate::deliver::bucket::Buckets;
use crate::support::{Flex, Workplace, files, read_json, run};

/// A copy of the project with a delivery between these places.
fn project(source: &str, area: &str, dev: &str) -> Workplace {
    let place = Workplace::of_queries();
    let path = place.project().join("migration.toml");
    let settings = fs::read_to_string(&path).unwrap();
    let at = |url: &str| if url.contains(':') { url.to_owned() } else { place.path().join(url).display().to_string() };
    let more = format!(
        "\n[deliver]\nsource = \"{}\"\narea = \"{}\"\npurge_cap = \"40%\"\n[deliver.publish.dev]\nurl = \"{}\"\n",
        at(source),
        at(area),
        at(dev)
    );
    fs::write(path, settings + &more).unwrap();
    place
}

/// The instances that are wanted, by definition, in order.
fn wanted<'a>(objects: impl Iterator<Item = &'a SampleObject>) -> BTreeMap<String, Vec<String>> {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in objects {
        let texts = object.expected.instances.iter().map(canonical);
        wanted.entry(object.expected.definition.unwrap_or_default().to_owned()).or_default().extend(texts);
    }
    sorted(wanted)
}

/// As text, keys in order of their names.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, String> =
                fields.iter().map(|(name, value)| (name, canonical(value))).collect();
            format!("{fields:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(canonical).collect::<Vec<_>>()),
        other => other.to_string(),
    }
}

/// Names what differs first, and no more.
fn assert_same(found: &BTreeMap<String, Vec<String>>, wanted: &BTreeMap<String, Vec<String>>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (definition, wanted) in wanted {
        let missing = wanted.iter().find(|text| !found[definition].contains(text));
        let more = found[definition].iter().find(|text| !wanted.contains(text));
        assert_eq!((missing, more, found[definition].len()), (None, None, wanted.len()), "{definition}");
    }
}

fn sorted(mut found: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    found.values_mut().for_each(|texts| texts.sort());
    found.retain(|_, texts| !texts.is_empty());
    found
}

/// The instances that are there, of keys `{definition}/{document}` with their texts.
fn there<'a>(documents: impl Iterator<Item = (&'a str, &'a [u8])>) -> BTreeMap<String, Vec<String>> {
    let mut there: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, text) in documents {
        let (definition, name) = key.rsplit_once('/').unwrap();
        assert!(name.ends_with(".json"), "{key}");
        let value: Value = serde_json::from_slice(text).unwrap();
        there.entry(definition.to_owned()).or_default().push(canonical(&value));
    }
    sorted(there)
}

fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sample_documents_become_instances_as_the_answer_key_has_them() {
    let place = project("truth", "area", "dev");
    let answers = place.path().join("answers.ndjson").display().to_string();
    let truth = place.path().join("truth").display().to_string();
    place.run(&format!("library documents --out {truth} --answers {answers} --count 600 --dirt 2")).await.code(0);
    let options = DocumentOptions { count: 600, dirt: 2.0, ..DocumentOptions::default() };
    let all: Vec<SampleObject> = objects(&options).collect();
    let is_there = |object: &&SampleObject| place.path().join("truth").join(&object.key).is_file();
    let written: Vec<&SampleObject> =
        all.iter().filter(|object| !object.key.contains("/..") && is_there(object)).collect();
    assert_eq!(written.len(), files(&place.path().join("truth")).len());

    // Queries and rows are held to the target's definitions.
    let flex = Flex::start(&[]).await;
    place.add_target("dev", &flex.url, "");
    place.run("flex pull --target dev").await.code(0);
    flex.kill().await;

    let report = place.json("deliver").await;
    let dev = place.path().join("dev");
    let documents: Vec<(String, Vec<u8>)> =
        files(&dev).into_iter().map(|file| (file.clone(), fs::read(dev.join(&file)).unwrap())).collect();
    let found = there(documents.iter().map(|(key, text)| (key.as_str(), text.as_slice())));
    assert_same(&found, &wanted(written.iter().copied()));

    // Every document is accounted for: those that are purged, those that are rejected, those that are there.
    let counts = step(&report, "transform")["counts"].as_object().unwrap();
    let rejected: u64 =
        counts.iter().filter(|(what, _)| what.starts_with("rejected")).map(|(_, count)| count.as_u64().unwrap()).sum();
    assert_eq!(counts["instances"], documents.len());
    assert_eq!(counts["documents"].as_u64().unwrap(), documents.len() as u64 + rejected, "{counts:?}");
    let refused = written.iter().filter(|object| object.expected.readable == 1 && object.expected.instances.is_empty());
    let refused = refused.filter(|object| object.expected.definition.is_some()).count();
    assert_eq!(rejected, refused as u64, "{counts:?}");

    // A look at all of it: what became of each object of the source.
    let look =
        "select (select count(*) from record.inventory) as objects, (select count(*) from record.purged) as purged,
        (select count(distinct object) from delivery.documents) as read, (select count(*) from rejected) as rejected,
        (select count(*) from promo where disposition = 'load') as promos";
    let delivery = report["delivery"].as_str().unwrap().to_owned();
    let mut call = place.call(&format!("sql --delivery {delivery} --output json"));
    let found = run(call.arg(look)).await.code(0).json()["rows"][0].clone();
    let number = |name: &str| found[name].as_u64().unwrap();
    assert_eq!((number("objects"), number("rejected")), (written.len() as u64, rejected), "{found}");
    assert_eq!(number("read") + number("purged"), number("objects"), "{found}");
    assert_eq!(
        number("promos"),
        documents.iter().filter(|(key, _)| key.starts_with("assetType_Promo/")).count() as u64
    );
    let unknown = place.run("sql --delivery nobody values(1)").await.code(2);
    assert!(unknown.stderr.contains(&format!("known: {delivery}")), "{}", unknown.stderr);

    // Nothing has changed: nothing is made or sent again.
    let again = place.json(&format!("deliver transform publish --delivery {delivery}")).await;
    assert!(step(&again, "transform")["kept"] == true && step(&again, "publish dev")["kept"] == true, "{again}");

    // What does not fit a definition is told before a document is read.
    let query = place.project().join("deliver/transform/4_map/promo.sql");
    let text = fs::read_to_string(&query).unwrap();
    fs::write(&query, text.replace("g.\"durationMs\",", "'long' as \"durationMs\",")).unwrap();
    let unfit = place.run(&format!("deliver transform --delivery {delivery}")).await.code(2);
    assert!(unfit.stderr.contains("field `durationMs`: the query gives text"), "{}", unfit.stderr);

    // A query that changes changes what is published, and production would be held to that.
    fs::write(&query, text.replace("g.\"promoCode\",", "lower(g.\"promoCode\") as \"promoCode\",")).unwrap();
    let again = place.json(&format!("deliver transform publish --replace --delivery {delivery}")).await;
    assert_eq!(step(&again, "transform")["kept"], false, "{again}");
    let promos = written.iter().filter(|object| object.expected.definition == Some("assetType_Promo"));
    let promos: usize = promos.map(|object| object.expected.instances.len()).sum();
    assert_eq!(step(&again, "publish dev")["counts"]["copied"], promos, "{again}");
    let any = files(&dev.join("assetType_Promo")).pop().unwrap();
    let code = read_json(&dev.join("assetType_Promo").join(any))["promoCode"].clone();
    assert!(code.as_str().unwrap().starts_with("pr-"), "{code}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_no_file_can_have_are_delivered_from_bucket_to_bucket() {
    let buckets = Buckets::start().await;
    let place = buckets.settings(project("s3://truth/p", "s3://work/area", "s3://dev/drop"));
    let place = place.set("TELECINE_STAGING_URL", "s3://work/staging");
    let all = objects(&DocumentOptions { count: 20, ..DocumentOptions::default() });
    // moto has no route for a line's end.
    let all: Vec<SampleObject> = all.filter(|object| !object.key.contains('\n')).collect();
    for object in &all {
        buckets.put("truth", &format!("p/{}", object.key), &object.body).await;
    }
    // No URL can carry one key: it is named, and all others are delivered.
    let done = place.run("deliver --output json").await.code(3);
    assert!(done.stderr.contains("copy: 1 objects need a look, first \"promo/2015/../PR-"), "{}", done.stderr);
    let report = done.json();
    let delivered = all.iter().filter(|object| !object.key.contains("/../"));
    let dev = buckets.contents("dev").await;
    let documents = dev.iter().map(|(key, text)| (key.strip_prefix("drop/").unwrap(), text.as_bytes()));
    assert_same(&there(documents), &wanted(delivered));
    assert_eq!(step(&report, "copy")["objects"], all.len());
    assert_eq!(buckets.writes_to("truth"), Vec::<String>::new(), "the source of truth was written to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transform_that_is_killed_goes_on_to_the_same_documents() {
    let place = project("truth", "area", "dev");
    let (truth, answers) = (place.path().join("truth"), place.path().join("answers.ndjson"));
    let line = format!("library documents --out {} --answers {} --count 600", truth.display(), answers.display());
    place.run(&line).await.code(0);
    place.run("deliver copy sanitise purge --delivery d").await.code(0);
    let made = place.path().join("staging/deliveries/d/transform");
    let content = || -> BTreeMap<String, Vec<u8>> {
        let is_document = |file: &String| file.starts_with("documents/") && file.matches('/').count() == 2;
        let documents = files(&made).into_iter().filter(is_document);
        documents.map(|file| (file.clone(), fs::read(made.join(file)).unwrap())).collect()
    };
    let begun = std::time::Instant::now();
    place.run("deliver transform --delivery d").await.code(0);
    let whole = begun.elapsed();
    let wanted = content();
    assert!(wanted.len() > 500, "{}", wanted.len());

    let mut killed = 0;
    for attempt in 0..7 {
        if attempt % 3 == 0 {
            // From the beginning: the tables, too.
            fs::remove_dir_all(&made).unwrap();
        }
        let mut child = place.call("deliver transform --delivery d").spawn().unwrap();
        let patience = whole.mul_f64(0.08 + 0.13 * f64::from(attempt));
        if tokio::time::timeout(patience, child.wait()).await.is_err() {
            child.kill().await.unwrap();
            killed += 1;
        }
        // What is not whole is not published.
        if attempt == 0 {
            let early = place.run("deliver publish --delivery d").await.code(2);
            assert!(early.stderr.contains("`telecine deliver transform --delivery d`"), "{}", early.stderr);
        }
    }
    assert!(killed > 0, "the first takes a twelfth of the time that it needs");
    place.run("deliver transform --delivery d").await.code(0);
    let found = content();
    let differs = wanted.iter().find(|(name, text)| found.get(*name) != Some(*text)).map(|(name, _)| name);
    assert_eq!((differs, found.len()), (None, wanted.len()), "{killed} kills");
    place.run("deliver publish --delivery d").await.code(0);
    assert_eq!(files(&place.path().join("dev")).len(), wanted.len());
}

/// A project with one group and one query; documents are what each test writes.
fn small(query: &str, declared: &str) -> Workplace {
    let place = Workplace::of_files(&[
        ("deliver/transform/4_map/film.sql", query),
        ("deliver/documents.sql", declared),
        ("migration.toml", "[definitions]\nfilm = \"assetType_Film\"\n"),
    ]);
    let path = place.project().join("migration.toml");
    let at = |name: &str| place.path().join(name).display().to_string();
    let settings = format!(
        "[deliver]\nsource = \"{}\"\narea = \"{}\"\n[deliver.publish.dev]\nurl = \"{}\"\n",
        at("truth"),
        at("area"),
        at("dev")
    );
    fs::write(&path, fs::read_to_string(&path).unwrap() + &settings).unwrap();
    place.write(
        "deliver/transform/1_select/candidates.sql",
        "select _object as source_key, _object as object, _document as document from documents.film",
    );
    place
}

const FILM: &str = "-- materialise: parquet, json
select _object as source_key, 'load' as disposition, cast(null as varchar) as reason, cast(null as varchar) as details,
    warn('x', 'y', null) as warnings, title as name, title, minutes, json_text(_rescued, 'minutes')['value'] as odd,
    cast['role'] as role, json_text(_rescued, 'cast.role')['value'] as odd_role, _rescued as rest
from documents.film";
const DECLARED: &str = "create table film (title varchar, minutes bigint, \"cast\" struct<role varchar>, year bigint);";

fn put(place: &Workplace, name: &str, text: &str) {
    let path = place.path().join("truth/film").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_other_types_than_declared_are_kept_beside() {
    let place = small(FILM, DECLARED);
    put(&place, "a.json", r#"{"title": "A", "minutes": 90, "cast": {"role": "x", "more": 1}}"#);
    put(&place, "b.json", r#"{"title": "B", "minutes": "ninety", "cast": {"role":["y"]}}"#);
    put(&place, "c.json", r#"{"title": "C", "minutes": 1e400, "cast": "nobody"}"#);
    put(&place, "d.json", r#"{"title": "D"}"#);
    place.json("deliver").await;
    let document =
        |name: &str| read_json(&place.path().join("dev/assetType_Film").join(format!("film!2F{name}!2Ejson.json")));
    assert_eq!(document("a"), serde_json::json!({"title": "A", "minutes": 90, "role": "x"}));
    let b = document("b");
    assert_eq!((&b["odd"], &b["odd_role"]), (&"ninety".into(), &"[\"y\"]".into()), "{b}");
    assert_eq!(b["rest"], r#"{"cast":{"role":["y"]},"minutes":"ninety"}"#);
    assert_eq!(document("c")["rest"], r#"{"cast":"nobody","minutes":1e400}"#);
    assert_eq!(document("d"), serde_json::json!({"title": "D"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_no_candidate_is_named() {
    // A document that cannot be read would end the delivery earlier.
    let place = small(FILM, DECLARED).set("TELECINE_DELIVER_CONFLICTS_ACCEPT", "true");
    put(&place, "a.json", r#"{"title": "A"}"#);
    put(&place, "broken.json", "{");
    put(&place, "../serial/b.json", r#"{"title": "B"}"#);
    let done = place.run("deliver --output json").await.code(3);
    assert!(done.stderr.contains("transform: 2 objects need a look; its balance does not close"), "{}", done.stderr);
    let report = done.json();
    let problems = step(&report, "transform")["problems"].as_array().unwrap();
    let named: Vec<&str> = problems.iter().map(|problem| problem["key"].as_str().unwrap()).collect();
    assert_eq!(named, ["film/broken.json", "serial/b.json"], "{report}");
    assert!(!place.path().join("dev").exists());
    let unpublished = place.run("deliver publish").await.code(2);
    assert!(unpublished.stderr.contains("2 documents are in no row of candidates"), "{}", unpublished.stderr);
    place.write("deliver/transform/1_select/candidates.sql", "select _object as source_key from documents.film");
    let unnamed = place.run("deliver transform").await.code(2);
    assert!(unnamed.stderr.contains("by columns `object` and `document`"), "{}", unnamed.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_the_way_of_a_transform_is_told() {
    let place = small(FILM, DECLARED);
    put(&place, "a.json", r#"{"title": "A"}"#);
    let early = place.run("deliver transform").await.code(2);
    assert!(early.stderr.contains("`telecine deliver copy` begins one"), "{}", early.stderr);
    place.run("deliver copy sanitise").await.code(0);
    let early = place.run("deliver transform").await.code(2);
    assert!(early.stderr.contains("`telecine deliver purge"), "{}", early.stderr);
    place.run("deliver purge").await.code(0);
    let early = place.run("deliver publish").await.code(2);
    assert!(early.stderr.contains("`telecine deliver transform --delivery"), "{}", early.stderr);
    let planned = place.json("deliver transform --dry-run").await;
    assert_eq!(step(&planned, "transform")["counts"]["would read"], 1, "{planned}");
    for (name, text, said) in [
        ("deliver/documents.sql", "create table film (title timestamp)", "deliver/documents.sql: column title"),
        ("deliver/documents.sql", "create table film (title varchar)", "4_map/film.sql"),
        ("deliver/transform/4_map/film.sql", "selec", "4_map/film.sql"),
    ] {
        place.write(name, text);
        let wrong = place.run("deliver transform").await.code(2);
        assert!(wrong.stderr.contains(said), "{said}: {}", wrong.stderr);
    }
    place.write("deliver/documents.sql", DECLARED);
    place.write("deliver/transform/4_map/film.sql", FILM);
    place.run("deliver transform").await.code(0);

    // A document that was altered in the area since it was sanitised.
    place.write("deliver/documents.sql", &format!("{DECLARED}\n-- and more"));
    let document = place.path().join("area/documents/film/a.json");
    for act in
        [|path: &Path| fs::write(path, r#"{"title": "C"}"#).unwrap(), |path: &Path| fs::remove_file(path).unwrap()]
    {
        act(&document);
        let gone = place.run("deliver transform").await.code(2);
        let said = "1 documents in";
        assert!(gone.stderr.contains(said) && gone.stderr.contains("first \"film/a.json\""), "{}", gone.stderr);
    }
    // An instance that was altered since it was made is not published.
    put(&place, "b.json", r#"{"title": "B"}"#);
    place.run("deliver copy sanitise purge transform --delivery second").await.code(0);
    let made = place.path().join("staging/deliveries/second/transform/documents/assetType_Film");
    let any = files(&made).pop().unwrap();
    fs::write(made.join(any), "{\"title\": \"falsified\"}").unwrap();
    let altered = place.run("deliver publish --delivery second").await.code(3);
    assert!(altered.stderr.contains("is not the document that the transform wrote"), "{}", altered.stderr);
}
