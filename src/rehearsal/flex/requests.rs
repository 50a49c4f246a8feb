//! The request log: the last requests one by one, and totals that are never forgotten.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// How many requests are kept one by one.
const KEPT: usize = 100_000;
/// How many totals are kept apart; a client that invents paths must not fill the memory.
const ROUTES: usize = 1_000;

/// One request as it was answered.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// The number of the request, from 1.
    pub n: u64,
    /// The method.
    pub method: String,
    /// The raw path, with matrix parameters.
    pub path: String,
    /// The status; `None` where the reply was lost on purpose.
    pub status: Option<u16>,
    /// The fault that struck it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
}

/// How often a route was answered with a status since the server started.
#[derive(Debug, Clone, Serialize)]
pub struct Total {
    /// Method and path with `{id}` for ids: `POST /assets/{id}/annotations`.
    pub route: String,
    /// The status; `None` where replies were lost on purpose.
    pub status: Option<u16>,
    /// How often.
    pub count: u64,
}

/// The log of one server.
#[derive(Debug, Default)]
pub struct RequestLog {
    recent: VecDeque<Request>,
    totals: BTreeMap<(String, Option<u16>), u64>,
    last: u64,
}

impl RequestLog {
    /// Adds a request, numbered in the order of answering, and gives its number; the oldest is dropped where the
    /// log is full.
    pub fn add(&mut self, mut request: Request, segments: &[&str]) -> u64 {
        self.last += 1;
        request.n = self.last;
        let mut route = route(&request.method, segments);
        if self.totals.len() >= ROUTES {
            route = "other".to_owned();
        }
        *self.totals.entry((route, request.status)).or_default() += 1;
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(request);
        self.last
    }

    /// Up to `count` kept requests with a number above `after`, oldest first.
    pub fn after(&self, after: u64, count: usize) -> Vec<Request> {
        let start = self.recent.partition_point(|request| request.n <= after);
        self.recent.iter().skip(start).take(count).cloned().collect()
    }

    /// All totals, by route and status.
    pub fn totals(&self) -> Vec<Total> {
        self.totals
            .iter()
            .map(|((route, status), count)| Total { route: route.clone(), status: *status, count: *count })
            .collect()
    }
}

fn route(method: &str, segments: &[&str]) -> String {
    let mut route = format!("{method} ");
    for segment in segments {
        let numeric = segment.bytes().all(|byte| byte.is_ascii_digit());
        route.push('/');
        route.push_str(if numeric { "{id}" } else { segment });
    }
    route
}
