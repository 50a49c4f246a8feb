//! From an HTTP request to an answer: credentials, faults, body, route, log. Handlers are plain functions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, poll};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answer, Handled};
use super::behaviour::{Behaviour, Switch};
use super::call::Call;
use super::connection::Connection;
use super::matrix::MatrixPath;
use super::playing::{Faults, Verdict};
use super::requests::{Request as Logged, RequestLog, hash};
use super::store::Store;
use super::strike::{Harm, Strike};
use super::version::Version;
use super::{Personality, annotations, assets, catalog, definitions, metadata, routes, standin};

/// Bodies above this are answered with 413.
const BODY_LIMIT: usize = 16 << 20;
/// So much of a body that is too large is still read, so that the client sees the 413 and not a reset.
const DRAIN_LIMIT: usize = 4 * BODY_LIMIT;
/// The media type of every known client, and the plain one.
const MEDIA_TYPES: [&str; 2] = ["application/vnd.nativ.mio.v1+json", "application/json"];
/// Its XML twin, which only definitions are put as.
const XML_TYPE: &str = "application/vnd.nativ.mio.v1+xml";

/// All that the handlers share.
#[derive(Debug)]
pub struct Flex {
    store: Mutex<Store>,
    log: Mutex<RequestLog>,
    started: Instant,
    /// Cancelled when the server ends; answers that never come wait for it.
    stop: CancellationToken,
    /// Requests that wait; they outlive a client that hangs up.
    pub tasks: TaskTracker,
    /// Cancelled when requests that still wait are given up.
    pub over: CancellationToken,
    /// The faults and switches in force.
    pub faults: Faults,
    authorization: SecretString,
    session: HeaderValue,
    /// What `POST /assets/{id}/annotations` means.
    pub personality: Personality,
    /// The release it behaves as.
    pub version: Version,
    /// Ends in `/api`.
    pub base_url: String,
}

impl Flex {
    /// A service over `store`.
    pub fn new(
        store: Store,
        (log, stop): (RequestLog, CancellationToken),
        faults: Faults,
        (personality, version): (Personality, Version),
        base_url: String,
        user: &SecretString,
        password: &SecretString,
    ) -> Self {
        let token = STANDARD.encode(format!("{}:{}", user.expose_secret(), password.expose_secret()));
        let session = format!("JSESSIONID={:032x}; Path=/api; Secure", fastrand::u128(..));
        Self {
            store: Mutex::new(store),
            log: Mutex::new(log),
            started: Instant::now(),
            stop,
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
            faults,
            authorization: SecretString::from(token),
            session: HeaderValue::from_str(&session).unwrap_or(HeaderValue::from_static("JSESSIONID=0; Path=/api")),
            personality,
            version,
            base_url,
        }
    }

    /// The state. Held for the time of one look-up or one commit, never across an await.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request log.
    pub fn log(&self) -> MutexGuard<'_, RequestLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it knows `externalIds`: since 2023.6, and not where it was told to know them not.
    pub fn has_external_ids(&self) -> bool {
        self.version >= Version::V2023_6 && !self.faults.has(Switch::NoExternalIds)
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn authorized(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("basic") && token.trim() == self.authorization.expose_secret()
        })
    }
}

