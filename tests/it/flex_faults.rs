//! Every fault and switch of the local Flex, seen over HTTP as a client sees it.

// The helpers fail by panicking, as tests do; clippy exempts only the test functions themselves.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use telecine::rehearsal::flex::{LocalFlex, Options};

/// A server with faults, and a client of it.
struct Place {
    flex: LocalFlex,
    http: Client,
}

impl Place {
    fn new(specs: &[&str]) -> Self {
        let faults = specs.iter().map(|spec| spec.parse().unwrap()).collect();
        let http = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { flex: LocalFlex::start(Options { faults, ..Options::default() }).unwrap(), http }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Response> {
        let request = self.http.request(method, format!("{}{path}", self.flex.base_url()));
        let request = request.basic_auth("rehearsal", Some("rehearsal"));
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }

    /// The status and the body.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let answer = self.send(method, path, body).await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(&body)).await
    }

    async fn create(&self, name: &str) -> u64 {
        let promo = self.get("/metadataDefinitions;name=assetType_Promo;exactNameMatch=true").await;
        let definition = &promo["metadataDefinitions"][0]["id"];
        let body = json!({"name": name, "type": "media-asset", "metadataDefinitionId": definition});
        let (status, made) = self.post("/assets", body).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_u64().unwrap()
    }

    async fn instance_of(&self, id: u64, given: Value) -> (u16, Value) {
        let path = format!("/assets/{id}/metadata");
        let (status, _) = self.call(Method::PUT, &path, Some(&given)).await;
        (status, self.get(&path).await["instance"].clone())
    }

    async fn ids(&self, path: &str) -> Vec<u64> {
        let list = self.get(path).await;
        list["assets"].as_array().unwrap().iter().map(|asset| asset["id"].as_u64().unwrap()).collect()
    }

    async fn stored(&self) -> Value {
        self.get("/assets;limit=1").await["totalCount"].clone()
    }

    async fn dump(&self, kind: &str) -> Vec<Value> {
        let url = self.flex.base_url().replace("/api", "/__standin/dump");
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["kind"] == kind).collect()
    }
}

fn placeholder(name: &str) -> Value {
    json!({"name": name, "type": "media-asset"})
}

#[tokio::test]
async fn every_request_is_logged_with_the_hash_of_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.ndjson");
    let faults = vec!["drop-after-commit:POST /assets:first=1".parse().unwrap()];
    let flex = LocalFlex::start(Options { faults, log: Some(file.clone()), ..Options::default() }).unwrap();
    let place = Place { flex, http: Client::new() };
    assert!(place.send(Method::POST, "/assets", Some(&placeholder("a"))).await.is_err());
    place.get("/assets;name=a%3Bb").await;
    let body = placeholder("a").to_string();
    let hash = |text: String| blake3::hash(text.as_bytes()).to_hex().to_string();
    let logged = place.dump("request").await;
    assert_eq!(
        (&logged[0]["blake3"], &logged[0]["length"], &logged[0]["fault"], &logged[0]["status"]),
        (&json!(hash(format!("POST /assets\n{body}"))), &json!(body.len()), &json!("drop-after-commit"), &Value::Null)
    );
    assert_eq!(
        (&logged[1]["blake3"], &logged[1]["path"], &logged[1]["status"]),
        (&json!(hash("GET /assets;name=a%3Bb\n".to_owned())), &json!("/assets;name=a%3Bb"), &json!(200))
    );
    assert!(logged[0]["ms"].as_u64() <= logged[1]["ms"].as_u64() && logged[1]["ms"].is_u64());
    place.flex.shutdown().await;
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let without_kind = logged.into_iter().map(|mut line| {
        line.as_object_mut().unwrap().shift_remove("kind");
        line
    });
    assert_eq!(lines, without_kind.collect::<Vec<_>>());
}

#[tokio::test]
async fn strikes_give_what_they_are_named_after() {
    let place = Place::new(&[
        "errors-200:GET /accounts",
        "html:GET /resources",
        "garbage:GET /variants",
        "truncate:GET /objectTypes",
        "truncate=connection:GET /metadataDefinitions",
        "drip=1ms:GET /assets",
        "html:POST /assets:commit=true",
    ]);
    assert!(place.get("/accounts").await["errors"]["error"].is_string());
    assert!(place.get("/resources").await.as_str().unwrap().starts_with("<html>"));
    let garbage = place.send(Method::GET, "/variants", None).await.unwrap().bytes().await.unwrap();
    assert!(std::str::from_utf8(&garbage).is_err());
    let cut = place.get("/objectTypes").await;
    assert!(cut.as_str().unwrap().starts_with("{\"objectTypes\":["), "{cut}");
    let early = place.send(Method::GET, "/metadataDefinitions", None).await.unwrap();
    assert!(early.status().is_success() && early.bytes().await.is_err());
    let (status, page) = place.post("/assets", placeholder("a")).await;
    assert!(status == 200 && page.as_str().unwrap().starts_with("<html>"), "{page}");
    let started = Instant::now();
    assert_eq!(place.stored().await, 1, "the page stood for a commit");
    assert!(started.elapsed() > Duration::from_millis(100), "hundreds of bytes, a millisecond each");
}

