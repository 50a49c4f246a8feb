//! Faults on demand, counted, so that every run of a test meets the same ones. This file reads their grammar.
//!
#![doc = include_str!("faults.md")]

use std::str::FromStr;
use std::time::Duration;

use axum::http::StatusCode;

pub use super::behaviour::Switch;
use super::behaviour::{Behaviour, words};
use super::latency::{Latency, time};
use super::lossy::{Loss, LossKind};
use super::rate::{Rate, RetryAfter};
use super::strike::{Harm, Strike};
use crate::{Error, Result};

/// The grammar of faults, as people read it.
pub const GRAMMAR: &str = include_str!("faults.md");
/// How long lies between two bytes that drip where nothing is said.
const DRIP: Duration = Duration::from_millis(10);
/// The actions that are no switches, for messages.
const ACTIONS: &str = "status=NNN, errors-200, html, garbage, truncate, drip, hang, reset, drop-after-commit, \
    latency=TIME, delay-ms=N, slow-spell=FROM..TO, capacity=N, rate=R, lossy=WHAT";

/// One fault as asked for on the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub(super) action: Action,
    pub(super) when: When,
}

/// Which requests a fault is for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct When {
    route: Option<Route>,
    every: Option<u64>,
    first: Option<u64>,
    after: u64,
    /// The share of the requests that are otherwise meant.
    pub(super) share: Option<f64>,
    from: f64,
    to: Option<f64>,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// The request waits, or where it is committed first, the answer.
    Wait { latency: Latency, commit: bool },
    /// All waits are so many times as long.
    Slow(f64),
    /// So many requests are served at once, each for so long.
    Capacity { places: usize, service: Latency },
    /// What comes faster is refused.
    Rate(Rate),
    /// The answer is not the proper one.
    Strike(Strike),
    /// Something of what is stored is lost.
    Loss(Loss),
    /// The server behaves in another way: a word of [`Behaviour`] with its keys.
    Behave { word: String, keys: Vec<(String, String)> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    method: String,
    segments: Vec<String>,
}

impl When {
    /// Whether the fault is for requests of this method and path.
    pub(super) fn matches(&self, method: &str, segments: &[&str]) -> bool {
        let same = |pattern: &str, given: &str| pattern == "*" || pattern == given;
        self.route.as_ref().is_none_or(|route| {
            same(&route.method, method)
                && route.segments.len() == segments.len()
                && route.segments.iter().zip(segments).all(|(pattern, given)| same(pattern, given))
        })
    }

    /// Whether the fault fires on the `count`-th (from 1) request that matches, `age` seconds after it came into
    /// force. The share is drawn elsewhere.
    pub(super) fn fires(&self, count: u64, age: f64) -> bool {
        let Some(count) = count.checked_sub(self.after).filter(|count| *count > 0) else { return false };
        age >= self.from
            && self.to.is_none_or(|to| age < to)
            && self.first.is_none_or(|first| count <= first)
            && self.every.is_none_or(|every| count.is_multiple_of(every))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "every" => self.every = Some(number(value)?.max(1)),
            "first" => self.first = Some(number(value)?),
            "after" => self.after = number(value)?,
            "p" => self.share = Some(decimal(value).and_then(|share| in_share(share, value))?),
            "from" => self.from = decimal(value)?,
            "to" => self.to = Some(decimal(value)?),
            _ => return Ok(false),
        }
        Ok(true)
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
        let mut parts = spec.split(':').peekable();
        let first = parts.next().unwrap_or_default();
        let mut fault = match first.strip_prefix("slow-spell=") {
            Some(span) => slow_spell(span, parts.next()),
            None => Action::parse(first).map(|action| Self { action, when: When::default() }),
        }
        .map_err(wrong)?;
        if let Some(route) = parts.next_if(|part| !part.contains('=')) {
            fault.when.route = parse_route(route).map_err(wrong)?;
        }
        for part in parts {
            match part.split_once('=') {
                Some((key, value)) => fault.set(key, value).map_err(wrong)?,
                // The colons of a date: `retry-after=Wed, 21 Oct 2015 07:28:00 GMT`.
                None if fault.continue_retry_after(part) => {}
                None => return Err(wrong(format!("\"{part}\" should be KEY=VALUE"))),
            }
        }
        fault.check().map_err(wrong)?;
        Ok(fault)
    }
}

