//! Reading all assets of a server whose lists are cut short, repeated, shuffled or moving: every asset once, or an error.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use chrono::NaiveDateTime;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde_json::{Value, json};
use telecine::error::Result;

use crate::mapped;

/// What happens to a page that ends beyond the server's result window.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Beyond {
    Refused,
    Empty,
    LastPageAgain,
}

/// How a server misbehaves.
#[derive(Debug, Clone, Default)]
struct Traps {
    cap: Option<usize>,
    /// A greater limit is refused.
    max_page: Option<usize>,
    no_limit: bool,
    window: Option<(usize, Option<Beyond>)>,
    unsorted: bool,
    repeat: usize,
    capped_total: bool,
    ignored: Option<&'static str>,
    /// An asset is deleted with every so manieth request.
    deleting: Option<u64>,
    /// An asset is made with every so manieth request.
    making: Option<u64>,
}

#[derive(Debug, Default)]
struct Server {
    /// Id to time of creation.
    assets: BTreeMap<i64, i64>,
    gone: BTreeSet<i64>,
    traps: Traps,
    requests: u64,
}

impl Server {
    fn move_on(&mut self) {
        self.requests += 1;
        let due = |every: Option<u64>, n: u64| every.is_some_and(|every| n.is_multiple_of(every));
        if due(self.traps.deleting, self.requests) && !self.assets.is_empty() {
            let nth = (self.requests as usize).wrapping_mul(7_919) % self.assets.len();
            let id = *self.assets.keys().nth(nth).unwrap();
            self.assets.remove(&id);
            self.gone.insert(id);
        }
        if due(self.traps.making, self.requests) {
            let id = self.assets.keys().next_back().map_or(1, |id| id + 1);
            self.assets.insert(id, 1_700_000_000 + self.requests as i64);
        }
    }