#[tokio::test]
async fn a_lost_reply_is_a_reset_and_a_hang_ends_with_the_client() {
    let place =
        Place::new(&["drop-after-commit:POST /assets:first=1", "reset:POST /assets:first=1", "hang:GET /variants"]);
    let address = place.flex.base_url().trim_start_matches("http://").trim_end_matches("/api").to_owned();
    let kind = tokio::task::spawn_blocking(move || {
        let body = placeholder("a").to_string();
        let mut stream = TcpStream::connect(&address).unwrap();
        let length = body.len();
        let head = format!("POST /api/assets HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
        let secret = "Authorization: Basic cmVoZWFyc2FsOnJlaGVhcnNhbA==\r\n";
        stream.write_all(format!("{head}{secret}Content-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        stream.read(&mut [0; 64]).map_err(|error| error.kind())
    });
    assert_eq!(kind.await.unwrap(), Err(ErrorKind::ConnectionReset));
    assert_eq!(place.stored().await, 1);
    let patient = tokio::time::timeout(Duration::from_millis(200), place.send(Method::GET, "/variants", None)).await;
    assert!(patient.is_err(), "no answer comes");
    let logged = place.dump("request").await;
    assert!(logged.iter().any(|request| request["fault"] == "hang" && request["status"].is_null()));
    place.flex.shutdown().await;
}

#[tokio::test]
async fn shares_are_drawn_alike_by_servers_of_the_same_seed() {
    let mut outcomes = Vec::new();
    for fault_seed in [1, 1, 2] {
        let faults = vec!["status=500:GET /accounts:p=0.5".parse().unwrap()];
        let flex = LocalFlex::start(Options { faults, fault_seed, ..Options::default() }).unwrap();
        let place = Place { flex, http: Client::new() };
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(place.send(Method::GET, "/accounts", None).await.unwrap().status().as_u16());
        }
        assert!(statuses.contains(&200) && statuses.contains(&500));
        outcomes.push(statuses);
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert_ne!(outcomes[0], outcomes[2]);
}

#[tokio::test]
async fn rates_refuse_and_faults_change_while_it_runs() {
    let place = Place::new(&["rate=0.01:GET /accounts:burst=3:answer=503:retry-after=date"]);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = place.send(Method::GET, "/accounts", None).await.unwrap();
        let date = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().ends_with(" GMT"));
        statuses.push((answer.status().as_u16(), date));
    }
    assert_eq!(statuses, [(200, None), (200, None), (200, None), (503, Some(true))]);
    place.get("/resources").await;
    let url = place.flex.base_url().replace("/api", "/__standin/faults");
    let change = |body: Value| place.http.post(&url).json(&body).send();
    let refused = change(json!(["reset:POST /assets", "explode"])).await.unwrap();
    assert!(refused.status() == 400 && refused.text().await.unwrap().contains("explode"));
    assert_eq!(place.call(Method::GET, "/accounts", None).await.0, 503, "the faults in force stay");
    for (retry_after, expected) in [("seconds", Some("100")), ("none", None), ("-1", Some("-1"))] {
        let spec = format!("rate=0.01:*:burst=1:retry-after={retry_after}");
        assert_eq!(change(json!([spec])).await.unwrap().status(), 200);
        place.get("/accounts").await;
        let answer = place.send(Method::GET, "/accounts", None).await.unwrap();
        let given = answer.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), given), (429, expected));
    }
    let foreign = place.http.post(&url).header("Origin", "http://elsewhere").body("[]").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    place.flex.set_faults(Vec::new());
    place.get("/accounts").await;
}

