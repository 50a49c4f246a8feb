//! Faults on demand: `ACTION[:ROUTE][:KEY=VALUE]…`, counted, so that every run of a test meets the same ones.
//!
//! | action | what the client sees |
//! |---|---|
//! | `status=503` | that status with the error envelope, and nothing is stored; `status=200` is a success that holds `errors` |
//! | `delay-ms=20` | the answer comes so much later |
//! | `reset` | the connection is reset before the request is handled |
//! | `drop-after-commit` | the request is handled and stored, the reply is lost in a reset |
//!
//! Switches, without route or keys, make another server of it: `enforce-required` (an instance that lacks a required
//! field is refused), `refuse-html` (text that looks like a tag is refused), `no-external-ids` (a server before
//! 2023.6: `externalIds` is an unknown property), `keep-uuids` (the uuid of a deleted asset stays taken),
//! `fail-workflows` (workflows and jobs end as failed).
//!
//! ROUTE is `*` (the default) or a method and a path below `/api`, `*` standing for one segment or any method:
//! `POST /assets`, `POST /assets/*/annotations`, `* /assets`. Keys: `every=N` (each N-th matching request),
//! `first=N` (the first N), `after=N` (not the first N; counted before the other two); for `status` also
//! `retry-after=TEXT` and `body=html` (the container's page instead of the envelope); for `status` and `delay-ms`
//! `commit=true` (the request is handled and stored before the status takes the answer's place or the wait begins).

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use super::answer::Answer;
use crate::{Error, Result};

/// One fault as asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    action: Action,
    route: Option<Route>,
    every: Option<u64>,
    first: Option<u64>,
    after: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Delay { time: Duration, commit: bool },
    Strike(Strike),
    Switch(Switch),
}

/// A way in which servers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Instances must hold what is required.
    EnforceRequired,
    /// Text that looks like a tag is refused.
    RefuseHtml,
    /// `externalIds` is an unknown property.
    NoExternalIds,
    /// The uuid of a deleted asset stays taken.
    KeepUuids,
    /// Workflows and jobs end as failed.
    FailWorkflows,
}

/// What replaces or follows the handling of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strike {
    /// Reset before anything is done.
    Reset,
    /// Handle, store, then lose the reply.
    DropAfterCommit,
    /// Answer with this status.
    Status {
        /// The status to answer with.
        status: StatusCode,
        /// The `Retry-After` header, as given.
        retry_after: Option<String>,
        /// The HTML page instead of the JSON envelope.
        html: bool,
        /// Handle and store first.
        commit: bool,
    },
}

impl Strike {
    /// The name that stands in the request log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::DropAfterCommit => "drop-after-commit",
            Self::Status { .. } => "status",
        }
    }

    /// Whether the request is handled (and stored) although its answer is lost or replaced.
    pub fn commits(&self) -> bool {
        matches!(self, Self::DropAfterCommit | Self::Status { commit: true, .. })
    }

    /// The answer that the client gets; of a cut connection it is never sent.
    pub fn answer(&self) -> Answer {
        match self {
            Self::Reset | Self::DropAfterCommit => Answer::page(StatusCode::BAD_GATEWAY),
            Self::Status { status, html: true, retry_after, .. } => {
                Answer::page(*status).retry_after(retry_after.clone())
            }
            Self::Status { status, retry_after, .. } => {
                Answer::refuse(*status, "fault injected by the local Flex").retry_after(retry_after.clone())
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    method: String,
    segments: Vec<String>,
}

impl Route {
    fn matches(&self, method: &str, segments: &[&str]) -> bool {
        let same = |pattern: &str, given: &str| pattern == "*" || pattern == given;
        same(&self.method, method)
            && self.segments.len() == segments.len()
            && self.segments.iter().zip(segments).all(|(pattern, given)| same(pattern, given))
    }
}

impl FromStr for Fault {
    type Err = Error;

    /// Reads the grammar above.
    ///
    /// # Errors
    /// [`Error::Config`] naming the part that is not understood and what it should be.
    fn from_str(spec: &str) -> Result<Self> {
        let wrong = |what: String| Error::config(format!("--fault {spec}: {what}"));
        let mut parts = spec.split(':');
        let action = parts.next().unwrap_or_default();
        let mut fault =
            Self { action: Action::parse(action).map_err(wrong)?, route: None, every: None, first: None, after: 0 };
        for (place, part) in parts.enumerate() {
            match part.split_once('=') {
                Some((key, value)) => fault.set(key, value).map_err(wrong)?,
                None if place == 0 => fault.route = parse_route(part).map_err(wrong)?,
                // The colons of a date: `retry-after=Wed, 21 Oct 2015 07:28:00 GMT`.
                None if fault.continue_retry_after(part) => {}
                None => return Err(wrong(format!("\"{part}\" should be KEY=VALUE"))),
            }
        }
        Ok(fault)
    }
}

impl Action {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        match name {
            "status" => {
                let status = value.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
                let status = status.ok_or(format!("\"{value}\" is not an HTTP status"))?;
                Ok(Self::Strike(Strike::Status { status, retry_after: None, html: false, commit: false }))
            }
            "delay-ms" => Ok(Self::Delay { time: Duration::from_millis(number(value)?), commit: false }),
            "reset" => Ok(Self::Strike(Strike::Reset)),
            "drop-after-commit" => Ok(Self::Strike(Strike::DropAfterCommit)),
            "enforce-required" => Ok(Self::Switch(Switch::EnforceRequired)),
            "refuse-html" => Ok(Self::Switch(Switch::RefuseHtml)),
            "no-external-ids" => Ok(Self::Switch(Switch::NoExternalIds)),
            "keep-uuids" => Ok(Self::Switch(Switch::KeepUuids)),
            "fail-workflows" => Ok(Self::Switch(Switch::FailWorkflows)),
            _ => Err(format!(
                "\"{name}\" is not one of status=NNN, delay-ms=N, reset, drop-after-commit, \
                 enforce-required, refuse-html, no-external-ids, keep-uuids, fail-workflows"
            )),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not a whole number"))
}

fn parse_route(text: &str) -> Result<Option<Route>, String> {
    if text == "*" {
        return Ok(None);
    }
    let (method, path) =
        text.split_once(' ').ok_or(format!("\"{text}\" should be * or a method and a path, as in POST /assets"))?;
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
    Ok(Some(Route { method: method.to_uppercase(), segments }))
}

impl Fault {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key, &mut self.action) {
            ("every", _) => self.every = Some(number(value)?.max(1)),
            ("first", _) => self.first = Some(number(value)?),
            ("after", _) => self.after = number(value)?,
            ("retry-after", Action::Strike(Strike::Status { retry_after, .. })) => {
                *retry_after = Some(value.to_owned())
            }
            ("body", Action::Strike(Strike::Status { html, .. })) => *html = value == "html",
            ("commit", Action::Delay { commit, .. }) => *commit = value == "true",
            ("commit", Action::Strike(Strike::Status { commit, .. })) => *commit = value == "true",
            _ => return Err(format!("\"{key}\" is not a key of this fault")),
        }
        Ok(())
    }

    fn continue_retry_after(&mut self, part: &str) -> bool {
        let Action::Strike(Strike::Status { retry_after: Some(text), .. }) = &mut self.action else { return false };
        text.push(':');
        text.push_str(part);
        true
    }

    /// Whether the fault fires on the `count`-th (from 1) request that matches its route.
    fn fires(&self, count: u64) -> bool {
        let Some(count) = count.checked_sub(self.after).filter(|count| *count > 0) else { return false };
        self.first.is_none_or(|first| count <= first) && self.every.is_none_or(|every| count.is_multiple_of(every))
    }
}

/// What the faults do to one request.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How long the request waits before it is handled.
    pub before: Duration,
    /// How long the answer waits once the request is handled and stored.
    pub after: Duration,
    /// What happens to it, if anything.
    pub strike: Option<Strike>,
}

