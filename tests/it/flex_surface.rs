//! The rest of the local Flex's API over HTTP: what is there, in which shape, and what is refused.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use telecine::rehearsal::flex::{Options, Version};

use crate::flex_server::{Caller, reply, start};

fn with_faults(specs: &[&str]) -> Options {
    Options { faults: specs.iter().map(|spec| spec.parse().unwrap()).collect(), ..Options::default() }
}

async fn total(caller: &Caller, path: &str) -> u64 {
    caller.get(path).await["totalCount"].as_u64().unwrap_or_else(|| panic!("{path} has no totalCount"))
}

async fn status(caller: &Caller, method: Method, path: &str) -> u16 {
    caller.call(method, path, None).await.status
}

/// Posts and gives what was made.
async fn made(caller: &Caller, path: &str, body: Value) -> Value {
    let reply = caller.post(path, body).await;
    assert_eq!(reply.status, 201, "{path}: {}", reply.text);
    assert!(reply.headers["location"].to_str().unwrap().starts_with(&caller.base), "{path}");
    reply.json()
}

#[tokio::test]
async fn a_deleted_asset_is_hidden_its_uuid_free_and_a_restart_knows() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let (flex, caller) = start(options());
    let uuid = "8a6e0804-2bd0-4672-b79d-d97027f9071a";
    let body = json!({"name": "a", "type": "media-asset", "uuid": uuid});
    let first = made(&caller, "/assets", body.clone()).await["id"].as_u64().unwrap();
    let second = made(&caller, "/assets", json!({"name": "b", "type": "media-asset"})).await["id"].clone();
    assert_eq!(caller.get(&format!("/assets/{first}/actions")).await, json!([{"action": "delete", "options": {}}]));
    assert_eq!(caller.post(&format!("/assets/{first}/actions"), json!({"action": "explode"})).await.status, 400);
    let deleted = caller.post(&format!("/assets/{first}/actions"), json!({"action": "delete"})).await;
    assert_eq!((deleted.status, &deleted.json()["deleted"]), (200, &json!(true)));
    let gone = caller.call(Method::DELETE, &format!("/assets/{second}"), None).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(status(&caller, Method::DELETE, &format!("/assets/{second}")).await, 404);
    assert_eq!(status(&caller, Method::DELETE, "/assets/77").await, 404);
    assert_eq!(caller.post(&format!("/assets/{first}/actions"), json!({"action": "delete"})).await.status, 404);
    assert_eq!((total(&caller, "/assets").await, total(&caller, "/assets;deleted=true").await), (0, 2));
    assert_eq!(caller.get(&format!("/assets/{first}")).await["deleted"], true);
    let third = made(&caller, "/assets", body.clone()).await["id"].clone();
    assert_eq!(caller.post("/assets", body.clone()).await.status, 409);
    flex.shutdown().await;
    let (_again, caller) = start(options());
    for (path, id) in
        [(format!("/assets;uuid={uuid}"), third), (format!("/assets;uuid={uuid};deleted=true"), json!(first))]
    {
        let list = caller.get(&path).await;
        assert_eq!((&list["totalCount"], &list["assets"][0]["id"]), (&json!(1), &id), "{path}");
    }
    assert_eq!(caller.post("/assets", body.clone()).await.status, 409);

    let (_keeping, caller) = start(with_faults(&["keep-uuids"]));
    let id = made(&caller, "/assets", body.clone()).await["id"].clone();
    assert_eq!(status(&caller, Method::DELETE, &format!("/assets/{id}")).await, 204);
    assert_eq!(caller.post("/assets", body).await.status, 409);
}

