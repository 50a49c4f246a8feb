//! A tap on the connection, between the socket and the client library: the data of a `COPY` are drawn off before the
//! library sees them, and the row count of its CommandComplete, which the library drops, is read.
//!
//! The server sends a message a row. The library would hand each out as a value of its own, at a cost a row that is more
//! than that of decoding it. The tap follows the message framing (one tag byte, a big-endian length that includes itself,
//! the payload; PostgreSQL's protocol 3.0), joins the payloads of CopyData to chunks and gives them to the reader through
//! a bounded channel: when the reader does not keep up, nothing more is read from the socket. All other messages go on to
//! the library, in their order: a chunk is handed over before the message that ends the `COPY`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures::channel::mpsc;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Bytes read from the socket at once, and bytes of a chunk.
const CHUNK: usize = 128 << 10;
/// Chunks that wait for the reader, besides the one being filled.
const WAITING: usize = 1;

/// No `COPY` has completed since the last reset.
const NONE: u64 = u64::MAX;

/// What the tap draws off on one connection.
#[derive(Debug)]
pub(super) struct Tally {
    copied: AtomicU64,
    received: AtomicU64,
    reader: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
}

impl Tally {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { copied: AtomicU64::new(NONE), received: AtomicU64::new(0), reader: Mutex::default() })
    }

    /// Takes the data of the next `COPY` off the connection. The channel ends where the data do, whatever ends them.
    pub(super) fn divert(&self) -> mpsc::Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.copied.store(NONE, Ordering::Release);
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Bytes that have come so far, TLS taken off.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// The rows that the server says the last `COPY` sent, once its CommandComplete has arrived.
    pub(super) fn copied(&self) -> Option<u64> {
        Some(self.copied.load(Ordering::Acquire)).filter(|rows| *rows != NONE)
    }
}

/// What became of the bytes at hand.
enum Taken {
    /// All of them were taken.
    All,
    /// The library's buffer is full.
    Full,
    /// The reader must take a chunk first; it wakes the task when it does.
    Waiting,
}

/// Where in the message framing the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a header, of which so many bytes have come.
    Header(usize),
    /// Behind a header that nothing has been done about.
    Begin,
    /// So many bytes of the header have been handed on.
    HandOn(usize),
    /// So many bytes before the end of a payload.
    Payload(usize),
}

/// A stream whose incoming messages are sorted.
#[derive(Debug)]
pub(super) struct Tapped<S> {
    inner: S,
    tally: Arc<Tally>,
    /// Bytes from the socket, of which `at..end` are still to be sorted.
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    place: Place,
    header: [u8; 5],
    /// CommandComplete's text.
    tag: Vec<u8>,
    chunk: Vec<u8>,
    reader: Option<mpsc::Sender<Vec<u8>>>,
}

impl<S> Tapped<S> {
    pub(super) fn new(inner: S, tally: Arc<Tally>) -> Self {
        Self {
            inner,
            tally,
            buffer: Vec::new(),
            at: 0,
            end: 0,
            place: Place::Header(0),
            header: [0; 5],
            tag: Vec::new(),
            chunk: Vec::new(),
            reader: None,
        }
    }

