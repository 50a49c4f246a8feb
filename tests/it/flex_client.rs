//! The client against the local Flex, and against raw sockets that do what no Flex should: resets, endless bodies, lying
//! lengths, redirects.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::json;
use telecine::error::Error;
use telecine::flex::{ExternalId, Family, Finding, FlexClient, FlexConfig, NewAsset, Outcome, RetryPolicy};
use telecine::rehearsal::flex::Personality;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::mapped::{self, Dump, Writes, flex};

fn asset(definition: i64, name: &str, number: u32) -> NewAsset {
    NewAsset {
        name: name.to_owned(),
        asset_type: "media-asset".to_owned(),
        definition,
        uuid: format!("5f0c3f4e-0000-4000-8000-{number:012}"),
        external_id: Some(ExternalId { key: "reach".into(), value: format!("x;{number}") }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_made_found_and_read_back() {
    let server = flex(Personality::Both, &[]);
    let client = mapped::client(server.base_url());
    client.ping().await.unwrap();
    assert!(client.definitions().await.unwrap().len() >= 4);
    assert!(client.definition("assetType_Prom").await.unwrap().is_none(), "no part of a name will do");
    let definition = client.definition("assetType_Promo").await.unwrap().unwrap();
    let title = definition.fields.iter().find(|field| field.name == "title").unwrap();
    assert_eq!((title.family(), title.is_multiple(), definition.enabled), (Family::Text, false, true));

    let names = ["plain", "a;b=c,d/e%f?g#h+i j", "../..", "ünïcödé 🎬", "plain", " space "];
    let mut ids = Vec::new();
    for (number, name) in (1..).zip(names) {
        let Outcome::Done(id) = client.create_asset(&asset(definition.id, name, number)).await.unwrap() else {
            panic!("{name} was refused");
        };
        ids.push(id);
    }
    let since = Utc::now() - TimeDelta::hours(1);
    for ((number, name), id) in (1..).zip(names).zip(&ids) {
        let wanted = asset(definition.id, name, number);
        let external = wanted.external_id.clone().unwrap();
        for finding in [
            client.find_by_uuid(&wanted.uuid).await.unwrap(),
            client.find_by_external_id(&external.key, &external.value).await.unwrap(),
            client.find_by_name(name, &wanted.uuid, since).await.unwrap(),
        ] {
            assert!(matches!(&finding, Finding::Found(found) if found.id == *id), "{name}: {finding:?}");
        }
    }
    let other = asset(definition.id, "plain", 99);
    assert!(matches!(client.find_by_uuid(&other.uuid).await.unwrap(), Finding::Absent));
    assert!(matches!(client.find_by_external_id("reach", "x;99").await.unwrap(), Finding::Absent));
    assert!(matches!(client.find_by_name("plain", &other.uuid, since).await.unwrap(), Finding::Absent));

    let fields = json!({"title": "t", "externalId": "1", "durationMs": 9_007_199_254_740_993_i64});
    let done = client.post_annotations(ids[0], fields.to_string().into()).await.unwrap();
    assert_eq!(done, Outcome::Done(()));
    assert_eq!(client.metadata(ids[0]).await.unwrap().unwrap()["durationMs"].to_string(), "9007199254740993");
    let replaced = client.put_metadata(ids[0], json!({"title": "u"}).to_string().into()).await.unwrap();
    assert_eq!(replaced, Outcome::Done(()));
    assert_eq!(client.metadata(ids[0]).await.unwrap().unwrap().len(), 1, "PUT replaces the whole instance");
    let refused = client.put_metadata(ids[0], json!({"colour": 1}).to_string().into()).await.unwrap();
    assert!(matches!(refused, Outcome::Refused(refusal) if refusal.status == 400 && !refusal.message.is_empty()));
    let repeated = client.create_asset(&asset(definition.id, "plain", 1)).await.unwrap();
    assert!(matches!(repeated, Outcome::Refused(refusal) if refusal.status == 409));
    client.rename_asset(ids[0], "new").await.unwrap();
    assert_eq!(client.asset(ids[0]).await.unwrap().unwrap().name.as_deref(), Some("new"));
    assert!(client.asset(1).await.unwrap().is_none());
    assert!(client.metadata(1).await.unwrap().is_none());

    let mut pages = client.assets(4);
    let mut read = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        read.extend(page.into_iter().map(|asset| asset.id));
    }
    assert_eq!(read, ids);
    assert_eq!(Dump::of(server.base_url()).await.assets.len(), names.len());
}

/// A server of raw bytes: each connection's request is read, then `answer` is written, and then it is cut.
async fn raw(answers: Vec<Vec<u8>>, seen: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let number = seen.fetch_add(1, Ordering::SeqCst);
            let answer = answers[number.min(answers.len() - 1)].clone();
            tokio::spawn(async move {
                read_request(&mut stream).await;
                // The client may hang up in the middle of it.
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    url
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        text.extend_from_slice(&buffer[..read]);
        let request = String::from_utf8_lossy(&text).into_owned();
        let complete = request.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .to_lowercase()
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| rest.lines().next().unwrap().trim().parse::<usize>().unwrap());
            body.len() >= length
        });
        if read == 0 || complete {
            return request;
        }
    }
}

