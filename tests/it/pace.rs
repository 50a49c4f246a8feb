//! The client's pace against servers that limit requests a second, go away and come back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use telecine::flex::{BreakerState, FlexClient, FlexConfig, RetryPolicy};
use telecine::rehearsal::flex::{LocalFlex, Options};

/// A server that answers all, with 502 while it is broken.
struct Willing {
    url: String,
    broken: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
}

async fn willing() -> Willing {
    let broken = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(AtomicU64::new(0));
    let (breaks, sees) = (Arc::clone(&broken), Arc::clone(&seen));
    let app = Router::new().fallback(move || {
        sees.fetch_add(1, Ordering::SeqCst);
        let status = if breaks.load(Ordering::SeqCst) { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        async move { (status, "{}") }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Willing { url, broken, seen }
}

/// What a run of reads came to.
#[derive(Debug)]
struct Reads {
    /// Requests granted, by the second in which they were.
    granted: Vec<u64>,
    /// Seconds in which this machine let nobody run.
    stalled: f64,
}

impl Reads {
    fn total(&self) -> f64 {
        self.granted.iter().sum::<u64>() as f64
    }
}

/// Forty workers that read for so many seconds.
async fn reads(client: &FlexClient, seconds: usize) -> Reads {
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds as u64);
    let granted: Arc<Vec<AtomicU64>> = Arc::new((0..=seconds).map(|_| AtomicU64::new(0)).collect());
    let watch = tokio::spawn(async move {
        let (usual, mut stalled) = (Duration::from_millis(20), Duration::ZERO);
        while Instant::now() < end {
            let slept = Instant::now();
            tokio::time::sleep(Duration::from_millis(10)).await;
            stalled += slept.elapsed().saturating_sub(usual);
        }
        stalled.as_secs_f64()
    });
    let workers = (0..40).map(|_| {
        let (client, granted) = (client.clone(), Arc::clone(&granted));
        tokio::spawn(async move {
            while Instant::now() < end {
                client.get("/accounts").await.unwrap();
                granted[(begin.elapsed().as_secs() as usize).min(seconds)].fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    // What came after the end belongs to no second.
    let granted = granted[..seconds].iter().map(|count| count.load(Ordering::SeqCst)).collect();
    Reads { granted, stalled: watch.await.unwrap() }
}

/// A local Flex with faults, and a client of it.
fn faulty(faults: &[&str]) -> (LocalFlex, FlexClient) {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let flex = LocalFlex::start(Options { faults, ..Options::default() }).unwrap();
    let client = FlexClient::new(&FlexConfig::new(flex.base_url(), "rehearsal", "rehearsal")).unwrap();
    (flex, client)
}

/// Nine tenths of 200 requests a second for 30 seconds, with less than one refusal in a hundred answers.
async fn is_kept_to(fault: &str) {
    let (flex, client) = faulty(&[fault]);
    let reads = reads(&client, 30).await;
    let pace = client.pace();
    let reached = reads.total() / (200.0 * (30.0 - reads.stalled));
    let refused = pace.throttled as f64 / (reads.total() + pace.throttled as f64);
    println!("{fault}: {:.1} % of the limit, {:.2} % refused, {reads:?}, {pace:?}", 100.0 * reached, 100.0 * refused);
    assert!(reached >= 0.9, "{fault}: {reached}, {reads:?}");
    assert!(pace.throttled >= 1 && refused < 0.01, "{fault}: {refused}");
    assert!(pace.rate.is_some() && pace.in_flight == 0, "{pace:?}");
    flex.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_limit_that_makes_all_wait_a_second_is_used_and_kept_to() {
    is_kept_to("rate=200").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_limit_that_makes_all_wait_until_a_date_is_used_and_kept_to() {
    is_kept_to("rate=200:*:retry-after=date").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_limit_with_a_small_bucket_and_no_time_to_wait_is_used_and_kept_to() {
    is_kept_to("rate=200:*:burst=20:retry-after=none").await;
}

/// What a server saw that refused one request.
#[derive(Debug, Default)]
struct Seen {
    requests: u64,
    refused: Option<Instant>,
    /// In the three seconds after the refusal, and later.
    meanwhile: u64,
    later: u64,
}

/// A server that refuses the 200th request, none else, with this `Retry-After`.
async fn refusing_once(retry_after: fn() -> String) -> (String, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let sees = Arc::clone(&seen);
    let app = Router::new().fallback(move || {
        let mut seen = sees.lock().unwrap();
        seen.requests += 1;
        match seen.refused.map(|at| at.elapsed().as_secs_f64()) {
            Some(seconds) if seconds < 2.9 => seen.meanwhile += 1,
            Some(_) => seen.later += 1,
            None => {}
        }
        let refused = seen.requests == 200;
        if refused {
            seen.refused = Some(Instant::now());
        }
        async move {
            match refused {
                true => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", retry_after())], "{}").into_response(),
                false => "{}".into_response(),
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_wait_as_long_as_one_of_them_is_told_to() {
    let seconds: fn() -> String = || "3".to_owned();
    // A date says whole seconds: this one is three to four away.
    let date = || (chrono::Utc::now() + Duration::from_secs(4)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for retry_after in [seconds, date] {
        let (url, seen) = refusing_once(retry_after).await;
        let client = FlexClient::new(&FlexConfig::new(&url, "u", "p")).unwrap();
        reads(&client, 7).await;
        let seen = seen.lock().unwrap();
        println!("{seen:?} {:?}", client.pace());
        assert_eq!(client.pace().throttled, 1, "{seen:?}");
        assert!(seen.later >= 400, "all go on: {seen:?}");
        // Those under way, and those sent until the refusal was read: a small part of what goes in three seconds.
        assert!(seen.meanwhile < seen.later / 5, "{seen:?}");
    }
}

/// Whether nine tenths of a rate are granted again within five seconds from `from` on, less what the machine was stalled
/// for, and not in one second alone.
fn is_back(reads: &Reads, from: usize, rate: f64) -> bool {
    let least = (0.9 * rate * (1.0 - reads.stalled / reads.granted.len() as f64)) as u64;
    let after = &reads.granted[from..];
    after.iter().take(6).any(|granted| *granted >= least) && after[5..].iter().sum::<u64>() >= 3 * least * 3 / 4
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_spell_of_a_lower_limit_the_former_is_used_again_within_five_seconds() {
    let (flex, client) = faulty(&["rate=200"]);
    let changes = async {
        tokio::time::sleep(Duration::from_secs(8)).await;
        flex.set_faults(vec!["rate=40".parse().unwrap()]);
        tokio::time::sleep(Duration::from_secs(7)).await;
        flex.set_faults(vec!["rate=200".parse().unwrap()]);
    };
    let (reads, ()) = tokio::join!(reads(&client, 23), changes);
    println!("{reads:?} {:?}", client.pace());
    assert!(is_back(&reads, 15, 200.0), "{reads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_spell_of_slow_answers_the_limit_is_used_again_within_five_seconds() {
    let (_flex, client) = faulty(&["latency=20ms", "slow-spell=8..14:x10", "rate=200"]);
    let reads = reads(&client, 22).await;
    println!("{reads:?} {:?}", client.pace());
    assert!(is_back(&reads, 14, 200.0), "{reads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_at_random_do_not_bring_it_to_a_halt() {
    let (flex, client) = faulty(&["latency=20ms", "status=429:*:p=0.05"]);
    let reads = reads(&client, 32).await;
    println!("{reads:?} {:?}", client.pace());
    // Thirty-two requests at once, of twenty milliseconds each, are 1,600 a second at most; it takes some five hundred
    // answers to see that the refusals do not come of the rate.
    let least = 6.0 * 400.0 * (1.0 - reads.stalled / 32.0);
    assert!(reads.granted.iter().rev().take(6).sum::<u64>() as f64 >= least, "{reads:?}");
    flex.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_at_random_that_ask_for_a_pause_do_not_bring_it_to_a_halt() {
    let (flex, client) = faulty(&["latency=20ms", "status=429:*:p=0.05:retry-after=1"]);
    let reads = reads(&client, 20).await;
    let pace = client.pace();
    println!("{reads:?} {pace:?}");
    // One in twenty is refused and all pause for a second, so that no more than about twenty a second are possible.
    assert!(reads.total() >= 100.0 * (1.0 - reads.stalled / 20.0), "{reads:?}");
    flex.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_refused_all_are_soon_under_way() {
    let (flex, client) = faulty(&["latency=50ms"]);
    let full = async {
        for _ in 0..2_000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if client.pace().in_flight == 32 {
                break;
            }
        }
        client.traffic().requests
    };
    let (reads, sent) = tokio::join!(reads(&client, 3), full);
    println!("{sent} requests until 32 were under way, {reads:?}");
    // Doubling in two and a half round trips, they are some hundred.
    assert!((32..=300).contains(&sent), "{sent} requests until 32 were under way, {:?}", client.pace());
    flex.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_rate_is_never_exceeded() {
    let server = willing().await;
    let config = FlexConfig { max_requests_per_second: Some(100.0), ..FlexConfig::new(&server.url, "u", "p") };
    let client = FlexClient::new(&config).unwrap();
    let begin = Instant::now();
    let granted = reads(&client, 2).await.total();
    let most = 100.0 * (begin.elapsed().as_secs_f64() + 0.1);
    assert!(granted > 0.0 && granted <= most, "{granted} of at most {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_is_probed_and_waited_for() {
    let server = willing().await;
    let retry = RetryPolicy { repeats: 2, first: Duration::from_millis(1), reserve: 1_000, ..RetryPolicy::default() };
    let config = FlexConfig { retry, max_in_flight: 4, open_after: Some(10), ..FlexConfig::new(&server.url, "u", "p") };
    let client = FlexClient::new(&config).unwrap();
    server.broken.store(true, Ordering::SeqCst);
    let reader = client.clone();
    let reading = tokio::spawn(async move { reads(&reader, 4).await });
    let opened = async || client.pace().breaker == BreakerState::Open;
    for _ in 0..500 {
        if opened().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(opened().await, "{:?}", client.pace());
    let before = server.seen.load(Ordering::SeqCst);
    assert!(before <= 10 + 4, "{before} requests went to a server that answered none");
    server.broken.store(false, Ordering::SeqCst);
    assert!(reading.await.unwrap().total() >= 40.0, "none of the workers gave up");
    let pace = client.pace();
    assert_eq!((pace.breaker, pace.opened, pace.in_flight), (BreakerState::Closed, 1, 0), "{pace:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn impatience_ends_in_an_error_that_says_how_to_go_on() {
    let server = willing().await;
    server.broken.store(true, Ordering::SeqCst);
    let retry = RetryPolicy { repeats: 2, first: Duration::from_millis(1), reserve: 1_000, ..RetryPolicy::default() };
    let patience = Duration::from_millis(200);
    let config = FlexConfig { retry, patience, open_after: Some(5), ..FlexConfig::new(&server.url, "u", "p") };
    let client = FlexClient::new(&config).unwrap();
    let reads = futures::future::join_all((0..20).map(|_| client.get("/accounts"))).await;
    for read in reads {
        let error = read.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("run the same command"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_dropped_frees_its_place() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", silent.local_addr().unwrap());
    let client = FlexClient::new(&FlexConfig { max_in_flight: 1, ..FlexConfig::new(url, "u", "p") }).unwrap();
    for _ in 0..3 {
        let reading = tokio::time::timeout(Duration::from_millis(100), client.get("/accounts"));
        assert!(reading.await.is_err(), "nobody answers");
        assert_eq!(client.pace().in_flight, 0);
    }
    assert_eq!(client.traffic().requests, 3);
}