    /// Sorts the bytes at hand: data to the reader, all else to `out`.
    fn sort(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Taken {
        loop {
            let here = self.end - self.at;
            self.place = match self.place {
                Place::Header(_) | Place::Payload(1..) if here == 0 => return Taken::All,
                Place::Header(have) => {
                    let taken = (self.header.len() - have).min(here);
                    self.header[have..have + taken].copy_from_slice(&self.buffer[self.at..self.at + taken]);
                    self.at += taken;
                    if have + taken == self.header.len() { Place::Begin } else { Place::Header(have + taken) }
                }
                Place::Begin => match self.begin(cx) {
                    Poll::Ready(place) => place,
                    Poll::Pending => return Taken::Waiting,
                },
                Place::HandOn(done) => {
                    let taken = (self.header.len() - done).min(out.remaining());
                    out.put_slice(&self.header[done..done + taken]);
                    self.place = Place::HandOn(done + taken);
                    if done + taken < self.header.len() {
                        return Taken::Full;
                    }
                    Place::Payload(self.payload())
                }
                Place::Payload(0) => Place::Header(0),
                Place::Payload(left) if self.is_data() => {
                    if self.chunk.len() >= CHUNK && self.hand_over(cx).is_pending() {
                        return Taken::Waiting;
                    }
                    let taken = left.min(here).min(CHUNK - self.chunk.len());
                    self.chunk.extend_from_slice(&self.buffer[self.at..self.at + taken]);
                    self.at += taken;
                    Place::Payload(left - taken)
                }
                Place::Payload(_) if out.remaining() == 0 => return Taken::Full,
                Place::Payload(left) => {
                    let taken = left.min(here).min(out.remaining());
                    out.put_slice(&self.buffer[self.at..self.at + taken]);
                    self.read_tag(taken, taken == left);
                    self.at += taken;
                    Place::Payload(left - taken)
                }
            };
        }
    }

    /// Looks at a whole header. The last chunk goes to the reader before the message that ends the data goes on.
    fn begin(&mut self, cx: &mut Context<'_>) -> Poll<Place> {
        match self.header[0] {
            // CopyOutResponse.
            b'H' => self.reader = self.tally.reader.lock().unwrap_or_else(PoisonError::into_inner).take(),
            // CopyDone, ErrorResponse, ReadyForQuery.
            b'c' | b'E' | b'Z' if self.reader.is_some() => {
                ready!(self.hand_over(cx));
                self.reader = None;
            }
            _ => {}
        }
        Poll::Ready(if self.is_data() { Place::Payload(self.payload()) } else { Place::HandOn(0) })
    }

    /// The length of the payload after the header at hand.
    fn payload(&self) -> usize {
        let [_, length @ ..] = self.header;
        (u32::from_be_bytes(length) as usize).saturating_sub(4)
    }

    /// Whether the message at hand is data for the reader.
    fn is_data(&self) -> bool {
        self.header[0] == b'd' && self.reader.is_some()
    }

    /// Keeps the text of a CommandComplete, of which `taken` bytes are handed on now.
    fn read_tag(&mut self, taken: usize, last: bool) {
        if self.header[0] != b'C' {
            return;
        }
        self.tag.extend_from_slice(&self.buffer[self.at..self.at + taken]);
        if last {
            let text = std::str::from_utf8(&self.tag).unwrap_or_default().trim_end_matches('\0');
            if let Some(rows) = text.strip_prefix("COPY ").and_then(|rows| rows.parse().ok()) {
                self.tally.copied.store(rows, Ordering::Release);
            }
            self.tag.clear();
        }
    }

    /// Gives the chunk to the reader. A reader that has gone does not want it.
    fn hand_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.chunk.is_empty() {
            return Poll::Ready(());
        }
        if let Some(reader) = &mut self.reader
            && ready!(reader.poll_ready(cx)).is_ok()
        {
            let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
            // It has said that it has room; if it goes this moment, so may the chunk.
            let _ = reader.start_send(chunk);
        }
        self.chunk.clear();
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = out.filled().len();
        loop {
            let taken = this.sort(cx, out);
            // What the library has got it is told of; an answer without bytes would mean the end to it.
            if out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            match taken {
                Taken::All => {}
                Taken::Full => return Poll::Ready(Ok(())),
                Taken::Waiting => return Poll::Pending,
            }
            this.buffer.resize(CHUNK, 0);
            let mut incoming = ReadBuf::new(&mut this.buffer);
            match Pin::new(&mut this.inner).poll_read(cx, &mut incoming) {
                Poll::Ready(Ok(())) if incoming.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {
                    (this.at, this.end) = (0, incoming.filled().len());
                    this.tally.received.fetch_add(this.end as u64, Ordering::AcqRel);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // The server has nothing more at this moment: what there is, the reader may have.
                    let _ = this.hand_over(cx);
                    return Poll::Pending;
                }
            }
        }
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
    use futures::StreamExt;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32 + 4).to_be_bytes();
        [&[tag][..], &length, payload].concat()
    }

    /// What a server sends for a COPY of these rows, with other messages around it.
    fn stream(rows: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
        let before = [message(b'1', b""), message(b'Z', b"T"), message(b'H', &[1, 0, 0])].concat();
        let after = [message(b'c', b""), message(b'C', b"COPY 12345\0"), message(b'C', b"SELECT 1\0")].concat();
        let data: Vec<u8> = rows.iter().flat_map(|row| message(b'd', row)).collect();
        ([&before[..], &data, &after].concat(), [before, after].concat())
    }

    /// A socket that gives so many bytes at a time.
    struct Trickle(Vec<u8>, usize, usize);

    impl AsyncRead for Trickle {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let Self(bytes, at, size) = &mut *self;
            if *size < 64 && fastrand::u8(..) < 64 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let taken = (*size).min(bytes.len() - *at).min(out.remaining());
            out.put_slice(&bytes[*at..*at + taken]);
            *at += taken;
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn data_go_to_the_reader_and_all_else_to_the_library_however_the_bytes_arrive() {
        let rows = vec![b"a row that says COPY 9".to_vec(), Vec::new(), vec![b'C'; 3 * CHUNK + 7], b"last".to_vec()];
        let (bytes, others) = stream(&rows);
        for size in [1, 2, 3, 5, 7, 4096, CHUNK, usize::MAX] {
            let tally = Tally::new();
            let mut data = tally.divert();
            let mut tapped = Tapped::new(Trickle(bytes.clone(), 0, size), tally.clone());
            let library = tokio::spawn(async move {
                let mut seen = Vec::new();
                tapped.read_to_end(&mut seen).await.unwrap();
                seen
            });
            let mut seen = Vec::new();
            while let Some(chunk) = data.next().await {
                assert!(!chunk.is_empty() && chunk.len() <= CHUNK);
                seen.extend(chunk);
            }
            assert!(seen == rows.concat(), "{} bytes at a time", size);
            assert!(library.await.unwrap() == others, "{size} bytes at a time");
            assert_eq!(tally.copied(), Some(12345), "{size} bytes at a time");
        }
    }

    #[tokio::test]
    async fn an_error_in_the_middle_ends_the_data() {
        let (bytes, _) = stream(&[b"one".to_vec()]);
        let cut = bytes.windows(3).position(|three| three == b"one").unwrap() + 3;
        let bytes = [&bytes[..cut], &message(b'E', b"SERROR\0\0")].concat();
        let tally = Tally::new();
        let mut data = tally.divert();
        let mut tapped = Tapped::new(Trickle(bytes, 0, usize::MAX), tally.clone());
        let library = tokio::spawn(async move {
            let mut seen = Vec::new();
            tapped.read_to_end(&mut seen).await.unwrap();
            seen
        });
        assert_eq!(data.next().await.unwrap(), b"one");
        assert_eq!(data.next().await, None, "while the connection is open");
        assert!(library.await.unwrap().ends_with(b"SERROR\0\0"));
        assert_eq!(tally.copied(), None);
    }

    #[tokio::test]
    async fn a_reader_that_does_not_take_its_data_stops_the_reading() {
        let (bytes, _) = stream(&[vec![7; 100 * CHUNK]]);
        let tally = Tally::new();
        let mut data = tally.divert();
        let mut tapped = Tapped::new(Trickle(bytes, 0, usize::MAX), tally.clone());
        let library = tokio::spawn(async move {
            tapped.read_to_end(&mut Vec::new()).await.unwrap();
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!library.is_finished());
        let mut chunks = 0;
        while data.try_recv().is_ok() {
            chunks += 1;
        }
        assert!((1..=WAITING + 1).contains(&chunks), "{chunks} chunks were waiting");
        drop(data);
        library.await.unwrap();
    }
}
