//! The connection under connectorx: dialled by its own pool; secured, counted and stopped by us.
//!
//! connectorx takes any TLS connector, and that is where we stand: the stream it gets is made here. So TLS is the native
//! reader's (rustls, host names checked; connectorx' own never checks them), the server's row count of a `COPY`, which
//! connectorx drops, is read in passing, and a read that nobody waits for any longer is ended in the middle.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_postgres::config::{SslMode as Negotiation, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Config, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::either::Either;

use crate::error::{Error, Result};
use crate::source::liveness::limited;
use crate::source::tap::{Tally, Tapped};
use crate::source::target::{Address, Place, Target};
use crate::source::tls::client_config;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// What is seen of a connection from outside, and the hand on its brake.
#[derive(Debug)]
pub(super) struct Watch {
    /// The rows that the server says the last `COPY` sent.
    pub(super) tally: Arc<Tally>,
    stopped: AtomicBool,
    waiting: AtomicWaker,
}

impl Watch {
    fn new() -> Arc<Self> {
        Arc::new(Self { tally: Tally::new(), stopped: AtomicBool::new(false), waiting: AtomicWaker::new() })
    }

    /// Bytes that have come so far, TLS taken off.
    pub(super) fn received(&self) -> u64 {
        self.tally.received()
    }

    /// Ends the connection: whoever reads from it, or does later, gets an error at once.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.waiting.wake();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// The settings and the connector for one session with a place, at this address of it if there is one: a snapshot is known
/// to one server alone. By TLS or without it as the session that asked the catalog.
pub(super) fn line(target: &Target, place: &Place, peer: Option<IpAddr>, by_tls: bool) -> Result<(Config, Line)> {
    let mut config = limited(target.config_for(place));
    match &place.at {
        Address::Tcp { name, address, port } => {
            config.host(name).port(*port);
            if let Some(address) = peer.or(*address) {
                config.hostaddr(address);
            }
        }
        Address::Unix { .. } => return Err(out_of_reach()),
    }
    config.ssl_mode(Negotiation::Require);
    let tls = if by_tls {
        Some(MakeRustlsConnect::new(client_config(&target.tls)?))
    } else {
        // `Direct` negotiates nothing and goes straight to the connector, which then adds no TLS to the stream.
        config.ssl_negotiation(SslNegotiation::Direct);
        None
    };
    Ok((config, Line { tls, watch: Watch::new() }))
}

/// There is nowhere to watch the connection from.
pub(super) fn out_of_reach() -> Error {
    Error::preflight(
        "the reader connectorx reads over TCP only, and the source's URL names the folder of a Unix socket; name a host \
         (localhost), or read with --reader copy",
    )
}

/// Makes the stream of a session.
#[derive(Clone)]
pub(super) struct Line {
    tls: Option<MakeRustlsConnect>,
    pub(super) watch: Arc<Watch>,
}

impl MakeTlsConnect<Socket> for Line {
    type Stream = Watched;
    type TlsConnect = Handshake;
    type Error = Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Infallible> {
        let name = domain.trim_matches(['[', ']']);
        let tls = match &mut self.tls {
            Some(maker) => Some(MakeTlsConnect::<Socket>::make_tls_connect(maker, name)?),
            None => None,
        };
        Ok(Handshake { tls, watch: self.watch.clone() })
    }
}

/// One handshake to come.
pub(super) struct Handshake {
    tls: Option<<MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect>,
    watch: Arc<Watch>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Watched;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Watched>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Self { tls, watch } = self;
        Box::pin(async move {
            let tally = watch.tally.clone();
            let stream = match tls {
                None => Either::Left(Tapped::new(socket, tally)),
                Some(tls) => Either::Right(Tapped::new(timeout(HANDSHAKE, tls.connect(socket)).await??, tally)),
            };
            Ok(Watched { stream, watch })
        })
    }
}

type Secured = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// A stream that is counted and can be stopped.
pub(super) struct Watched {
    stream: Either<Tapped<Socket>, Tapped<Secured>>,
    watch: Arc<Watch>,
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "nobody waits for these rows any longer")
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.watch.waiting.register(cx.waker());
        if this.watch.is_stopped() {
            return Poll::Ready(Err(stopped()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.watch.is_stopped() {
            return Poll::Ready(Err(stopped()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl TlsStream for Watched {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.stream {
            Either::Left(_) => ChannelBinding::none(),
            Either::Right(secured) => secured.channel_binding(),
        }
    }
}