#[tokio::test]
async fn requests_wait_and_queue() {
    let place = Place::new(&["capacity=2:GET /accounts:service=40ms", "latency=uniform(30ms,40ms):GET /resources"]);
    let asked = Instant::now();
    futures::future::join_all((0..6).map(|_| place.get("/accounts"))).await;
    assert!(asked.elapsed() >= Duration::from_millis(120), "three rounds of two");
    let asked = Instant::now();
    place.get("/resources").await;
    assert!(asked.elapsed() >= Duration::from_millis(30));
    place.flex.set_faults(vec!["slow-spell=0..600:x5".parse().unwrap(), "latency=10ms".parse().unwrap()]);
    let asked = Instant::now();
    place.get("/resources").await;
    assert!(asked.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn lossy_storage_answers_well_and_keeps_less() {
    let given = json!({"title": "A <b>Long</b> Title", "notes": "Some Notes", "network": "NLC", "promoLength": 30});
    for (spec, field, kept) in [
        ("lossy=truncate=4", "title", json!("A <b")),
        ("lossy=truncate=4:*:field=notes", "notes", json!("Some")),
        ("lossy=truncate=4:*:field=notes", "title", json!("A <b>Long</b> Title")),
        ("lossy=drop=network", "network", Value::Null),
        ("lossy=lower=notes", "notes", json!("some notes")),
        ("lossy=sanitise", "title", json!("A Long Title")),
        ("lossy=truncate=4:PUT /assets/*/metadata:after=1", "notes", json!("Some Notes")),
    ] {
        let place = Place::new(&[spec]);
        let id = place.create("a").await;
        let (status, instance) = place.instance_of(id, given.clone()).await;
        assert_eq!((status, &instance[field]), (200, &kept), "{spec}");
        assert_eq!(instance["promoLength"], 30, "{spec}");
    }
}

#[tokio::test]
async fn pages_repeat_rows_end_early_and_are_cut() {
    let place = Place::new(&["repeat-rows=2"]);
    let mut ids = Vec::new();
    for number in 0..9 {
        ids.push(place.create(&format!("n{number}")).await);
    }
    let sorted = "sortBy=id;sort=asc";
    let page = |offset: usize| format!("/assets;limit=3;offset={offset};{sorted}");
    assert_eq!(place.ids(&page(0)).await, ids[0..3]);
    assert_eq!(place.ids(&page(3)).await, ids[2..5], "a row twice, and one missing");
    assert_eq!(place.ids(&page(6)).await, ids[6..9]);
    let set = |specs: &[&str]| place.flex.set_faults(specs.iter().map(|spec| spec.parse().unwrap()).collect());
    set(&["unsorted"]);
    assert_eq!(place.ids(&page(3)).await, ids[3..6]);
    assert_eq!(place.ids("/assets;limit=3;offset=3").await, ids[2..5]);
    set(&["page-cap=4"]);
    let cut = place.get("/assets;limit=8").await;
    assert_eq!((&cut["limit"], cut["assets"].as_array().unwrap().len()), (&json!(4), 4));
    set(&["max-page=4"]);
    assert_eq!(place.call(Method::GET, "/assets;limit=8", None).await.0, 400);
    set(&["ignore-limit"]);
    assert_eq!(place.get("/assets;limit=2").await["limit"], 100);
    set(&["window=4"]);
    assert_eq!(place.ids(&page(3)).await.len(), 3, "without a filter on metadata there is no window");
    assert_eq!(place.call(Method::GET, "/assets;limit=3;offset=3;metadata=title:x", None).await.0, 400);
    set(&["window=4:all=true"]);
    assert_eq!(place.call(Method::GET, &page(3), None).await.0, 400);
    set(&["window=4:all=true:answer=empty"]);
    assert_eq!(place.ids(&page(3)).await, ids[3..4]);
    assert!(place.ids(&page(6)).await.is_empty());
    set(&["window=4:all=true:answer=last"]);
    assert_eq!(place.ids(&page(6)).await, ids[1..4]);
    set(&["moving-totals"]);
    let mut totals = Vec::new();
    for _ in 0..3 {
        totals.push(place.stored().await.as_u64().unwrap());
    }
    assert_eq!(totals, [9, 10, 11]);
}

#[tokio::test]
async fn a_server_may_offer_no_look_up() {
    let place = Place::new(&[]);
    let uuid = "8a6e0804-2bd0-4672-b79d-d97027f9071a";
    place.create("other").await;
    place
        .post(
            "/assets",
            json!({"name": "a", "type": "media-asset", "uuid": uuid, "externalIds": [{"key": "k", "value": "v"}]}),
        )
        .await;
    let look_ups = [
        format!("/assets;uuid={uuid}"),
        "/assets;externalId=v".to_owned(),
        "/assets;name=a;exactNameMatch=true".to_owned(),
    ];
    for (spec, found) in [
        ("strict=refuse", 1),
        ("no-lookup", 2),
        ("no-lookup=nothing", 0),
        ("ignore-parameters=uuid,externalId,name", 2),
    ] {
        place.flex.set_faults(vec![spec.parse().unwrap()]);
        for path in &look_ups {
            assert_eq!(place.get(path).await["totalCount"], found, "{spec} {path}");
        }
    }
    place.flex.set_faults(vec!["ignore-include-metadata".parse().unwrap()]);
    assert!(place.get("/assets;includeMetadata=true").await["assets"][0].get("metadata").is_none());
}

#[tokio::test]
async fn switches_change_what_creations_and_writes_take() {
    let place = Place::new(&["strict=ignore", "lenient-case"]);
    let promo = place.get("/metadataDefinitions;name=assetType_Promo;exactNameMatch=true").await;
    let definition = promo["metadataDefinitions"][0]["id"].clone();
    let lenient = json!({"name": "a", "type": "media-asset", "nonsense": 1, "metadatadefinitionId": definition});
    let (status, made) = place.post("/assets", lenient).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_u64().unwrap();
    let (status, instance) = place.instance_of(id, json!({"title": "T", "nope": 1, "titleRef": {"houze": 1}})).await;
    assert_eq!((status, instance), (200, json!({"title": "T", "titleRef": {}})));
    let set = |specs: &[&str]| place.flex.set_faults(specs.iter().map(|spec| spec.parse().unwrap()).collect());
    set(&["options=ignore", "put=merge"]);
    let (status, instance) = place.instance_of(id, json!({"network": "CBS", "titleRef": null})).await;
    assert_eq!((status, instance), (200, json!({"title": "T", "network": "CBS"})));
    set(&[]);
    assert_eq!(place.instance_of(id, json!({"network": "CBS"})).await.0, 400);
    let body = json!({"name": "b", "type": "media-asset", "uuid": "8a6e0804-2bd0-4672-b79d-d97027f9071a"});
    let (_, first) = place.post("/assets", body.clone()).await;
    for (spec, expected) in [("duplicate-uuid=409", 409), ("duplicate-uuid=400", 400), ("duplicate-uuid=existing", 200)]
    {
        set(&[spec]);
        let (status, answer) = place.post("/assets", body.clone()).await;
        assert_eq!(status, expected, "{spec}");
        assert!(status != 200 || answer["id"] == first["id"], "{answer}");
    }
    let known = json!({"name": "c", "type": "media-asset", "externalIds": [{"key": "k", "value": "v"}]});
    for (spec, expected) in
        [("duplicate-external-id=allow", 201), ("duplicate-external-id=allow", 201), ("duplicate-external-id=409", 409)]
    {
        set(&[spec]);
        assert_eq!(place.post("/assets", known.clone()).await.0, expected, "{spec}");
    }
}

#[tokio::test]
async fn switches_change_bodies_errors_and_cookies() {
    let place = Place::new(&[]);
    let id = place.create("a").await;
    let path = format!("/assets/{id}/annotations");
    let bodies = [
        json!({"metadata": {"title": "T"}}),
        json!({"metadataAnnotation": {"metadata": {"title": "T"}}}),
        json!({"title": "T"}),
    ];
    for (spec, expected) in [("annotations-body=A", [201, 400, 400]), ("annotations-body=B,C", [400, 201, 201])] {
        place.flex.set_faults(vec![spec.parse().unwrap()]);
        for (body, expected) in bodies.iter().zip(expected) {
            assert_eq!(place.post(&path, body.clone()).await.0, expected, "{spec}: {body}");
        }
    }
    place.flex.set_faults(vec!["html-errors".parse().unwrap()]);
    let (status, page) = place.call(Method::GET, "/assets/1", None).await;
    assert!(status == 404 && page.as_str().unwrap().starts_with("<html>"), "{page}");
    place.flex.set_faults(vec!["json-errors".parse().unwrap(), "session-cookie=off".parse().unwrap()]);
    let unknown = place.send(Method::GET, "/assets/1/nothing", None).await.unwrap();
    assert!(unknown.headers().get("set-cookie").is_none());
    let text = unknown.text().await.unwrap();
    assert!(text.contains("\"errors\""), "{text}");
}

#[tokio::test]
async fn what_was_taken_up_is_carried_out_though_the_client_has_hung_up() {
    let place = Place::new(&["latency=1s:POST /assets:first=2", "latency=60s:POST /assets:after=2"]);
    let hasty = Client::builder().timeout(Duration::from_millis(30)).build().unwrap();
    let url = format!("{}/assets", place.flex.base_url());
    let uuid = "8a6e0804-2bd0-4672-b79d-d97027f9071a";
    let body = json!({"name": "late", "type": "media-asset", "uuid": uuid});
    let create = async || hasty.post(&url).basic_auth("rehearsal", Some("rehearsal")).json(&body).send().await;
    for _ in 0..2 {
        assert!(create().await.unwrap_err().is_timeout());
    }
    assert_eq!(place.stored().await, json!(0), "it still waits");
    let begun = Instant::now();
    while place.dump("request").await.iter().filter(|request| request["method"] == "POST").count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is never carried out");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(place.stored().await, json!(1));
    let logged = place.dump("request").await.into_iter().filter(|request| request["method"] == "POST");
    assert_eq!(logged.map(|request| request["status"].clone()).collect::<Vec<_>>(), [json!(201), json!(409)]);
    // What still waits for a minute does not hold the end up.
    assert!(create().await.unwrap_err().is_timeout());
    place.flex.shutdown().await;
}
