//! One session with the source: dialled, secured, tapped, and set up so that values read the same on any server.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, ToSocketAddrs, UnixStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode as Negotiation;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::{answer, failure, value};
use super::liveness::ask_for_life;
use super::tap::{Tally, TapTls, Tapped};
use super::target::{Address, Place, Target, Wanted};
use super::tls::SslMode;
use crate::error::{Error, Result};

/// How long dialling one address may take when the URL does not say (`connect_timeout`).
const DIAL: Duration = Duration::from_secs(15);
/// How long handshake and sign-in may take after that, likewise.
const GREETING: Duration = Duration::from_secs(60);

/// The settings under which values, locks and time limits mean the same everywhere (after pg_dump's `setup_connection`).
/// `row_security = off` turns a policy that would hide rows into an error. Names a server does not know are left out.
/// Nothing but `pg_catalog` is searched: what a name or an operator means does not depend on the user, and nobody's own
/// function stands in for one of the server's. A type of any other schema is then named with it.
pub(super) const PREAMBLE: &str = "
    select pg_catalog.set_config(s.name, v.value, false)
    from pg_catalog.pg_settings s
    join (values ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), ('extra_float_digits', '3'),
                 ('TimeZone', 'UTC'), ('bytea_output', 'hex'), ('search_path', ''),
                 ('quote_all_identifiers', 'off'), ('lc_monetary', 'C'), ('xmlbinary', 'base64'),
                 ('statement_timeout', '0'), ('lock_timeout', '10s'), ('idle_in_transaction_session_timeout', '0'),
                 ('idle_session_timeout', '0'), ('transaction_timeout', '0'), ('row_security', 'off'),
                 ('default_transaction_read_only', 'on'), ('synchronize_seqscans', 'off')) v(name, value)
      on pg_catalog.lower(s.name) = pg_catalog.lower(v.name)";

/// Has the server (14 and later) end a statement soon after its client has gone, instead of at the next row that cannot be
/// sent. A server on a system that cannot notice it (Windows) refuses, which harms nothing.
const CHECK_CLIENT: &str = "
    select pg_catalog.set_config(name, '10s', false) from pg_catalog.pg_settings
    where name = 'client_connection_check_interval'";

/// What a server is; asked before the preamble, which makes every session read-only.
const KIND: &str =
    "select pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only')::bool";

/// A connection and the task that drives it. Dropping it closes the socket at once, in the middle of a `COPY` too.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) tally: Arc<Tally>,
    /// The address dialled; none for a Unix socket.
    pub(super) peer: Option<(IpAddr, u16)>,
    /// The host or socket folder in the user's words.
    pub(super) place: String,
    /// Why the connection has ended, once it has.
    pub(super) ending: Ending,
    driver: JoinHandle<()>,
}

