//! Whether the other end of a TCP connection is still there: asked for by the kernel, so that an end that has gone
//! without a word (a half-open connection) is noticed however long we wait for its rows.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpSocket;
use tokio_postgres::Config;

/// Silence after which the kernel asks for a sign of life. A firewall or load balancer that forgets idle connections does
/// so later: after 350 s on AWS (Network Load Balancer and NAT gateway: "idle timeout").
const IDLE: Duration = Duration::from_secs(60);
/// Between two questions that are not answered.
const INTERVAL: Duration = Duration::from_secs(10);
/// Unanswered questions after which the connection is dead: two minutes after the last sign of life.
const RETRIES: u32 = 6;
/// How long what we sent may go without an acknowledgement; the same two minutes. Linux counts it for the questions, too
/// (tcp(7), TCP_USER_TIMEOUT).
const UNACKNOWLEDGED: Duration = Duration::from_secs(120);
/// What tokio-postgres gives where the URL names no `keepalives_idle`; nobody means it.
const UNSET: Duration = Duration::from_secs(2 * 60 * 60);

/// Sets the limits on a socket that is to be connected. The URL's `keepalives`, `keepalives_idle` and
/// `keepalives_interval` (in seconds), `keepalives_count` and `tcp_user_timeout` (in milliseconds) come first, as in libpq.
pub(super) fn ask_for_life(socket: &TcpSocket, config: &Config) -> io::Result<()> {
    let (socket, config) = (SockRef::from(socket), limited(config.clone()));
    if config.get_keepalives() {
        let asking = TcpKeepalive::new()
            .with_time(config.get_keepalives_idle())
            .with_interval(config.get_keepalives_interval().unwrap_or(INTERVAL))
            .with_retries(config.get_keepalives_retries().unwrap_or(RETRIES));
        socket.set_tcp_keepalive(&asking)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(config.get_tcp_user_timeout().copied())?;
    Ok(())
}

/// The settings with our limits where they name none.
pub(super) fn limited(mut config: Config) -> Config {
    if config.get_keepalives_idle() == UNSET {
        config.keepalives_idle(IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(RETRIES);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::super::conninfo::Whose;
    use super::super::target::Target;
    use super::*;

    fn limits(url: &str) -> (bool, Duration, Duration, u32, Option<Duration>) {
        let socket = TcpSocket::new_v4().unwrap();
        ask_for_life(&socket, &Target::parse(&url.into(), true, Whose::Source).unwrap().config).unwrap();
        let kernel = SockRef::from(&socket);
        (
            kernel.keepalive().unwrap(),
            kernel.tcp_keepalive_time().unwrap(),
            kernel.tcp_keepalive_interval().unwrap(),
            kernel.tcp_keepalive_retries().unwrap(),
            kernel.tcp_user_timeout().unwrap(),
        )
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_dead_end_is_noticed_in_two_minutes_unless_the_url_says_otherwise() {
        let seconds = Duration::from_secs;
        assert_eq!(limits("postgres://h/d"), (true, seconds(60), seconds(10), 6, Some(seconds(120))));
        let own = "postgres://h/d?keepalives_idle=3&keepalives_interval=2&keepalives_count=4&tcp_user_timeout=9000";
        assert_eq!(limits(own), (true, seconds(3), seconds(2), 4, Some(seconds(9))));
        assert!(!limits("postgres://h/d?keepalives=0").0);
    }
}
