//! The client's pace against servers that limit requests a second, go away and come back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use telecine::flex::{BreakerState, FlexClient, FlexConfig, RetryPolicy};
use telecine::rehearsal::flex::{LocalFlex, Options};

/// A server with a bucket of tokens, or one that answers 502 while it is broken.
struct Limited {
    url: String,
    refused: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
}

async fn limited(rate: f64, burst: f64) -> Limited {
    let refused = Arc::new(AtomicU64::new(0));
    let broken = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(AtomicU64::new(0));
    let bucket = Arc::new(Mutex::new((burst, Instant::now())));
    let (counted, breaks, sees) = (Arc::clone(&refused), Arc::clone(&broken), Arc::clone(&seen));
    let app = Router::new().fallback(move || {
        sees.fetch_add(1, Ordering::SeqCst);
        let granted = {
            let mut bucket = bucket.lock().unwrap();
            let now = Instant::now();
            let tokens = (bucket.0 + (now - bucket.1).as_secs_f64() * rate).min(burst);
            *bucket = (if tokens >= 1.0 { tokens - 1.0 } else { tokens }, now);
            tokens >= 1.0
        };
        let status = match (breaks.load(Ordering::SeqCst), granted) {
            (true, _) => StatusCode::BAD_GATEWAY,
            (false, true) => StatusCode::OK,
            (false, false) => StatusCode::TOO_MANY_REQUESTS,
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        async move { (status, "{}") }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Limited { url, refused, broken, seen }
}

/// Forty workers that read until the moment is reached; gives what was granted.
async fn read_until(client: &FlexClient, end: Instant) -> u64 {
    let granted = Arc::new(AtomicU64::new(0));
    let workers = (0..40).map(|_| {
        let (client, granted) = (client.clone(), Arc::clone(&granted));
        tokio::spawn(async move {
            while Instant::now() < end {
                client.get("/accounts").await.unwrap();
                granted.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    granted.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_limit_of_requests_a_second_is_found_and_kept_to() {
    let (rate, seconds) = (200.0, 20.0);
    let server = limited(rate, rate / 10.0).await;
    let client = FlexClient::new(&FlexConfig::new(&server.url, "u", "p")).unwrap();
    let begin = Instant::now();
    let granted = read_until(&client, begin + Duration::from_secs_f64(seconds)).await as f64;
    let took = begin.elapsed().as_secs_f64();
    let refused = server.refused.load(Ordering::SeqCst) as f64;
    println!(
        "{:.1} % of the limit, {:.2} % refused",
        100.0 * granted / took / rate,
        100.0 * refused / (granted + refused)
    );
    println!("{:?}", client.pace());
    // The goal is nine tenths and one in a hundred, as printed; a machine that is busy with other things gives less.
    assert!(granted >= 0.7 * rate * took, "{granted} in {took} s");
    assert!(refused < 0.03 * (granted + refused), "{refused} of {granted}");
    let pace = client.pace();
    assert!(pace.rate.is_some() && pace.throttled >= 1 && pace.in_flight == 0, "{pace:?}");
}

/// A local Flex with faults, and a client of it.
fn faulty(faults: &[&str]) -> (LocalFlex, FlexClient) {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let flex = LocalFlex::start(Options { faults, ..Options::default() }).unwrap();
    let client = FlexClient::new(&FlexConfig::new(flex.base_url(), "rehearsal", "rehearsal")).unwrap();
    (flex, client)
}

/// What was granted in each second.
async fn seconds(client: &FlexClient, seconds: u32) -> Vec<u64> {
    let begin = Instant::now();
    let mut granted = Vec::new();
    for second in 1..=seconds {
        granted.push(read_until(client, begin + Duration::from_secs(second.into())).await);
    }
    granted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_makes_all_wait_a_second_is_kept_to_with_few_refusals() {
    for fault in ["rate=200", "rate=200:*:burst=20"] {
        let (_flex, client) = faulty(&[fault]);
        let (begin, length) = (Instant::now(), Duration::from_secs(30));
        let granted = read_until(&client, begin + length).await as f64;
        let reached = granted / begin.elapsed().as_secs_f64() / 200.0;
        let refused = client.pace().throttled as f64 / granted;
        println!(
            "{fault}: {:.1} % of the limit, {:.2} % refused, {:?}",
            100.0 * reached,
            100.0 * refused,
            client.pace()
        );
        // Of a small bucket each refusal costs a second of thirty.
        let least = if fault.contains("burst") { 0.85 } else { 0.9 };
        assert!(reached >= least, "{fault}: {reached}");
        assert!(client.pace().throttled >= 1 && refused < 0.01, "{fault}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_slow_spell_the_limit_is_used_again_within_seconds() {
    let (flex, client) = faulty(&["rate=200"]);
    let before = seconds(&client, 8).await;
    flex.set_faults(vec!["rate=40".parse().unwrap()]);
    let during = seconds(&client, 6).await;
    flex.set_faults(vec!["rate=200".parse().unwrap()]);
    let after = seconds(&client, 8).await;
    println!("{before:?} {during:?} {after:?} {:?}", client.pace());
    assert!(after.iter().take(6).any(|granted| *granted >= 160), "{after:?}");
    assert!(after.iter().skip(5).sum::<u64>() >= 3 * 140, "and it stays: {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_at_random_do_not_bring_it_to_a_halt() {
    let (flex, client) = faulty(&["latency=20ms", "status=429:*:p=0.05"]);
    let granted = seconds(&client, 25).await;
    println!("{granted:?} {:?}", client.pace());
    // Thirty-two requests at once, of twenty milliseconds each, are 1,600 a second.
    assert!(granted.iter().rev().take(5).sum::<u64>() >= 5 * 400, "{granted:?}");
    flex.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_rate_is_never_exceeded() {
    let server = limited(1e9, 1e9).await;
    let config = FlexConfig { max_requests_per_second: Some(100.0), ..FlexConfig::new(&server.url, "u", "p") };
    let client = FlexClient::new(&config).unwrap();
    let begin = Instant::now();
    let granted = read_until(&client, begin + Duration::from_secs(2)).await as f64;
    let most = 100.0 * (begin.elapsed().as_secs_f64() + 0.1);
    assert!(granted > 0.0 && granted <= most, "{granted} of at most {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_is_probed_and_waited_for() {
    let server = limited(1e9, 1e9).await;
    let retry = RetryPolicy { repeats: 2, first: Duration::from_millis(1), reserve: 1_000, ..RetryPolicy::default() };
    let config = FlexConfig { retry, max_in_flight: 4, open_after: Some(10), ..FlexConfig::new(&server.url, "u", "p") };
    let client = FlexClient::new(&config).unwrap();
    server.broken.store(true, Ordering::SeqCst);
    let (reader, end) = (client.clone(), Instant::now() + Duration::from_secs(4));
    let reading = tokio::spawn(async move { read_until(&reader, end).await });
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
    assert!(reading.await.unwrap() >= 40, "none of the workers gave up");
    let pace = client.pace();
    assert_eq!((pace.breaker, pace.opened, pace.in_flight), (BreakerState::Closed, 1, 0), "{pace:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn impatience_ends_in_an_error_that_says_how_to_go_on() {
    let server = limited(1e9, 1e9).await;
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
