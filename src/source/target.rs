//! Where the source is, how it is secured and how to sign in: from connection parameters to what a session needs.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};

use super::conninfo::{Environment, Parameters, Whose};
use super::passfile;
use super::tls::{Identity, SslMode, TlsOptions, client_config};
use crate::error::{Error, Result};

/// One address to try.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) at: Address,
    /// Its own password: that of one server is not shown to another.
    password: Option<SecretString>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A host by name; `address` is dialled in its stead where `hostaddr` is given.
    Tcp { name: String, address: Option<IpAddr>, port: u16 },
    /// The folder of a Unix socket.
    Unix { folder: PathBuf, port: u16 },
}

impl Address {
    /// Whether it is this machine that is named: what is named otherwise must prove it, also at the end of a tunnel.
    fn is_named_local(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Tcp { name, .. } => {
                name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
        }
    }

    /// Whether what is sent there stays on this machine.
    fn is_local(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Tcp { name, address, .. } => {
                let address = address.or_else(|| name.parse().ok());
                address.map_or(name == "localhost", |address| address.is_loopback())
            }
        }
    }
}

/// Which servers are wanted: libpq's `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "any" => Self::Any,
            "read-write" => Self::ReadWrite,
            "read-only" => Self::ReadOnly,
            "primary" => Self::Primary,
            "standby" => Self::Standby,
            "prefer-standby" => Self::PreferStandby,
            _ => return None,
        })
    }

    /// What is looked for in each round over all places.
    pub(super) fn rounds(self) -> &'static [Self] {
        match self {
            Self::Any => &[Self::Any],
            Self::ReadWrite => &[Self::ReadWrite],
            Self::ReadOnly => &[Self::ReadOnly],
            Self::Primary => &[Self::Primary],
            Self::Standby => &[Self::Standby],
            Self::PreferStandby => &[Self::Standby, Self::Any],
        }
    }

    /// Whether a server is one of these; `read_only` is what its sessions are unless they say otherwise.
    pub(super) fn takes(self, in_recovery: bool, read_only: bool) -> bool {
        match self {
            Self::Any | Self::PreferStandby => true,
            Self::ReadWrite => !in_recovery && !read_only,
            Self::ReadOnly => in_recovery || read_only,
            Self::Primary => !in_recovery,
            Self::Standby => in_recovery,
        }
    }
}

/// A source to connect to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Without hosts and password, which the places have.
    pub(super) config: Config,
    pub(super) places: Vec<Place>,
    pub(super) tls: TlsOptions,
    pub(super) wanted: Wanted,
    /// What the files of `tls` hold, once a session has needed it.
    secured: Arc<OnceLock<ClientConfig>>,
}

impl Target {
    /// Reads a URL or a `key=value` string and completes it from service file and environment (see `conninfo`). Without
    /// an `sslmode` a remote host must prove its name (`verify-full`).
    ///
    /// # Errors
    /// [`Error::Config`] when a parameter is unusable; [`Error::Preflight`] when the password or a key could be seen by
    /// others, in a file or on the way.
    pub(super) fn parse(url: &SecretString, allow_insecure: bool, whose: Whose) -> Result<Self> {
        let environment = Environment(&|name| std::env::var(name).ok());
        Self::parse_in(url.expose_secret(), allow_insecure, &environment, whose)
    }

    fn parse_in(given: &str, allow_insecure: bool, environment: &Environment<'_>, whose: Whose) -> Result<Self> {
        let found = Parameters::gather(given, environment, whose)?;
        let mut config = config(&found)?;
        let user = found.get("user").map(str::to_owned).or_else(|| environment.variable("USER")).unwrap_or_default();
        config.user(&user);
        let addresses = addresses(&found)?;
        let tls = tls(&found, environment, &addresses)?;
        if !allow_insecure
            && matches!(tls.mode, SslMode::Disable | SslMode::Prefer)
            && let Some(Address::Tcp { name, .. }) = addresses.iter().find(|address| !address.is_local())
        {
            return Err(Error::preflight(format!(
                "{name} is not this machine, and sslmode disable or prefer may send the password in clear text; use \
                 sslmode=verify-full, or permit it by name: --allow-insecure or source.allow_insecure = true \
                 (--against-allow-insecure or against.allow_insecure = true for a database that is compared with)"
            )));
        }
        let database = found.get("dbname").unwrap_or(&user).to_owned();
        let passwords = passfile::Passwords::find(&found, environment)?;
        let password = |at: &Address| passwords.of(at, &database, &user).or_else(|| found.spare_password());
        let place = |at: Address| Place { password: password(&at), at };
        let places = addresses.into_iter().map(place).collect();
        let attributes = "one of any, read-write, read-only, primary, standby, prefer-standby";
        let wanted = found.parsed("target_session_attrs", attributes, Wanted::parse)?.unwrap_or(Wanted::Any);
        Ok(Self { config, places, tls, wanted, secured: Arc::default() })
    }

