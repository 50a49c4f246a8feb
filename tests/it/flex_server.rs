//! The local Flex, spoken to as a client would: HTTP on loopback, nothing of its inside.

// The helpers fail by panicking, as tests do; clippy exempts only the test functions themselves.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use telecine::rehearsal::flex::{LocalFlex, Options, Personality};

const MEDIA_TYPE: &str = "application/vnd.nativ.mio.v1+json";

pub struct Caller {
    pub base: String,
    pub http: Client,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn error(&self) -> String {
        self.json()["errors"]["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Caller {
    fn new(flex: &LocalFlex) -> Self {
        Self { base: flex.base_url().to_owned(), http: Client::new() }
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> reqwest::Result<Response> {
        let mut request =
            self.http.request(method, format!("{}{path}", self.base)).basic_auth("rehearsal", Some("rehearsal"));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).body(body);
        }
        request.send().await
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let response = self.send(method, path, body.map(|body| body.to_string())).await.unwrap();
        reply(response).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let reply = self.call(Method::GET, path, None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn definition(&self, name: &str) -> u64 {
        let found = self.get(&format!("/metadataDefinitions;name={name};exactNameMatch=true")).await;
        assert_eq!(found["totalCount"], 1, "{found}");
        found["metadataDefinitions"][0]["id"].as_u64().unwrap()
    }

    pub async fn create(&self, name: &str, definition: u64) -> u64 {
        let reply = self
            .post("/assets", json!({"name": name, "type": "media-asset", "metadataDefinitionId": definition}))
            .await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()["id"].as_u64().unwrap()
    }

    pub async fn dump(&self, kind: &str) -> Vec<Value> {
        let url = self.base.replace("/api", "/__standin/dump");
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["kind"] == kind).collect()
    }

    pub async fn tamper(&self, body: Value) -> u16 {
        let url = self.base.replace("/api", "/__standin/tamper");
        self.http.post(url).body(body.to_string()).send().await.unwrap().status().as_u16()
    }
}

pub async fn reply(response: Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, text: response.text().await.unwrap() }
}

pub fn start(options: Options) -> (LocalFlex, Caller) {
    let flex = LocalFlex::start(options).unwrap();
    let caller = Caller::new(&flex);
    (flex, caller)
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_the_words_of_the_contract() {
    let (_flex, caller) = start(Options::default());
    let url = format!("{}/assets", caller.base);
    for request in [caller.http.get(&url), caller.http.get(&url).basic_auth("rehearsal", Some("wrong"))] {
        let refused = reply(request.send().await.unwrap()).await;
        assert_eq!(
            (refused.status, &refused.headers["www-authenticate"]),
            (401, &"Basic realm=\"Realm\"".parse().unwrap())
        );
        assert!(refused.text.starts_with("<html>"), "{}", refused.text);
    }
    let unknown = caller.call(Method::GET, "/no-such-resource", None).await;
    assert_eq!(
        (unknown.status, unknown.error().as_str()),
        (404, "No object type found for plural name: no-such-resource")
    );
    assert!(unknown.json()["flex.request.id"].is_string());
    let unknown = caller.call(Method::GET, "/assets/1/no-such-thing", None).await;
    assert_eq!((unknown.status, unknown.text.starts_with("<html>")), (404, true));
    assert_eq!(caller.call(Method::DELETE, "/assets", None).await.status, 405);
    let missing = caller.call(Method::GET, "/assets/13553", None).await;
    assert_eq!((missing.status, missing.error().as_str()), (404, "Asset: 13553 not found."));
    for (body, text) in [
        (
            json!({"name": "a", "type": "media-asset", "metadatadefinitionId": 1}),
            "Unrecognized field \"metadatadefinitionId\" (Class ",
        ),
        (json!({"type": "media-asset"}), "\"name\" is required"),
        (json!({"name": "a"}), "\"type\" is required"),
        (json!({"name": "a", "type": "film"}), "film"),
        (json!({"name": "a", "type": "media-asset", "uuid": "x"}), "UUID"),
        (json!({"name": "a", "type": "media-asset", "metadataDefinitionId": 1}), "MetadataDefinition: 1 not found"),
        (json!({"name": "a", "type": "media-asset", "externalIds": [{"kee": "x"}]}), "externalIds"),
        (json!({"name": "a", "type": "media-asset", "variant": "Project"}), "Variant"),
        (json!([1]), "object"),
    ] {
        let refused = caller.post("/assets", body).await;
        assert!(refused.status == 400 && refused.error().contains(text), "{text}: {}", refused.text);
    }
    let request = caller.http.post(&url).basic_auth("rehearsal", Some("rehearsal"));
    let xml = request.header(CONTENT_TYPE, "application/vnd.nativ.mio.v1+xml").body("<asset/>").send().await.unwrap();
    assert_eq!(xml.status(), 415);
    let large = caller.post("/assets", json!({"name": "x".repeat(17 << 20)})).await;
    assert_eq!(large.status, 413);
    for path in ["/assets;limit=ten", "/assets;createdFrom=2021-06-24", "/assets;name=100%", "/assets;sortBy=size"] {
        assert_eq!(caller.call(Method::GET, path, None).await.status, 400, "{path}");
    }
    assert_eq!(caller.get("/assets").await["totalCount"], 0);
}

#[tokio::test]
async fn an_asset_is_created_then_its_attributes_are_set_replaced_and_merged() {
    let (_flex, caller) = start(Options::default());
    let promo = caller.definition("assetType_Promo").await;
    let definition = caller.get(&format!("/metadataDefinitions/{promo}/definition")).await;
    assert_eq!((&definition["definitionId"], &definition["name"]), (&json!(promo), &json!("assetType_Promo")));
    let title = &definition["definition"][0];
    assert_eq!(
        (&title["name"], &title["type"], &title["required"], &title["maxLength"]),
        (&json!("title"), &json!("string"), &json!(true), &json!(255))
    );
    let uuid = "8a6e0804-2bd0-4672-b79d-d97027f9071a";
    let body = json!({"name": "a", "type": "media-asset", "metadataDefinitionId": promo, "uuid": uuid.to_uppercase(),
        "externalIds": [{"key": "reach", "value": "reach:Promo:7"}]});
    let created = caller.post("/assets", body.clone()).await;
    assert_eq!((created.status, created.json()["uuid"].as_str()), (201, Some(uuid)));
    let id = created.json()["id"].as_u64().unwrap();
    assert_eq!(created.headers["location"], format!("{}/assets/{id}", caller.base).as_str());
    assert!(created.headers["set-cookie"].to_str().unwrap().starts_with("JSESSIONID="));
    assert_eq!(caller.post("/assets", body).await.status, 409);
    assert_ne!(caller.create("a", promo).await, id, "names need not be unique");

    let path = format!("/assets/{id}/metadata");
    assert_eq!(caller.get(&path).await["instance"], json!({}));
    let raw =
        r#"{"title":"T","promoLength":"30","openEnded":"true","relatedAssets":[{"asset":{"id":ID},"relation":"r"}]}"#;
    let put = reply(caller.send(Method::PUT, &path, Some(raw.replace("ID", &id.to_string()))).await.unwrap()).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let read = caller.get(&path).await;
    assert_eq!(
        (&read["definitionId"], &read["instance"]["promoLength"], &read["instance"]["openEnded"]),
        (&json!(promo), &json!(30), &json!(true))
    );
    assert_eq!(
        read["instance"]["relatedAssets"][0]["asset"],
        json!({"id": id, "name": "a", "type": "media-asset", "uuid": uuid})
    );
    assert_eq!(read["definition"].as_array().map(Vec::len), definition["definition"].as_array().map(Vec::len));
    assert_eq!(caller.put(&path, read["instance"].clone()).await.status, 200, "what was read can be written");
    assert_eq!(
        caller.put(&path, json!({"title": "U", "tags": ["x"]})).await.json()["instance"],
        json!({"title": "U", "tags": ["x"]})
    );
    for (instance, text) in [
        (json!({"nope": 1}), "Unrecognized field \"nope\""),
        (json!({"network": "XXX"}), "options"),
        (json!({"relatedAssets": [{"asset": {"id": 9}}]}), "Asset: 9 not found."),
    ] {
        let refused = caller.put(&path, instance).await;
        assert!(refused.status == 400 && refused.error().contains(text), "{}", refused.text);
    }
    let annotations = format!("/assets/{id}/annotations");
    for body in [
        json!({"metadata": {"title": "V"}}),
        json!({"metadataAnnotation": {"metadata": {"notes": "n"}}}),
        json!({"network": "NLC", "tags": null}),
    ] {
        let merged = caller.post(&annotations, body).await;
        assert_eq!(merged.status, 201, "{}", merged.text);
    }
    assert_eq!(caller.get(&path).await["instance"], json!({"title": "V", "notes": "n", "network": "NLC"}));
    assert_eq!(caller.post(&annotations, json!({"metadata": {"nope": 1}})).await.status, 400);

    let updated = caller.put(&format!("/assets/{id}"), json!({"name": "b", "archived": true})).await.json();
    assert_eq!((&updated["name"], &updated["archived"], &updated["uuid"]), (&json!("b"), &json!(true), &json!(uuid)));
    let item = caller.get(&format!("/assets/{id};includeMetadata=True")).await;
    assert_eq!(
        (&item["metadata"]["instance"]["title"], &item["fileInformation"]["mimeType"]),
        (&json!("V"), &Value::Null)
    );
    assert!(item["created"].as_str().unwrap().ends_with(" +0000"));
}

#[tokio::test]
async fn lists_are_filtered_ordered_paged_and_counted() {
    let (_flex, caller) = start(Options::default());
    let (promo, image) =
        (caller.definition("assetType_Promo").await, caller.definition("assetType_DeliverableImage").await);
    let mut ids = Vec::new();
    for number in 0..130 {
        let definition = if number % 10 == 0 { image } else { promo };
        let body = json!({"name": format!("Asset; n/o={number}"), "type": "media-asset", "metadataDefinitionId": definition,
            "externalIds": [{"key": "reach", "value": format!("reach:Promo:{number}")}]});
        ids.push(caller.post("/assets", body).await.json()["id"].as_u64().unwrap());
    }
    let mut seen = Vec::new();
    for page in 1..=3 {
        let list = caller.get(&format!("/assets;sortBy=id;sort=asc;limit=50;page={page}")).await;
        assert_eq!(
            (&list["totalCount"], &list["offset"], &list["limit"]),
            (&json!(130), &json!((page - 1) * 50), &json!(50))
        );
        seen.extend(list["assets"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()));
    }
    assert_eq!(seen, ids);
    let first = |list: &Value| list["assets"][0]["id"].as_u64();
    let counted = async |path: &str| caller.get(path).await["totalCount"].as_u64().unwrap();
    let list = caller.get("/assets;sort=desc;sortBy=id;offset=1;limit=1").await;
    assert_eq!((first(&list), list["assets"].as_array().map(Vec::len)), (Some(ids[128]), Some(1)));
    assert_eq!(caller.get("/assets").await["assets"].as_array().map(Vec::len), Some(100));
    let list = caller.get("/assets;name=Asset%3B%20n%2Fo%3D77;exactNameMatch=true").await;
    assert_eq!((first(&list), &list["totalCount"]), (Some(ids[77]), &json!(1)));
    assert_eq!(counted("/assets;name=asset%3B%20n%2Fo%3D7").await, 11);
    assert_eq!(counted("/assets;name=asset;exactNameMatch=true").await, 0);
    for path in [
        "/assets;externalId=reach%3APromo%3A12",
        "/assets;externalId=reach%3Areach%3APromo%3A12",
        &format!("/assets/;id={}", ids[12]),
    ] {
        let list = caller.get(path).await;
        assert_eq!((first(&list), &list["totalCount"]), (Some(ids[12]), &json!(1)), "{path}");
    }
    assert_eq!(counted("/assets;uuid=00000000-0000-0000-0000-000000000000").await, 0);
    assert_eq!(counted(&format!("/assets;metadataDefinitionId={image};unknown=1")).await, 13);
    assert_eq!(counted("/assets;createdFrom=24%20Jun%202021%2010%3A48%3A41;createdTo=24%20Jun%202099").await, 130);
    assert_eq!(counted("/assets;createdTo=24%20Jun%202021").await, 0);
    caller.put(&format!("/assets/{}/metadata", ids[3]), json!({"network": "NLC", "tags": ["x", "y"]})).await;
    assert_eq!((counted("/assets;metadata=network:NLC").await, counted("/assets;metadata=tags:y").await), (1, 1));
    let beyond = caller.call(Method::GET, "/assets;metadata=network:NLC;offset=9950", None).await;
    assert_eq!(beyond.status, 400);
    assert_eq!(caller.tamper(json!({"asset": ids[5], "deleted": true})).await, 200);
    assert_eq!((counted("/assets").await, counted("/assets;deleted=true").await), (129, 1));
    for (path, key) in [
        ("/accounts", "accounts"),
        ("/resources;limit=1", "resources"),
        ("/objectTypes", "objectTypes"),
        ("/variants", "variants"),
    ] {
        let list = caller.get(path).await;
        assert!(
            list[key].as_array().is_some_and(|items| items.len() as u64 == list["totalCount"].as_u64().unwrap()),
            "{list}"
        );
    }
    assert_eq!(caller.get("/objectTypes/1").await["pluralName"], "Media Assets");
}

#[tokio::test]
async fn annotations_mean_what_the_personality_says() {
    let timed = json!({"metadata": {"any": 1}, "timestampIn": "00:00:01:00", "timestampOut": "00:00:02:00", "originatorContext": "c"});
    let plain = json!({"metadata": {"title": "T"}});
    for (personality, plain_status, timed_status) in
        [(Personality::Both, 201, 201), (Personality::Seed, 201, 400), (Personality::Flex, 400, 201)]
    {
        let (flex, caller) = start(Options { personality, ..Options::default() });
        let promo = caller.definition("assetType_Promo").await;
        let id = caller.create("a", promo).await;
        let path = format!("/assets/{id}/annotations");
        assert_eq!(caller.post(&path, plain.clone()).await.status, plain_status, "{personality:?}");
        assert_eq!(caller.post(&path, timed.clone()).await.status, timed_status, "{personality:?}");
        let instance = &caller.get(&format!("/assets/{id}/metadata")).await["instance"];
        assert_eq!(*instance, if plain_status == 201 { json!({"title": "T"}) } else { json!({}) });
        let rows = caller.get(&path).await;
        assert_eq!(rows["totalCount"], u64::from(timed_status == 201));
        if timed_status == 201 {
            let row = &rows["annotations"][0];
            assert_eq!(
                (&row["timestampIn"], &row["metadata"]["instance"]),
                (&json!("00:00:01:00"), &json!({"any": 1}))
            );
            let changed = caller
                .put(&format!("{path}/{}", row["id"]), json!({"metadataAnnotation": {"metadata": {"b": 2}}}))
                .await;
            assert_eq!((changed.status, &changed.json()["metadata"]["instance"]), (200, &json!({"b": 2})));
            assert_eq!(
                caller.call(Method::DELETE, &path, Some(json!({"originatorContext": "other"}))).await.json()["removed"],
                0
            );
            assert_eq!(
                caller.call(Method::DELETE, &format!("/assets/annotations/{}", row["id"]), None).await.status,
                200
            );
            assert_eq!(caller.get(&path).await["totalCount"], 0);
        }
        flex.shutdown().await;
    }
}

#[tokio::test]
async fn definitions_can_be_made_enabled_and_used() {
    let (_flex, caller) = start(Options { faults: vec!["enforce-required".parse().unwrap()], ..Options::default() });
    let made = caller.post("/metadataDefinitions", json!({"name": "test", "visibilityIds": [4], "accountId": 4})).await;
    assert_eq!((made.status, &made.json()["enabled"]), (201, &json!(false)));
    let id = made.json()["id"].as_u64().unwrap();
    let path = format!("/metadataDefinitions/{id}");
    let fields = json!([{"name": "n", "type": "integer", "required": true}, {"name": "o", "type": "single-option", "options": [{"value": "A"}]}]);
    let put = caller.put(&format!("{path}/definition"), json!({"name": "test", "definition": fields})).await;
    assert_eq!((put.status, &put.json()["definition"][0]["maxLength"]), (200, &json!(-1)), "{}", put.text);
    let odd = json!({"definition": [{"name": "n", "type": "colour"}]});
    assert_eq!(caller.put(&format!("{path}/definition"), odd).await.status, 400);
    let create = json!({"name": "a", "type": "text-asset", "metadataDefinitionId": id});
    assert_eq!(caller.post("/assets", create.clone()).await.status, 400, "not enabled yet");
    let actions = caller.get(&format!("{path}/actions")).await;
    assert_eq!([&actions[0]["action"], &actions[1]["action"]], ["delete", "enable"]);
    assert_eq!(caller.post(&format!("{path}/actions"), json!({"action": "enable"})).await.json()["enabled"], true);
    let asset = caller.post("/assets", create).await.json()["id"].as_u64().unwrap();
    let path = format!("/assets/{asset}/metadata");
    assert_eq!(caller.put(&path, json!({"n": 1, "o": "A"})).await.status, 200);
    assert_eq!(caller.put(&path, json!({"n": 1, "o": "B"})).await.status, 400);
    assert!(caller.put(&path, json!({"o": "A"})).await.error().contains("\"n\" is required"));
}

#[tokio::test]
async fn switches_make_it_an_older_or_a_stricter_server() {
    let faults = ["no-external-ids", "refuse-html"].map(|spec| spec.parse().unwrap());
    let (_flex, caller) = start(Options { faults: faults.into(), ..Options::default() });
    let with_ids = json!({"name": "a", "type": "media-asset", "externalIds": [{"key": "k", "value": "v"}]});
    assert!(caller.post("/assets", with_ids).await.error().starts_with("Unrecognized field \"externalIds\""));
    let promo = caller.definition("assetType_Promo").await;
    let id = caller.create("a", promo).await;
    assert!(caller.get(&format!("/assets/{id}")).await.get("externalIds").is_none());
    let path = format!("/assets/{id}/metadata");
    assert_eq!(caller.put(&path, json!({"notes": "a < b"})).await.status, 200);
    let refused = caller.put(&path, json!({"markers": [{"text": "a <b>bold</b> word"}]})).await;
    assert!(refused.status == 400 && refused.error().contains("markers"), "{}", refused.text);
}

#[tokio::test]
async fn what_was_answered_outlives_the_server_and_shows_in_the_dump() {
    let folder = tempfile::tempdir().unwrap();
    let options = |path: &std::path::Path| Options { data: Some(path.to_owned()), ..Options::default() };
    let (flex, caller) = start(options(folder.path()));
    let promo = caller.definition("assetType_Promo").await;
    let id = caller.create("a", promo).await;
    let instance = r#"{"title":"é","tags":["x","y"],"fileSize":9007199254740993}"#;
    let put = caller.send(Method::PUT, &format!("/assets/{id}/metadata"), Some(instance.to_owned())).await.unwrap();
    assert_eq!(put.status(), 200);
    caller.post(&format!("/assets/{id}/annotations"), json!({"metadata": {"network": "NLC"}})).await;
    let before = caller.dump("asset").await;
    assert_eq!(before[0]["instance"].to_string(), instance.replace('}', r#","network":"NLC"}"#));
    assert_eq!((&before[0]["definition"], &before[0]["id"]), (&json!("assetType_Promo"), &json!(id)));
    let posts =
        caller.dump("total").await.into_iter().filter(|total| total["route"] == "POST /assets/{id}/annotations");
    assert_eq!(
        posts.map(|total| (total["status"].clone(), total["count"].clone())).collect::<Vec<_>>(),
        [(json!(201), json!(1))]
    );
    let requests = caller.dump("request").await;
    assert_eq!((requests.len(), &requests[1]["path"], &requests[1]["n"]), (4, &json!("/assets"), &json!(2)));

    // The journal as a killed server leaves it: copied while the server runs.
    let killed = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join("journal.ndjson"), killed.path().join("journal.ndjson")).unwrap();
    let (_second, after) = start(options(killed.path()));
    assert_eq!(after.dump("asset").await, before);
    let refused = LocalFlex::start(options(folder.path())).unwrap_err();
    assert_eq!(refused.exit_code(), 2, "{refused}");
    flex.shutdown().await;
    let (_third, caller) = start(options(folder.path()));
    assert_eq!(caller.dump("asset").await, before);
    assert_eq!(caller.create("b", promo).await, id + 1);
    assert_eq!(caller.tamper(json!({"asset": id, "field": "title", "value": 7})).await, 200);
    assert_eq!(caller.get(&format!("/assets/{id}/metadata")).await["instance"]["title"], 7);
}

#[tokio::test]
async fn faults_strike_as_ordered_and_a_lost_reply_leaves_the_row() {
    let specs = [
        "status=503:GET /accounts:first=1:retry-after=2",
        "drop-after-commit:POST /assets:every=3",
        "reset:GET /variants",
        "status=200:GET /resources",
        "delay-ms=30:GET /objectTypes",
    ];
    let faults = specs.iter().map(|spec| spec.parse().unwrap()).collect();
    let (_flex, caller) = start(Options { faults, ..Options::default() });
    let struck = caller.call(Method::GET, "/accounts", None).await;
    assert_eq!((struck.status, struck.headers["retry-after"].to_str().unwrap()), (503, "2"));
    assert_eq!(caller.get("/accounts").await["totalCount"], 1);
    let mut lost = 0;
    for number in 0..6 {
        let body = json!({"name": format!("n{number}"), "type": "media-asset"}).to_string();
        lost += u32::from(caller.send(Method::POST, "/assets", Some(body)).await.is_err());
    }
    assert_eq!((lost, caller.get("/assets").await["totalCount"].clone()), (2, json!(6)));
    assert!(caller.send(Method::GET, "/variants", None).await.is_err());
    assert!(caller.get("/resources").await["errors"]["error"].is_string(), "200 with errors");
    let asked = std::time::Instant::now();
    caller.get("/objectTypes").await;
    assert!(asked.elapsed().as_millis() >= 30);
    let dropped = caller.dump("request").await.into_iter().filter(|request| request["fault"] == "drop-after-commit");
    assert!(dropped.map(|request| request["status"].clone()).eq([Value::Null, Value::Null]));
    let open = Options { listen: ([0, 0, 0, 0], 0).into(), ..Options::default() };
    assert_eq!(LocalFlex::start(open).unwrap_err().exit_code(), 2);
}
