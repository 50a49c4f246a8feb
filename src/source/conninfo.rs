//! Connection parameters, found where libpq finds them: in the connection string, then in the service file's section,
//! then in the environment (PostgreSQL's documentation, "Database Connection Control Functions" and "The Connection
//! Service File"). A parameter that is not known is refused by name: what it should have done would be missed silently.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use crate::error::{Error, Result};

/// The parameters that are known, and the variables that stand for them.
const KNOWN: [(&str, &str); 22] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("service", "PGSERVICE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("application_name", "PGAPPNAME"),
    ("options", "PGOPTIONS"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("tcp_user_timeout", ""),
];

/// Parameters of libpq that are not supported: their names are no part of anybody's password.
const REFUSED: [&str; 21] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "load_balance_hosts",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "servicefile",
];

/// The process's environment, or a test's.
pub(super) struct Environment<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// A variable that is set and not empty (libpq takes an empty one for none).
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// A file below the home folder.
    pub(super) fn in_home(&self, path: &str) -> Option<PathBuf> {
        Some(PathBuf::from(self.variable("HOME")?).join(path))
    }
}

/// Whose connection string is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The source's: service file and environment speak of it, as with libpq.
    Source,
    /// Of a database that the source is compared with: they speak of the source. Where the string names a host itself, or
    /// by its own `service`, an address of the environment would lead to the source under that host's name, and is not
    /// taken; nor is a service's that the string does not name, or its password.
    Other,
}

/// Parameters by name. Without `Debug`: one of them is the password.
#[derive(Default)]
pub(super) struct Parameters {
    found: BTreeMap<&'static str, String>,
    /// PGPASSWORD where it may be another server's: offered only where nothing else holds a password.
    spare: Option<SecretString>,
}

impl Parameters {
    /// Completes a URL or `key=value` string from the service file and the environment.
    ///
    /// # Errors
    /// When the string or the service file cannot be read, or names what is not known.
    pub(super) fn gather(given: &str, environment: &Environment<'_>, whose: Whose) -> Result<Self> {
        let pairs = pairs(given).map_err(|what| Error::config(format!("source.url: {what}")))?;
        let secret = pairs.iter().any(|(name, value)| name == "password" && !value.is_empty());
        let mut found = Self::default();
        for (name, value) in pairs {
            let known = known(&name).ok_or_else(|| Error::config(format!("source.url: {}", unknown(&name, secret))))?;
            // The last one wins, as in libpq.
            found.found.insert(known, value);
        }
        found.found.retain(|_, value| !value.is_empty());
        let named = found.found.get("service").cloned();
        if let Some(service) = &named {
            found.complete(section(service, environment)?);
        }
        let names_host = found.get("host").or(found.get("hostaddr")).is_some();
        let apart = whose == Whose::Other && names_host;
        if apart && found.get("passfile").is_none() {
            found.spare = environment.variable("PGPASSWORD").map(SecretString::from);
        }
        let foreign = |name: &str| apart && matches!(name, "hostaddr" | "password");
        if let Some(service) = environment.variable("PGSERVICE").filter(|_| named.is_none()) {
            let pairs = section(&service, environment)?;
            found.complete(pairs.into_iter().filter(|(name, _)| !foreign(name)));
        }
        let variables = KNOWN.iter().filter(|(name, variable)| !variable.is_empty() && !foreign(name));
        found.complete(variables.filter_map(|(name, variable)| Some((*name, environment.variable(variable)?))));
        Ok(found)
    }

    /// Adds what is not there yet.
    fn complete(&mut self, pairs: impl IntoIterator<Item = (&'static str, String)>) {
        for (name, value) in pairs {
            self.found.entry(name).or_insert(value);
        }
    }

    /// A password to offer where neither the connection string nor a password file holds one.
    pub(super) fn spare_password(&self) -> Option<SecretString> {
        self.spare.clone()
    }

    /// A parameter's value; none where it is not set or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.found.get(name).map(String::as_str)
    }

    /// A parameter read by a parser.
    ///
    /// # Errors
    /// When the parser refuses it; the message has its name and `wanted`, not its value.
    pub(super) fn parsed<T>(&self, name: &str, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let refused = || Error::config(format!("source.url: {name}: {wanted} is wanted"));
        parse(value.trim()).map(Some).ok_or_else(refused)
    }
}

