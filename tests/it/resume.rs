//! A load that is killed again and again ends in what an unbroken one gives, and reading back can tell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use telecine::rehearsal::library::LibraryOptions;

use crate::support::{CHANGING, Done, Flex, PATIENCE, Source, Workplace, comparable, finish, wait_for};

/// Some hundreds of assets.
const SCALE: f64 = 0.0005;
/// So slow that a kill hits work under way.
const SLOW: &str = "delay-ms=5:*";
/// Rows on the way at a time, so that a kill leaves several in an unclear state.
const IN_FLIGHT: &str = "max_in_flight = 6";
/// How often the loading process is killed.
const KILLS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_and_resumed_it_ends_like_an_unbroken_load() {
    let source = Source::of_library(LibraryOptions { scale: SCALE, ..LibraryOptions::default() }).await;
    let unbroken = Flex::start(&["--fault", SLOW]).await;
    let kept = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let data = kept.each_ref().map(|folder| folder.path().to_str().unwrap());
    let killed = Flex::start(&["--fault", SLOW, "--data", data[0]]).await;
    let restarted = Flex::start(&["--fault", SLOW, "--data", data[1]]).await;
    let place = Workplace::of_queries().with_source(&source);
    place.add_target("unbroken", &unbroken.url, IN_FLIGHT);
    place.add_target("killed", &killed.url, IN_FLIGHT);
    place.add_target("restarted", &restarted.url, IN_FLIGHT);
    place.json("extract --run r -q").await;
    source.server.stop().await.unwrap();
    place.json("transform --run r -q").await;

    let report = place.json("load --target unbroken --run r -q").await;
    let (loaded, requests) = (report["created"].as_u64().unwrap(), unbroken.requests(&CHANGING).await);
    assert!(loaded > 100 && requests > 2 * loaded, "{report}");
    let wanted = comparable(&unbroken.assets().await);
    assert_eq!(wanted.len() as u64, loaded);

    kill_the_loader(&place, &killed, requests).await;
    assert_eq!(comparable(&killed.assets().await), wanted);
    nothing_is_left_to_do(&place, &killed, "killed", loaded).await;

    let restarted = kill_the_target(&place, restarted, data[1], requests).await;
    assert_eq!(comparable(&restarted.assets().await), wanted);
    nothing_is_left_to_do(&place, &restarted, "restarted", loaded).await;

    falsified_assets_are_named(&place, &killed, loaded).await;
}

/// Kills the loading process at random moments, spread over all that it has to send, and starts it again each time.
async fn kill_the_loader(place: &Workplace, flex: &Flex, requests: u64) {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    println!("seed {seed}");
    for number in 0..KILLS {
        // One part in KILLS + 1 is left for the last, unbroken load.
        let width = requests / (KILLS + 1);
        let moment = number * width + random.u64(1..width);
        let mut child = place.call("load --target killed --run r -q --output json").spawn().unwrap();
        let begun = Instant::now();
        let reached = async || {
            assert!(begun.elapsed() < PATIENCE);
            (flex.requests(&CHANGING).await >= moment).then_some(())
        };
        wait_for("the moment", PATIENCE, reached).await;
        assert!(child.try_wait().unwrap().is_none(), "it ended before {moment} of {requests} requests");
        child.kill().await.unwrap();
    }
    let last = place.json("load --target killed --run r -q").await;
    assert_eq!((&last["failed"], &last["held"], &last["interrupted"]), (&json!(0), &json!(0), &json!(false)), "{last}");
}

/// Kills the local Flex in the middle of a load, once early and once late, and starts it again at the same address.
async fn kill_the_target(place: &Workplace, mut flex: Flex, data: &str, requests: u64) -> Flex {
    let address = flex.address().to_owned();
    let mut sent = 0;
    let mut child = place.call("load --target restarted --run r -q --output json").spawn().unwrap();
    for moment in [requests / 4, requests * 2 / 3] {
        let reached = async || (sent + flex.requests(&CHANGING).await >= moment).then_some(());
        wait_for("the moment", PATIENCE, reached).await;
        assert!(child.try_wait().unwrap().is_none());
        sent += flex.requests(&CHANGING).await;
        flex.kill().await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        flex = Flex::start(&["--fault", SLOW, "--data", data, "--listen", &address]).await;
    }
    // The load lives through it, or says that it can be resumed; then it is.
    let done = finish(child).await;
    if done.code != Some(0) {
        done.code(1);
        place.json("load --target restarted --run r -q").await;
    }
    flex
}

/// The plan sees only what is there, and a further load sends nothing that changes the target.
async fn nothing_is_left_to_do(place: &Workplace, flex: &Flex, target: &str, loaded: u64) {
    let before = flex.requests(&CHANGING).await;
    let plan = place.json(&format!("plan --target {target} --run r -q")).await;
    for part in ["create", "update", "held", "invalid", "gone"] {
        assert_eq!(plan[part], json!(0), "{part}: {plan}");
    }
    assert_eq!(plan["unchanged"], json!(loaded));
    let load = place.json(&format!("load --target {target} --run r -q")).await;
    assert_eq!((&load["unchanged"], &load["created"], &load["updated"]), (&json!(loaded), &json!(0), &json!(0)));
    assert_eq!(flex.requests(&CHANGING).await, before);
}

/// Two assets are falsified behind the loader's back, one is deleted: reading back names all three.
async fn falsified_assets_are_named(place: &Workplace, flex: &Flex, loaded: u64) {
    let reconcile = "reconcile --target killed --run r -q --output json";
    let clean = place.run(reconcile).await.code(0).json();
    assert_eq!((&clean["checked"], &clean["equal"]), (&json!(loaded), &json!(loaded)), "{clean}");
    let assets = flex.assets().await;
    let mut titled = assets.values().filter(|asset| asset["instance"]["title"].is_string());
    let [changed, emptied, deleted] = [(); 3].map(|()| titled.next().unwrap().clone());
    flex.tamper(json!({"asset": changed["id"], "field": "title", "value": "<b>Falsified</b>"})).await;
    flex.tamper(json!({"asset": emptied["id"], "field": "title", "value": null})).await;
    flex.tamper(json!({"asset": deleted["id"], "deleted": true})).await;

    let done: Done = place.run(reconcile).await.code(3);
    let report = done.json();
    let counts = ["equal", "different", "missing", "duplicates"].map(|part| report[part].as_u64().unwrap());
    assert_eq!(counts, [loaded - 3, 2, 1, 0], "{report}");
    let legacy = |asset: &Value| (asset["instance"]["legacyClass"].clone(), asset["instance"]["legacyId"].clone());
    let key = |asset: &Value| format!("{}:{}", legacy(asset).0.as_str().unwrap(), legacy(asset).1);
    let mut fields: Vec<Value> = report["fields"].as_array().unwrap().clone();
    fields.sort_by_key(|field| field["found"].is_null());
    let wanted = [(&changed, json!("<b>Falsified</b>")), (&emptied, Value::Null)];
    for (field, (asset, found)) in fields.iter().zip(wanted) {
        let title = &asset["instance"]["title"];
        let kind = if found.is_null() { "dropped" } else { "different" };
        let mut named =
            json!({"source_key": key(asset), "id": asset["id"], "field": "title", "expected": title, "found": found});
        named["kind"] = kind.into();
        assert_eq!(*field, named);
        assert!(done.stderr.contains(&key(asset)), "{}", done.stderr);
    }
    assert_eq!(fields.len(), 2);
    assert_eq!(report["missing_assets"], json!([{"source_key": key(&deleted), "id": deleted["id"]}]));
}