/// Why a connection has ended: what the server said last (an administrator, a shutdown), or how the network broke.
pub(super) type Ending = Arc<OnceLock<tokio_postgres::Error>>;

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Connects where a run begins: whatever fails, nothing was started. Later a server that does not answer may come back.
    pub(super) async fn first(target: &Target) -> Result<Self> {
        Self::open(target).await.map_err(|error| match error {
            Error::Source { table, message, cause, .. } => {
                Error::Preflight { message: format!("{table}: {message}"), cause }
            }
            other => other,
        })
    }

    /// Connects to the first address that answers and applies the preamble.
    pub(super) async fn open(target: &Target) -> Result<Self> {
        let mut last = Error::preflight("the source's URL names no host");
        for wanted in target.wanted.rounds() {
            for place in &target.places {
                match Self::open_at(target, place, *wanted).await {
                    Ok(session) => return Ok(session),
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    async fn open_at(target: &Target, place: &Place, wanted: Wanted) -> Result<Self> {
        let name = place_name(place);
        let session = match (&place.at, target.tls.mode) {
            (Address::Unix { .. }, _) | (_, SslMode::Disable) => plain(target, place).await,
            (Address::Tcp { .. }, SslMode::Prefer) => match secure(target, place).await {
                Err(error) if offers_no_tls(&error) => plain(target, place).await,
                opened => opened,
            },
            (Address::Tcp { .. }, _) => secure(target, place).await,
        }?;
        let doing = "the session cannot be set up";
        if wanted != Wanted::Any {
            let row = answer(&name, doing, session.client.query_one(KIND, &[])).await?;
            if !wanted.takes(value(&row, 0)?, value(&row, 1)?) {
                return Err(Error::preflight(format!("{name} is not a server that target_session_attrs asks for")));
            }
        }
        answer(&name, doing, session.client.batch_execute(PREAMBLE)).await?;
        match session.client.batch_execute(CHECK_CLIENT).await {
            Err(error) if error.as_db_error().is_none() => return Err(failure(&name, doing, error)),
            _ => {}
        }
        let encoding = answer(&name, doing, session.client.query_one("show server_encoding", &[])).await?;
        if value::<&str>(&encoding, 0)? == "SQL_ASCII" {
            // Nothing can be converted from it: take the bytes as they are; each text value is checked by the decoder.
            answer(&name, doing, session.client.batch_execute("set client_encoding = 'SQL_ASCII'")).await?;
        }
        Ok(session)
    }
}

pub(super) fn place_name(place: &Place) -> String {
    match &place.at {
        Address::Tcp { name, port, .. } => format!("{name}:{port}"),
        Address::Unix { folder, port } => format!("{}:{port}", folder.display()),
    }
}

fn offers_no_tls(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.to_string().contains("server does not support TLS") {
            return true;
        }
        cause = inner.source();
    }
    false
}

async fn plain(target: &Target, place: &Place) -> Result<Session> {
    let (wire, peer) = dial(target, place).await?;
    let tally = Tally::new();
    let mut config = target.config_for(place);
    config.ssl_mode(Negotiation::Disable);
    let stream = Tapped::new(wire, tally.clone());
    let (client, connection) = greet(target, place, config.connect_raw(stream, NoTls)).await?;
    let (ending, driver) = drive(connection);
    Ok(Session { client, tally, peer, place: place_name(place), ending, driver })
}

async fn secure(target: &Target, place: &Place) -> Result<Session> {
    let (wire, peer) = dial(target, place).await?;
    let tally = Tally::new();
    let mut config = target.config_for(place);
    config.ssl_mode(Negotiation::Require);
    let name = match &place.at {
        Address::Tcp { name, .. } => name.as_str(),
        Address::Unix { .. } => "localhost",
    };
    let mut maker = MakeRustlsConnect::new(target.tls_config()?);
    let Ok(inner) = MakeTlsConnect::<Wire>::make_tls_connect(&mut maker, name);
    let tls = TapTls { inner, tally: tally.clone() };
    let (client, connection) = greet(target, place, config.connect_raw(wire, tls)).await?;
    let (ending, driver) = drive(connection);
    Ok(Session { client, tally, peer, place: place_name(place), ending, driver })
}

/// Runs a connection to its end, and keeps why that came.
fn drive(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
) -> (Ending, JoinHandle<()>) {
    let ending = Ending::default();
    let kept = ending.clone();
    let driver = tokio::spawn(async move {
        if let Err(cause) = connection.await {
            let _ = kept.set(cause);
        }
    });
    (ending, driver)
}

/// Waits for handshake and sign-in: something may listen that never says a word.
async fn greet<T>(
    target: &Target,
    place: &Place,
    greeting: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T> {
    let limit = target.config.get_connect_timeout().copied().unwrap_or(GREETING);
    let greeted = timeout(limit, greeting).await.map_err(|_| Error::Source {
        table: place_name(place),
        message: format!("something listens there and has not answered within {limit:?}; is it PostgreSQL?"),
        transient: true,
        cause: None,
    })?;
    greeted.map_err(|cause| refused(place, cause))
}

/// A failed handshake or sign-in: not to be repeated, and with the advice that mends it, unless the connection broke or
/// the server is the one that asks for patience.
fn refused(place: &Place, cause: tokio_postgres::Error) -> Error {
    let place = place_name(place);
    let advice = if cause.as_db_error().is_some() { None } else { advice(&cause) };
    if let Some(advice) = advice {
        return Error::Preflight { message: format!("{place} {advice}"), cause: Some(cause.into()) };
    }
    match failure(&place, "the source does not let us in", cause) {
        Error::Source { message, transient: false, cause, .. } => {
            Error::Preflight { message: format!("{place}: {message}"), cause }
        }
        other => other,
    }
}

/// What is wrong where the server has sent no error of its own, and what mends it; none if the connection broke.
fn advice(cause: &tokio_postgres::Error) -> Option<&'static str> {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(cause);
    while let Some(inner) = next {
        text.push_str(&inner.to_string());
        text.push('\n');
        next = inner.source();
    }
    // tokio-postgres keeps the kind of its errors to itself: they are told by their words.
    let says = |words: &str| text.contains(words);
    let broke = ["unexpected end of file", "unexpected EOF", "handshake eof", "os error"].into_iter().any(says);
    if says("certificate") {
        Some(
            "did not prove its identity; no password was sent. Give the root certificates with sslrootcert= or \
             PGSSLROOTCERT (for Amazon RDS: global-bundle.pem) and connect by the name that the certificate holds",
        )
    } else if says("password missing") {
        Some("asks for a password and none is set: give it with PGPASSWORD or in the file that PGPASSFILE names")
    } else if says("server does not support TLS") {
        Some(
            "offers no TLS, and sslmode asks for it: turn ssl on in the server, or, where the network may be trusted \
             with the password, set sslmode=disable",
        )
    } else if says("authentication error") {
        Some(
            "asks for a way to sign in that is not known here, or its answer is wrong: check user, password \
              (PGPASSWORD, PGPASSFILE) and the server's pg_hba.conf",
        )
    } else if says("error performing TLS handshake") && !broke {
        Some(
            "and we agree on no TLS: check sslmode, and the TLS versions and client certificates that the server wants",
        )
    } else {
        None
    }
}

async fn dial(target: &Target, place: &Place) -> Result<(Wire, Option<(IpAddr, u16)>)> {
    let limit = target.config.get_connect_timeout().copied().unwrap_or(DIAL);
    let dialled = match &place.at {
        Address::Unix { folder, port } => {
            let path = folder.join(format!(".s.PGSQL.{port}"));
            within(limit, UnixStream::connect(path)).await.map(Wire::Unix)
        }
        Address::Tcp { address: Some(address), port, .. } => {
            tcp((*address, *port), &target.config, limit).await.map(Wire::Tcp)
        }
        Address::Tcp { name, port, .. } => tcp((name.as_str(), *port), &target.config, limit).await.map(Wire::Tcp),
    };
    let wire = dialled.map_err(|cause| Error::Source {
        table: place_name(place),
        message: "no connection; is the server up, and do the network and its firewall let us through?".into(),
        transient: true,
        cause: Some(cause.into()),
    })?;
    let peer = match &wire {
        Wire::Tcp(stream) => {
            // A failure here costs latency only.
            let _ = stream.set_nodelay(true);
            stream.peer_addr().ok().map(|address| (address.ip(), address.port()))
        }
        Wire::Unix(_) => None,
    };
    Ok((wire, peer))
}

/// Waits so long, not longer.
async fn within<T>(limit: Duration, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}"));
    timeout(limit, doing).await.map_err(late)?
}

/// Connects to the first address of a name that answers. The limit is one address's: a dead one leaves the next its time.
async fn tcp(address: impl ToSocketAddrs, config: &Config, limit: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in within(limit, lookup_host(address)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let connecting = async {
            let socket = socket?;
            ask_for_life(&socket, config)?;
            socket.connect(address).await
        };
        match within(limit, connecting).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The byte stream under the protocol.
#[derive(Debug)]
enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