    /// The TLS settings of a session; the files are read for the first one.
    pub(super) fn tls_config(&self) -> Result<ClientConfig> {
        if let Some(secured) = self.secured.get() {
            return Ok(secured.clone());
        }
        let built = client_config(&self.tls)?;
        Ok(self.secured.get_or_init(|| built).clone())
    }

    /// What a session with this place is asked for with, and its password.
    pub(super) fn config_for(&self, place: &Place) -> Config {
        let mut config = self.config.clone();
        if let Some(password) = &place.password {
            config.password(password.expose_secret());
        }
        config
    }
}

fn config(found: &Parameters) -> Result<Config> {
    let mut config = Config::new();
    let seconds = |name| found.parsed(name, "a whole number of seconds", |text| text.parse::<i64>().ok());
    let truth = |text: &str| text.parse::<u8>().ok().map(|number| number != 0);
    // Ours is the only meaning of `any`: the check is made by the session.
    config.target_session_attrs(TargetSessionAttrs::Any);
    config.application_name(found.get("application_name").unwrap_or("telecine"));
    if let Some(name) = found.get("dbname") {
        config.dbname(name);
    }
    if let Some(options) = found.get("options") {
        config.options(options);
    }
    let positive =
        |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0);
    if let Some(limit) = positive(seconds("connect_timeout")?) {
        config.connect_timeout(Duration::from_secs(limit));
    }
    if let Some(limit) =
        positive(found.parsed("tcp_user_timeout", "a number of milliseconds", |text| text.parse().ok())?)
    {
        config.tcp_user_timeout(Duration::from_millis(limit));
    }
    if let Some(on) = found.parsed("keepalives", "0 or 1", truth)? {
        config.keepalives(on);
    }
    if let Some(idle) = positive(seconds("keepalives_idle")?) {
        config.keepalives_idle(Duration::from_secs(idle));
    }
    if let Some(interval) = positive(seconds("keepalives_interval")?) {
        config.keepalives_interval(Duration::from_secs(interval));
    }
    let count = found.parsed("keepalives_count", "a whole number", |text| text.parse::<i64>().ok())?;
    if let Some(count) = positive(count) {
        config.keepalives_retries(u32::try_from(count).unwrap_or(u32::MAX));
    }
    let binding = |text: &str| {
        Some(match text {
            "disable" => ChannelBinding::Disable,
            "prefer" => ChannelBinding::Prefer,
            "require" => ChannelBinding::Require,
            _ => return None,
        })
    };
    if let Some(binding) = found.parsed("channel_binding", "one of disable, prefer, require", binding)? {
        config.channel_binding(binding);
    }
    Ok(config)
}

