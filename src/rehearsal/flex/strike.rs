//! What a fault does to one request in the place of a proper answer.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures::{StreamExt, stream};

use super::answer::Answer;

/// The text of every envelope that a fault invents.
const INJECTED: &str = "fault injected by the local Flex";
/// An answer longer than this is not taken apart, but left whole.
const LONGEST: usize = 64 << 20;
/// hyper sends what it has while a body has nothing more to give, and drops what is unsent when a body fails.
const FLUSH: Duration = Duration::from_millis(20);

/// One strike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// What stands in the request log.
    pub name: &'static str,
    /// What the client sees.
    pub harm: Harm,
    /// Whether the request is handled and stored all the same.
    pub commit: bool,
}

/// What the client sees of a strike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Harm {
    /// A connection reset in the place of an answer.
    Reset,
    /// No answer at all.
    Hang,
    /// Another status.
    Status {
        /// The status to answer with.
        status: StatusCode,
        /// The `Retry-After` header, as given.
        retry_after: Option<String>,
        /// The HTML page instead of the JSON envelope.
        html: bool,
    },
    /// 200 with bytes that are no JSON.
    Garbage,
    /// The answer without its second half.
    Truncate {
        /// The connection ends before the length that was announced; otherwise the length is that of the half.
        early: bool,
    },
    /// The answer byte by byte, with this long between two.
    Drip(Duration),
}

impl Strike {
    /// Whether the client gets no answer.
    pub fn loses_reply(&self) -> bool {
        matches!(self.harm, Harm::Reset | Harm::Hang)
    }

    /// The answer that takes the place of the one to `handled`, or of none where the request was not handled. Of a cut
    /// connection it is never sent.
    pub fn answer(&self, handled: Option<Answer>) -> Answer {
        match (&self.harm, handled) {
            (Harm::Reset | Harm::Hang, _) => Answer::page(StatusCode::BAD_GATEWAY),
            (Harm::Status { status, html: true, retry_after }, _) => {
                Answer::page(*status).retry_after(retry_after.clone())
            }
            (Harm::Status { status, retry_after, .. }, _) => {
                Answer::refuse(*status, INJECTED).retry_after(retry_after.clone())
            }
            (Harm::Garbage | Harm::Truncate { .. } | Harm::Drip(_), Some(answer)) => answer,
            (Harm::Garbage | Harm::Truncate { .. } | Harm::Drip(_), None) => Answer::refuse(StatusCode::OK, INJECTED),
        }
    }

    /// The response with the harm that a body takes.
    pub async fn damage(&self, response: Response<Body>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        match self.harm {
            Harm::Garbage => Response::from_parts(parts, Body::from(&b"\x00\xff\xfe{]\xc3"[..])),
            Harm::Truncate { early } => {
                let Ok(whole) = to_bytes(body, LONGEST).await else {
                    return Response::from_parts(parts, Body::empty());
                };
                let half = whole.slice(..whole.len() / 2);
                if !early {
                    return Response::from_parts(parts, Body::from(half));
                }
                parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
                Response::from_parts(parts, Body::from_stream(breaking_off(half)))
            }
            Harm::Drip(pause) => {
                let Ok(whole) = to_bytes(body, LONGEST).await else {
                    return Response::from_parts(parts, Body::empty());
                };
                parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
                Response::from_parts(parts, Body::from_stream(drops(whole, pause)))
            }
            Harm::Reset | Harm::Hang | Harm::Status { .. } => Response::from_parts(parts, body),
        }
    }
}

/// `half`, then a failure that ends the connection, late enough for `half` to be on its way.
fn breaking_off(half: Bytes) -> impl futures::Stream<Item = io::Result<Bytes>> {
    let end = async {
        tokio::time::sleep(FLUSH).await;
        Err(io::ErrorKind::ConnectionAborted.into())
    };
    stream::iter([Ok(half)]).chain(stream::once(end))
}

fn drops(whole: Bytes, pause: Duration) -> impl futures::Stream<Item = io::Result<Bytes>> {
    stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        Some((Ok(rest.split_to(1)), rest))
    })
}
