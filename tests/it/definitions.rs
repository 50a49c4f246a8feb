//! Queries and rows against the definitions of the target: what does not fit is told before a table is read, and a row that
//! its definition refuses never becomes a request.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Flex, Source, Workplace, files, read_json, run};

const SETTINGS: &str = r#"
[load]
external_id_key = "reach"
external_id_column = "externalId"
[definitions.collection]
definition = "assetType_Collection"
asset_type = "group-asset"
"#;

const CANDIDATES: &str =
    "-- key: source_key\nselect concat('Film:', cast(id as varchar)) as source_key, id from public.film";

/// Films as collections; each names the one before it as its parent.
const COLLECTION: &str = r#"-- key: source_key
select
    c.source_key,
    'load' as disposition,
    cast(null as varchar) as reason,
    cast(null as varchar) as details,
    warn('title', f.title, cast(null as varchar)) as warnings,
    f.title as name,
    f.title,
    concat('film-', cast(f.id as varchar)) as "externalId",
    f.id as "legacyId",
    f.kind as "collectionKind",
    f.tags,
    cast(f.videos as bigint) as "itemCount",
    case when f.id > 1 then named_struct('source_key', concat('Film:', cast(f.id - 1 as varchar))) end as parent,
    named_struct('videos', f.videos) as "memberSummary"
from candidates c join public.film f on f.id = c.id
"#;

const FILMS: &str = "
    create table film (id bigint primary key, title text, kind text, tags text[], videos bigint);
    insert into film select i, 'Film ' || i, case when i % 2 = 0 then 'Manual' else 'Bin' end, array['a', 'b'], i
        from generate_series(1, 20) i;
    analyze";

fn place(source: &Source) -> Workplace {
    Workplace::of_files(&[
        ("migration.toml", SETTINGS),
        ("1_select/candidates.sql", CANDIDATES),
        ("4_map/collection.sql", COLLECTION),
    ])
    .with_source(source)
}

