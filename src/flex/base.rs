//! The base URL of a target, and the addresses below it.

use std::net::IpAddr;

use url::{Host, ParseError, Url};

/// The base URL of a target.
#[derive(Debug, Clone)]
pub struct Base {
    url: Url,
    loopback: bool,
}

impl Base {
    /// # Errors
    /// Why the text cannot be a base: no URL, not of HTTP, with credentials, a query or a fragment, or plain http to another
    /// machine though that is not allowed.
    pub fn parse(text: &str, allow_insecure: bool) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|cause| format!("not a URL ({cause})"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials do not belong here; set username and password".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a query or fragment cannot be used".to_owned());
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err("it begins with neither https:// nor http://".to_owned());
        }
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            None => return Err("no host".to_owned()),
        };
        if url.scheme() == "http" && !loopback && !allow_insecure {
            return Err(
                "plain http would show the password to everybody on the way (allow_insecure = true permits it)"
                    .to_owned(),
            );
        }
        Ok(Self { url, loopback })
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether what is sent is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Without its last slash.
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The address of a path below it, which begins with a slash. Only the path is taken apart anew.
    pub(super) fn address(&self, path: &str) -> Result<Url, ParseError> {
        if path.contains(['?', '#']) {
            return Url::parse(&format!("{}{path}", self.as_str()));
        }
        let mut address = self.url.clone();
        address.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_its_text_would_be_parsed_to() {
        for text in ["http://127.0.0.1:80/api", "https://flex.example.com", "http://localhost/a/b/api/"] {
            let base = Base::parse(text, false).unwrap();
            for path in [
                "/assets",
                "/assets/7/metadata",
                "/assets;name=a%2Fb%3B%3D%25;limit=1",
                "/a?b=c;d",
                "/ü ä",
                "/%2e%2e/x",
            ] {
                let parsed = Url::parse(&format!("{}{path}", base.as_str())).unwrap();
                assert_eq!(base.address(path).unwrap(), parsed, "{text} {path}");
            }
        }
    }
}
