//! A tap on the connection that reads what the client library hides: the row count of `COPY`'s CommandComplete.
//!
//! tokio-postgres ends a copy-out stream at CopyDone and drops the message after it. A partition is accepted only when
//! the server's own count agrees with the rows that were decoded, so the tap follows the message framing (one tag byte,
//! a big-endian length that includes itself, the payload; PostgreSQL's protocol 3.0) and keeps that one number.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// No `COPY` has completed since the last reset.
const NONE: u64 = u64::MAX;

/// The row count of the last completed `COPY` on a connection.
#[derive(Debug)]
pub(super) struct Tally(AtomicU64);

impl Tally {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(NONE)))
    }

    /// Forgets the last count; called before a `COPY` starts.
    pub(super) fn reset(&self) {
        self.0.store(NONE, Ordering::Release);
    }

    /// The rows that the server says the last `COPY` sent, once its CommandComplete has arrived.
    pub(super) fn copied(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Acquire)).filter(|rows| *rows != NONE)
    }
}

/// Where in the message framing the next byte lies.
#[derive(Debug, Default)]
struct Framing {
    header: [u8; 5],
    have: usize,
    payload_left: usize,
    tag: Vec<u8>,
}

impl Framing {
    fn observe(&mut self, mut bytes: &[u8], tally: &Tally) {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let (payload, rest) = bytes.split_at(self.payload_left.min(bytes.len()));
                self.payload(payload, tally);
                bytes = rest;
                continue;
            }
            let (part, rest) = bytes.split_at((5 - self.have).min(bytes.len()));
            self.header[self.have..self.have + part.len()].copy_from_slice(part);
            self.have += part.len();
            bytes = rest;
            if self.have == 5 {
                let [_, length @ ..] = self.header;
                self.payload_left = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                self.have = 0;
            }
        }
    }

    fn payload(&mut self, payload: &[u8], tally: &Tally) {
        self.payload_left -= payload.len();
        if self.header[0] != b'C' {
            return;
        }
        self.tag.extend_from_slice(payload);
        if self.payload_left == 0 {
            let text = std::str::from_utf8(&self.tag).unwrap_or_default().trim_end_matches('\0');
            if let Some(rows) = text.strip_prefix("COPY ").and_then(|rows| rows.parse().ok()) {
                tally.0.store(rows, Ordering::Release);
            }
            self.tag.clear();
        }
    }
}

/// A stream whose incoming messages are watched.
#[derive(Debug)]
pub(super) struct Tapped<S> {
    inner: S,
    framing: Framing,
    tally: Arc<Tally>,
}

impl<S> Tapped<S> {
    pub(super) fn new(inner: S, tally: Arc<Tally>) -> Self {
        Self { inner, framing: Framing::default(), tally }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        this.framing.observe(&buf.filled()[before..], &this.tally);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Tapped<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// A TLS connector whose decrypted stream is tapped.
pub(super) struct TapTls<T> {
    pub(super) inner: T,
    pub(super) tally: Arc<Tally>,
}

impl<S, T> TlsConnect<S> for TapTls<T>
where
    T: TlsConnect<S>,
    T::Future: Send + 'static,
{
    type Stream = Tapped<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, T::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let handshake = self.inner.connect(stream);
        let tally = self.tally;
        Box::pin(async move { Ok(Tapped::new(handshake.await?, tally)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_count_of_copy_however_the_bytes_arrive() {
        let mut bytes = Vec::new();
        for (tag, payload) in
            [(b'd', &b"a row that says COPY 9"[..]), (b'c', b""), (b'C', b"COPY 12345\0"), (b'C', b"SELECT 1\0")]
        {
            bytes.push(tag);
            bytes.extend_from_slice(&(payload.len() as u32 + 4).to_be_bytes());
            bytes.extend_from_slice(payload);
        }
        for size in 1..bytes.len() {
            let tally = Tally::new();
            let mut framing = Framing::default();
            bytes.chunks(size).for_each(|chunk| framing.observe(chunk, &tally));
            assert_eq!(tally.copied(), Some(12345), "in chunks of {size}");
            tally.reset();
            assert_eq!(tally.copied(), None);
        }
    }
}
