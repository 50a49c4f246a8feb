//! Paths with matrix parameters: `/assets/7;includeMetadata=true`, `/workflows/;status=Failed`.
//!
//! A path is split at `/`, each segment at `;`, each parameter at its first `=`, and only then is it
//! percent-decoded: an encoded `;`, `/` or `=` is data. The parameters of all segments form one list, because
//! clients write them after any segment; the last of one name wins.

/// A request path taken apart: decoded segments and decoded matrix parameters, in the order of the path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatrixPath {
    segments: Vec<String>,
    params: Vec<(String, String)>,
}

impl MatrixPath {
    /// Takes a raw (still encoded) path apart. Empty segments (a leading, trailing or doubled `/`) are dropped.
    ///
    /// # Errors
    /// The offending part, where a `%` is not followed by two hex digits or the bytes are not UTF-8.
    pub fn parse(path: &str) -> Result<Self, String> {
        let mut parsed = Self::default();
        for part in path.split('/') {
            let mut pieces = part.split(';');
            let segment = pieces.next().unwrap_or_default();
            if !segment.is_empty() {
                parsed.segments.push(decode(segment)?);
            }
            for piece in pieces.filter(|piece| !piece.is_empty()) {
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                parsed.params.push((decode(name)?, decode(value)?));
            }
        }
        Ok(parsed)
    }

    /// The decoded segments, for matching.
    pub fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The value of the parameter `name`; the last one where it is repeated.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Strict percent-decoding: a stray `%` is an error, `+` is a plus sign.
fn decode(text: &str) -> Result<String, String> {
    let malformed = || format!("malformed percent-encoding in \"{text}\"");
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = rest.next().and_then(hex).ok_or_else(malformed)?;
            let low = rest.next().and_then(hex).ok_or_else(malformed)?;
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::MatrixPath;
    use crate::flex::matrix::Address;

    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

    fn encode(text: &str) -> String {
        utf8_percent_encode(text, RESERVED).to_string()
    }

    proptest! {
        #[test]
        fn any_segment_and_value_survive_a_round_trip(
            segments in prop::collection::vec("\\PC{1,12}", 1..4),
            params in prop::collection::btree_map("[a-zA-Z]{1,8}", "\\PC{0,20}", 0..4),
        ) {
            let mut path = String::new();
            for segment in &segments {
                path.push('/');
                path.push_str(&encode(segment));
            }
            for (name, value) in &params {
                path.push_str(&format!(";{name}={}", encode(value)));
            }
            let parsed = MatrixPath::parse(&path).unwrap();
            prop_assert_eq!(parsed.segments(), segments.iter().map(String::as_str).collect::<Vec<_>>());
            for (name, value) in &params {
                prop_assert_eq!(parsed.param(name), Some(value.as_str()));
            }
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn what_the_client_writes_is_read_back_to_the_letter(
            name in prop_oneof![any::<String>(), "[;/=%,?#+&\\\\. \u{0}-\u{1f}\u{7f}é]{0,12}", "(%2[fF]|[.][.]|/|;|=){0,6}"],
            number in any::<i64>(),
        ) {
            let written = Address::of("assets").item(number).with("name", &name).with("exactNameMatch", true);
            // Through the URL library, which may tidy a path up.
            let url = url::Url::parse(&format!("http://localhost/api{written}")).unwrap();
            let parsed = MatrixPath::parse(url.path()).unwrap();
            let number = number.to_string();
            prop_assert_eq!(parsed.segments(), ["api", "assets", number.as_str()]);
            prop_assert_eq!((parsed.param("name"), parsed.param("exactNameMatch")), (Some(name.as_str()), Some("true")));
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_the_parser_fail_other_than_by_an_error(path in "\\PC{0,40}") {
            let _ = MatrixPath::parse(&path);
        }
    }

    #[test]
    fn parameters_may_stand_after_any_segment_and_after_a_slash() {
        let path = MatrixPath::parse("/assets;limit=5/7;includeMetadata=true").unwrap();
        assert_eq!(path.segments(), ["assets", "7"]);
        assert_eq!((path.param("limit"), path.param("includeMetadata")), (Some("5"), Some("true")));
        let path = MatrixPath::parse("/workflows/;status=Failed").unwrap();
        assert_eq!((path.segments(), path.param("status")), (vec!["workflows"], Some("Failed")));
    }

    #[test]
    fn encoded_separators_are_data_and_a_stray_percent_is_an_error() {
        let path = MatrixPath::parse("/assets;name=a%3Bb%3Dc%2Fd%25+e").unwrap();
        assert_eq!(path.param("name"), Some("a;b=c/d%+e"));
        assert!(MatrixPath::parse("/assets;name=100%").unwrap_err().contains("100%"));
        assert!(MatrixPath::parse("/assets;name=%ff").is_err());
    }
}
