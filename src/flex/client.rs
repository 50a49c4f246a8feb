//! The calls that a migration needs, with the rules for repeating them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::FlexConfig;
use super::definition::{Definition, Field};
use super::exchange::{Exchange, Reply, Transport};
use super::gate::{Closed, Gate};
use super::matrix::Address;
use super::model::{Asset, CreateFields, Instance, NewAsset, Outcome, Refusal, Written};
use super::pace::{PaceSnapshot, Verdict};
use super::retry::{Again, Retry};
use super::scan::Scan;
use crate::error::{Error, Result};

/// How dates are written in matrix parameters.
pub(super) const MATRIX_DATE: &str = "%d %b %Y %H:%M:%S";

/// A Flex, reached over a pool of kept-alive connections. Cheap to clone; clones share pool, pace and
/// budget.
#[derive(Debug, Clone)]
pub struct FlexClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Transport,
    gate: Gate,
    retry: Retry,
    settle: Duration,
    fields: CreateFields,
}

/// Requests of a client since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Requests sent, repeats included.
    pub requests: u64,
    /// Repeats among them.
    pub retries: u64,
    /// Bytes of the bodies sent.
    pub bytes: u64,
    /// Answers that asked for less, and pauses made for a spent budget.
    pub throttled: u64,
}

/// Whether a request that may have been carried out can be sent again.
#[derive(Clone, Copy, PartialEq)]
enum Repeat {
    Always,
    UnlessUnclear,
    Briefly,
}

/// Repeats of a request that is sent [`Repeat::Briefly`].
const BRIEFLY: u32 = 2;