#[tokio::test]
async fn releases_differ_in_what_they_know() {
    for (version, external_ids, details) in
        [(Version::V2021_5, 400, 400), (Version::V2023_6, 201, 400), (Version::V2024_9, 201, 201)]
    {
        let (_flex, caller) = start(Options { version, ..Options::default() });
        let body = json!({"name": "a", "type": "media-asset"});
        let with = |key: &str, value: Value| {
            let mut body = body.clone();
            body[key] = value;
            body
        };
        let ids = json!([{"key": "k", "value": "v"}]);
        assert_eq!(caller.post("/assets", with("externalIds", ids)).await.status, external_ids, "{version:?}");
        let file = json!({"fileName": "a.mxf"});
        assert_eq!(caller.post("/assets", with("commonPlaceholderFileDetails", file.clone())).await.status, details);
        let id = made(&caller, "/assets", body.clone()).await["id"].clone();
        let updated = caller.put(&format!("/assets/{id}"), json!({"commonPlaceholderFileDetails": file})).await;
        assert_eq!(updated.status, if details == 201 { 200 } else { 400 });
        assert_eq!(caller.get(&format!("/assets/{id}")).await.get("externalIds").is_some(), external_ids == 201);
        assert_eq!(
            status(&caller, Method::GET, &format!("/assets/{id}/externalIds")).await,
            if external_ids == 201 { 200 } else { 404 }
        );
        let missing = caller.call(Method::GET, "/assets/9", None).await.json();
        assert_eq!(missing.get("flex.request.id").is_some(), version >= Version::V2023_6, "{version:?}");
    }
    assert!("2020.1".parse::<Version>().unwrap_err().to_string().contains("2023.6"));
}

