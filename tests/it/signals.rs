//! Signals: a load that is stopped at any moment drains and is resumed, a target that hangs does not hold the process, a
//! second signal ends it at once, and one ledger serves one process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Child;

use crate::campaign::place::{held, requests, server, workplace};
use crate::mapped::{Dump, http, rows};
use crate::support::{Flex, PATIENCE, Workplace, finish, signal, wait_for};

/// Loads that are stopped in the midst of their work.
const SIGNALS: u64 = 20;
/// Moments at which the target begins to hang.
const HANGS: u64 = 6;
/// So slow that a signal hits work under way.
const SLOW: &str = "delay-ms=3:*";
const SIGNAL_CODES: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_from_a_target_that_hangs_ends_with_the_signal() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Workplace::of_files(&[]);
    // Longer than the test waits: only the signal can end it.
    place.add_target("dev", &format!("http://{}/api", silent.local_addr().unwrap()), "timeout = 3600");
    for (name, code) in SIGNAL_CODES {
        let child = place.call("flex get /assets").spawn().unwrap();
        let _held = tokio::time::timeout(PATIENCE, silent.accept()).await.expect("no connection").unwrap();
        signal(name, child.id().unwrap());
        let done = finish(child).await.code(code);
        assert!(done.stderr.contains(&format!("stopped by signal {}", code - 128)), "{}", done.stderr);
    }
}

fn load(place: &Workplace, target: &str) -> Child {
    place.call(&format!("load --target {target} --run r1 -q --output json")).spawn().unwrap()
}

