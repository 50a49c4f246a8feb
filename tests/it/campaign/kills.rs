//! The real binary, killed at random moments spread over the whole of a load, and started again until it ends by itself:
//! what the target then holds is what an unbroken load brings.
//!
//! `TELECINE_KILLS=500` kills so often; `TELECINE_KILLS_SEED=N` draws the moments of the loads again that follow N, of which
//! each has a seed of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::place::{held, requests, server, workplace};
use super::variable;
use crate::mapped::{Dump, http, rows};
use crate::support::{Done, PATIENCE, Workplace, finish};

/// Kills of a test run that asks for no number.
const KILLS: u64 = 15;
/// Several rows are on the way when a kill strikes.
const IN_FLIGHT: &str = "max_in_flight = 6";
/// So slow that a kill hits work under way.
const SLOW: &str = "delay-ms=3:*";
/// What every second round adds: answers lost, replaced and refused for now.
const FAULTS: [&str; 4] = [
    "drop-after-commit:POST /assets:every=9",
    "status=502:POST /assets/*/annotations:every=11:commit=true",
    "reset:GET /assets/*/metadata:every=5",
    "status=429:*:every=45:retry-after=0",
];

/// What an unbroken load takes and leaves.
struct Unbroken {
    assets: BTreeMap<String, Value>,
    requests: u64,
    time: Duration,
}

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// When the server has answered so many more requests.
    Requests(u64),
    /// So long after it was started, which also hits what comes before the first and after the last request.
    Time(Duration),
}

/// Tells, when the test fails, how the load at hand is killed again.
struct Again {
    seed: u64,
    kills: u64,
}

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "again: TELECINE_KILLS_SEED={} TELECINE_KILLS={} cargo nextest run --test it -E 'test(killed_anywhere)'",
                self.seed,
                self.kills.max(1)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_and_resumed_a_load_ends_like_an_unbroken_one() {
    let wanted = variable("TELECINE_KILLS").unwrap_or(KILLS).max(1);
    let seed = variable("TELECINE_KILLS_SEED").unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let begun = Instant::now();
    let small = rows(50, 15);
    let place = workplace(&small).await;
    let unbroken = unbroken(&place).await;
    assert_eq!(unbroken.assets.len() as u64, small.loadable());

    let (mut kills, mut rounds, mut most, mut adopted, mut early, mut late) = (0, 0, 0, 0, 0, 0);
    while kills < wanted {
        rounds += 1;
        let name = format!("t{rounds}");
        let this = seed.wrapping_add(rounds - 1);
        let mut random = fastrand::Rng::with_seed(this);
        let before = kills;
        let mut again = Again { seed: this, kills: 0 };
        let faults: Vec<&str> =
            [SLOW].into_iter().chain(FAULTS.into_iter().filter(|_| this.is_multiple_of(2))).collect();
        let server = server(&faults);
        place.add_target(&name, server.base_url(), IN_FLIGHT);
        while kills < wanted {
            let moment = match random.u8(0..3) {
                0 => Moment::Time(unbroken.time.mul_f64(random.f64())),
                _ => Moment::Requests(random.u64(0..unbroken.requests)),
            };
            again.kills += 1;
            let Some(seen) = kill_one(&place, &name, server.base_url(), moment).await else { break };
            kills += 1;
            early += u64::from(seen == 0);
            late += u64::from(seen > unbroken.requests * 3 / 4);
        }
        most = most.max(kills - before);
        let last = load(&place, &name).await;
        let context = format!("load {rounds}, {} kills: {last}", kills - before);
        assert_eq!((&last["failed"], &last["held"]), (&json!(0), &json!(0)), "{context}");
        assert_eq!(held(server.base_url()).await, unbroken.assets, "{context}");
        let dump = Dump::of(server.base_url()).await;
        let doubles = dump.totals.get(&("POST /assets".to_owned(), 409)).copied().unwrap_or(0);
        assert_eq!(doubles, 0, "assets that were there were to be made again: {context}");
        let answered = dump.totals.get(&("POST /assets".to_owned(), 201)).copied().unwrap_or(0);
        adopted += small.loadable() - answered;
        nothing_is_left(&place, &name, server.base_url(), small.loadable()).await;
        server.shutdown().await;
    }
    println!(
        "{kills} kills in {rounds} loads, up to {most} of one, {early} before the first request, {late} in the last \
         quarter; {adopted} answers lost besides; an unbroken load has {} requests and takes {:.1?}; lost 0, double 0; \
         seed {seed}, {:.1?}",
        unbroken.requests,
        unbroken.time,
        begun.elapsed(),
    );
    assert!(most > 1 || wanted < KILLS, "no load was killed twice");
}

async fn unbroken(place: &Workplace) -> Unbroken {
    let server = server(&[SLOW]);
    place.add_target("unbroken", server.base_url(), IN_FLIGHT);
    let begun = Instant::now();
    load(place, "unbroken").await;
    let time = begun.elapsed();
    let requests = requests(&http(), server.base_url()).await;
    Unbroken { assets: held(server.base_url()).await, requests, time }
}

/// A load that is left alone; one that ended for a passing reason is resumed.
async fn load(place: &Workplace, target: &str) -> Value {
    for _ in 0..5 {
        let done = place.run(&format!("load --target {target} --run r1 -q --output json")).await;
        if ended_well(&done) {
            return done.json();
        }
    }
    panic!("the load of {target} does not come to an end")
}

fn ended_well(done: &Done) -> bool {
    assert!(matches!(done.code, Some(0 | 1)) && !done.stderr.contains("panicked"), "{done:?}");
    done.code == Some(0)
}

/// Starts or resumes a load and kills it; the requests it had made, or `None` when it had ended by itself.
async fn kill_one(place: &Workplace, target: &str, url: &str, moment: Moment) -> Option<u64> {
    let http = http();
    let before = requests(&http, url).await;
    let mut child = place.call(&format!("load --target {target} --run r1 -q --output json")).spawn().unwrap();
    let begun = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            ended_well(&finish(child).await);
            return None;
        }
        let seen = requests(&http, url).await - before;
        let reached = match moment {
            Moment::Requests(wanted) => seen >= wanted,
            Moment::Time(wanted) => begun.elapsed() >= wanted,
        };
        if reached {
            child.kill().await.unwrap();
            return Some(seen);
        }
        assert!(begun.elapsed() < PATIENCE, "the load of {target} does not come to {moment:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Reading back finds all equal, and a further load has nothing to do.
async fn nothing_is_left(place: &Workplace, target: &str, url: &str, loadable: u64) {
    let report = place.run(&format!("reconcile --target {target} --run r1 -q --output json")).await.code(0).json();
    assert_eq!((&report["checked"], &report["equal"]), (&json!(loadable), &json!(loadable)), "{report}");
    let before = Dump::of(url).await;
    let again = load(place, target).await;
    assert_eq!(again["unchanged"], json!(loadable), "{again}");
    let after = Dump::of(url).await;
    for method in ["POST", "PUT"] {
        assert_eq!(after.requests(method), before.requests(method), "{again}");
    }
}
