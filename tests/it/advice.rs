//! What the verbs of a load say when something is in their way: the key, the file, and what to do next.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;

use serde_json::json;

use crate::campaign::place::{server, workplace};
use crate::cli::{films, has};
use crate::mapped::rows;
use crate::support::{Flex, files, run};

#[tokio::test]
async fn the_url_of_a_target_is_named_by_its_key_and_shows_no_secret() {
    let wrong = [
        ("flex.example.com", "flex.dev.url = `flex.example.com`: not a URL"),
        ("localhost:8080/api", "flex.dev.url = `localhost:8080/api`: it begins with neither https:// nor http://"),
        ("https://", "flex.dev.url = `https://`: "),
        ("http://u:canary-url@h/api", "flex.dev.url = `http://…@h/api`: credentials do not belong here"),
        ("u:canary-url@h/api", "flex.dev.url = `…@h/api`: "),
        ("https://h/api?token=canary-url", "flex.dev.url = `https://h/api`: a query"),
        ("http://flex.example.com/api", "(allow_insecure = true permits it)"),
        ("env:NOBODY_SET_THIS", "flex.dev.url: the environment variable NOBODY_SET_THIS is not set"),
    ];
    for (url, told) in wrong {
        let place = films();
        place.add_target("dev", url, "");
        // Like a password that is not there, a variable that is not is told when the target is used.
        let verb = if url.starts_with("env:") { "flex get /assets" } else { "config" };
        let refused = place.run(verb).await.code(2);
        has(&refused.stderr, &[told]);
        assert!(!refused.stderr.contains("canary-url") && refused.stdout.is_empty(), "{}", refused.stderr);
    }
    let flex = Flex::start(&[]).await;
    let file = films();
    fs::write(file.path().join("url"), format!("{}\n", flex.url)).unwrap();
    file.add_target("dev", &format!("file:{}", file.path().join("url").display()), "");
    file.json("flex get /assets").await;
    let variable = films().set("WHERE_FLEX_IS", &flex.url);
    variable.add_target("dev", "env:WHERE_FLEX_IS", "");
    variable.json("flex get /assets").await;
    has(&variable.run("config").await.code(0).stdout, &["env:WHERE_FLEX_IS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_requests_take_their_name_when_they_are_whole() {
    let small = rows(10, 2);
    let (place, server) = (workplace(&small).await, server(&[]));
    place.add_target("dev", server.base_url(), "");
    let file = place.path().join("requests.ndjson");
    let plan = format!("plan --run r1 -q --requests {}", file.display());
    let refused = async || {
        let mut call = place.call(&plan);
        let refused = run(call.env("FLEX_PASSWORD", "canary-wrong")).await.code(2);
        has(&refused.stderr, &["username or password is refused", "401"]);
        assert!(!refused.stderr.contains("canary-wrong"), "{}", refused.stderr);
    };
    refused().await;
    assert!(files(place.path()).iter().all(|name| !name.starts_with("requests")), "{:?}", files(place.path()));
    place.json(&plan).await;
    let planned = fs::read_to_string(&file).unwrap();
    assert!(planned.lines().count() as u64 >= 2 * small.loadable(), "{planned}");
    refused().await;
    assert_eq!(fs::read_to_string(&file).unwrap(), planned, "what was there before stays");
    has(&place.run("plan --run r1 -q --requests .").await.code(2).stderr, &["--requests .: cannot be written"]);
    has(&place.run("plan --run r1 -q --requests no/file").await.code(2).stderr, &["--requests no/file"]);
    let piped = place.run("plan --run r1 -q --requests /dev/stdout").await.code(0).stdout;
    assert!(piped.starts_with(&planned), "{piped}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_what_can() {
    let small = rows(20, 3);
    // The first rows fail and are referred to; others are held, for nobody finds them.
    let faults = ["status=400:POST /assets:first=10", "no-lookup=nothing", "drop-after-commit:POST /assets:every=7"];
    let (place, server) = (workplace(&small).await, server(&faults));
    has(&place.run("plan --project nowhere").await.code(2).stderr, &["--project nowhere: there is no such folder"]);
    has(&place.run("plan --staging file:nowhere").await.code(2).stderr, &["no target is set"]);
    place.add_target("dev", server.base_url(), "canary = 0\nsettle = 0.1\nheadroom = 0.0");
    has(&place.run("plan --staging file:nowhere").await.code(2).stderr, &["no run in file:nowhere: no such folder"]);
    assert!(!place.path().join("nowhere").exists(), "looking makes no folder");
    has(&place.run("load --run r1 --limit 0").await.code(2).stderr, &["--limit"]);
    has(&place.run("sql ledger.assets --run r1").await.code(2).stderr, &["the target `dev` has no ledger at"]);

    let loaded = place.run("load --run r1 -q").await.code(3);
    has(&loaded.stderr, &["10 rows failed: mend what refused them", "telecine rejects replay --target dev"]);
    has(&loaded.stderr, &["held, because nobody can tell", "look for each uuid in the target, then load again"]);
    let listed = place.json("rejects list --run r1").await;
    let held = listed["rows"].as_array().unwrap().iter().filter(|row| row["state"] == "held").collect::<Vec<_>>();
    assert!(!held.is_empty() && held.iter().all(|row| row["uuid"].as_str().is_some_and(|uuid| uuid.len() == 36)));
    has(&place.run("plan --run r1 -q").await.code(0).stdout, &["rows are held: `telecine rejects list --target dev`"]);
    // Rows that refer to those that had failed are no part of it: the next load sets their references.
    let replayed = place.run("rejects replay --run r1 -q --output json").await.code(3);
    let counts = replayed.json();
    assert_eq!((&counts["failed"], &counts["unchanged"]), (&json!(0), &json!(0)), "{counts}");
    assert!(counts["created"].as_u64() > Some(0) && counts["updated"] == 0, "{counts}");
    has(&replayed.stderr, &["the next `telecine load --target dev` sets the references"]);

    // Without the password the ledger cannot be opened, and what is shown is not all.
    let mut call = place.call("rejects list --run r1");
    let shown = run(call.env_remove("FLEX_PASSWORD")).await;
    has(&shown.stderr, &["FLEX_PASSWORD is not set"]);
    has(&place.run("undo --run other").await.code(2).stderr, &["assets there were created by: r1 ("]);
    fs::rename(place.path().join("ledger"), place.path().join("lost")).unwrap();
    has(&place.run("sql --run r1 ledger.assets").await.stderr, &["its last copy in the staging area"]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_is_told_by_every_verb_that_needs_it() {
    let small = rows(20, 2);
    let (place, server) = (workplace(&small).await, server(&[]));
    place.add_target("dev", server.base_url(), "");
    has(&place.run("load --run r1 --limit 5").await.code(0).stderr, &["as many as --limit allows"]);
    place.json("load --run r1 -q").await;
    has(&place.run("rejects replay --run r1 -q").await.code(0).stderr, &["no row failed or is held in dev"]);
    fs::rename(place.path().join("ledger"), place.path().join("lost")).unwrap();
    for verb in ["plan", "load", "reconcile", "rejects replay"] {
        let refused = place.run(&format!("{verb} --run r1 -q")).await.code(2);
        has(
            &refused.stderr,
            &["knows of no asset, but the target `dev` holds", "telecine ledger rebuild --target dev"],
        );
    }
    has(&place.run("undo --run r1").await.code(2).stderr, &["knows of no asset", "put its last copy back"]);
    place.json("ledger rebuild --run r1 -q").await;
    has(&place.run("undo --run r1").await.code(2).stderr, &["(rebuilt) (", "does not know their run"]);
    has(&place.run("prune --run r1").await.code(0).stdout, &["nothing is to be removed"]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_into_which_nothing_was_extracted_says_so() {
    let (place, server) = (films(), server(&[]));
    place.add_target("dev", server.base_url(), "");
    let empty = place.run_folder("empty");
    fs::create_dir_all(&empty).unwrap();
    fs::write(empty.join("run.json"), r#"{"run": "empty", "begun": "2020-01-01T00:00:00Z"}"#).unwrap();
    for verb in ["transform", "plan", "prune"] {
        let told = place.run(&format!("{verb} --run empty")).await.code(2).stderr;
        has(&told, &["holds no raw tables; `telecine extract --run empty` reads them"]);
        assert!(!told.contains("public.film"), "{told}");
    }
    has(&place.run("load --run empty").await.code(2).stderr, &["run empty has no dataset of it"]);
    server.shutdown().await;
}