/// Hosts, addresses and ports of a comma-separated list each: as many of one as of the other, or one port for all.
fn addresses(found: &Parameters) -> Result<Vec<Address>> {
    let list =
        |name| found.get(name).map(|text| text.split(',').map(str::trim).collect::<Vec<_>>()).unwrap_or_default();
    let (mut hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    if hosts.is_empty() && addresses.is_empty() {
        hosts.push("localhost");
    }
    let count = hosts.len().max(addresses.len());
    if !(hosts.is_empty() || addresses.is_empty() || hosts.len() == addresses.len()) {
        return Err(Error::config("source.url: as many hostaddr as host are needed"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::config("source.url: as many ports as hosts are needed, or one for all"));
    }
    let port = |index: usize| match ports.get(index).or(ports.first()) {
        None | Some(&"") => Ok(5432),
        Some(text) => text.parse().ok().filter(|port| *port > 0).ok_or(()),
    };
    let address = |index: usize| {
        let port = port(index).map_err(|()| Error::config("source.url: port: a port number is wanted"))?;
        let host = hosts.get(index).copied().unwrap_or_default();
        let host = if host.is_empty() && addresses.get(index).is_none() { "localhost" } else { host };
        if host.starts_with('/') {
            return Ok(Address::Unix { folder: PathBuf::from(host), port });
        }
        let text = addresses.get(index).copied().filter(|text| !text.is_empty());
        let address = text.map(str::parse::<IpAddr>).transpose();
        let address = address.map_err(|_| Error::config("source.url: hostaddr: a numeric address is wanted"))?;
        let name = if host.is_empty() { address.map(|ip| ip.to_string()).unwrap_or_default() } else { host.to_owned() };
        Ok(Address::Tcp { name, address, port })
    };
    (0..count).map(address).collect()
}

/// Mode, roots and client certificate. The files of `~/.postgresql` are used where they are there, as by libpq.
fn tls(found: &Parameters, environment: &Environment<'_>, addresses: &[Address]) -> Result<TlsOptions> {
    let modes = "one of disable, prefer, require, verify-ca, verify-full";
    let given = found.parsed("sslmode", modes, SslMode::parse)?;
    let system = found.get("sslrootcert") == Some("system");
    let local = addresses.iter().all(|address| address.is_local() && address.is_named_local());
    let mode = given.unwrap_or(match local && !system {
        true => SslMode::Prefer,
        false => SslMode::VerifyFull,
    });
    if system && mode != SslMode::VerifyFull {
        // As in libpq: whoever has a certificate for any name would be believed.
        return Err(Error::config("source.url: sslrootcert=system is of use with sslmode=verify-full only"));
    }
    let beside = |name: &str| environment.in_home(&format!(".postgresql/{name}")).filter(|path| path.is_file());
    let file = |name: &str, default: &str| found.get(name).map(PathBuf::from).or_else(|| beside(default));
    let roots = if system { None } else { file("sslrootcert", "root.crt") };
    let identity = match (file("sslcert", "postgresql.crt"), file("sslkey", "postgresql.key")) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (Some(_), None) if found.get("sslcert").is_some() => {
            return Err(Error::config("source.url: sslcert needs its key: give sslkey or PGSSLKEY"));
        }
        _ => None,
    };
    Ok(TlsOptions { mode, roots, identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(given: &str, variables: &[(&str, &str)]) -> Result<Target> {
        target_of(Whose::Source, given, variables)
    }

    fn target_of(whose: Whose, given: &str, variables: &[(&str, &str)]) -> Result<Target> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Target::parse_in(given, false, &Environment(&variable), whose)
    }

    #[test]
    fn a_remote_host_must_prove_its_name_unless_told_otherwise() {
        let mode = |given: &str| target(given, &[]).map(|target| target.tls.mode);
        assert_eq!(mode("postgres://u@db.example.com/d").unwrap(), SslMode::VerifyFull);
        assert_eq!(mode("postgres://u@127.0.0.1/d").unwrap(), SslMode::Prefer);
        assert_eq!(mode("postgres://u@[::1]/d").unwrap(), SslMode::Prefer);
        assert_eq!(mode("postgres://u@%2Ftmp%2Fpg/d").unwrap(), SslMode::Prefer);
        assert_eq!(mode("postgres://u@127.0.0.1/d?sslrootcert=system").unwrap(), SslMode::VerifyFull);
        for refused in [
            "db.example.com/d?sslmode=prefer",
            "db.example.com/d?sslmode=disable",
            "localhost,db.example.com/d?sslmode=allow",
        ] {
            let error = target(&format!("postgres://u:secret@{refused}"), &[]).unwrap_err().to_string();
            assert!(
                error.contains("db.example.com is not this machine") && error.contains("--allow-insecure"),
                "{error}"
            );
        }
        assert_eq!(mode("host=db.example.com hostaddr=127.0.0.1").unwrap(), SslMode::VerifyFull);
        // A name for this machine with an address that is another one is not this machine.
        assert!(target("host=localhost hostaddr=10.0.0.1 sslmode=disable", &[]).is_err());
        assert!(target("host=h sslmode=require sslrootcert=system", &[]).is_err());
        let allowed =
            Target::parse(&SecretString::from("postgres://u@db.example.com/d?sslmode=disable"), true, Whose::Source);
        assert_eq!(allowed.unwrap().tls.mode, SslMode::Disable);
        let given = target("postgres://u@db.example.com/d?sslmode=verify-ca&sslrootcert=%2Fa%20b.pem", &[]).unwrap();
        assert_eq!((given.tls.mode, given.tls.roots), (SslMode::VerifyCa, Some(PathBuf::from("/a b.pem"))));
    }

    #[test]
    fn variables_stand_for_what_the_url_leaves_out() {
        let variables = [
            ("PGHOST", "h1,h2"),
            ("PGHOSTADDR", "10.0.0.1,::1"),
            ("PGPORT", "6000"),
            ("PGUSER", "u"),
            ("PGPASSWORD", "s3cret"),
            ("PGAPPNAME", "named"),
            ("PGCONNECT_TIMEOUT", "7"),
            ("PGOPTIONS", "-c a=b"),
            ("PGTARGETSESSIONATTRS", "prefer-standby"),
            ("PGSSLROOTCERT", "/roots.pem"),
            ("PGSSLCERT", "/c.pem"),
            ("PGSSLKEY", "/k.pem"),
        ];
        let found = target("postgresql://", &variables).unwrap();
        assert_eq!(found.places[1].at, Address::Tcp { name: "h2".into(), address: "::1".parse().ok(), port: 6000 });
        assert_eq!((found.config.get_user(), found.config.get_application_name()), (Some("u"), Some("named")));
        assert_eq!(found.config.get_connect_timeout(), Some(&Duration::from_secs(7)));
        assert_eq!((found.config.get_options(), found.wanted.rounds().len()), (Some("-c a=b"), 2));
        assert_eq!(found.config_for(&found.places[0]).get_password(), Some(&b"s3cret"[..]));
        assert_eq!((found.tls.mode, found.tls.identity.is_some()), (SslMode::VerifyFull, true));
        for (wrong, name) in
            [("port=x", "port"), ("connect_timeout=soon", "connect_timeout"), ("target_session_attrs=x", "target")]
        {
            assert!(target(wrong, &[]).unwrap_err().to_string().contains(name), "{wrong}");
        }
        assert!(target("sslcert=/c.pem", &[]).unwrap_err().to_string().contains("sslkey"));
    }

    #[test]
    fn the_other_database_is_not_dialled_at_the_address_of_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("services"), "[here]\nhostaddr=10.0.0.1\npassword=of-here\n[there]\nhost=copy\nport=7000\n")
            .unwrap();
        let pgpass = std::fs::File::create(at("pgpass")).unwrap();
        pgpass.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(at("pgpass"), "copy:*:*:*:of-copy\n").unwrap();
        let (services, pgpass) = (at("services"), at("pgpass"));
        let by_address = [("PGHOSTADDR", "10.0.0.1"), ("PGPASSWORD", "s"), ("PGSERVICEFILE", &services)];
        let by_service = [("PGSERVICE", "here"), ("PGSERVICEFILE", services.as_str())];
        let password = |found: &Target| {
            let password = found.config_for(&found.places[0]).get_password().map(<[u8]>::to_vec);
            password.map(|password| String::from_utf8(password).unwrap())
        };
        let copy = |port| Address::Tcp { name: "copy".into(), address: None, port };
        for (given, variables, port, wanted) in [
            ("postgres://u@copy/d", &by_address[..], 5432, Some("s")),
            ("postgres://u:own@copy/d", &by_address, 5432, Some("own")),
            ("postgres://u@/d?service=there", &by_address, 7000, Some("s")),
            ("postgres://u@copy/d", &by_service, 5432, None),
            ("postgres://u@copy/d", &[&by_address[..], &[("PGPASSFILE", &pgpass)]].concat(), 5432, Some("of-copy")),
            (&format!("host=copy user=u passfile={services}x"), &by_address, 5432, None),
        ] {
            let found = target_of(Whose::Other, given, variables).unwrap();
            assert_eq!((&found.places[0].at, password(&found).as_deref()), (&copy(port), wanted), "{given}");
        }
        // Without a host of its own it is on the source's server; and the source is where it was.
        let address = |found: Target| match &found.places[0].at {
            Address::Tcp { address, .. } => address.map(|ip| ip.to_string()),
            Address::Unix { .. } => None,
        };
        for (whose, given) in [(Whose::Other, "postgres://u@/d"), (Whose::Source, "postgres://u@copy/d")] {
            for variables in [&by_address[..], &by_service] {
                assert_eq!(
                    address(target_of(whose, given, variables).unwrap()).as_deref(),
                    Some("10.0.0.1"),
                    "{given}"
                );
            }
        }
    }

    #[test]
    fn servers_are_told_apart_by_what_they_are() {
        for (wanted, primary, closed, standby) in [
            (Wanted::Any, true, true, true),
            (Wanted::ReadWrite, true, false, false),
            (Wanted::ReadOnly, false, true, true),
            (Wanted::Primary, true, true, false),
            (Wanted::Standby, false, false, true),
        ] {
            let takes = (wanted.takes(false, false), wanted.takes(false, true), wanted.takes(true, true));
            assert_eq!(takes, (primary, closed, standby), "{wanted:?}");
        }
    }

    #[test]
    fn no_error_and_no_debug_output_holds_the_password() {
        for url in ["postgres://u:s3cret@h:not-a-port/d", "postgres://u:x@h/d?s3cret=1", "host=h sslmode=s3cret"] {
            let error = target(url, &[]).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
        let found = target("postgres://u:s3cret@localhost/d", &[]).unwrap();
        assert!(!format!("{found:?}").contains("s3cret"));
    }
}