impl FlexClient {
    /// A client for the configured Flex. Nothing is sent yet.
    ///
    /// # Errors
    /// When the URL or credentials are unusable, or the URL is plain http to another host without leave.
    pub fn new(config: &FlexConfig) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            transport: Transport::new(config)?,
            gate: Gate::new(config),
            retry: Retry::new(config.retry.clone()),
            settle: config.settle,
            fields: config.fields.clone(),
        })))
    }

    /// The base URL, without its last slash.
    pub fn base_url(&self) -> &str {
        self.0.transport.base().as_str()
    }

    /// The fields that the server takes of a new asset.
    pub fn create_fields(&self) -> &CreateFields {
        &self.0.fields
    }

    /// Requests under way at once, at most: from one on.
    pub fn max_in_flight(&self) -> usize {
        self.0.gate.max_in_flight()
    }

    /// The counts so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.0.transport.requests(),
            retries: self.0.retry.repeats(),
            bytes: self.0.transport.bytes(),
            throttled: self.pace().throttled,
        }
    }

    /// How many requests are under way and how many may be, and what holds others back.
    pub fn pace(&self) -> PaceSnapshot {
        self.0.gate.snapshot()
    }

    /// Waits before the given repeat (from 1) of a request that the caller repeats itself; false when there were
    /// enough. Counts against the same budget as all other repeats.
    pub async fn again(&self, repeat: u32) -> bool {
        self.wait(self.0.retry.again(repeat, repeat)).await
    }

    async fn wait(&self, again: Again) -> bool {
        match again {
            Again::Enough => return false,
            Again::After(delay) => tokio::time::sleep(delay).await,
            Again::Spent(pause) => {
                tracing::warn!(?pause, "the retry budget is spent: all requests pause");
                self.0.gate.pause(pause);
            }
        }
        true
    }

    /// How long a POST of unclear outcome may take to take effect.
    pub fn settle_time(&self) -> Duration {
        self.0.settle
    }

    /// One authenticated request that changes nothing; falls back to the list that older servers have. Asked before
    /// anything has begun, it gives a server that is away a few seconds only.
    ///
    /// # Errors
    /// When the server is away, refuses the credentials, or is no Flex.
    pub async fn ping(&self) -> Result<()> {
        for address in [Address::of("accounts"), Address::of("resources").with("limit", 1)] {
            match self.call(&Method::GET, address.as_str(), None, Repeat::Briefly).await? {
                Outcome::Done(_) => return Ok(()),
                Outcome::Refused(refusal) if refusal.status == 404 => {}
                outcome => return Err(self.failed("GET", address.as_str(), outcome)),
            }
        }
        let advice = "neither /accounts nor /resources is there; does the URL end in /api?".to_owned();
        Err(self.error("GET", "/accounts", Some(404), advice, false))
    }

    /// One GET of a path below the base, its parameters encoded by the caller.
    ///
    /// # Errors
    /// When the server is away or refuses.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        match self.read(&path).await? {
            Outcome::Done(reply) => Ok(reply.json()),
            outcome => Err(self.failed("GET", &path, outcome)),
        }
    }

    /// The names and ids of all definitions, as the server lists them.
    ///
    /// # Errors
    /// When the list cannot be read to its end.
    pub async fn definitions(&self) -> Result<Vec<Value>> {
        self.definition_list(Address::of("metadataDefinitions")).await
    }

    /// The definition of exactly this name, with its fields; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or two have the name.
    pub async fn definition(&self, name: &str) -> Result<Option<Definition>> {
        let address = Address::of("metadataDefinitions").with("name", name).with("exactNameMatch", true);
        let items = self.definition_list(address.clone()).await?;
        let mut named = items.iter().filter(|item| item.get("name").and_then(Value::as_str) == Some(name));
        let Some(item) = named.next() else { return Ok(None) };
        if named.next().is_some() {
            let message = format!("two definitions are named {name:?}; rename one");
            return Err(self.error("GET", address.as_str(), None, message, false));
        }
        let id = item.get("id").and_then(Value::as_i64);
        let id =
            id.ok_or_else(|| self.error("GET", address.as_str(), None, "a definition without id".into(), false))?;
        let enabled = item.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        Ok(Some(Definition { id, name: name.to_owned(), enabled, fields: self.definition_fields(id).await? }))
    }

    /// The fields of a definition, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn definition_fields(&self, id: i64) -> Result<Vec<Field>> {
        let mut answer = self.definition_answer(id).await?;
        let fields = answer.get_mut("definition").map(Value::take).unwrap_or_default();
        serde_json::from_value(fields).map_err(|cause| {
            let path = format!("/metadataDefinitions/{id}/definition");
            self.error("GET", &path, None, format!("the fields cannot be read: {cause}"), false)
        })
    }

    /// The whole answer that holds the fields of a definition, as the server gives it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn definition_answer(&self, id: i64) -> Result<Value> {
        self.get(Address::of("metadataDefinitions").item(id).part("definition").as_str()).await
    }

    async fn definition_list(&self, address: Address) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        loop {
            let page = address.clone().with("sortBy", "id").with("sort", "asc").with("offset", items.len());
            let mut value = self.get(page.as_str()).await?;
            let total = value.get("totalCount").and_then(Value::as_u64).unwrap_or(0);
            let Some(Value::Array(found)) = value.get_mut("metadataDefinitions").map(Value::take) else { break };
            let last = found.is_empty();
            items.extend(found);
            if last || items.len() as u64 >= total {
                break;
            }
        }
        Ok(items)
    }

    /// One request that changes something, its body as it is to be sent. One that may have been carried out is repeated only
    /// where that does no harm (`idempotent`); else the caller finds out first what became of it.
    ///
    /// # Errors
    /// When the server is away or refuses the credentials.
    pub async fn write(&self, method: &Method, path: &str, body: Bytes, idempotent: bool) -> Result<Outcome<Written>> {
        let repeat = if idempotent { Repeat::Always } else { Repeat::UnlessUnclear };
        let outcome = self.call(method, path, Some(body), repeat).await?;
        Ok(outcome.map(|reply| Written { status: reply.status, id: reply.id }))
    }

    /// The body of the request that creates an asset.
    pub fn create_body(&self, asset: &NewAsset) -> Value {
        asset.body(&self.0.fields)
    }

    /// The asset of this id; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn asset(&self, id: i64) -> Result<Option<Asset>> {
        let address = Address::of("assets").item(id).with("includeMetadata", true);
        let Some(value) = self.get_or_none(&address).await? else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|cause| {
            self.error("GET", address.as_str(), None, format!("the asset cannot be read: {cause}"), false)
        })
    }

    /// The field values of an asset; `None` if there is no such asset.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn metadata(&self, id: i64) -> Result<Option<Instance>> {
        let address = Address::of("assets").item(id).part("metadata");
        let Some(mut value) = self.get_or_none(&address).await? else { return Ok(None) };
        match value.get_mut("instance").map(Value::take) {
            Some(Value::Object(instance)) => Ok(Some(instance)),
            Some(Value::Null) | None => Ok(Some(Instance::new())),
            Some(_) => Err(self.error("GET", address.as_str(), None, "the instance is no object".into(), false)),
        }
    }

    /// All assets, each once, with their metadata where the server gives it. Must be called within a Tokio runtime.
    pub fn assets(&self, page: usize) -> Scan {
        Scan::start(self.clone(), Address::of("assets").with("includeMetadata", true), page)
    }

    /// One page of a list.
    pub(super) async fn list(&self, address: &Address) -> Result<Outcome<Value>> {
        Ok(self.read(address.as_str()).await?.map(|reply| reply.json()))
    }

    async fn get_or_none(&self, address: &Address) -> Result<Option<Value>> {
        match self.read(address.as_str()).await? {
            Outcome::Done(reply) => Ok(Some(reply.json())),
            Outcome::Refused(Refusal { status: 404, .. }) => Ok(None),
            outcome => Err(self.failed("GET", address.as_str(), outcome)),
        }
    }

    pub(super) async fn read(&self, path: &str) -> Result<Outcome<Reply>> {
        self.call(&Method::GET, path, None, Repeat::Always).await
    }

    /// Sends a request, and sends it again where that is safe. What concerns only this request is an outcome; a target
    /// that stays away or refuses the credentials is an error.
    async fn call(&self, method: &Method, path: &str, body: Option<Bytes>, repeat: Repeat) -> Result<Outcome<Reply>> {
        let retry = &self.0.retry;
        retry.earn();
        let mut counted = 0;
        for attempt in 1u32.. {
            let slot = match self.0.gate.enter().await {
                Ok(slot) => slot,
                Err(Closed::Unauthorised) => {
                    return Err(self.unauthorised(
                        method,
                        path,
                        Refusal { status: 401, message: "refused before".to_owned(), request_id: None },
                    ));
                }
                Err(Closed::Away(away)) => return Err(self.away(method, path, away)),
            };
            let exchange = self.0.transport.send(method, path, body.clone()).await;
            slot.answered(verdict(&exchange, |repeat, after| retry.pause(repeat.min(attempt), after)));
            let (message, status, outage) = match exchange {
                Exchange::Done(reply) => return Ok(Outcome::Done(reply)),
                Exchange::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
                Exchange::Unauthorised(refusal) => return Err(self.unauthorised(method, path, refusal)),
                Exchange::Untrusted(why) => return Err(self.untrusted(method, path, &why)),
                Exchange::Throttled { status, message, .. } => {
                    let message = format!("HTTP {status}: {message}");
                    // Behind a 503 some gateway may have passed the request on; a 429 says that nothing was done.
                    if status == 503 && repeat == Repeat::UnlessUnclear {
                        return Ok(Outcome::Unclear(message));
                    }
                    (message, Some(status), true)
                }
                Exchange::Unclear { message, .. } if repeat == Repeat::UnlessUnclear => {
                    return Ok(Outcome::Unclear(message));
                }
                Exchange::Unclear { message, gateway } => (message, None, gateway),
                Exchange::NotSent(message) => (message, None, true),
            };
            let enough = repeat == Repeat::Briefly && attempt > BRIEFLY;
            // A target that is away is waited for as long as the patience lasts.
            if !(outage && self.0.gate.is_waiting()) {
                counted += 1;
            }
            if !enough && self.wait(retry.again(attempt, counted)).await {
                continue;
            }
            if outage {
                let message =
                    format!("{message}; given up after {attempt} attempts, run the same command again to resume");
                return Err(self.error(method.as_str(), path, status, message, true));
            }
            return Ok(Outcome::Unclear(message));
        }
        Ok(Outcome::Unclear("never sent".to_owned()))
    }

    fn away(&self, method: &Method, path: &str, away: Duration) -> Error {
        let message = format!(
            "the target has been away for {} s, longer than `patience`; see that it is up, then run the same command \
             again to resume",
            away.as_secs()
        );
        self.error(method.as_str(), path, None, message, true)
    }

    fn untrusted(&self, method: &Method, path: &str, why: &str) -> Error {
        let message = format!(
            "the server did not prove its identity ({why}); no credentials were sent. Check the host in the URL, or name \
             the PEM file of its authority by `ca`"
        );
        self.error(method.as_str(), path, None, message, false)
    }

    fn unauthorised(&self, method: &Method, path: &str, refusal: Refusal) -> Error {
        let message = format!(
            "the target refuses the credentials or the permission ({}); everything was stopped so as not to lock the \
             account. Correct username and password, then run the same command again",
            refusal.message
        );
        self.error(method.as_str(), path, Some(refusal.status), message, false)
    }

    fn failed<T>(&self, method: &str, path: &str, outcome: Outcome<T>) -> Error {
        match outcome {
            Outcome::Refused(refusal) => self.error(method, path, Some(refusal.status), refusal.to_string(), false),
            Outcome::Unclear(message) => self.error(method, path, None, message, true),
            Outcome::Done(_) => self.error(method, path, None, "an answer of another kind was expected".into(), false),
        }
    }

    pub(super) fn error(
        &self,
        method: &str,
        path: &str,
        status: Option<u16>,
        message: String,
        transient: bool,
    ) -> Error {
        let url = self.0.transport.url(path);
        Error::Flex { method: method.to_owned(), url, status, message, transient, cause: None }
    }
}

/// What an answer says of the target rather than of the request; `pause` gives the wait that it costs all, of no more than so many
/// refusals in a row. That of a 429 does not grow: the rate is lowered instead.
fn verdict(exchange: &Exchange, pause: impl Fn(u32, Option<Duration>) -> Duration) -> Verdict {
    match exchange {
        Exchange::Done(_) | Exchange::Refused(_) => Verdict::Good,
        Exchange::Unauthorised(_) | Exchange::Untrusted(_) => Verdict::Unauthorised,
        Exchange::Throttled { status: 503, after, .. } => {
            Verdict::Unavailable { pause: pause(u32::MAX, *after), asked: after.is_some_and(|after| !after.is_zero()) }
        }
        Exchange::Throttled { after, .. } => Verdict::Throttled { pause: pause(1, *after), asked: after.is_some() },
        Exchange::Unclear { .. } | Exchange::NotSent(_) => Verdict::Failed,
    }
}