impl Action {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        match name {
            "latency" => Ok(Self::Wait { latency: Latency::parse(value)?, commit: false }),
            "delay-ms" => {
                number(value)?;
                Ok(Self::Wait { latency: Latency::Fixed(time(value)?), commit: false })
            }
            "capacity" => {
                let places = value.parse().ok().filter(|places| (1..1 << 20).contains(places));
                let places = places.ok_or_else(|| format!("\"{value}\" is not a whole number above 0"))?;
                Ok(Self::Capacity { places, service: Latency::Fixed(0.0) })
            }
            "rate" => {
                let per_second = decimal(value)?;
                if per_second <= 0.0 {
                    return Err(format!("\"{value}\" is not a number above 0"));
                }
                let (status, retry_after) = (StatusCode::TOO_MANY_REQUESTS, RetryAfter::Seconds);
                Ok(Self::Rate(Rate { per_second, burst: None, status, retry_after }))
            }
            "lossy" => Loss::parse(value).map(Self::Loss),
            _ => match strike(name, value)? {
                Some(strike) => Ok(Self::Strike(strike)),
                None => {
                    let keys = Vec::new();
                    let known = Behaviour::default().set(text).map(|()| Self::Behave { word: text.to_owned(), keys });
                    known.map_err(|problem| {
                        let words: Vec<_> = words().collect();
                        format!("{problem}; there are {ACTIONS}, and the switches {}", words.join(", "))
                    })
                }
            },
        }
    }
}

fn strike(name: &str, value: &str) -> Result<Option<Strike>, String> {
    let status = |status| Harm::Status { status, retry_after: None, html: false };
    let (name, harm, commit) = match (name, value) {
        ("status", _) => {
            let code = value.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            // 1xx and bodiless statuses are no final answers with a body; hyper would not send them.
            let code = code.filter(|code| code.as_u16() >= 200 && code.as_u16() != 204 && code.as_u16() != 304);
            ("status", status(code.ok_or_else(|| format!("\"{value}\" is not an HTTP status"))?), false)
        }
        ("errors-200", "") => ("errors-200", status(StatusCode::OK), false),
        ("html", "") => ("html", Harm::Status { status: StatusCode::OK, retry_after: None, html: true }, false),
        ("garbage", "") => ("garbage", Harm::Garbage, false),
        ("truncate", "") => ("truncate", Harm::Truncate { early: false }, true),
        ("truncate", "connection") => ("truncate", Harm::Truncate { early: true }, true),
        ("drip", "") => ("drip", Harm::Drip(DRIP), true),
        ("drip", _) => ("drip", Harm::Drip(Duration::from_secs_f64(time(value)?)), true),
        ("hang", "") => ("hang", Harm::Hang, false),
        ("reset", "") => ("reset", Harm::Reset, false),
        ("drop-after-commit", "") => ("drop-after-commit", Harm::Reset, true),
        _ => return Ok(None),
    };
    Ok(Some(Strike { name, harm, commit }))
}

/// `2..4` and then `x10` or a time.
fn slow_spell(span: &str, effect: Option<&str>) -> Result<Fault, String> {
    let wrong = || format!("\"{span}\" should be FROM..TO in seconds, then :xN or :TIME");
    let (from, to) = span.split_once("..").ok_or_else(wrong)?;
    let effect = effect.ok_or_else(wrong)?;
    let action = match effect.strip_prefix('x') {
        Some(factor) => Action::Slow(decimal(factor)?),
        None => Action::Wait { latency: Latency::parse(effect)?, commit: false },
    };
    Ok(Fault { action, when: When { from: decimal(from)?, to: Some(decimal(to)?), ..When::default() } })
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not a whole number"))
}

fn decimal(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("\"{text}\" is not a number of 0 or more"))
}