/// Whether a connection URL or `key=value` string holds a password, in whatever place. A string that cannot be read is
/// taken to hold one when it looks so: it is not to be committed to a file either way.
pub fn has_password(given: &str) -> bool {
    match pairs(given) {
        Ok(pairs) => pairs.iter().any(|(name, value)| name.contains("password") && !value.is_empty()),
        Err(_) => {
            let authority = given.split_once("://").map_or("", |(_, rest)| rest);
            let signed_in = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
            signed_in || given.to_ascii_lowercase().contains("password")
        }
    }
}

fn known(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}

/// What is said of a parameter that is not known. An `&` in a password that should have been `%26` makes its rest look
/// like one, so a name is only repeated where it is nobody's secret.
fn unknown(name: &str, secret: bool) -> String {
    let names = KNOWN.map(|(name, _)| name).join(", ");
    if REFUSED.contains(&name) {
        format!("the parameter {name} is not supported; known are {names}")
    } else if secret {
        format!("a parameter is unknown, or a sign in the password must be percent-encoded; known are {names}")
    } else {
        format!("the parameter {name:?} is unknown; known are {names}")
    }
}

const NO_URL: &str = "not a PostgreSQL connection URL (postgres://user@host:5432/database)";

/// The names and values of a connection string. Errors repeat nothing of it.
fn pairs(given: &str) -> Result<Vec<(String, String)>, &'static str> {
    match given.strip_prefix("postgresql://").or_else(|| given.strip_prefix("postgres://")) {
        Some(rest) => url(rest),
        None => words(given),
    }
}

/// `user:password@host:port,host:port/database?name=value&…`, each part percent-encoded.
fn url(rest: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: &str| {
        let value = percent_decode_str(value).decode_utf8().map_err(|_| "it is percent-encoded, but not UTF-8")?;
        pairs.push((name.to_owned(), value.into_owned()));
        Ok::<_, &'static str>(())
    };
    // The last `@`, though a password should have its own encoded: what stands after the first would pass for a host.
    let signed = rest[..rest.find('/').unwrap_or(rest.len())].rfind('@');
    let (user, rest) = signed.map_or(("", rest), |at| (&rest[..at], &rest[at + 1..]));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    add("user", user)?;
    add("password", password)?;
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = before.split_once('/').unwrap_or((before, ""));
    if database.contains('@') {
        return Err("a / or @ in a user, password or database must be percent-encoded");
    }
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for place in authority.split(',') {
        let end = if place.starts_with('[') { place.find(']').ok_or(NO_URL)? } else { 0 };
        let (host, port) = match place[end..].find(':') {
            Some(colon) => (&place[..end + colon], &place[end + colon + 1..]),
            None => (place, ""),
        };
        hosts.push(host.trim_matches(['[', ']']));
        ports.push(port);
    }
    add("host", &hosts.join(","))?;
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    add("port", &ports)?;
    add("dbname", database)?;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=').ok_or("a parameter without a value")? {
            ("ssl", "true") => add("sslmode", "require")?,
            (name, value) => add(&percent_decode_str(name).decode_utf8_lossy(), value)?,
        }
    }
    Ok(pairs)
}

/// `name = value name='a value' …`, with backslashes before quotes and backslashes.
fn words(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(NO_URL)?;
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(NO_URL);
        }
        let after = after.trim_start();
        let (quoted, after) = after.strip_prefix('\'').map_or((false, after), |after| (true, after));
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next() {
                None if quoted => return Err("a quote is not closed"),
                None => break after.len(),
                Some((_, '\\')) => value.extend(characters.next().map(|(_, character)| character)),
                Some((at, '\'')) if quoted => break at + 1,
                Some((at, character)) if !quoted && character.is_whitespace() => break at,
                Some((_, character)) => value.push(character),
            }
        };
        pairs.push((name.to_owned(), value));
        rest = after[end..].trim_start();
    }
    Ok(pairs)
}

/// The parameters of a service: from PGSERVICEFILE or `~/.pg_service.conf`, then from `pg_service.conf` in PGSYSCONFDIR.
fn section(service: &str, environment: &Environment<'_>) -> Result<Vec<(&'static str, String)>> {
    let own =
        environment.variable("PGSERVICEFILE").map(PathBuf::from).or_else(|| environment.in_home(".pg_service.conf"));
    let system = environment.variable("PGSYSCONFDIR").map(|folder| PathBuf::from(folder).join("pg_service.conf"));
    let files: Vec<_> = [own, system].into_iter().flatten().collect();
    for file in &files {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => continue,
            Err(cause) => {
                let message = format!("the service file {} cannot be read", file.display());
                return Err(Error::Preflight { message, cause: Some(cause.into()) });
            }
        };
        if let Some(found) = section_of(service, &text, file)? {
            return Ok(found);
        }
    }
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    Err(Error::config(format!(
        "the service {service:?} is not defined in {}: add a section [{service}] there, or correct service= or PGSERVICE",
        if files.is_empty() { "any file (set PGSERVICEFILE)".to_owned() } else { files.join(" or ") }
    )))
}

