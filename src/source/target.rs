//! Where the source is and how to sign in: the connection URL, completed from libpq's environment and password file.

use std::env;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::tls::SslMode;
use crate::error::{Error, Result};

/// One address to try.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A host by name; `address` is dialled in its stead where `hostaddr` is given.
    Tcp { name: String, address: Option<IpAddr>, port: u16 },
    /// The folder of a Unix socket.
    Unix { folder: PathBuf, port: u16 },
}

impl Place {
    fn is_local(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Tcp { name, address, .. } => {
                let address = address.or_else(|| name.trim_matches(['[', ']']).parse().ok());
                address.map_or(name == "localhost", |address| address.is_loopback())
            }
        }
    }
}

/// A parsed connection URL. Its password is held by tokio-postgres' `Config`, whose `Debug` masks it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) places: Vec<Place>,
    pub(super) mode: SslMode,
    pub(super) roots: Option<PathBuf>,
}

impl Target {
    /// Reads a URL or a `key=value` string, then PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGPASSFILE, PGSSLMODE
    /// and PGSSLROOTCERT for what it leaves out. Without an `sslmode` a remote host must prove its name (`verify-full`).
    pub(super) fn parse(url: &SecretString, allow_insecure: bool) -> Result<Self> {
        let (rest, mode, roots) = take_ssl(url.expose_secret());
        // The parser's own error may quote a piece of a password, so it is not passed on.
        let mut config: Config = rest.parse().map_err(|_| {
            Error::config("source.url: not a PostgreSQL connection URL (postgres://user@host:5432/database)")
        })?;
        from_environment(&mut config)?;
        let places = places(&config)?;
        let mode = match mode.or_else(|| env::var("PGSSLMODE").ok()) {
            Some(text) => SslMode::parse(&text).ok_or_else(|| {
                Error::config("source.url: sslmode is one of disable, prefer, require, verify-ca, verify-full")
            })?,
            None if places.iter().all(Place::is_local) => SslMode::Prefer,
            None => SslMode::VerifyFull,
        };
        if !allow_insecure
            && matches!(mode, SslMode::Disable | SslMode::Prefer)
            && let Some(Place::Tcp { name, .. }) = places.iter().find(|place| !place.is_local())
        {
            return Err(Error::preflight(format!(
                "{name} is not this machine, and sslmode disable or prefer may send the password in clear text; \
                 use sslmode=verify-full, or allow insecure connections in so many words"
            )));
        }
        let roots = roots.or_else(|| env::var("PGSSLROOTCERT").ok()).filter(|path| path != "system");
        find_password(&mut config, &places)?;
        Ok(Self { config, places, mode, roots: roots.map(PathBuf::from) })
    }
}

/// Whether a connection URL or `key=value` string holds a password, in whatever place. A string that cannot be read is
/// taken to hold one when it looks so: it is not to be committed to a file either way.
pub fn has_password(url: &str) -> bool {
    match take_ssl(url).0.parse::<Config>() {
        Ok(config) => config.get_password().is_some_and(|password| !password.is_empty()),
        Err(_) => {
            let authority = url.split_once("://").map_or("", |(_, rest)| rest);
            let signed_in = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
            signed_in || url.to_ascii_lowercase().contains("password")
        }
    }
}

/// Takes `sslmode` and `sslrootcert` out of the string: tokio-postgres knows only some modes and no root file.
fn take_ssl(url: &str) -> (String, Option<String>, Option<String>) {
    let (mut mode, mut roots) = (None, None);
    let mut keep = |part: &&str| match part.split_once('=') {
        Some(("sslmode", value)) => {
            mode = Some(value.to_owned());
            false
        }
        Some(("sslrootcert", value)) => {
            roots = Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned());
            false
        }
        _ => true,
    };
    let rest = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        match url.split_once('?') {
            None => url.to_owned(),
            Some((base, query)) => {
                let kept: Vec<&str> = query.split('&').filter(|part| keep(part)).collect();
                if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }
            }
        }
    } else {
        url.split(' ').filter(|part| keep(part)).collect::<Vec<_>>().join(" ")
    };
    (rest, mode, roots)
}

fn from_environment(config: &mut Config) -> Result<()> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host(env::var("PGHOST").unwrap_or_else(|_| "localhost".into()));
    }
    if config.get_ports().is_empty()
        && let Ok(port) = env::var("PGPORT")
    {
        config.port(port.parse().map_err(|_| Error::config("PGPORT is not a port number"))?);
    }
    if config.get_user().is_none()
        && let Ok(user) = env::var("PGUSER").or_else(|_| env::var("USER"))
    {
        config.user(user);
    }
    if config.get_dbname().is_none()
        && let Ok(database) = env::var("PGDATABASE")
    {
        config.dbname(database);
    }
    if config.get_application_name().is_none() {
        config.application_name("telecine");
    }
    Ok(())
}

