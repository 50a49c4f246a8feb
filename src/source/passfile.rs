//! The password for each place: given, or from libpq's password file (PostgreSQL's documentation, "The Password File").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::conninfo::{Environment, Parameters};
use super::target::Address;
use crate::error::{Error, Result};

/// What passwords there are.
pub(super) enum Passwords {
    /// One for all places, or none.
    Given(Option<SecretString>),
    /// The lines of the password file.
    File(SecretString),
}

impl Passwords {
    /// The password of the connection parameters, else the file of `passfile`, PGPASSFILE or `~/.pgpass`.
    ///
    /// # Errors
    /// When the file can be read by others (libpq would leave it alone and ask for a password), or not by us.
    pub(super) fn find(found: &Parameters, environment: &Environment<'_>) -> Result<Self> {
        if let Some(password) = found.get("password") {
            return Ok(Self::Given(Some(SecretString::from(password))));
        }
        let path = found.get("passfile").map(PathBuf::from).or_else(|| environment.in_home(".pgpass"));
        let Some((path, metadata)) = path.and_then(|path| fs::metadata(&path).ok().map(|metadata| (path, metadata)))
        else {
            return Ok(Self::Given(None));
        };
        if !metadata.is_file() {
            return Ok(Self::Given(None));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Error::preflight(format!(
                "the password file {0} can be read by others; run: chmod 600 {0}",
                path.display()
            )));
        }
        let text = fs::read_to_string(&path).map_err(|cause| Error::Preflight {
            message: format!("the password file {} cannot be read", path.display()),
            cause: Some(cause.into()),
        })?;
        Ok(Self::File(SecretString::from(text)))
    }

    /// The password for a user of a database at a place.
    pub(super) fn of(&self, place: &Address, database: &str, user: &str) -> Option<SecretString> {
        let text = match self {
            Self::Given(password) => return password.clone(),
            Self::File(text) => text.expose_secret(),
        };
        let folder;
        // A socket is known by its folder, or as localhost.
        let (hosts, port) = match place {
            Address::Tcp { name, port, .. } => ([name.as_str(), name], port),
            Address::Unix { folder: path, port } => {
                folder = path.display().to_string();
                ([folder.as_str(), "localhost"], port)
            }
        };
        let port = port.to_string();
        hosts.iter().find_map(|host| password_for(text, [host, &port, database, user])).map(SecretString::from)
    }
}

/// The password of the first line whose host, port, database and user match.
fn password_for(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, pattern) = fields.split_last()?;
        let matches =
            pattern.len() == 4 && pattern.iter().zip(wanted).all(|(field, want)| field == "*" || field == want);
        matches.then(|| password.clone())
    })
}

fn fields(line: &str) -> Vec<String> {
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
    fn lines_match_by_field() {
        let text = "# comment\nother:*:*:*:no\n*:5432:my\\:db:*:p:w\\\\1\n";
        assert_eq!(password_for(text, ["h", "5432", "my:db", "u"]).as_deref(), Some("p:w\\1"));
        assert_eq!(password_for(text, ["h", "5433", "my:db", "u"]), None);
    }

    #[test]
    fn each_place_has_a_password_of_its_own() {
        let file =
            Passwords::File(SecretString::from("a:*:*:*:one\nb:1:d:u:two\n/tmp/pg:*:*:*:three\nlocalhost:*:*:*:four"));
        let of = |place| file.of(&place, "d", "u").map(|password| password.expose_secret().to_owned());
        let tcp = |name: &str, port| Address::Tcp { name: name.into(), address: None, port };
        assert_eq!([of(tcp("a", 1)), of(tcp("b", 1)), of(tcp("b", 2))], [Some("one".into()), Some("two".into()), None]);
        let unix = |folder: &str| Address::Unix { folder: folder.into(), port: 1 };
        assert_eq!([of(unix("/tmp/pg")), of(unix("/else"))], [Some("three".into()), Some("four".into())]);
    }
}