#[tokio::test]
async fn lists_of_the_account_have_their_envelopes_orders_and_filters() {
    let (_flex, caller) = start(Options::default());
    for kind in [
        "accounts",
        "resources",
        "users",
        "groups",
        "workspaces",
        "actions",
        "workflowDefinitions",
        "objectTypes",
        "variants",
        "metadataDefinitions",
    ] {
        let list = caller.get(&format!("/{kind};limit=1")).await;
        assert_eq!(
            (list[kind].as_array().map(Vec::len), &list["limit"], &list["offset"]),
            (Some(1), &json!(1), &json!(0))
        );
        let item = &list[kind][0];
        assert!(item["id"].is_u64() && item["name"].is_string(), "{item}");
        if kind != "variants" {
            assert_eq!(caller.get(&format!("/{kind}/{}", item["id"])).await["name"], item["name"], "{kind}");
        }
        assert_eq!(total(&caller, &format!("/{kind};name=no%20such%20name")).await, 0);
        assert_eq!(status(&caller, Method::GET, &format!("/{kind};limit=x")).await, 400);
    }
    let names = |list: &Value| {
        let rows = list["metadataDefinitions"].as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let up = names(&caller.get("/metadataDefinitions;sortBy=name").await);
    let mut down = names(&caller.get("/metadataDefinitions;sort=desc;sortBy=name").await);
    assert!(up.is_sorted() && up.len() == 4, "{up:?}");
    down.reverse();
    assert_eq!(up, down);
    for (filter, count) in [
        ("createdFrom=29%20Sep%202016%2011%3A23%3A05", 4),
        ("createdTo=29%20Sep%202016%2011%3A23%3A05", 0),
        ("createdFrom=30%20Sep%202016", 0),
        ("enabled=True", 4),
        ("enabled=false", 0),
        ("deleted=true", 0),
    ] {
        assert_eq!(total(&caller, &format!("/metadataDefinitions;{filter}")).await, count, "{filter}");
    }
    assert_eq!(caller.get("/tagCollections").await[0]["name"], "tags-fileFormat");
    let asset = made(&caller, "/assets", json!({"name": "a", "type": "media-asset"})).await;
    assert_eq!(caller.get("/events").await["events"][0]["id"], asset["id"]);
    let property = made(&caller, "/accountProperties", json!({"key": "k", "value": "1"})).await;
    let again = made(&caller, "/accountProperties", json!({"key": "k", "value": "2"})).await;
    assert_eq!(property["href"], again["href"]);
    assert_eq!(caller.get("/accountProperties").await["accountProperties"], json!([again]));
    let path = format!("/accountProperties/{}", property["id"]);
    assert_eq!(status(&caller, Method::DELETE, &path).await, 204);
    assert_eq!(status(&caller, Method::GET, &path).await, 404);
    for (method, path, expected, html) in [
        (Method::POST, "/users", 405, true),
        (Method::GET, "/users/99", 404, false),
        (Method::GET, "/users/5/none", 404, true),
        (Method::PUT, "/taxonomies/9/taxons", 405, true),
        (Method::GET, "/filmReels", 404, false),
    ] {
        let refused = caller.call(method, path, None).await;
        assert_eq!((refused.status, refused.text.starts_with("<html>")), (expected, html), "{path}");
    }
}

#[tokio::test]
async fn queries_choose_among_assets() {
    let (_flex, caller) = start(Options::default());
    let promo = caller.definition("assetType_Promo").await;
    for (name, network) in [("Alpha One", "NLC"), ("Beta", "NLM"), ("Alpha Two", "NLM")] {
        let id = caller.create(name, promo).await;
        assert_eq!(caller.put(&format!("/assets/{id}/metadata"), json!({"network": network})).await.status, 200);
    }
    for (query, count) in [
        ("name~alpha", 2),
        ("name=\"Alpha One\"", 1),
        ("network=NLM AND name~alpha", 1),
        ("network=NLC OR (network=NLM AND name=Beta)", 2),
        ("mimetype~mp4", 0),
        ("created>=\"2020-01-01 00:00:00\" AND created<\"2999-01-01\"", 3),
        ("created<\"2020-01-01\"", 0),
    ] {
        let encoded = query.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        assert_eq!(total(&caller, &format!("/assets;fql={encoded}")).await, count, "{query}");
    }
    for path in ["/assets;fql=(name", "/assets;fql=name~a;offset=9950"] {
        assert_eq!(status(&caller, Method::GET, path).await, 400, "{path}");
    }
}

#[tokio::test]
async fn workflows_and_jobs_run_then_end() {
    for (faults, end) in [(&[][..], "Completed"), (&["fail-workflows"][..], "Failed")] {
        let (_flex, caller) = start(with_faults(faults));
        let asset = made(&caller, "/assets", json!({"name": "a", "type": "media-asset"})).await["id"].clone();
        for (kind, body) in [
            ("workflows", json!({"definitionId": 8, "assetId": asset, "stringVariables": {"a": "b"}})),
            ("jobs", json!({"actionId": 7, "assetId": asset})),
        ] {
            let started = made(&caller, &format!("/{kind}"), body).await;
            assert_eq!((&started["status"], &started["end"]), (&json!("Running"), &Value::Null));
            let path = format!("/{kind}/{}", started["id"]);
            assert_eq!(caller.get(&path).await["status"], "Running");
            for _ in 0..2 {
                let ended = caller.get(&path).await;
                assert_eq!((&ended["status"], ended["end"].is_string()), (&json!(end), true));
            }
            assert_eq!(total(&caller, &format!("/{kind}/;status={end}")).await, 1);
            assert_eq!(total(&caller, &format!("/{kind}/;status=Running")).await, 0);
            assert_eq!(caller.post(&format!("/{kind}"), json!({"definitionId": 1, "assetId": 1})).await.status, 400);
        }
        let job = caller.get("/jobs").await["jobs"][0]["id"].clone();
        assert_eq!(caller.get(&format!("/jobs/{job}/history")).await["events"].as_array().map(Vec::len), Some(2));
        assert_eq!(total(&caller, &format!("/assets/{asset}/workflows")).await, 1);
    }
}

#[tokio::test]
async fn taxonomies_grow_and_user_objects_keep_their_data_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let (flex, caller) = start(options());
    let taxonomy = caller.get("/taxonomies;name=Categories").await[0]["id"].clone();
    let path = format!("/taxonomies/{taxonomy}/taxons");
    assert_eq!(caller.get(&path).await, json!([]));
    let top = made(&caller, &path, json!({"name": "News", "childCategoryName": "Desk", "externalId": "x"})).await;
    let below = format!("{path}/{}/taxons", top["id"]);
    let leaf = made(&caller, &below, json!({"name": "Sport"})).await;
    assert_eq!(leaf["ancestors"], json!([{"id": top["id"], "name": "News"}]));
    assert_eq!(caller.get(&below).await, json!({"taxons": [leaf]}));
    assert_eq!((&caller.get(&path).await[0]["hasChildren"], &top["hasChildren"]), (&json!(true), &json!(false)));
    assert_eq!(status(&caller, Method::GET, "/taxonomies/1/taxons").await, 404);
    assert!(caller.post(&path, json!({"nome": "x"})).await.error().starts_with("Unrecognized field \"nome\""));

    let object = made(&caller, "/userObjects", json!({"name": "o", "workspaceId": 3})).await["id"].clone();
    let path = format!("/userObjects/{object}/data");
    assert_eq!(caller.get(&path).await["instance"], json!({}));
    assert_eq!(caller.put(&path, json!({"a": [1.50, "x"]})).await.status, 200);
    let refused = caller.post("/userObjects", json!({"name": "o", "kind": 1})).await;
    assert!(refused.status == 400 && refused.error().contains("NewUserDefinedObject"), "{}", refused.text);
    flex.shutdown().await;
    let (_again, caller) = start(options());
    assert_eq!(caller.get(&path).await["instance"].to_string(), r#"{"a":[1.5,"x"]}"#);
    assert_eq!(caller.get("/userObjects").await["objects"][0]["name"], "o");
    assert_eq!(caller.get(&below).await["taxons"][0]["id"], leaf["id"]);
}

#[tokio::test]
async fn collections_are_paged_by_the_query_string_and_answer_each_item() {
    let (_flex, caller) = start(Options::default());
    let definition = caller.definition("assetType_Collection").await;
    let asset = caller.create("a", definition).await;
    let body = json!({"name": "c", "metadataDefinitionEntityId": definition, "metadata": {"title": "T"}});
    let uuid = made(&caller, "/collections", body).await["uuid"].as_str().unwrap().to_owned();
    made(&caller, "/collections", json!({"name": "d"})).await;
    let list = caller.get("/collections?offset=1&limit=5").await;
    assert_eq!((&list["totalResults"], &list["collections"][0]["name"]), (&json!(2), &json!("d")));
    assert_eq!(status(&caller, Method::GET, "/collections?limit=x").await, 400);
    let path = format!("/collections/{uuid}");
    let created = caller.get(&path).await["created"].as_str().unwrap().to_owned();
    assert!(created.len() == 20 && created.ends_with('Z'), "{created}");
    let items = format!("{path}/items");
    let item = json!({"id": asset, "type": "media-asset", "in": null, "itemName": "one"});
    let put = caller.put(&items, json!({"items": [item, {"id": 9}]})).await;
    assert_eq!(put.json(), json!([{"code": 200, "item": item}, {"code": 404, "item": {"id": 9}}]));
    assert_eq!(caller.get(&items).await["items"], json!([item]));
    let removed = caller.call(Method::DELETE, &items, Some(json!({"itemKeys": [asset, 9]}))).await.json();
    assert_eq!((&removed[0]["code"], &removed[1]["code"]), (&json!(200), &json!(404)));
    assert_eq!(caller.get(&items).await["totalResults"], 0);
    assert_eq!(caller.get(&format!("{path}/metadata")).await["instance"], json!({"title": "T"}));
    let put = caller.put(&format!("{path}/metadata/{definition}"), json!({"title": "U"})).await;
    assert_eq!((put.status, &put.json()["instance"]), (200, &json!({"title": "U"})));
    assert_eq!(caller.put(&format!("{path}/metadata/{definition}"), json!({"nope": 1})).await.status, 400);
    assert_eq!(status(&caller, Method::DELETE, &path).await, 204);
    assert_eq!(status(&caller, Method::GET, &path).await, 404);
}

#[tokio::test]
async fn what_hangs_on_an_asset() {
    let (_flex, caller) = start(Options::default());
    let parent = made(&caller, "/assets", json!({"name": "p", "type": "group-asset"})).await["id"].clone();
    let child = json!({"name": "c", "type": "media-asset", "parentId": parent, "assetOrigin": "x"});
    assert_eq!(caller.post("/assets", child.clone()).await.status, 400, "AssetUpdate's, not the placeholder's");
    let child =
        made(&caller, "/assets", json!({"name": "c", "type": "media-asset", "parentId": parent})).await["id"].clone();
    let children = caller.get(&format!("/assets/{parent}/children")).await;
    assert_eq!((&children["totalCount"], &children["children"][0]["id"]), (&json!(1), &child));
    assert_eq!(total(&caller, &format!("/assets/{child}/keyframes")).await, 0);
    assert_eq!(caller.put(&format!("/assets/{child}"), json!({"assetOrigin": "New"})).await.status, 200);
    assert_eq!(total(&caller, "/assets;assetOrigin=New").await, 1);
    let path = format!("/assets/{child}/externalIds");
    for value in ["v:1", "v:2"] {
        let made = made(&caller, &path, json!({"key": "k", "value": value})).await;
        assert!(made["href"].as_str().unwrap().ends_with("/externalIds/k"));
    }
    assert_eq!(caller.get(&path).await["externalIds"][0]["value"], "v:2");
    let found = |value: &str| format!("/assets;externalId={value}");
    assert_eq!((total(&caller, &found("v%3A1")).await, total(&caller, &found("v%3A2")).await), (0, 1));
    assert_eq!(status(&caller, Method::DELETE, &format!("{path}/k")).await, 204);
    assert_eq!(status(&caller, Method::DELETE, &format!("{path}/k")).await, 404);
    assert_eq!(total(&caller, &found("v%3A2")).await, 0);
    let path = format!("/assets/{child}/tags");
    caller.post(&path, json!(["a", "b"])).await;
    assert_eq!(caller.post(&path, json!(["b", "c"])).await.json(), json!(["a", "b", "c"]));
    assert_eq!(caller.post(&path, json!({"a": 1})).await.status, 400);
    assert_eq!(caller.get(&path).await, json!(["a", "b", "c"]));
    assert_eq!(caller.get("/resources/5/tags").await, json!([]));
    assert_eq!(caller.post("/resources/5/tags", json!(["r", "r"])).await.json(), json!(["r"]));
    assert_eq!(caller.get("/resources/5/tags").await, json!(["r"]));
    assert_eq!(caller.get("/users/5/tags").await, json!([]), "of the same id, and another's");
    assert_eq!(status(&caller, Method::GET, "/resources/6/tags").await, 404);
    assert_eq!(status(&caller, Method::DELETE, "/resources/5/tags").await, 405);
}

#[tokio::test]
async fn variants_are_read_by_id() {
    let (_flex, caller) = start(Options::default());
    let list = caller.get("/variants").await;
    let all = list["variants"].as_array().unwrap();
    assert!(!all.is_empty());
    for variant in all {
        assert_eq!(caller.get(&format!("/variants/{}", variant["id"])).await, *variant);
    }
    for wrong in ["0", "x"] {
        assert_eq!(status(&caller, Method::GET, &format!("/variants/{wrong}")).await, 404, "{wrong}");
    }
}

#[tokio::test]
async fn items_with_metadata_name_their_definition_and_the_newest_release_the_value_of_references() {
    for version in [Version::V2021_5, Version::V2023_6, Version::V2024_9] {
        let (_flex, caller) = start(Options { version, ..Options::default() });
        let bare = made(&caller, "/assets", json!({"name": "b", "type": "media-asset"})).await["id"].clone();
        let asset = furnished(&caller).await;
        let put = caller.put(&format!("/assets/{asset}/metadata"), json!({"asset": {"id": bare}})).await;
        let definition = put.json()["definitionId"].clone();
        assert!(definition.is_u64(), "{version:?}: {}", put.text);
        let list = caller.get("/assets;includeMetadata=true;sortBy=id").await;
        assert_eq!(list["assets"][0]["metadata"], json!({"instance": {}, "definitionId": null}), "{version:?}");
        assert_eq!(list["assets"][1]["metadata"]["definitionId"], definition, "{version:?}");
        let shown = &list["assets"][1]["metadata"]["instance"]["asset"];
        let value = (version == Version::V2024_9).then(|| json!("b"));
        assert_eq!((&shown["id"], shown.get("value")), (&bare, value.as_ref()), "{version:?}");
        assert_eq!(caller.put(&format!("/assets/{asset}/metadata"), json!({"asset": shown})).await.status, 200);
    }
}

const KINDS: [&str; 23] = [
    "string",
    "text",
    "integer",
    "long",
    "double",
    "float",
    "boolean",
    "single-option",
    "multi-option",
    "complex",
    "object",
    "asset",
    "url",
    "email",
    "image",
    "file",
    "script",
    "password",
    "vfs-location",
    "date",
    "time",
    "drill-down-option",
    "tags",
];

/// One field of each type, and one that takes many of each.
fn every_field() -> Vec<Value> {
    let options = json!([{"value": "A"}, {"value": "B"}]);
    let field = |kind: &str, many: bool| {
        let mut field =
            json!({"name": format!("{kind}{}", if many { "s" } else { "" }), "type": kind, "options": options});
        if kind == "complex" {
            field["children"] = json!([{"name": "n", "type": "integer"}, {"name": "s", "type": "string"}]);
        }
        if many {
            field["multiplicity"] = json!("0..*");
        }
        field
    };
    KINDS.iter().flat_map(|kind| [field(kind, false), field(kind, true)]).collect()
}

/// A definition with every field, enabled, and an asset of it.
async fn furnished(caller: &Caller) -> u64 {
    let id = made(caller, "/metadataDefinitions", json!({"name": "every"})).await["id"].as_u64().unwrap();
    let path = format!("/metadataDefinitions/{id}");
    let put = caller.put(&format!("{path}/definition"), json!({"definition": every_field()})).await;
    assert_eq!(put.status, 200, "{}", put.text);
    assert_eq!(caller.post(&format!("{path}/actions"), json!({"action": "enable"})).await.status, 200);
    caller.create("a", id).await
}

/// A value that a field of this type takes as it is; `asset` is one that exists.
fn value(kind: &'static str, asset: u64) -> BoxedStrategy<Value> {
    match kind {
        "integer" => any::<i32>().prop_map(|number| json!(number)).boxed(),
        "long" => any::<i64>().prop_map(|number| json!(number)).boxed(),
        "double" | "float" => (-1e9..1e9).prop_map(|number: f64| json!(number)).boxed(),
        "boolean" => any::<bool>().prop_map(|flag| json!(flag)).boxed(),
        "single-option" => prop::sample::select(vec!["A", "B"]).prop_map(|option| json!(option)).boxed(),
        "multi-option" => prop::sample::subsequence(vec!["A", "B"], 0..3).prop_map(|options| json!(options)).boxed(),
        "tags" => prop::collection::vec("\\PC{1,8}", 0..3).prop_map(|tags| json!(tags)).boxed(),
        "complex" => (any::<i32>(), "\\PC{0,9}").prop_map(|(n, s)| json!({"n": n, "s": s})).boxed(),
        "image" | "file" => "\\PC{1,9}".prop_map(|name| json!({"file-name": name, "file-path": "/a/b"})).boxed(),
        "asset" => Just(json!({"id": asset})).boxed(),
        "object" | "drill-down-option" => (1..99_u64).prop_map(|id| json!({"id": id})).boxed(),
        "url" => "[a-z]{1,8}".prop_map(|host| json!(format!("https://{host}.example/"))).boxed(),
        "email" => "[a-z]{1,8}".prop_map(|name| json!(format!("{name}@example.org"))).boxed(),
        "date" => (1900..2100, 1..13, 1..29).prop_map(|(y, m, d)| json!(format!("{y:04}-{m:02}-{d:02}"))).boxed(),
        "time" => (0..24, 0..60).prop_map(|(h, m)| json!(format!("2024-02-29T{h:02}:{m:02}:00.000Z"))).boxed(),
        _ => "\\PC{0,20}".prop_map(|text| json!(text)).boxed(),
    }
}

fn instance(asset: u64) -> impl Strategy<Value = Map<String, Value>> {
    let fields: Vec<_> = KINDS
        .into_iter()
        .flat_map(|kind| {
            let one = prop::option::of(value(kind, asset)).prop_map(move |value| (kind.to_owned(), value)).boxed();
            let item = if matches!(kind, "multi-option" | "tags") { "string" } else { kind };
            let item = if kind == "multi-option" { value("single-option", asset) } else { value(item, asset) };
            let many = prop::option::of(prop::collection::vec(item, 0..3).prop_map(Value::Array));
            [one, many.prop_map(move |value| (format!("{kind}s"), value)).boxed()]
        })
        .collect();
    fields.prop_map(|fields| fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

#[test]
fn what_is_written_is_what_is_read_for_every_type_of_field() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let (_flex, caller) = start(Options::default());
    let asset = runtime.block_on(furnished(&caller));
    let path = format!("/assets/{asset}/metadata");
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&instance(asset), |written| {
        let put = runtime.block_on(caller.put(&path, Value::Object(written.clone())));
        prop_assert_eq!(put.status, 200, "{}", put.text);
        let mut read = runtime.block_on(caller.get(&path))["instance"].clone();
        // A reference is read with what it points at.
        for key in ["asset", "assets"] {
            let references = match &mut read[key] {
                Value::Array(references) => references.iter_mut().collect(),
                Value::Null => Vec::new(),
                reference => vec![reference],
            };
            for reference in references {
                prop_assert_eq!(&reference["type"], "media-asset");
                *reference = json!({"id": reference["id"]});
            }
        }
        read.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        prop_assert_eq!(read, Value::Object(written));
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn values_are_coerced_or_refused_by_the_type_of_their_field() {
    let (_flex, caller) = start(Options::default());
    let path = format!("/assets/{}/metadata", furnished(&caller).await);
    for (field, given, read) in [
        ("boolean", json!("true"), json!(true)),
        ("integer", json!("7"), json!(7)),
        ("long", json!(" 8 "), json!(8)),
        ("double", json!("1.5"), json!(1.5)),
        ("object", json!({"id": 3, "name": "n", "type": "t"}), json!({"id": 3})),
    ] {
        let put = caller.put(&path, json!({field: given})).await;
        assert_eq!((put.status, &put.json()["instance"][field]), (200, &read), "{field}");
    }
    for (field, given) in [
        ("string", json!(1)),
        ("strings", json!("one")),
        ("url", json!("example")),
        ("email", json!("example")),
        ("boolean", json!("yes")),
        ("float", json!("x")),
        ("single-option", json!("C")),
        ("multi-option", json!(["C"])),
        ("tags", json!("a")),
        ("date", json!("29 Feb 2024")),
        ("image", json!({"path": "/a"})),
        ("drill-down-option", json!("News")),
        ("asset", json!({"id": 9})),
    ] {
        let refused = caller.put(&path, json!({field: given})).await;
        assert_eq!(refused.status, 400, "{field}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_definition_is_put_as_xml_and_deleted() {
    let (_flex, caller) = start(Options::default());
    let id = made(&caller, "/metadataDefinitions", json!({"name": "m"})).await["id"].clone();
    let path = format!("/metadataDefinitions/{id}");
    let put = async |path: &str, body: &'static str| {
        let request = caller.http.put(format!("{}{path}", caller.base)).basic_auth("rehearsal", Some("rehearsal"));
        let request = request.header(CONTENT_TYPE, "application/vnd.nativ.mio.v1+xml").body(body);
        reply(request.send().await.unwrap()).await
    };
    let xml = r#"<metadata name="m"><children><single-option name="p" multiplicity="0..1"><required/><children>
        <option-child name="One" value="1"/></children></single-option></children></metadata>"#;
    let answer = put(&format!("{path}/definition"), xml).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let field = &answer.json()["definition"][0];
    assert_eq!(
        (&field["type"], &field["required"], &field["options"][0]["value"]),
        (&json!("single-option"), &json!(true), &json!("1"))
    );
    assert_eq!(put(&format!("{path}/definition"), "<metadata").await.status, 400);
    assert_eq!(put("/assets/1/metadata", "<a/>").await.status, 415);
    let deleted = caller.post(&format!("{path}/actions"), json!({"action": "delete"})).await.json();
    assert_eq!(
        (&deleted["deleted"], total(&caller, "/metadataDefinitions;name=m;exactNameMatch=true").await),
        (&json!(true), 0)
    );
    assert_eq!(total(&caller, "/metadataDefinitions;deleted=true").await, 1);
}