/// The faults of one server with their counters.
#[derive(Debug)]
pub struct Faults(Vec<(Fault, AtomicU64)>);

impl Faults {
    /// Faults with their counters at zero.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self(faults.into_iter().map(|fault| (fault, AtomicU64::new(0))).collect())
    }

    /// Whether the server was told to behave in this way.
    pub fn has(&self, switch: Switch) -> bool {
        self.0.iter().any(|(fault, _)| fault.action == Action::Switch(switch))
    }

    /// Counts the request in every fault whose route matches; delays add up, of strikes the first that fires wins.
    pub fn judge(&self, method: &str, segments: &[&str]) -> Verdict {
        let mut verdict = Verdict::default();
        for (fault, counter) in &self.0 {
            if fault.route.as_ref().is_some_and(|route| !route.matches(method, segments)) {
                continue;
            }
            let count = counter.fetch_add(1, Ordering::Relaxed) + 1;
            match &fault.action {
                _ if !fault.fires(count) => {}
                Action::Delay { time, commit: true } => verdict.after += *time,
                Action::Delay { time, commit: false } => verdict.before += *time,
                Action::Switch(_) => {}
                Action::Strike(strike) => verdict.strike = verdict.strike.or_else(|| Some(strike.clone())),
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Fault, Faults, Strike};

    fn struck(spec: &str, requests: u64) -> Vec<u64> {
        let faults = Faults::new(vec![spec.parse().unwrap()]);
        (1..=requests).filter(|_| faults.judge("POST", &["assets"]).strike.is_some()).collect()
    }

    #[test]
    fn every_first_and_after_count_matching_requests() {
        assert_eq!(struck("drop-after-commit:POST /assets:every=3", 10), [3, 6, 9]);
        assert_eq!(struck("status=503:POST /assets:first=2:retry-after=1", 10), [1, 2]);
        assert_eq!(struck("reset:* /assets:after=4:first=2", 10), [5, 6]);
        assert!(struck("reset:GET /assets", 10).is_empty());
        assert!(struck("reset:POST /assets/*/annotations", 10).is_empty());
    }

    #[test]
    fn delays_add_up_and_the_first_strike_wins() {
        let specs = ["delay-ms=20:*", "delay-ms=5", "delay-ms=7:*:commit=true", "status=429", "reset"];
        let faults = Faults::new(specs.iter().map(|spec| spec.parse().unwrap()).collect());
        let verdict = faults.judge("GET", &["assets", "7"]);
        assert_eq!((verdict.before.as_millis(), verdict.after.as_millis()), (25, 7));
        assert!(matches!(verdict.strike, Some(Strike::Status { status, .. }) if status == 429));
    }

    #[test]
    fn a_retry_after_may_be_a_date() {
        let fault: Fault = "status=429:*:retry-after=Wed, 21 Oct 2015 07:28:00 GMT:every=2".parse().unwrap();
        let Action::Strike(Strike::Status { retry_after, .. }) = fault.action else { panic!("a status") };
        assert_eq!((retry_after.as_deref(), fault.every), (Some("Wed, 21 Oct 2015 07:28:00 GMT"), Some(2)));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (spec, part) in [
            ("explode", "explode"),
            ("status=9", "9"),
            ("reset:POST", "POST"),
            ("reset:*:every=x", "x"),
            ("reset:*:body=html", "body"),
        ] {
            let error = spec.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(spec) && error.contains(part), "{error}");
        }
    }
}