/// Answers every request, whatever its path.
pub async fn serve(
    State(flex): State<Arc<Flex>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response<Body> {
    let raw = request.uri().path().to_owned();
    let (below, local) = match (raw.strip_prefix("/api"), raw.strip_prefix("/__standin/")) {
        (Some(rest), _) if rest.is_empty() || rest.starts_with(['/', ';']) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return Answer::page(StatusCode::NOT_FOUND).into_response(0),
    };
    let (path, malformed) = match MatrixPath::parse(below) {
        Ok(path) => (path, None),
        Err(problem) => (MatrixPath::default(), Some(Answer::bad(problem))),
    };
    let (parts, body) = request.into_parts();
    let came = flex.milliseconds();
    let body = read(body).await;
    if local {
        return oracle(&flex, &connection, &path, &parts, body).into_response(0);
    }
    let asked = Asked { below: below.to_owned(), path, malformed, parts, body, came };
    let mut carried = Box::pin(carry_out(Arc::clone(&flex), asked));
    let carried = match poll!(carried.as_mut()) {
        Poll::Ready(carried) => carried,
        // A server carries out what it has taken up, although the client may hang up in the meantime: whatever waits does so
        // in a task of its own.
        Poll::Pending => flex.tasks.spawn(carried).await.ok().flatten(),
    };
    let Some((response, strike)) = carried else {
        return Answer::page(StatusCode::SERVICE_UNAVAILABLE).into_response(0);
    };
    let Some(strike) = strike else { return response };
    if strike.harm == Harm::Hang {
        flex.stop.cancelled().await;
    }
    if strike.loses_reply() {
        connection.cut();
    }
    strike.damage(response).await
}

/// A request below `/api`, read to its end.
struct Asked {
    /// The raw path.
    below: String,
    path: MatrixPath,
    /// The refusal where the path cannot be understood.
    malformed: Option<Answer>,
    parts: Parts,
    body: Result<Bytes, Answer>,
    /// When it came, see [`Logged::came`].
    came: u64,
}

/// Answers and logs a request. `None` where the server is over first.
async fn carry_out(flex: Arc<Flex>, asked: Asked) -> Option<(Response<Body>, Option<Strike>)> {
    let Asked { below, path, malformed, parts, body, came } = asked;
    let (hash, length) = body.as_ref().map_or((None, 0), |body| (Some(hash(&parts.method, &below, body)), body.len()));
    let (answer, strike) = match malformed {
        Some(refusal) => (refusal, None),
        None => flex.over.run_until_cancelled(exchange(&flex, &path, &parts, body)).await?,
    };
    let behaviour = &flex.faults.playing().behaviour;
    let answer = match (behaviour.has(Switch::HtmlErrors), behaviour.has(Switch::JsonErrors)) {
        (true, _) => answer.errors_as_pages(),
        (_, true) => answer.errors_as_envelopes(),
        _ => answer,
    };
    let logged = Logged {
        n: 0,
        status: (!strike.as_ref().is_some_and(Strike::loses_reply)).then(|| answer.status.as_u16()),
        fault: strike.as_ref().map(|strike| strike.name),
        path: below,
        blake3: hash,
        length,
        came,
        ms: flex.milliseconds(),
        method: parts.method,
    };
    let number = flex.log().add(logged, &path.segments());
    let mut response = answer.into_response(if flex.version < Version::V2023_6 { 0 } else { number });
    if !parts.headers.contains_key(header::COOKIE) && !behaviour.has(Switch::NoSession) {
        response.headers_mut().insert(header::SET_COOKIE, flex.session.clone());
    }
    Some((response, strike))
}

/// The answer to an API request, and the fault that struck it.
async fn exchange(
    flex: &Flex,
    path: &MatrixPath,
    parts: &Parts,
    body: Result<Bytes, Answer>,
) -> (Answer, Option<Strike>) {
    if !flex.authorized(&parts.headers) {
        return (Answer::page(StatusCode::UNAUTHORIZED), None);
    }
    let playing = flex.faults.playing();
    let Verdict { queues, before, after, strike, losses } = playing.judge(parts.method.as_str(), &path.segments());
    let mut places = Vec::with_capacity(queues.len());
    for (queue, service) in queues {
        places.extend(queue.acquire_owned().await);
        wait(service).await;
    }
    wait(before).await;
    if let Some(strike) = strike.as_ref().filter(|strike| !strike.commit) {
        return (strike.answer(None), Some(strike.clone()));
    }
    let (query, base_url) = (parts.uri.query().unwrap_or_default(), flex.base_url.as_str());
    let call = |body| Call { path, query, body, base_url, behaviour: &playing.behaviour, losses: &losses };
    let handled = body.and_then(|body| handle(flex, parts, &call(body)));
    wait(after).await;
    match (handled, strike) {
        (Ok(answer), Some(strike)) => (strike.answer(Some(answer)), Some(strike)),
        // A request that is refused for its own sake stores nothing, so there is no commit to lose the reply of.
        (Err(refusal), _) => (refusal, None),
        (Ok(answer), None) => (answer, None),
    }
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn handle(flex: &Flex, parts: &Parts, call: &Call<'_>) -> Handled {
    if !call.body.is_empty() {
        let given = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let segments = call.path.segments();
        let xml = essence == XML_TYPE && matches!(segments.as_slice(), ["metadataDefinitions", _, "definition"]);
        if !xml && !MEDIA_TYPES.contains(&essence.as_str()) {
            let text = format!("Content type '{given}' is not supported; send {}", MEDIA_TYPES[0]);
            return Err(Answer::refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
    }
    route(flex, &parts.method, call)
}

async fn read(body: Body) -> Result<Bytes, Answer> {
    let mut stream = body.into_data_stream();
    let (mut first, mut more, mut size) = (Bytes::new(), Vec::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Answer::bad(format!("The body could not be read: {error}")))?;
        size = size.saturating_add(chunk.len());
        if first.is_empty() {
            first = chunk;
        } else if size <= BODY_LIMIT {
            if more.is_empty() {
                more.extend_from_slice(&first);
            }
            more.extend_from_slice(&chunk);
        } else if size > DRAIN_LIMIT {
            break;
        }
    }
    if size > BODY_LIMIT {
        return Err(Answer::refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body is larger than {BODY_LIMIT} bytes"),
        ));
    }
    Ok(if more.is_empty() { first } else { more.into() })
}

/// Which handler answers which method and path. The order matters: `/assets/annotations/{id}` before `/assets/{id}/…`.
fn route(flex: &Flex, method: &Method, call: &Call<'_>) -> Handled {
    let segments = call.path.segments();
    match (method.as_str(), segments.as_slice()) {
        ("GET", ["accounts"]) => catalog::accounts(call),
        ("GET", ["resources"]) => catalog::resources(call),
        ("GET", ["objectTypes"]) => catalog::object_types(call),
        ("GET", ["objectTypes", id]) => catalog::object_type(call, id),
        ("GET", ["variants"]) => catalog::variants(flex, call),
        ("GET", ["variants", id]) => catalog::variant(flex, call, id),
        ("GET", ["metadataDefinitions"]) => definitions::list(flex, call),
        ("POST", ["metadataDefinitions"]) => definitions::create(flex, call),
        ("GET", ["metadataDefinitions", id]) => definitions::get(flex, call, id),
        ("GET", ["metadataDefinitions", id, "definition"]) => definitions::fields(flex, id),
        ("PUT", ["metadataDefinitions", id, "definition"]) => definitions::put_fields(flex, call, id),
        ("GET", ["metadataDefinitions", id, "actions"]) => definitions::actions(flex, id),
        ("POST", ["metadataDefinitions", id, "actions"]) => definitions::act(flex, call, id),
        ("GET", ["assets"]) => assets::list(flex, call),
        ("POST", ["assets"]) => assets::create(flex, call),
        ("DELETE", ["assets", "annotations", id]) => annotations::remove(flex, id),
        ("GET", ["assets", id]) => assets::get(flex, call, id),
        ("PUT", ["assets", id]) => assets::update(flex, call, id),
        ("GET", ["assets", id, "metadata"]) => metadata::get(flex, id),
        ("PUT", ["assets", id, "metadata"]) => metadata::replace(flex, call, id),
        ("GET", ["assets", id, "annotations"]) => annotations::list(flex, call, id),
        ("POST", ["assets", id, "annotations"]) => annotations::create(flex, call, id),
        ("DELETE", ["assets", id, "annotations"]) => annotations::remove_by_originator(flex, call, id),
        ("PUT", ["assets", id, "annotations", annotation]) => annotations::update(flex, call, id, annotation),
        (_, segments) => routes::route(flex, method, call, segments),
    }
}

/// The test oracle, for this machine only and not for pages in its browsers (which send their origin).
fn oracle(
    flex: &Arc<Flex>,
    connection: &Connection,
    path: &MatrixPath,
    parts: &Parts,
    body: Result<Bytes, Answer>,
) -> Answer {
    if !connection.is_local() || parts.headers.contains_key(header::ORIGIN) {
        return Answer::page(StatusCode::FORBIDDEN);
    }
    let body = match body {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let call = Call { path, query: "", body, base_url: &flex.base_url, behaviour: &Behaviour::default(), losses: &[] };
    match (parts.method.as_str(), path.segments().as_slice()) {
        ("GET", ["dump"]) => standin::dump(flex),
        ("GET", ["totals"]) => Answer::value(&flex.log().totals()),
        ("POST", ["tamper"]) => standin::tamper(flex, &call).unwrap_or_else(|refusal| refusal),
        ("POST", ["faults"]) => standin::set_faults(flex, &call).unwrap_or_else(|refusal| refusal),
        _ => Answer::page(StatusCode::NOT_FOUND),
    }
}