fn in_share(share: f64, text: &str) -> Result<f64, String> {
    if share <= 1.0 { Ok(share) } else { Err(format!("\"{text}\" is not a share from 0 to 1")) }
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not true or false"))
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
        if let Action::Behave { word, keys } = &mut self.action {
            Behaviour::default().set_key(word, key, value)?;
            keys.push((key.to_owned(), value.to_owned()));
            return Ok(());
        }
        if self.when.set(key, value)? {
            return Ok(());
        }
        match (key, &mut self.action) {
            ("retry-after", Action::Strike(Strike { harm: Harm::Status { retry_after, .. }, .. })) => {
                *retry_after = Some(value.to_owned());
            }
            ("body", Action::Strike(Strike { harm: Harm::Status { html, .. }, .. })) => *html = value == "html",
            ("commit", Action::Wait { commit, .. } | Action::Strike(Strike { commit, .. })) => *commit = truth(value)?,
            ("service", Action::Capacity { service, .. }) => *service = Latency::parse(value)?,
            ("burst", Action::Rate(rate)) => rate.burst = Some(decimal(value)?.max(1.0)),
            ("answer", Action::Rate(rate)) if ["429", "503"].contains(&value) => {
                rate.status =
                    if value == "429" { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
            }
            ("answer", Action::Rate(_)) => return Err(format!("\"{value}\" is not 429 or 503")),
            ("retry-after", Action::Rate(rate)) => rate.retry_after = RetryAfter::parse(value),
            ("field", Action::Loss(loss)) if !matches!(loss.kind, LossKind::Drop | LossKind::Lower) => {
                loss.field = Some(value.to_owned());
            }
            _ => return Err(format!("\"{key}\" is not a key of this fault")),
        }
        Ok(())
    }

    fn continue_retry_after(&mut self, part: &str) -> bool {
        let text = match &mut self.action {
            Action::Strike(Strike { harm: Harm::Status { retry_after: Some(text), .. }, .. }) => text,
            Action::Rate(Rate { retry_after: RetryAfter::Text(text), .. }) => text,
            _ => return false,
        };
        text.push(':');
        text.push_str(part);
        true
    }

    fn check(&self) -> Result<(), String> {
        match self.when.to {
            Some(to) if to <= self.when.from => Err(format!("to={to} is not after from={}", self.when.from)),
            _ if self.when.route.is_some() && matches!(self.action, Action::Behave { .. }) => {
                Err("a switch has no route".to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Fault, Harm, Strike};

    #[test]
    fn a_retry_after_may_be_a_date() {
        for action in ["status=429", "rate=5"] {
            let spec = format!("{action}:*:retry-after=Wed, 21 Oct 2015 07:28:00 GMT:every=2");
            let fault: Fault = spec.parse().unwrap();
            let text = format!("{fault:?}");
            assert!(text.contains("\"Wed, 21 Oct 2015 07:28:00 GMT\"") && text.contains("every: Some(2)"), "{text}");
        }
    }

    #[test]
    fn a_reset_that_commits_is_a_lost_reply() {
        let given = |spec: &str| match spec.parse::<Fault>().unwrap().action {
            Action::Strike(Strike { harm, commit, .. }) => (harm, commit),
            other => panic!("{other:?}"),
        };
        assert_eq!(given("reset:*:commit=true"), given("drop-after-commit"));
        assert_eq!(given("hang:commit=true"), (Harm::Hang, true));
        assert_eq!(given("truncate:commit=false"), (Harm::Truncate { early: false }, false));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (spec, part) in [
            ("explode", "explode"),
            ("status=9", "9"),
            ("status=204", "204"),
            ("reset:POST", "POST"),
            ("reset=now", "reset"),
            ("reset:*:every=x", "x"),
            ("reset:*:body=html", "body"),
            ("reset:*:p=1.5", "1.5"),
            ("reset:*:from=5:to=5", "to=5"),
            ("reset:*:commit=yes", "yes"),
            ("status=503:*:also", "also"),
            ("latency=soon", "soon"),
            ("latency=beta(1ms,2ms)", "beta"),
            ("delay-ms=1.5", "1.5"),
            ("slow-spell=5:x3", "FROM..TO"),
            ("slow-spell=1..2:fast", "fast"),
            ("slow-spell=1..2", "FROM..TO"),
            ("capacity=0", "0"),
            ("capacity=2:*:service=x", "x"),
            ("rate=0", "0"),
            ("rate=5:*:answer=500", "500"),
            ("drip=never", "never"),
            ("lossy=all", "all"),
            ("lossy=drop", "drop=FIELD"),
            ("lossy=truncate=x", "x"),
            ("lossy=drop=title:*:field=x", "field"),
            ("duplicate-uuid=500", "existing"),
            ("strict=maybe", "strict=ignore"),
            ("window=0", "0"),
            ("window=5:answer=503", "answer=503"),
            ("unsorted:GET /assets", "route"),
            ("put=merge:every=2", "every"),
            ("annotations-body=D", "D"),
            ("page-cap=x", "x"),
            ("ignore-limit=5", "ignore-limit"),
            ("ignore-parameters", "ignore-parameters"),
        ] {
            let error = spec.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(spec) && error.contains(part), "{spec}: {error}");
        }
    }

    #[test]
    fn everything_in_the_grammar_is_understood() {
        let quoted = super::GRAMMAR.lines().filter(|line| line.starts_with("| `"));
        let mut understood = 0;
        for text in quoted.flat_map(|line| line.split(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2)) {
            let (name, choices) = text.split_once('=').unwrap_or((text, ""));
            for choice in choices.split("\\|") {
                let spec = match (name, choice) {
                    ("every" | "first" | "after" | "p" | "from" | "to" | "all" | "answer", _) => continue,
                    (name, "") => name.to_owned(),
                    (name, "N") => format!("{name}=7"),
                    (name, choice) => format!("{name}={choice}"),
                };
                spec.parse::<Fault>().unwrap_or_else(|error| panic!("{error}"));
                understood += 1;
            }
        }
        assert!(understood > 40, "{understood}");
    }
}
