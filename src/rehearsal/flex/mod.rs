//! The local Flex: a stand-in for the REST API of Dalet Flex, for rehearsals and tests.
//!
//! It serves what a loader may rely on and behaves, where the real thing is known to be awkward, in the awkward way:
//! Basic credentials on every call, matrix parameters in paths, strict JSON bodies, errors that are an envelope or an
//! HTML page, a second call for metadata, instances replaced as a whole, `required` not enforced.
//!
//! What flows where: `connection` (sockets that a fault can cut) → `service` (credentials, faults, body, route,
//! log) → a handler (`catalog`, `definitions`, `assets`, `metadata`, `annotations` and the others; each
//! takes a `call` and gives an `answer`) → `instance` checks values against a `definition` → `store` keeps them and writes the
//! `journal`. Outside `/api`, for this machine only, `standin` shows and falsifies what is stored.

mod account;
mod annotations;
mod answer;
mod asset_actions;
mod asset_list;
mod asset_parts;
mod assets;
mod behaviour;
mod builtin;
mod call;
mod catalog;
mod collections;
mod connection;
mod definition;
mod definition_xml;
mod definitions;
mod fault;
mod fql;
mod instance;
mod journal;
mod latency;
mod lossy;
mod matrix;
mod metadata;
mod playing;
mod rate;
mod records;
mod requests;
mod routes;
mod service;
mod standin;
mod store;
mod strike;
mod tags;
mod taxonomies;
mod version;
mod workflows;

use std::future::IntoFuture;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::builtin::fields as builtin_fields;
use self::connection::{Connection, Door};
pub use self::fault::{Fault, GRAMMAR};
use self::playing::Faults;
use self::requests::RequestLog;
use self::service::Flex;
use self::store::Store;
pub use self::version::Version;
use crate::{Error, Result};

/// The user name and the password where none are given; good for loopback only.
pub const DEFAULT_CREDENTIAL: &str = "rehearsal";
/// How long [`LocalFlex::shutdown`] lets answers finish.
const GRACE: Duration = Duration::from_secs(5);

/// What `POST /assets/{id}/annotations` means, which the public sources disagree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Personality {
    /// Without timestamps it sets attributes, with timestamps it adds a timeline row.
    #[default]
    Both,
    /// It sets attributes; timestamps are unknown properties.
    Seed,
    /// It adds a timeline row; without timestamps it is refused.
    Flex,
}

impl FromStr for Personality {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "both" => Ok(Self::Both),
            "seed" => Ok(Self::Seed),
            "flex" => Ok(Self::Flex),
            _ => Err(Error::config(format!("personality \"{text}\" is not one of both, seed, flex"))),
        }
    }
}

/// How a local Flex is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder that keeps the state over restarts; in memory only without.
    pub data: Option<PathBuf>,
    /// What annotations mean.
    pub personality: Personality,
    /// The release it behaves as.
    pub version: Version,
    /// The only user.
    pub username: SecretString,
    /// The user's password.
    pub password: SecretString,
    /// Faults, in the order in which they are judged.
    pub faults: Vec<Fault>,
    /// What decides the draws of faults that are drawn.
    pub fault_seed: u64,
    /// A file to which every request is appended as a JSON line.
    pub log: Option<PathBuf>,
}

impl Default for Options {
    /// A free loopback port, in memory, the default credentials, no faults.
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            data: None,
            personality: Personality::Both,
            version: Version::default(),
            username: DEFAULT_CREDENTIAL.into(),
            password: DEFAULT_CREDENTIAL.into(),
            faults: Vec::new(),
            fault_seed: 0,
            log: None,
        }
    }
}

/// A running local Flex. It stops when this is dropped; [`LocalFlex::shutdown`] lets answers finish first.
#[derive(Debug)]
pub struct LocalFlex {
    base_url: String,
    flex: Arc<Flex>,
    stop: DropGuard,
    task: JoinHandle<std::io::Result<()>>,
}

impl LocalFlex {
    /// Starts serving on a task of the current tokio runtime. When this returns, requests are accepted.
    ///
    /// # Errors
    /// [`Error::Preflight`] where the default credentials would be open to the network or the data folder is in use;
    /// [`Error::Rehearsal`] where the address or the data folder cannot be used, or there is no runtime.
    pub fn start(options: Options) -> Result<Self> {
        let failed = |what: &str, cause: std::io::Error| Error::rehearsal("the local Flex", what, cause);
        let usual = |secret: &SecretString| secret.expose_secret() == DEFAULT_CREDENTIAL;
        if !options.listen.ip().is_loopback() && usual(&options.username) && usual(&options.password) {
            let address = options.listen;
            let message = format!(
                "the local Flex would be open at {address} with the default credentials; set FLEX_USERNAME and FLEX_PASSWORD, or listen on 127.0.0.1"
            );
            return Err(Error::preflight(message));
        }
        let runtime = Handle::try_current()
            .map_err(|cause| Error::rehearsal("the local Flex", "there is no tokio runtime", cause))?;
        let listener = std::net::TcpListener::bind(options.listen);
        let listener = listener
            .map_err(|cause| failed(&format!("cannot listen on {}; name another address", options.listen), cause))?;
        listener.set_nonblocking(true).map_err(|cause| failed("cannot prepare the socket", cause))?;
        let listener = TcpListener::from_std(listener).map_err(|cause| failed("cannot prepare the socket", cause))?;
        let address = listener.local_addr().map_err(|cause| failed("cannot tell the address", cause))?;
        let base_url = format!("http://{address}/api");
        let store = Store::open(options.data.as_deref())?;
        let log = RequestLog::open(options.log.as_deref())?;
        let faults = Faults::new(options.faults, options.fault_seed);
        let stop = CancellationToken::new();
        let (user, password) = (&options.username, &options.password);
        let kind = (options.personality, options.version);
        let flex = Flex::new(store, (log, stop.clone()), faults, kind, base_url.clone(), user, password);
        let flex = Arc::new(flex);
        let app = Router::new().fallback(service::serve).with_state(Arc::clone(&flex));
        let server = axum::serve(Door(listener), app.into_make_service_with_connect_info::<Connection>())
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        Ok(Self { base_url, flex, stop: stop.drop_guard(), task: runtime.spawn(server.into_future()) })
    }

    /// The base URL, ending in `/api`. The oracle is at `/__standin` beside it.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Puts these faults in the place of those in force, from the next request on; counters and spells begin anew.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.flex.faults.set(faults);
    }

    /// Stops accepting, lets requests that were taken up finish for up to five seconds, also those whose clients have hung
    /// up, and frees port and data folder.
    pub async fn shutdown(self) {
        drop(self.stop);
        self.flex.tasks.close();
        let abort = self.task.abort_handle();
        let ended = async {
            let _ = self.task.await;
            self.flex.tasks.wait().await;
        };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            self.flex.over.cancel();
            abort.abort();
            self.flex.tasks.wait().await;
        }
        self.flex.log().flush();
    }
}