fn impatient(url: &str) -> FlexClient {
    let retry = RetryPolicy { repeats: 2, first: Duration::from_millis(1), ..RetryPolicy::default() };
    FlexClient::new(&FlexConfig { retry, timeout: Duration::from_millis(800), ..mapped::flex_config(url) }).unwrap()
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_of_unclear_outcome_is_not_repeated() {
    let long = "x".repeat(1_000);
    for answer in [
        Vec::new(),
        http("500 Oops", "", "<html>JBoss</html>"),
        http("502 Bad Gateway", "", ""),
        http("503 Busy", "retry-after: 0\r\n", ""),
        http("200 OK", "", "<html>hello</html>"),
        http("201 Created", "", r#"{"id":1"#),
        http("201 Created", "", r#"{"name":"without id"}"#),
        format!("HTTP/1.1 201 Created\r\ncontent-length: 5000\r\n\r\n{{\"id\":1,\"x\":\"{long}\"}}").into_bytes(),
    ] {
        let seen = Arc::new(AtomicUsize::new(0));
        let client = impatient(&raw(vec![answer.clone()], Arc::clone(&seen)).await);
        let outcome = client.create_asset(&asset(1, "n", 1)).await.unwrap();
        assert!(matches!(outcome, Outcome::Unclear(_)), "{} gave {outcome:?}", String::from_utf8_lossy(&answer));
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    }
    // A 429 says that nothing was done; an idempotent request may be repeated anyway.
    let answers = vec![http("429 Slow", "retry-after: -7\r\n", ""), http("201 Created", "", r#"{"id":7}"#)];
    let seen = Arc::new(AtomicUsize::new(0));
    let client = impatient(&raw(answers, Arc::clone(&seen)).await);
    assert_eq!(client.create_asset(&asset(1, "n", 1)).await.unwrap(), Outcome::Done(7));
    assert_eq!(client.traffic().retries, 1);
    let answers = vec![Vec::new(), http("200 OK", "", "{}")];
    let client = impatient(&raw(answers, Arc::new(AtomicUsize::new(0))).await);
    assert_eq!(client.put_metadata(1, "{}".into()).await.unwrap(), Outcome::Done(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_stays_away_is_a_transient_error() {
    let client = impatient("http://127.0.0.1:9/api");
    let error = client.create_asset(&asset(1, "n", 1)).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("given up after 3 attempts"), "{error}");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = impatient(&format!("http://{}/api", silent.local_addr().unwrap()));
    let started = Instant::now();
    assert!(client.asset(1).await.unwrap_err().is_transient());
    assert!(started.elapsed() < Duration::from_secs(8), "each request has a deadline");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_in_size_and_time() {
    // Two hundred megabytes, were it read to the end.
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
    (0..80).for_each(|_| endless.extend_from_slice(chunk.as_bytes()));
    let patient = FlexConfig {
        retry: RetryPolicy { repeats: 0, ..RetryPolicy::default() },
        ..mapped::flex_config(&raw(vec![endless], Arc::new(AtomicUsize::new(0))).await)
    };
    let error = FlexClient::new(&patient).unwrap().get("/assets").await.unwrap_err().to_string();
    assert!(error.contains("longer than"), "{error}");

    let drip = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = impatient(&format!("http://{}/api", drip.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = drip.accept().await {
            tokio::spawn(async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
                while stream.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
    });
    let outcome = client.create_asset(&asset(1, "n", 1)).await.unwrap();
    assert!(matches!(outcome, Outcome::Unclear(_)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_reported_and_never_followed() {
    let lured = Arc::new(AtomicUsize::new(0));
    let elsewhere = raw(vec![http("200 OK", "", r#"{"id":1}"#)], Arc::clone(&lured)).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let answer = http(status, &format!("location: {elsewhere}\r\n"), "");
        let client = impatient(&raw(vec![answer], Arc::new(AtomicUsize::new(0))).await);
        let outcome = client.create_asset(&asset(1, "n", 1)).await.unwrap();
        assert!(matches!(outcome, Outcome::Refused(refusal) if refusal.message.contains("redirect")), "{status}");
        assert!(client.ping().await.is_err());
    }
    assert_eq!(lured.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_sent_once() {
    let seen = Arc::new(AtomicUsize::new(0));
    let answer = http("401 Unauthorized", "www-authenticate: Basic\r\n", "<html>no</html>");
    let client = impatient(&raw(vec![answer], Arc::clone(&seen)).await);
    for _ in 0..5 {
        let error = client.asset(1).await.unwrap_err();
        assert!(matches!(error, Error::Flex { status: Some(401), transient: false, .. }), "{error}");
        assert!(!error.to_string().contains("rehearsal:"), "{error}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_repeat_or_end_early_are_an_error() {
    let page = |ids: &[i64], total: u64| {
        let assets: Vec<_> = ids.iter().map(|id| json!({"id": id, "uuid": "u", "name": "n"})).collect();
        http("200 OK", "", &json!({"assets": assets, "totalCount": total}).to_string())
    };
    for (pages, word) in [
        (vec![page(&[1, 2], 4), page(&[2, 3], 4)], "repeated"),
        (vec![page(&[1, 2], 4), page(&[], 4)], "ends after 2"),
        (vec![page(&[1, 2], 3), page(&[3, 4], 3)], "changed meanwhile"),
        (vec![http("200 OK", "", r#"{"assets":[]}"#)], "totalCount"),
    ] {
        let client = impatient(&raw(pages, Arc::new(AtomicUsize::new(0))).await);
        let mut list = client.assets(2);
        let error = loop {
            match list.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{word}: the list came to an end"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains(word), "{error}");
    }
    // A server that does not know a parameter answers as if it were not there: that proves nothing.
    let client = impatient(&raw(vec![page(&[1, 2], 2)], Arc::new(AtomicUsize::new(0))).await);
    assert!(matches!(client.find_by_uuid("other").await.unwrap(), Finding::Unproven));
    assert!(matches!(client.find_by_external_id("k", "v").await.unwrap(), Finding::Unproven));
    assert!(matches!(client.find_by_name("m", "other", Utc::now()).await.unwrap(), Finding::Unproven));
}
