//! `[flex.NAME]`: a target, how to reach it, and how gently.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::layers::{self, Layers};
use super::{Shared, TargetConfig, words};
use crate::flex::{Base, FlexConfig, RetryPolicy};
use crate::load::LoadConfig;

/// A day: longer than that nobody waits, and no clock overflows.
const MOST_SECONDS: f64 = 86_400.0;
/// Who asked a process to stop kills it when it takes much longer.
const LONGEST_DRAIN: Duration = Duration::from_secs(30);
/// Each needs a connection of its own; beyond it, files and ports of the machine run out.
const MOST_IN_FLIGHT: usize = 4_096;

pub(super) fn target(layers: &mut Layers, name: &str, shared: &Shared) -> Option<TargetConfig> {
    let key = |part: &str| format!("flex.{name}.{part}");
    let username = layers.secret(&key("username"), |_| true);
    let password = layers.secret(&key("password"), |_| false);
    let attributes = layers.parsed(&key("attributes"), "annotations", words::attributes);
    let production = layers.parsed(&key("production"), "false", layers::truth);
    let allow_insecure = layers.parsed(&key("allow_insecure"), "false", layers::truth);
    // What is wrong with that setting is told by itself.
    let url =
        layers.place(&key("url"), presentable).and_then(|url| match flex_url(&url, allow_insecure.unwrap_or(true)) {
            Ok(()) => Some(url),
            Err(wanted) => {
                layers.problems.push(format!("{} = `{}`: {wanted}", key("url"), presentable(&url)));
                None
            }
        });
    let ca = layers.optional(&key("ca"));
    let loading = loading(layers, key);
    let manners = manners(layers, key);
    for (part, missing) in [("url", url.is_none()), ("username", username.is_none()), ("password", password.is_none())]
    {
        let told = layers.problems.iter().chain(&layers.absent).any(|problem| problem.starts_with(&key(part)));
        if missing && !told {
            layers.problems.push(format!("{}: missing", key(part)));
        }
    }
    let manners = manners?;
    let flex = FlexConfig {
        base_url: url?,
        username: SecretString::from(username?),
        password: SecretString::from(password?),
        allow_insecure: allow_insecure?,
        ca: ca.map(PathBuf::from),
        ..manners
    };
    let load = LoadConfig {
        target: name.to_owned(),
        identity: None,
        ledger: shared.ledger.join(format!("{}.sqlite3", crate::staging::safe_name(name, false))),
        attributes: attributes?,
        limit: None,
        bindings: shared.bindings.clone(),
        external_id_key: shared.external_id_key.clone(),
        external_id_column: shared.external_id_column.clone(),
        ..loading?
    };
    Some(TargetConfig { flex, load, production: production? })
}

/// How rows are loaded and assets removed; which rows, and by which ledger, is not yet said.
fn loading(layers: &mut Layers, key: impl Fn(&str) -> String) -> Option<LoadConfig> {
    let max_failures = layers.parsed(&key("max_failures"), "none", words::failures);
    let canary = layers.parsed(&key("canary"), "3", words::whole);
    let watch = layers.parsed(&key("watch"), "60s", layers::duration);
    let checkpoint = layers.parsed(&key("checkpoint"), "5m", layers::duration);
    let drain = layers.parsed(&key("drain"), "30s", drain);
    let deletion = layers.parsed(&key("deletion"), "action", words::deletion);
    Some(LoadConfig {
        max_failures: max_failures?,
        canary: canary?,
        watch: watch?,
        checkpoint: checkpoint?,
        drain: drain?,
        deletion: deletion?,
        ..LoadConfig::new()
    })
}

/// How requests are paced and repeated; whom they go to is not yet said.
fn manners(layers: &mut Layers, key: impl Fn(&str) -> String) -> Option<FlexConfig> {
    let seconds = |most: f64| move |text: &str| number(text, 0.0, most, "seconds");
    let timeout = layers.parsed(&key("timeout"), "30", layers::count);
    let max_in_flight = layers.parsed(&key("max_in_flight"), "32", in_flight);
    let max_requests_per_second = layers.parsed(&key("max_requests_per_second"), "unlimited", |text| match text {
        "unlimited" => Ok(None),
        text => number(text, 0.1, 1e6, "requests a second, or unlimited,").map(Some),
    });
    let headroom = layers.parsed(&key("headroom"), "0", |text| number(text, 0.0, 0.9, "a share"));
    let patience = layers.parsed(&key("patience"), "300", seconds(MOST_SECONDS));
    let settle = layers.parsed(&key("settle"), "2", seconds(MOST_SECONDS));
    let retries = layers.parsed(&key("retries"), "10", |text| {
        text.parse::<u32>().map_err(|_| "a whole number from 0 on is wanted".to_owned())
    });
    Some(FlexConfig {
        timeout: Duration::from_secs(timeout? as u64),
        max_in_flight: max_in_flight?,
        max_requests_per_second: max_requests_per_second?,
        headroom: headroom?,
        patience: Duration::from_secs_f64(patience?),
        settle: Duration::from_secs_f64(settle?),
        retry: RetryPolicy { repeats: retries?, ..RetryPolicy::default() },
        ..FlexConfig::new("", "", "")
    })
}

/// A number of a range, both ends included.
fn number(text: &str, least: f64, most: f64, what: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|number| (least..=most).contains(number));
    found.ok_or_else(|| format!("{what} from {least} to {most} wanted"))
}

fn in_flight(text: &str) -> Result<usize, String> {
    layers::count(text)
        .ok()
        .filter(|number| *number <= MOST_IN_FLIGHT)
        .ok_or_else(|| format!("a whole number from 1 to {MOST_IN_FLIGHT} is wanted"))
}

/// The process itself waits little longer than the longest for its work to end: more would be promised in vain.
fn drain(text: &str) -> Result<Duration, String> {
    let found = layers::duration(text)?;
    if found <= LONGEST_DRAIN { Ok(found) } else { Err("30s at most".to_owned()) }
}

/// The base URL; who signs in there is said by `username` and `password`.
fn flex_url(text: &str, allow_insecure: bool) -> Result<(), String> {
    Base::parse(text, allow_insecure).map(|_| ()).map_err(|why| format!("{why}; https://HOST/api is wanted"))
}

/// A URL as it can be shown, whether or not it is one: without what stands before `@` or in a query.
fn presentable(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
            format!("{scheme}…@{host}")
        }
    }
}