/// Scans of the only table so far. Sessions that have ended have counted theirs.
async fn scans(source: &Source) -> i64 {
    let sql = "select coalesce(seq_scan, 0) + coalesce(idx_scan, 0) from pg_stat_user_tables where relname = 'film'";
    source.client().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_told_before_a_table_is_read() {
    let source = Source::of_sql(FILMS).await;
    let flex = Flex::start(&[]).await;
    let place = place(&source);
    place.add_target("dev", &flex.url, "");
    let before = scans(&source).await;
    for (old, new, line) in [
        (
            "    f.title,\n",
            "",
            "collection.sql: field `title`: the query gives nothing; assetType_Collection wants string, one value, required",
        ),
        (
            "f.id as \"legacyId\"",
            "cast(f.id as varchar) as \"legacyId\"",
            "collection.sql:11:30: field `legacyId`: the query gives text; assetType_Collection wants long, one value",
        ),
        (
            "f.kind as \"collectionKind\"",
            "make_array(f.kind) as \"collectionKind\"",
            "field `collectionKind`: the query gives a list of text; assetType_Collection wants single-option, one value, required",
        ),
        (
            "    f.tags,\n",
            "    f.tags[1] as tags,\n",
            "field `tags`: the query gives text; assetType_Collection wants string, a list",
        ),
        (
            "\"itemCount\"",
            "\"itemCuont\"",
            "field `itemCuont`: the query gives a whole number (Int64); assetType_Collection has no such field; did you mean itemCount",
        ),
        (
            "f.kind as \"collectionKind\"",
            "case when f.id > 9 then 'Manuel' else coalesce(f.kind, 'Bin') end as \"collectionKind\"",
            "field `collectionKind`: the query gives the constant 'Manuel'; assetType_Collection wants one of Manual, Bin",
        ),
        (
            "named_struct('videos', f.videos)",
            "named_struct('video', f.videos)",
            "field `memberSummary.video`: the query gives a whole number (Int64); assetType_Collection has no such field; did you mean videos",
        ),
        (
            "named_struct('source_key', concat('Film:', cast(f.id - 1 as varchar)))",
            "'Film:1'",
            "field `parent`: the query gives text; assetType_Collection wants asset, one value",
        ),
    ] {
        assert!(COLLECTION.contains(old), "{old}");
        place.write("4_map/collection.sql", &COLLECTION.replace(old, new));
        let done = place.run("run -q --run early").await.code(2);
        assert!(done.stderr.contains(line), "{line} is not in\n{}", done.stderr);
        assert!(done.stderr.contains("1 column does not fit its definition"), "{}", done.stderr);
    }
    // All at once, a line each.
    let all = COLLECTION.replace("    f.title,\n", "").replace("f.id as \"legacyId\"", "'x' as \"legacyId\"");
    place.write("4_map/collection.sql", &all);
    let done = place.run("run -q --run early").await.code(2);
    assert!(done.stderr.contains("2 columns do not fit their definitions"), "{}", done.stderr);
    // A constant of a query below.
    let below = CANDIDATES.replace("id from", "'Manuel' as kind, id from");
    place.write("1_select/candidates.sql", &below);
    place.write("4_map/collection.sql", &COLLECTION.replace("f.kind as", "c.kind as"));
    let done = place.run("run -q --run early").await.code(2);
    assert!(done.stderr.contains("the query gives the constant 'Manuel'"), "{}", done.stderr);
    // A definition that the target does not have, and a field that it does not have.
    place.write("4_map/collection.sql", COLLECTION);
    let settings = fs::read_to_string(place.project().join("migration.toml")).unwrap();
    for (new, line) in [
        ("\"assetType_Film\"", "the target `dev` has none of the definitions that queries feed"),
        (
            "\"assetType_Collection\"\nopen = [\"kind\"]",
            "definitions.collection.open: assetType_Collection has no field kind",
        ),
    ] {
        place.write("migration.toml", &settings.replace("\"assetType_Collection\"", new));
        let done = place.run("run -q --run early").await.code(2);
        assert!(done.stderr.contains(line), "{line} is not in\n{}", done.stderr);
    }
    let raw: Vec<String> =
        files(&place.path().join("staging")).into_iter().filter(|file| file.contains("/raw/")).collect();
    assert_eq!((raw, scans(&source).await), (Vec::new(), before));
    source.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_its_definition_refuses_is_rejected_and_never_requested() {
    let source = Source::of_sql(FILMS).await;
    let dirt = "update film set title = repeat('é', 256) where id = 3;
        update film set kind = 'Shelf' where id = 5; update film set kind = null where id = 7;
        update film set tags = array['a', null] where id = 9; update film set videos = 1::bigint << 40 where id = 11;
        update film set title = repeat('é', 255), tags = '{}' where id = 13";
    source.client().await.batch_execute(dirt).await.unwrap();
    let flex = Flex::start(&[]).await;
    let place = place(&source);
    place.add_target("dev", &flex.url, "");
    let report = place.json("run -q --run one").await;
    assert_eq!((&report["candidates"], &report["loaded"], &report["balanced"]), (&json!(20), &json!(15), &json!(true)));
    assert_eq!((&report["rejected"], &report["clean"]), (&json!({"DEFINITION_VIOLATION": 5}), &json!(true)));
    // Each was the parent of the next, which is loaded without it; the load counts what it left out.
    assert_eq!((&report["load"]["failed"], &report["load"]["unresolved"]), (&json!(0), &json!(5)), "{report:#}");
    let assets = flex.assets().await;
    assert_eq!(assets.len(), 15);
    assert!(!flex.dump().await.iter().any(|line| line.to_string().contains("film-5")));

    let mut command = place.call("sql --run one --output json");
    command.arg("select source_key, reason, details from rejected order by source_key");
    let rows = run(&mut command).await.code(0).json();
    let details: Vec<String> = rows["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{}: {}", row["source_key"].as_str().unwrap(), row["details"].as_str().unwrap()))
        .collect();
    let shown = "é".repeat(40);
    assert_eq!(
        details,
        [
            "Film:11: itemCount: not a whole number of 32 bits; memberSummary.videos: not a whole number of 32 bits"
                .to_owned(),
            format!("Film:3: title: 256 characters, 255 at most: \"{shown}\"…"),
            "Film:5: collectionKind: \"Shelf\" is not among the options".to_owned(),
            "Film:7: collectionKind: required, but there is no value".to_owned(),
            "Film:9: tags: an item of the list is NULL".to_owned(),
        ]
    );
    source.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pulled_definitions_stand_in_for_the_target() {
    let source = Source::of_sql(FILMS).await;
    source.client().await.batch_execute("update film set kind = 'Shelf' where id <= 2").await.unwrap();
    let flex = Flex::start(&[]).await;
    let place = place(&source);
    place.add_target("dev", &flex.url, "");
    place.run("extract -q --run one").await.code(0);

    // Without definitions the transform says so.
    let report = place.json("transform -q --run one").await;
    let remark = report["remarks"][0].as_str().unwrap();
    assert!(
        remark.contains("not checked against the target's definitions: collection; `telecine flex pull`"),
        "{remark}"
    );
    assert_eq!(report["balance"]["rejected"], json!({}));
    assert!(place.run("transform -q --run one").await.code(0).stdout.contains("warning: not checked"));

    let pulled = place.json("flex pull").await;
    assert_eq!(pulled["target"], "dev");
    let names: Vec<&str> =
        pulled["definitions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["assetType_Collection", "assetType_DeliverableImage", "assetType_Project", "assetType_Promo"]);
    let folder = place.project().join("definitions");
    assert_eq!(files(&folder).len(), 4);
    let file = folder.join("assetType_Collection.json");
    let text = fs::read_to_string(&file).unwrap();
    // Twice the same, byte for byte; elsewhere, too.
    place.run(&format!("flex pull --dir {}", place.path().join("other").display())).await.code(0);
    assert_eq!(fs::read_to_string(place.path().join("other/assetType_Collection.json")).unwrap(), text);
    let fields = read_json(&file)["definition"].as_array().unwrap().len();
    assert_eq!(pulled["definitions"][0]["fields"], json!(fields));
    assert_eq!(pulled["definitions"][0]["enabled"], json!(true));

    let violations = json!({"DEFINITION_VIOLATION": 2});
    for line in ["transform -q --run one", "transform -q --run one --target dev"] {
        let report = place.json(line).await;
        assert_eq!((&report["balance"]["rejected"], report["remarks"].as_array()), (&violations, None), "{line}");
    }
    // Nothing has changed: nothing runs. Another definition is told as the cause.
    let would = place.run("transform -q --run one --dry-run").await.code(0).stdout;
    assert!(!would.contains("run  ") && !would.contains("definition"), "{would}");
    let longer = text.replacen("\"maxLength\": 255", "\"maxLength\": 300", 1);
    assert_ne!(longer, text);
    fs::write(&file, longer).unwrap();
    let would = place.run("transform -q --run one --dry-run").await.code(0).stdout;
    assert!(would.contains("definition assetType_Collection changed"), "{would}");
    fs::write(&file, &text).unwrap();
    // A list that is open lets values through and says what the target lacks.
    let settings = fs::read_to_string(place.project().join("migration.toml")).unwrap();
    let open = settings.replace("\"assetType_Collection\"", "\"assetType_Collection\"\nopen = [\"collectionKind\"]");
    place.write("migration.toml", &open);
    let report = place.json("transform -q --run one").await;
    assert_eq!(report["balance"]["rejected"], json!({}));
    let lacks = "assetType_Collection lacks options of collectionKind, to be added before a load: Shelf (2)";
    assert_eq!(report["remarks"], json!([lacks]));
    // The files are what counts, not the target.
    fs::write(&file, text.replace("\"name\": \"itemCount\"", "\"name\": \"itemCounted\"")).unwrap();
    let done = place.run("transform -q --run one").await.code(2);
    assert!(
        done.stderr.contains("field `itemCount`") && done.stderr.contains("did you mean itemCounted?"),
        "{}",
        done.stderr
    );
    // Without files, what the target had when it was asked; with some files, all are wanted.
    fs::rename(&folder, place.project().join("aside")).unwrap();
    assert_eq!(place.json("transform -q --run one").await["remarks"], json!([lacks]));
    place.run(&format!("transform -q --run one --definitions {}/aside", place.project().display())).await.code(2);
    fs::rename(place.project().join("aside"), &folder).unwrap();
    fs::write(&file, "{").unwrap();
    let done = place.run("transform -q --run one").await.code(2);
    assert!(done.stderr.contains("assetType_Collection.json"), "{}", done.stderr);
    source.server.stop().await.unwrap();
}

/// Films with attributes as rows: three are taken, of which one no film has, and a column that is selected and dropped.
const ATTRIBUTES: &str = "
    create table film (id bigint primary key, title text, kind text, notes text, hidden int, tags text[], never text);
    insert into film select i, 'Film ' || i, 'Bin', case when i % 4 = 0 then 'n' end, i, case when i < 4 then array['a'] end
        from generate_series(1, 20) i;
    create table attribute (id int primary key, label text);
    insert into attribute values (1, 'tagline'), (2, 'weekday'), (3, 'empty'), (4, 'colour');
    create table attribute_value (film_id bigint, attribute_id int, text_value text, number_value int);
    insert into attribute_value select i, 1, 't', null from generate_series(1, 20) i;
    insert into attribute_value select i, 2, null, i from generate_series(1, 7) i;
    insert into attribute_value select i, 3, null, null from generate_series(1, 9) i;
    insert into attribute_value select i, 4, 'c', null from generate_series(1, 8) i;
    create table genre (id int primary key, name text, parent int);
    insert into genre values (1, 'Drama', null), (2, 'Crime', 1);
    analyze";

const COVERAGE: &str = r#"
[coverage.attributes]
table = "public.attribute_value"
key = "attribute_id"
values = ["text_value", "number_value"]
names = "public.attribute"
label = "label"
mapped = "taken"
mapped_key = "attribute_id"
"#;

const COLLECT: &str = "select f.id, f.title, f.kind, f.hidden, v.text_value as tagline from public.film f
    left join public.attribute_value v on v.film_id = f.id and v.attribute_id = 1
    left join taken t on t.field = 'x'";

const COVERED: &str = r#"
select
    c.source_key,
    case when f.id > 18 then 'reject' else 'load' end as disposition,
    case when f.id > 18 then 'LATE' end as reason,
    cast(null as varchar) as details,
    warn('x', f.tagline, cast(null as varchar)) as warnings,
    f.title as name,
    f.title,
    concat('film-', cast(f.id as varchar)) as "externalId",
    f.kind as "collectionKind",
    cast(null as varchar) as owner,
    case when f.id > 18 then make_array(f.tagline) end as tags,
    named_struct('videos', f.id, 'clips', nullif(f.id, f.id)) as "memberSummary"
from candidates c join films f on f.id = c.id
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_covered_is_named_both_ways_with_counts() {
    let source = Source::of_sql(ATTRIBUTES).await;
    let flex = Flex::start(&[]).await;
    let place = Workplace::of_files(&[
        ("migration.toml", &format!("{SETTINGS}{COVERAGE}")),
        ("1_select/candidates.sql", CANDIDATES),
        ("2_collect/films.sql", COLLECT),
        ("4_map/collection.sql", COVERED),
        ("mappings/taken.csv", "attribute_id,field\n1,tagline\n4,colour\n9,gone\n"),
        ("checks/hidden.sql", "select id from public.film where notes = 'x'"),
    ])
    .with_source(&source);
    place.add_target("dev", &flex.url, "");

    // Without a run: by the source's tables, nothing counted; without definitions: nothing about fields.
    let report = place.json("coverage").await;
    assert_eq!((&report["run"], &report["fields"], &report["attributes"]), (&Value::Null, &json!([]), &json!([])));
    assert_eq!(report["remarks"], json!(["the definition that collection feeds is not known"]));
    assert!(report["columns"].as_array().unwrap().iter().all(|column| column["values"].is_null()), "{report:#}");
    assert!(!place.path().join("staging/runs").exists());

    place.run("extract -q --run one").await.code(0);
    place.run("transform -q --run one --target dev").await.code(0);
    let report = place.json("coverage --target dev").await;
    assert_eq!(report["run"], "one");
    // The source: a check that reads `notes` does not feed anything; `tags` is a list, whose files do not count it.
    let column = |name: &str, read_by: &[&str], values: u64| {
        let (table, column) = name.rsplit_once('.').unwrap();
        json!({"table": format!("public.{table}"), "column": column, "read_by": read_by, "values": values})
    };
    let found = |part: &str, key: &str| {
        let mut found = report[part].as_array().unwrap().clone();
        found.sort_by_key(|entry| (entry["table"].to_string(), entry[key].to_string()));
        json!(found)
    };
    assert_eq!(
        found("columns", "column"),
        json!([
            column("attribute_value.number_value", &[], 7),
            column("film.hidden", &["films"], 20),
            column("film.never", &[], 0),
            column("film.notes", &[], 5),
            column("film.tags", &[], 3),
        ])
    );
    assert_eq!(
        found("tables", "table"),
        json!([
            {"table": "public.attribute", "rows": 4, "columns": {"id": 4, "label": 4}},
            {"table": "public.genre", "rows": 2, "columns": {"id": 2, "name": 2, "parent": 1}},
        ])
    );
    assert_eq!(report["idle"], json!([{"query": "films", "column": "hidden"}]));
    let attribute = |key: &str, label: Option<&str>, mapped: bool, values: u64| json!({"set": "attributes", "key": key, "label": label, "mapped": mapped, "values": values});
    // The rows of `empty` are there, and hold nothing in the columns of values.
    let attributes = [
        attribute("2", Some("weekday"), false, 7),
        attribute("3", Some("empty"), false, 0),
        attribute("9", None, true, 0),
    ];
    assert_eq!(report["attributes"], json!(attributes));
    // The fields: fed or not, required or not, rows to load with a value.
    let field = |name: &str| {
        let all = report["fields"].as_array().unwrap();
        let field = all.iter().find(|field| field["field"] == name).unwrap_or_else(|| panic!("{name}: {report:#}"));
        (
            field["fed"].as_bool().unwrap(),
            field["required"].as_bool().unwrap(),
            field["values"].as_u64(),
            field["rows"].as_u64(),
        )
    };
    assert_eq!(field("title"), (true, true, Some(18), Some(18)));
    assert_eq!(field("owner"), (true, false, Some(0), Some(18)));
    assert_eq!(field("tags"), (true, false, Some(0), Some(18)), "only a row that is not loaded has some");
    assert_eq!(field("memberSummary.videos"), (true, false, Some(18), Some(18)));
    assert_eq!(field("memberSummary.clips"), (true, false, Some(0), Some(18)));
    assert_eq!(field("memberSummary.images"), (false, false, None, Some(18)));
    assert_eq!(field("description"), (false, false, None, Some(18)));
    assert_eq!(read_json(&place.run_folder("one").join("coverage.json"))["fields"], report["fields"]);

    let text = place.run("coverage --target dev").await.code(0).stdout;
    for part in
        ["weekday", "public.genre", "hidden", "memberSummary.clips", "assetType_Collection 6 of 50 fields fed; run one"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("never"), "a column without values is in the JSON only\n{text}");

    // A required field that nothing feeds any more is told here, too, and a set that names what is not there is refused.
    place.write("4_map/collection.sql", &COVERED.replace("    f.title,\n", ""));
    assert!(place.run("coverage --target dev").await.code(0).stdout.contains("required"));
    place.write("migration.toml", &format!("{SETTINGS}{}", COVERAGE.replace("attribute_value", "attribute_valeu")));
    let done = place.run("coverage").await.code(2);
    assert!(done.stderr.contains("coverage.attributes: its tables and columns"), "{}", done.stderr);
    place.write("migration.toml", &format!("{SETTINGS}{}", COVERAGE.replace("mapped =", "maped =")));
    let done = place.run("coverage").await.code(2);
    assert!(done.stderr.contains("coverage.attributes.mapped: missing"), "{}", done.stderr);
    assert!(done.stderr.contains("did you mean `coverage.attributes.mapped`"), "{}", done.stderr);
    source.server.stop().await.unwrap();
}