    fn list(&mut self, given: &BTreeMap<String, String>) -> (StatusCode, Value) {
        self.move_on();
        let number = |name: &str, other: usize| given.get(name).map_or(other, |text| text.parse().unwrap());
        let date = |name: &str| {
            let text = given.get(name).filter(|_| self.traps.ignored != Some(name))?;
            Some(NaiveDateTime::parse_from_str(text, "%d %b %Y %H:%M:%S").unwrap().and_utc().timestamp())
        };
        let (from, to) = (date("createdFrom").unwrap_or(i64::MIN), date("createdTo").unwrap_or(i64::MAX));
        let mut ids: Vec<i64> =
            self.assets.iter().filter(|(_, made)| (from..to).contains(*made)).map(|(id, _)| *id).collect();
        if given["sort"] == "desc" {
            ids.reverse();
        }
        if self.traps.unsorted {
            let mix = |id: &i64| (*id as u64 ^ (self.requests << 7)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ids.sort_by_key(mix);
        }
        let traps = &self.traps;
        let total = if traps.capped_total { ids.len().min(10_000) } else { ids.len() };
        let mut limit = number("limit", 100).min(traps.cap.unwrap_or(usize::MAX));
        let mut offset = number("offset", 0);
        if traps.max_page.is_some_and(|most| number("limit", 100) > most) {
            return (StatusCode::BAD_REQUEST, json!({"errors": {"error": "limit is too large"}}));
        }
        if let Some((window, beyond)) = traps.window.filter(|(window, _)| offset + limit > *window) {
            match beyond {
                Some(Beyond::Empty) => limit = 0,
                Some(Beyond::LastPageAgain) => offset = window.saturating_sub(limit),
                Some(Beyond::Refused) | None => {
                    return (StatusCode::BAD_REQUEST, json!({"errors": {"error": "Result window is too large"}}));
                }
            }
        }
        if traps.no_limit {
            limit = usize::MAX;
        }
        let page = ids.iter().skip(offset.saturating_sub(traps.repeat.min(offset))).take(limit);
        let page: Vec<Value> = page.map(|id| json!({"id": id, "name": "n"})).collect();
        (StatusCode::OK, json!({"assets": page, "totalCount": total, "offset": offset, "limit": limit}))
    }
}

async fn serve(State(server): State<Arc<Mutex<Server>>>, uri: Uri) -> (StatusCode, axum::Json<Value>) {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let given = uri.path().split(';').skip(1).filter_map(|part| part.split_once('='));
    let given = given.map(|(name, value)| (name.to_owned(), decode(value))).collect();
    let (status, body) = server.lock().unwrap().list(&given);
    (status, axum::Json(body))
}

struct Read {
    given: Vec<i64>,
    result: Result<()>,
    /// There from the first request to the last.
    lasting: BTreeSet<i64>,
    requests: u64,
}

/// Scans a server with these assets.
async fn scan(assets: BTreeMap<i64, i64>, traps: Traps, page: usize) -> Read {
    let before: BTreeSet<i64> = assets.keys().copied().collect();
    let server = Arc::new(Mutex::new(Server { assets, traps, ..Server::default() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    let router = Router::new().fallback(serve).with_state(Arc::clone(&server));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut pages = mapped::client(&url).assets(page);
    let mut given = Vec::new();
    let result = loop {
        match pages.next().await {
            Ok(Some(page)) => given.extend(page.into_iter().map(|asset| asset.id)),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    serving.abort();
    let server = server.lock().unwrap();
    let lasting = before.difference(&server.gone).copied().collect();
    Read { given, result, lasting, requests: server.requests }
}

impl Read {
    fn check(&self) {
        let distinct: BTreeSet<i64> = self.given.iter().copied().collect();
        assert_eq!(distinct.len(), self.given.len(), "an asset was given twice");
        if self.result.is_ok() {
            let lost: Vec<_> = self.lasting.difference(&distinct).take(5).collect();
            assert!(lost.is_empty(), "lost in silence: {lost:?}");
        }
    }

    fn whole(&self) {
        self.check();
        let (given, requests) = (self.given.len(), self.requests);
        assert!(self.result.is_ok(), "{given} given with {requests} requests, then {:?}", self.result);
        assert!(self.lasting.len() <= self.given.len());
    }
}

/// So many assets, made `each` to a second.
fn assets(count: i64, each: i64) -> BTreeMap<i64, i64> {
    (0..count).map(|n| (n * 3 + 1, 1_600_000_000 + n / each)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_server_is_read_in_one_go() {
    let read = scan(assets(2_345, 100), Traps::default(), 500).await;
    read.whole();
    assert!(read.given.is_sorted());
    assert_eq!(read.requests, 5);
    let none = scan(BTreeMap::new(), Traps::default(), 500).await;
    none.whole();
    assert_eq!(none.requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_are_ignored_or_lowered_do_not_matter() {
    for cap in [1, 2, 7] {
        scan(assets(150, 10), Traps { cap: Some(cap), ..Traps::default() }, 50).await.whole();
    }
    scan(assets(1_500, 10), Traps { no_limit: true, ..Traps::default() }, 50).await.whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_refused_are_asked_for_smaller() {
    for most in [20, 100, 299] {
        scan(assets(1_500, 40), Traps { max_page: Some(most), ..Traps::default() }, 300).await.whole();
        // So are those that alone go beyond the result window.
        let window = Some((most, Some(Beyond::Refused)));
        scan(assets(1_500, 10), Traps { window, ..Traps::default() }, 300).await.whole();
    }
    // What shows nothing at all is not read as nothing.
    let read = scan(assets(30, 100), Traps { max_page: Some(1), ..Traps::default() }, 300).await;
    let error = read.result.unwrap_err().to_string();
    assert!(error.contains("cannot be read whole"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_window_is_bisected_however_it_shows() {
    for beyond in [Beyond::Refused, Beyond::Empty, Beyond::LastPageAgain] {
        let window = Some((1_000, Some(beyond)));
        scan(assets(5_000, 90), Traps { window, ..Traps::default() }, 300).await.whole();
        // One second holds more than the window: read from both ends.
        scan(assets(1_700, 5_000), Traps { window, ..Traps::default() }, 300).await.whole();
        let beyond_reach = scan(assets(2_500, 5_000), Traps { window, ..Traps::default() }, 300).await;
        let error = beyond_reach.result.unwrap_err().to_string();
        assert!(error.contains("13 Sep 2020 12:26:40") && error.contains("2500"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_capped_is_not_believed() {
    let traps = Traps { capped_total: true, window: Some((10_000, None)), ..Traps::default() };
    scan(assets(12_000, 50), traps, 1_000).await.whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_without_order_are_read_in_windows() {
    scan(assets(3_000, 40), Traps { unsorted: true, ..Traps::default() }, 200).await.whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_ignored_is_noticed() {
    for ignored in ["createdFrom", "createdTo"] {
        let window = Some((500, None));
        let traps = Traps { ignored: Some(ignored), window, ..Traps::default() };
        let read = scan(assets(2_000, 10), traps, 100).await;
        read.check();
        let error = read.result.unwrap_err().to_string();
        assert!(error.contains("do not divide"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_that_come_and_go_hide_no_other() {
    let making = Traps { making: Some(1), ..Traps::default() };
    scan(assets(3_000, 10), making, 250).await.whole();
    // One goes and one comes between two requests: the total stands still. Whether such a list can be proven whole is
    // open; that nothing is lost in silence is not.
    let both = Traps { making: Some(4), deleting: Some(4), ..Traps::default() };
    let read = scan(assets(4_000, 10), both, 250).await;
    read.check();
    assert!(read.requests > 17, "the movement was noticed");
}

fn traps() -> impl Strategy<Value = Traps> {
    let beyond = prop_oneof![Just(Beyond::Refused), Just(Beyond::Empty), Just(Beyond::LastPageAgain)];
    let ignored = prop_oneof![8 => Just(None), 1 => Just(Some("createdFrom")), 1 => Just(Some("createdTo"))];
    let seldom = |low: u64| proptest::option::weighted(0.3, low..60);
    (
        proptest::option::weighted(0.3, 40usize..400),
        proptest::bool::weighted(0.1),
        proptest::option::weighted(0.5, (1_000usize..10_001, proptest::option::of(beyond))),
        proptest::bool::weighted(0.25),
        prop_oneof![6 => Just(0usize), 1 => 1usize..4],
        proptest::bool::weighted(0.15),
        ignored,
        (seldom(3), seldom(1)),
    )
        .prop_map(|(cap, no_limit, window, unsorted, repeat, capped_total, ignored, (deleting, making))| Traps {
            cap,
            max_page: None,
            no_limit,
            window,
            unsorted,
            repeat,
            capped_total,
            ignored,
            deleting,
            making,
        })
}

/// Assets made in bursts, some of thousands within a second.
fn clustered() -> impl Strategy<Value = BTreeMap<i64, i64>> {
    let burst = (0i64..200_000_000, 1i64..3_000, prop_oneof![Just(1i64), 2i64..40, Just(5_000i64)], 1i64..9);
    proptest::collection::vec(burst, 0..12).prop_map(|bursts| {
        let mut id = 0;
        let mut assets = BTreeMap::new();
        for (start, count, each, step) in bursts {
            for n in 0..count {
                id += step;
                assets.insert(id, 1_400_000_000 + start + n / each);
            }
        }
        assets
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, ..ProptestConfig::default() })]
    #[test]
    fn every_asset_once_or_an_error(assets in clustered(), traps in traps(), page in 200usize..1_001) {
        let harmless = !traps.unsorted && traps.repeat == 0 && traps.ignored.is_none() && traps.window.is_none()
            && traps.deleting.is_none() && traps.making.is_none() && !traps.capped_total;
        let read = tokio::runtime::Runtime::new().unwrap().block_on(scan(assets, traps, page));
        read.check();
        prop_assert!(!harmless || read.result.is_ok(), "{:?}", read.result);
        prop_assert!(read.requests < 100_000);
    }
}