fn section_of(service: &str, text: &str, file: &Path) -> Result<Option<Vec<(&'static str, String)>>> {
    let wrong = |line: usize, what: &str| Error::config(format!("{}:{}: {what}", file.display(), line + 1));
    let mut found: Option<Vec<(&'static str, String)>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (name.strip_suffix(']') == Some(service)).then(Vec::new);
            continue;
        }
        let Some(found) = &mut found else { continue };
        let (name, value) = line.split_once('=').ok_or_else(|| wrong(number, "name=value is wanted"))?;
        if name == "service" {
            return Err(wrong(number, "a service cannot name another"));
        }
        let name = known(name).ok_or_else(|| wrong(number, &unknown(name, false)))?;
        // The first one wins within a section, as in libpq.
        if !found.iter().any(|(known, _)| *known == name) {
            found.push((name, value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(given: &str, variables: &[(&str, &str)]) -> Result<BTreeMap<&'static str, String>> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Parameters::gather(given, &Environment(&variable), Whose::Source).map(|parameters| parameters.found)
    }

    fn shown(found: &BTreeMap<&'static str, String>) -> String {
        found.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn urls_and_words_are_read_as_libpq_reads_them() {
        for (given, wanted) in [
            (
                "postgres://u:p%40%2F@h:1/d?sslmode=require&options=-c%20a%3Db",
                "dbname=d host=h options=-c a=b password=p@/ port=1 sslmode=require user=u",
            ),
            ("postgresql://", ""),
            ("postgresql:///d", "dbname=d"),
            ("postgres://[::1]:5433,h2/d?user=u", "dbname=d host=::1,h2 port=5433, user=u"),
            ("postgres://%2Ftmp%2Fpg/d?ssl=true", "dbname=d host=/tmp/pg sslmode=require"),
            ("host = h user='it''s' ", "host=h user=it"),
            (r"host=h password='a \'b\' \\' dbname=d\ e", r"dbname=d e host=h password=a 'b' \"),
        ] {
            let found = gather(given, &[]);
            match given.contains("''") {
                true => assert!(found.is_err(), "{given}"),
                false => assert_eq!(shown(&found.unwrap()), wanted, "{given}"),
            }
        }
    }

    #[test]
    fn the_string_stands_over_the_service_over_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("services");
        let text = "# of the house\n[other]\nhost=other\n\n[prod]\nhost=service\nport=6000\nport=6001\ndbname=service\n[prod2]\nport=1";
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let folder = folder.path().display().to_string();
        let variables = [
            ("PGSERVICEFILE", file.as_str()),
            ("PGHOST", "variable"),
            ("PGPORT", "1"),
            ("PGUSER", "variable"),
            ("PGOPTIONS", ""),
        ];
        let found = gather("postgres:///given?service=prod", &variables).unwrap();
        assert_eq!(shown(&found), "dbname=given host=service port=6000 service=prod user=variable");
        let by_variable = [&variables[..], &[("PGSERVICE", "other")]].concat();
        assert_eq!(gather("dbname=d", &by_variable).unwrap()["host"], "other");
        let missing = gather("service=none", &variables).unwrap_err().to_string();
        assert!(missing.contains("\"none\" is not defined in") && missing.contains(&file), "{missing}");
        std::fs::write(format!("{folder}/pg_service.conf"), "[none]\nhost=system\nsslcrl=x").unwrap();
        let system = [&variables[..], &[("PGSYSCONFDIR", folder.as_str())]].concat();
        let refused = gather("service=none", &system).unwrap_err().to_string();
        assert!(refused.contains("pg_service.conf:3") && refused.contains("sslcrl is not supported"), "{refused}");
    }

    #[test]
    fn unknown_parameters_are_refused_by_name_and_secrets_are_not_repeated() {
        let refused = |given: &str| gather(given, &[]).unwrap_err().to_string();
        assert!(refused("postgres://h/d?sslmod=require").contains("\"sslmod\" is unknown"));
        assert!(refused("postgres://u:p@h/d?sslcrl=x").contains("sslcrl is not supported"));
        for given in [
            "postgres://u:x@h/d?s3cret=1",
            "postgres://u@h/d?password=a&s3cret=1",
            "host=h s3cret",
            "password='s3cret",
            "postgres://u:a/s3cret@h/d",
        ] {
            assert!(!refused(given).contains("s3cret"), "{given}");
        }
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
}
