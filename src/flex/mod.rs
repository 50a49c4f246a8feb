//! The Flex REST API: requests, answers, and what an answer means. No Arrow and no source vocabulary in here.
//!
//! [`FlexClient`] speaks the few calls that a migration needs; [`matrix`] writes the paths; [`exchange`](self) sends one
//! request and classifies its answer; [`retry`] says when a request is repeated; [`definition`] checks an instance
//! against its definition; [`pulled`] keeps definitions in files; [`instance`] compares field values. The contract all
//! this relies on is told in each module.

mod client;
pub mod definition;
mod exchange;
pub mod instance;
pub mod matrix;
mod model;
mod pager;
pub mod pulled;
pub mod retry;

use std::time::Duration;

use secrecy::SecretString;

pub use self::client::{FlexClient, Traffic};
pub use self::definition::{Definition, Family, Field};
pub use self::instance::Difference;
pub use self::model::{
    Asset, CreateFields, Expected, ExternalId, Finding, Instance, Metadata, NewAsset, Outcome, Refusal, Written,
};
pub use self::pager::Pager;
pub use self::pulled::Pulled;
pub use self::retry::RetryPolicy;

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
            retry: RetryPolicy::default(),
            settle: Duration::from_secs(2),
            fields: CreateFields::default(),
        }
    }
}
