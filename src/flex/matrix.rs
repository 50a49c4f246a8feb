//! Paths with matrix parameters (`/assets;name=demo%20asset;limit=5`) and their encoding. URL libraries leave `;`, `=`
//! and `,` bare in a path, so everything but the unreserved characters of RFC 3986 is percent-encoded here.

use std::fmt::{self, Display, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but `A-Z a-z 0-9 - . _ ~` (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path below the API's base, built from fixed words, ids and encoded parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The path of a collection: `/assets`.
    pub fn of(resource: &'static str) -> Self {
        Self(format!("/{resource}"))
    }

    /// The item with this id: `/assets/7`.
    pub fn item(mut self, id: i64) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "/{id}");
        self
    }

    /// A sub-resource: `/assets/7/metadata`.
    pub fn part(mut self, word: &'static str) -> Self {
        self.0.push('/');
        self.0.push_str(word);
        self
    }

    /// A matrix parameter, its value encoded.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        let _ = write!(self.0, ";{name}={}", utf8_percent_encode(&value.to_string(), RESERVED));
        self
    }

    /// The text to append to the base URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_follow_the_path_in_order() {
        let address = Address::of("assets").item(7).part("metadata").with("limit", 5).with("name", "a b;c=d,e/f%");
        assert_eq!(address.as_str(), "/assets/7/metadata;limit=5;name=a%20b%3Bc%3Dd%2Ce%2Ff%25");
    }

    #[test]
    fn dots_stay_within_their_segment() {
        let url = url::Url::parse(&format!("http://h/api{}", Address::of("assets").with("name", "../../x"))).unwrap();
        assert_eq!(url.path(), "/api/assets;name=..%2F..%2Fx");
    }

    proptest! {
        #[test]
        fn every_value_comes_back(first in any::<String>(), second in any::<String>()) {
            let address = Address::of("assets").with("name", &first).with("uuid", &second);
            let url = url::Url::parse(&format!("http://localhost/api{address}")).unwrap();
            prop_assert_eq!(url.query(), None);
            prop_assert_eq!(url.fragment(), None);
            let mut parts = url.path().strip_prefix("/api/assets;").unwrap().split(';');
            for (name, value) in [("name", first), ("uuid", second)] {
                let (found, encoded) = parts.next().unwrap().split_once('=').unwrap();
                prop_assert_eq!(found, name);
                prop_assert_eq!(percent_decode_str(encoded).decode_utf8().unwrap(), value);
            }
            prop_assert_eq!(parts.next(), None);
        }
    }
}
