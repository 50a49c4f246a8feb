//! What the local Flex answers: JSON, or the two kinds of errors a real Flex gives, an envelope or an HTML page.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::Serialize;

/// An answer, or the refusal that takes its place.
pub type Handled = Result<Answer, Answer>;

/// One answer before it is turned into HTTP.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    content: Content,
    location: Option<String>,
    retry_after: Option<String>,
}

#[derive(Debug)]
enum Content {
    Json(String),
    /// The text of the error envelope (contract 0.3).
    Error(String),
    /// The servlet container's page, which real servers send for 401, 500 and unknown sub-paths.
    Html,
    /// Nothing, as after a removal.
    Empty,
    Stream(&'static str, Body),
}

impl Answer {
    fn new(status: StatusCode, content: Content) -> Self {
        Self { status, content, location: None, retry_after: None }
    }

    /// `200` with a JSON text that is already rendered.
    pub fn json(text: String) -> Self {
        Self::new(StatusCode::OK, Content::Json(text))
    }

    /// `200` with `value` as JSON.
    pub fn value(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::json(text),
            Err(_) => Self::page(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// `201` with a `Location` header.
    pub fn created(mut self, href: String) -> Self {
        self.status = StatusCode::CREATED;
        self.location = Some(href);
        self
    }

    /// An error envelope.
    pub fn refuse(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, Content::Error(text.into()))
    }

    /// `400` with an error envelope.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::refuse(StatusCode::BAD_REQUEST, text)
    }

    /// `404` for an item of a known kind, worded as a real Flex does.
    pub fn missing(kind: &str, id: impl std::fmt::Display) -> Self {
        Self::refuse(StatusCode::NOT_FOUND, format!("{kind}: {id} not found."))
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self::new(status, Content::Empty)
    }

    /// An error with the container's HTML page for a body.
    pub fn page(status: StatusCode) -> Self {
        Self::new(status, Content::Html)
    }

    /// `200` with a body that is produced while it is read.
    pub fn stream(content_type: &'static str, body: Body) -> Self {
        Self::new(StatusCode::OK, Content::Stream(content_type, body))
    }

    /// Adds a `Retry-After` header, as given (tests send absurd ones too).
    pub fn retry_after(mut self, value: Option<String>) -> Self {
        self.retry_after = value;
        self
    }

    /// The same with another status.
    pub fn with(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same, with the container's page for a body where it is an error.
    pub fn errors_as_pages(mut self) -> Self {
        if matches!(self.content, Content::Error(_)) {
            self.content = Content::Html;
        }
        self
    }

    /// The same, with the envelope for a body where it is an error.
    pub fn errors_as_envelopes(mut self) -> Self {
        if matches!(self.content, Content::Html) {
            self.content = Content::Error(self.status.canonical_reason().unwrap_or("Error").to_owned());
        }
        self
    }

    /// The HTTP response. `request` becomes `flex.request.id` in error envelopes; 0 leaves it out.
    pub fn into_response(self, request: u64) -> Response<Body> {
        let (content_type, body) = match self.content {
            Content::Json(text) => ("application/json", Body::from(text)),
            Content::Error(text) => {
                let mut envelope = serde_json::json!({"errors": {"error": text}});
                if request > 0 {
                    envelope["flex.request.id"] = format!("local-{request}").into();
                }
                ("application/json", Body::from(envelope.to_string()))
            }
            Content::Html => ("text/html;charset=utf-8", Body::from(page(self.status))),
            Content::Empty => ("", Body::empty()),
            Content::Stream(content_type, body) => (content_type, body),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Realm\""));
        }
        for (name, value) in [(header::LOCATION, self.location), (header::RETRY_AFTER, self.retry_after)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        }
        response
    }
}

fn page(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or("Error");
    format!(
        "<html><head><title>JBoss Web - Error report</title></head><body><h1>HTTP Status {} - {reason}</h1></body></html>",
        status.as_u16()
    )
}

/// The list envelope of contract 0.2: `items` are rendered objects.
pub fn envelope(key: &str, items: &[String], total: usize, offset: usize, limit: usize) -> Answer {
    let items = items.join(",");
    Answer::json(format!("{{\"{key}\":[{items}],\"totalCount\":{total},\"offset\":{offset},\"limit\":{limit}}}"))
}

/// Seconds since 1970 as Flex writes them: `29 Sep 2016 11:23:05 +0000`.
pub fn flex_time(seconds: i64) -> String {
    DateTime::<Utc>::from_timestamp(seconds, 0).unwrap_or_default().format("%d %b %Y %H:%M:%S +0000").to_string()
}

/// A matrix parameter's date, UTC: `24 Jun 2021 10:48:41`, the same with ` +0000`, or `24 Jun 2021`.
pub fn parse_flex_time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_str(text, "%d %b %Y %H:%M:%S %z") {
        return Some(time.timestamp());
    }
    let time = NaiveDateTime::parse_from_str(text, "%d %b %Y %H:%M:%S").ok();
    let time = time.or_else(|| NaiveDate::parse_from_str(text, "%d %b %Y").ok()?.and_hms_opt(0, 0, 0))?;
    Some(time.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::{flex_time, parse_flex_time};

    #[test]
    fn times_are_written_as_recorded_and_read_in_three_forms() {
        assert_eq!(flex_time(1_475_148_185), "29 Sep 2016 11:23:05 +0000");
        assert_eq!(parse_flex_time("29 Sep 2016 11:23:05"), Some(1_475_148_185));
        assert_eq!(parse_flex_time("29 Sep 2016 11:23:05 +0000"), Some(1_475_148_185));
        assert_eq!(parse_flex_time("29 Sep 2016"), Some(1_475_107_200));
        assert_eq!(parse_flex_time("2016-09-29"), None);
    }
}
