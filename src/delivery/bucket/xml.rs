//! The XML of S3: the few elements that are read, and the one document that is written.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Fault, Outcome};

/// A page of ListObjectsV2.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    #[serde(default)]
    pub(super) contents: Vec<Contents>,
    #[serde(default)]
    pub(super) next_continuation_token: Option<String>,
    #[serde(default)]
    pub(super) encoding_type: Option<String>,
}

/// An object of a page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Contents {
    pub(super) key: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default, rename = "ETag")]
    pub(super) etag: String,
    #[serde(default)]
    pub(super) last_modified: Option<String>,
}

/// The answer to a copy or to the end of an upload.
#[derive(Debug, Deserialize)]
pub(super) struct Made {
    #[serde(default, rename = "ETag")]
    pub(super) etag: String,
}

/// The answer to the beginning of an upload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Begun {
    pub(super) upload_id: String,
}

/// The answer to a deletion of many.
#[derive(Debug, Deserialize)]
pub(super) struct Deleted {
    #[serde(default, rename = "Error")]
    pub(super) errors: Vec<Refused>,
}

/// An object that was not deleted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Refused {
    #[serde(default)]
    pub(super) key: String,
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// Reads an answer.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Outcome<T> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::Away("the answer is not UTF-8".into(), None))?;
    quick_xml::de::from_str(text)
        .map_err(|cause| Fault::Away("the answer is not the XML of S3".into(), Some(cause.into())))
}

/// Code and message, where a document is an error.
pub(super) fn error(body: &[u8]) -> Option<(String, String)> {
    // A document's own root; an object's bytes may be anything, and are not looked through.
    let begin = std::str::from_utf8(body.get(..body.len().min(256))?).ok()?;
    let root = begin
        .trim_start()
        .strip_prefix("<?xml")
        .map_or(begin, |rest| rest.split_once("?>").map_or("", |(_, rest)| rest));
    if !root.trim_start().starts_with("<Error>") {
        return None;
    }
    let error: Refused = read(body).ok()?;
    Some((error.code, error.message))
}

/// A key of a page that was asked for with `encoding-type=url`: a space is a `+` there, as in a form.
pub(super) fn key(text: &str, encoding: Option<&str>) -> Outcome<String> {
    if encoding != Some("url") {
        return Ok(text.to_owned());
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Into::into).map_err(|_| Fault::Unnameable("the key is not UTF-8".into()))
}

/// A DeleteObjects that is answered with what was refused only.
pub(super) fn deletion(keys: &[String]) -> String {
    let objects =
        keys.iter().map(|key| format!("<Object><Key>{}</Key></Object>", quick_xml::escape::escape(key.as_str())));
    let objects: String = objects.collect();
    format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>{objects}</Delete>")
}

/// The end of an upload, by the ETags of its parts.
pub(super) fn completion(parts: &[String]) -> String {
    let part = |(number, etag): (usize, &String)| {
        let etag = quick_xml::escape::escape(etag.as_str());
        format!("<Part><PartNumber>{}</PartNumber><ETag>\"{etag}\"</ETag></Part>", number + 1)
    };
    let parts: String = parts.iter().enumerate().map(part).collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_whatever_its_keys_hold() {
        let text = r#"<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
            <Contents><Key>a%2F%2Fb+c%2B%01.json</Key><LastModified>2025-03-01T00:00:00.000Z</LastModified>
            <ETag>&quot;d41d&quot;</ETag><Size>7</Size></Contents>
            <NextContinuationToken>t</NextContinuationToken></ListBucketResult>"#;
        let page: Page = read(text.as_bytes()).unwrap();
        let object = &page.contents[0];
        assert_eq!(key(&object.key, page.encoding_type.as_deref()).unwrap(), "a//b c+\u{1}.json");
        assert_eq!((object.size, object.etag.as_str()), (7, "\"d41d\""));
        assert_eq!(page.next_continuation_token.as_deref(), Some("t"));
    }

    #[test]
    fn an_error_is_told_from_an_object() {
        let body = b"<?xml version=\"1.0\"?>\n<Error><Code>SlowDown</Code><Message>less</Message></Error>";
        assert_eq!(error(body), Some(("SlowDown".into(), "less".into())));
        assert_eq!(error(b"{\"Error\": 1}"), None);
        assert_eq!(error(b""), None);
    }
}