/// Waits until the server has answered so many requests; whether the load is still there then.
async fn reaches(child: &mut Child, url: &str, wanted: u64) -> bool {
    let (client, begun) = (http(), Instant::now());
    while requests(&client, url).await < wanted {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begun.elapsed() < PATIENCE, "the load does not come to request {wanted}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_anywhere_and_resumed_a_load_ends_like_an_unbroken_one() {
    let small = rows(50, 15);
    let place = workplace(&small).await;
    let whole = server(&[SLOW]);
    place.add_target("whole", whole.base_url(), "max_in_flight = 6");
    place.json("load --target whole --run r1 -q").await;
    let (wanted, all) = (held(whole.base_url()).await, requests(&http(), whole.base_url()).await);
    let seed = fastrand::u64(..);
    println!("seed {seed}; an unbroken load has {all} requests");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut stopped, mut round, mut twice) = (0, 0, 0);
    while stopped < SIGNALS {
        round += 1;
        assert!(round < 2 * SIGNALS, "{stopped} signals in {round} loads");
        let (name, server) = (format!("t{round}"), server(&[SLOW]));
        place.add_target(&name, server.base_url(), "max_in_flight = 6");
        let mut of_this = 0;
        loop {
            let moment = requests(&http(), server.base_url()).await + random.u64(1..all);
            let mut child = load(&place, &name);
            if !reaches(&mut child, server.base_url(), moment).await {
                finish(child).await.code(0);
                break;
            }
            let (word, code) = SIGNAL_CODES[random.usize(..2)];
            signal(word, child.id().unwrap());
            let done = finish(child).await;
            if done.code == Some(0) {
                // The signal came after the last row.
                break;
            }
            assert!(done.code(code).stderr.contains("stopping"), "a drain is told");
            of_this += 1;
        }
        stopped += of_this;
        twice += u64::from(of_this > 1);
        assert_eq!(held(server.base_url()).await, wanted, "seed {seed}, round {round}");
        // What is drained is in the ledger with its id: no row was sent again.
        let dump = Dump::of(server.base_url()).await;
        let count = |status| dump.totals.get(&("POST /assets".to_owned(), status)).copied().unwrap_or(0);
        assert_eq!((count(201), count(409)), (small.loadable(), 0), "seed {seed}, round {round}");
        server.shutdown().await;
    }
    println!("{stopped} signals in {round} loads, {twice} of them stopped more than once");
    assert!(twice > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_hangs_in_a_load_does_not_hold_the_process() {
    let small = rows(20, 6);
    let place = workplace(&small).await;
    let whole = server(&[]);
    place.add_target("whole", whole.base_url(), "");
    place.json("load --target whole --run r1 -q").await;
    let (wanted, all) = (held(whole.base_url()).await, requests(&http(), whole.base_url()).await);
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..HANGS {
        // The first before anything is known of the target, the others spread over checks, canaries and both passes.
        let width = all / HANGS;
        let answered = round * width + if round == 0 { 0 } else { random.u64(..width) };
        let data = place.path().join(format!("flex{round}")).display().to_string();
        let hang = format!("hang:*:after={answered}");
        let hanging = Flex::start(&["--fault", &hang, "--data", &data]).await;
        let name = format!("t{round}");
        // Only the signal can end it.
        place.add_target(&name, &hanging.url, "timeout = 3600\ndrain = \"300ms\"");
        let mut child = load(&place, &name);
        assert!(reaches(&mut child, &hanging.url, answered).await, "it ended before request {answered}");
        // The next requests are on their way then, or the signal is sooner, which is right too.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (word, code) = SIGNAL_CODES[random.usize(..2)];
        let asked = Instant::now();
        signal(word, child.id().unwrap());
        finish(child).await.code(code);
        // Long before the process would be ended whatever its work does.
        assert!(asked.elapsed() < Duration::from_secs(20), "{answered} of {all}: {:?}", asked.elapsed());
        println!("hanging after {answered} of {all} requests it ended in {:?}", asked.elapsed());
        let address = hanging.address().to_owned();
        hanging.kill().await;
        let healthy = Flex::start(&["--data", &data, "--listen", &address]).await;
        place.json(&format!("load --target {name} --run r1 -q")).await;
        assert_eq!(held(&healthy.url).await, wanted, "seed {seed}, hanging after {answered} requests of {all}");
        healthy.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_in_use_is_refused_and_a_second_signal_ends_at_once() {
    let small = rows(20, 6);
    let place = workplace(&small).await;
    let server = server(&["hang:POST /assets:after=8:first=1"]);
    place.add_target("dev", server.base_url(), "timeout = 3600");
    let mut child = load(&place, "dev");
    let process = child.id().unwrap();
    wait_for("a row that hangs", PATIENCE, async || {
        let dump = Dump::of(server.base_url()).await;
        (dump.assets.len() as u64 >= 8).then_some(())
    })
    .await;
    assert!(child.try_wait().unwrap().is_none());
    let second = place.run("load --target dev --run r1 -q").await.code(1);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let holder = format!("in use by process {process} on {}", host.trim());
    assert!(second.stderr.contains(&holder), "{holder}: {}", second.stderr);

    signal("TERM", process);
    let mut told = String::new();
    let mut stderr = child.stderr.take().unwrap();
    while !told.contains("stopping") {
        let mut part = [0; 256];
        let read = tokio::time::timeout(PATIENCE, stderr.read(&mut part)).await.unwrap().unwrap();
        assert!(read > 0, "it ended without a word: {told}");
        told.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    let asked = Instant::now();
    signal("INT", process);
    finish(child).await.code(130);
    assert!(asked.elapsed() < Duration::from_secs(15), "a drain takes 30 s: {:?}", asked.elapsed());

    // The lock file still names the process that is gone; that is no hindrance.
    let lock = std::fs::read_to_string(place.path().join("ledger/dev.sqlite3.lock")).unwrap();
    assert!(lock.contains(&process.to_string()), "{lock}");
    let mut again = place.call("load --target dev --run r1 -q --output json");
    let report = finish(again.env("TELECINE_FLEX_DEV_TIMEOUT", "2").spawn().unwrap()).await.code(0).json();
    assert_eq!((&report["failed"], &report["held"]), (&json!(0), &json!(0)), "{report}");
    Dump::of(server.base_url()).await.assert_each_once(small.loadable());
    server.shutdown().await;
}

/// What a shell may do to a process, none of which is of weight for what it sends.
const SURROUNDINGS: [&str; 6] = [
    "exec \"$@\" >/dev/full",
    "exec \"$@\" 2>/dev/full",
    "exec \"$@\" 2>&-",
    "ulimit -n 64; exec \"$@\"",
    "TZ=PST8PDT LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8 exec \"$@\"",
    "\"$@\" | head -c 1 >/dev/null",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn surroundings_change_no_byte_of_what_is_sent() {
    let place = workplace(&rows(30, 8)).await;
    let server = server(&[]);
    place.add_target("dev", server.base_url(), "");
    let planned = async |script: &str, number: usize| {
        let file = place.path().join(format!("requests{number}.ndjson"));
        let line = format!("plan --target dev --run r1 -q --output json --requests {}", file.display());
        let plain = place.call(&line);
        let mut shell = tokio::process::Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(plain.as_std().get_program()).args(plain.as_std().get_args());
        for (name, value) in plain.as_std().get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.current_dir(place.path()).stdin(std::process::Stdio::null()).kill_on_drop(true);
        shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let done = finish(shell.spawn().unwrap()).await;
        (done, std::fs::read(file).unwrap())
    };
    let (plain, wanted) = planned("exec \"$@\"", 0).await;
    plain.code(0);
    assert!(wanted.len() > 1_000, "{} bytes planned", wanted.len());
    for (number, script) in SURROUNDINGS.iter().enumerate() {
        let (done, bytes) = planned(script, number + 1).await;
        assert!(bytes == wanted, "{script}: {done:?}");
        // A report that cannot be written is an error; what nobody listens to is not.
        let code = if script.contains(">/dev/full") && !script.contains("2>") { 1 } else { 0 };
        assert_eq!(done.code, Some(code), "{script}: {done:?}");
        assert!(!done.stderr.contains("panicked"), "{script}: {done:?}");
    }
    server.shutdown().await;
}