fn places(config: &Config) -> Result<Vec<Place>> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    if !(hosts.is_empty() || addresses.is_empty() || hosts.len() == addresses.len()) {
        return Err(Error::config("source.url: as many hostaddr as host are needed"));
    }
    let place = |index: usize| {
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        let address = addresses.get(index).copied();
        match hosts.get(index) {
            Some(Host::Unix(folder)) => Place::Unix { folder: folder.clone(), port },
            Some(Host::Tcp(name)) => Place::Tcp { name: name.clone(), address, port },
            None => Place::Tcp { name: address.map(|ip| ip.to_string()).unwrap_or_default(), address, port },
        }
    };
    Ok((0..count).map(place).collect())
}

/// Looks a missing password up in PGPASSWORD and the password file.
fn find_password(config: &mut Config, places: &[Place]) -> Result<()> {
    if config.get_password().is_some() {
        return Ok(());
    }
    if let Ok(password) = env::var("PGPASSWORD") {
        config.password(password);
        return Ok(());
    }
    let path = env::var_os("PGPASSFILE")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".pgpass")));
    let Some((path, metadata)) = path.and_then(|path| fs::metadata(&path).ok().map(|metadata| (path, metadata))) else {
        return Ok(());
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Error::preflight(format!(
            "the password file {} can be read by others; run: chmod 600 {}",
            path.display(),
            path.display()
        )));
    }
    let text = fs::read_to_string(&path).map_err(|cause| Error::Preflight {
        message: format!("the password file {} cannot be read", path.display()),
        cause: Some(cause.into()),
    })?;
    let user = config.get_user().unwrap_or_default().to_owned();
    let database = config.get_dbname().unwrap_or(&user).to_owned();
    for place in places {
        let (host, port) = match place {
            Place::Tcp { name, port, .. } => (name.clone(), port),
            Place::Unix { port, .. } => ("localhost".to_owned(), port),
        };
        if let Some(password) = password_for(&text, [&host, &port.to_string(), &database, &user]) {
            config.password(password);
            return Ok(());
        }
    }
    Ok(())
}

/// The password of the first line whose host, port, database and user match (libpq's `.pgpass` format).
fn password_for(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = pgpass_fields(line);
        let (password, pattern) = fields.split_last()?;
        let matches =
            pattern.len() == 4 && pattern.iter().zip(wanted).all(|(field, want)| field == "*" || field == want);
        matches.then(|| password.clone())
    })
}

fn pgpass_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().into_iter().for_each(|field| field.extend(characters.next())),
            other => fields.last_mut().into_iter().for_each(|field| field.push(other)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_host_must_prove_its_name_unless_told_otherwise() {
        let target = |url: &str| Target::parse(&SecretString::from(url), false);
        assert_eq!(target("postgres://u@db.example.com/d").unwrap().mode, SslMode::VerifyFull);
        assert_eq!(target("postgres://u@127.0.0.1/d").unwrap().mode, SslMode::Prefer);
        assert_eq!(target("postgres://u@%2Ftmp%2Fpg/d").unwrap().mode, SslMode::Prefer);
        assert!(target("postgres://u:secret@db.example.com/d?sslmode=prefer").is_err());
        let given = target("postgres://u@db.example.com/d?sslmode=verify-ca&sslrootcert=%2Fa%20b.pem").unwrap();
        assert_eq!((given.mode, given.roots), (SslMode::VerifyCa, Some(PathBuf::from("/a b.pem"))));
    }

    #[test]
    fn no_error_and_no_debug_output_holds_the_password() {
        for url in ["postgres://u:s3cret@h:not-a-port/d", "postgres://u:x@h/d?s3cret=1", "host=h sslmode=s3cret"] {
            let error = Target::parse(&SecretString::from(url), false).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
        let target = Target::parse(&SecretString::from("postgres://u:s3cret@localhost/d"), false).unwrap();
        assert!(!format!("{target:?}").contains("s3cret"));
    }

    #[test]
    fn a_password_is_found_wherever_the_connection_string_holds_it() {
        for url in [
            "postgres://u:s3cret@h/d",
            "postgres://u@h/d?password=s3cret",
            "postgres://u@h/d?sslmode=verify-ca&password=s3cret",
            "host=h user=u password=s3cret",
            "host=h password = 's 3'",
            "postgres://u:s3cret@h:no-port/d",
            "postgres://u@h/d?password=s3cret&sslcert=x",
        ] {
            assert!(has_password(url), "{url}");
        }
        let without =
            ["postgres://u@h/d", "postgres://u:@h/d", "host=h user=u", "postgres://h:5432/d?sslmode=verify-full"];
        for url in without {
            assert!(!has_password(url), "{url}");
        }
    }

    #[test]
    fn password_file_lines_match_by_field() {
        let text = "# comment\nother:*:*:*:no\n*:5432:my\\:db:*:p:w\\\\1\n";
        assert_eq!(password_for(text, ["h", "5432", "my:db", "u"]).as_deref(), Some("p:w\\1"));
        assert_eq!(password_for(text, ["h", "5433", "my:db", "u"]), None);
    }
}
