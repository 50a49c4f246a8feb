//! The Flex REST API: requests, answers, and what an answer means. No Arrow and no source vocabulary in here.
//!
//! [`FlexClient`] speaks the few calls that a migration needs; [`matrix`] writes the paths; [`exchange`](self) sends one
//! request and classifies its answer; [`retry`] says when a request is repeated; [`pace`](PaceSnapshot) when one may go
//! at all; [`definition`] checks an instance against its definition; [`Scan`] reads all assets; [`pulled`] keeps
//! definitions in files; [`instance`] compares field values. The contract all
//! this relies on is told in each module.

mod base;
mod breaker;
mod client;
pub mod definition;
mod exchange;
mod gate;
mod ids;
pub mod instance;
pub mod matrix;
mod model;
mod moment;
mod pace;
mod pass;
pub mod pulled;
pub mod retry;
mod scan;
mod search;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use self::base::Base;
pub use self::breaker::BreakerState;
pub use self::client::{FlexClient, Traffic};
pub use self::definition::{Definition, Family, Field};
pub use self::instance::Difference;
pub use self::model::{
    Asset, CreateFields, Expected, ExternalId, Finding, Instance, Metadata, NewAsset, ObjectType, Outcome, Refusal,
    Written,
};
pub use self::pace::PaceSnapshot;
pub use self::pulled::Pulled;
pub use self::retry::RetryPolicy;
pub use self::scan::Scan;

/// How to reach a Flex.
#[derive(Debug, Clone)]
pub struct FlexConfig {
    /// The API's base, `https://HOST/api`.
    pub base_url: String,
    /// The user (HTTP Basic).
    pub username: SecretString,
    /// The password (HTTP Basic).
    pub password: SecretString,
    /// The deadline of one request, from connecting to the last byte of its answer.
    pub timeout: Duration,
    /// Permits plain http to other hosts than this one.
    pub allow_insecure: bool,
    /// Requests under way at most, of all clones of a client together; from one on.
    pub max_in_flight: usize,
    /// Requests a second at most; `None` where only the target bounds them.
    pub max_requests_per_second: Option<f64>,
    /// The share of the limit or rate found that is left free for others, from 0 to 0.9.
    pub headroom: f64,
    /// Failures in a row (no connection, no answer, 5xx) after which nothing but single probes is sent; `None` for twice
    /// `max_in_flight`, at least ten.
    pub open_after: Option<u32>,
    /// How long the target may stay away until requests fail instead of waiting for it.
    pub patience: Duration,
    /// A PEM file of authorities that are believed besides the system's.
    pub ca: Option<PathBuf>,
    /// How requests are repeated.
    pub retry: RetryPolicy,
    /// How long a POST of unclear outcome is given to take effect before its asset may count as absent.
    pub settle: Duration,
    /// Names of the fields in the body that creates an asset.
    pub fields: CreateFields,
}

impl FlexConfig {
    /// The defaults: thirty seconds a request, no plain http but to this machine.
    pub fn new(base_url: impl Into<String>, username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            username: SecretString::from(username.into()),
            password: SecretString::from(password.into()),
            timeout: Duration::from_secs(30),
            allow_insecure: false,
            max_in_flight: 32,
            max_requests_per_second: None,
            headroom: 0.0,
            open_after: None,
            patience: Duration::from_secs(300),
            ca: None,
            retry: RetryPolicy::default(),
            settle: Duration::from_secs(2),
            fields: CreateFields::default(),
        }
    }
}
