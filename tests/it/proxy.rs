//! A TCP proxy before PostgreSQL that does what networks do: delays, cuts, resets, goes silent, loses every packet.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Each piece from the server is held back so long.
    Delay(Duration),
    /// Bytes come one by one for a while.
    OneByte,
    /// The connection is closed as if all were said.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing more is passed on; the proxy's system goes on acknowledging.
    Silence,
    /// Nothing more is passed on, and nothing that arrives is acknowledged: the other end is gone.
    BlackHole,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Fault,
    after: usize,
    connections: usize,
}

#[derive(Debug)]
struct State {
    server: u16,
    plan: Mutex<Option<Plan>>,
    struck: AtomicUsize,
    end: CancellationToken,
}

/// The proxy; dropped, it closes all its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.end.cancel();
    }
}

impl Proxy {
    /// A proxy before a server on this machine; it passes everything on.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let end = CancellationToken::new();
        let state = Arc::new(State { server, plan: Mutex::new(None), struck: AtomicUsize::new(0), end });
        tokio::spawn(accept(listener, state.clone()));
        Self { port, state }
    }

    /// The server's URL by way of the proxy, with more parameters.
    pub fn url(&self, url: &SecretString, parameters: &str) -> SecretString {
        let direct = format!(":{}/", self.state.server);
        let through = url.expose_secret().replace(&direct, &format!(":{}/", self.port));
        assert!(through != url.expose_secret());
        format!("{through}?{parameters}").into()
    }

    /// Strikes the next `connections` on which the server has sent more than `after` bytes.
    pub fn strike(&self, fault: Fault, after: usize, connections: usize) {
        self.state.struck.store(0, Ordering::SeqCst);
        *self.state.plan.lock().unwrap() = Some(Plan { fault, after, connections });
    }

    /// Holds nothing back any more, also on connections that were slowed down.
    pub fn calm(&self) {
        *self.state.plan.lock().unwrap() = None;
    }

    /// How many connections were struck since.
    pub fn struck(&self) -> usize {
        self.state.struck.load(Ordering::SeqCst)
    }
}

impl State {
    /// The fault that strikes a connection after so many bytes, once a connection.
    fn strikes(&self, sent: usize) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap();
        let due = plan.as_mut().filter(|plan| plan.connections > 0 && sent > plan.after)?;
        due.connections -= 1;
        self.struck.fetch_add(1, Ordering::SeqCst);
        Some(due.fault)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        tokio::select! {
            () = state.end.cancelled() => return,
            accepted = listener.accept() => {
                let state = state.clone();
                tokio::spawn(async move {
                    let client = accepted.unwrap().0;
                    let Ok(server) = TcpStream::connect(("127.0.0.1", state.server)).await else { return };
                    let end = state.end.clone();
                    tokio::select! { () = end.cancelled() => {}, () = serve(client, server, state) => {} }
                });
            }
        }
    }
}

async fn serve(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let fault = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let up = async {
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        };
        let down = async {
            let mut sent = 0;
            let mut slow = None;
            let mut buffer = vec![0; 16 << 10];
            loop {
                let Ok(read @ 1..) = from_server.read(&mut buffer).await else { return None };
                match slow {
                    Some(Fault::Delay(delay)) if state.plan.lock().unwrap().is_some() => {
                        tokio::time::sleep(delay).await
                    }
                    Some(Fault::Delay(_)) => {}
                    Some(_) if sent < 2 * read => {
                        for byte in &buffer[..read] {
                            to_client.write_all(&[*byte]).await.ok()?;
                        }
                        sent += read;
                        continue;
                    }
                    _ => {}
                }
                to_client.write_all(&buffer[..read]).await.ok()?;
                sent += read;
                if slow.is_none() {
                    match state.strikes(sent) {
                        slowing @ Some(Fault::Delay(_)) => slow = slowing,
                        Some(Fault::OneByte) => {
                            slow = Some(Fault::OneByte);
                            sent = 0;
                        }
                        ending @ Some(_) => return ending,
                        None => {}
                    }
                }
            }
        };
        tokio::select! { () = up => None, fault = down => fault }
    };
    match fault {
        Some(Fault::Reset) => SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap(),
        Some(Fault::Silence) => state.end.cancelled().await,
        Some(Fault::BlackHole) => {
            // What was sent is acknowledged first: else it would be sent again, a sign of life.
            tokio::time::sleep(Duration::from_millis(300)).await;
            lose_all_packets(&client);
            state.end.cancelled().await;
        }
        _ => {}
    }
}

/// A socket filter that accepts no packet; any user may set one on a socket of their own (socket(7)).
fn lose_all_packets(socket: &TcpStream) {
    const RETURN_NOTHING: u16 = 0x06;
    let filter = socket2::SockFilter::new(RETURN_NOTHING, 0, 0, 0);
    SockRef::from(socket).attach_filter(&[filter]).unwrap();
}
