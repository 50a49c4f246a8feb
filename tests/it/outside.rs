//! Tools that know nothing of telecine open every file of a run, and agree with PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use telecine::rehearsal::library::LibraryOptions;
use tokio::process::Command;

use crate::support::{Source, Workplace, files, python, read_json, run};

/// Sums a table, of numbers and of lengths of text.
const SUMS: usize = 2;
/// Types whose values a decimal holds exactly, as PostgreSQL names them.
const NUMBERS: [&str; 4] = ["int2", "int4", "int8", "numeric"];
const TEXTS: [&str; 2] = ["text", "varchar"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_and_pyarrow_agree_with_postgresql_on_every_file() {
    let python = python();
    let source = Source::of_library(LibraryOptions { scale: 0.0002, ..LibraryOptions::default() }).await;
    let place = Workplace::of_queries().with_source(&source);
    let report = place.json("extract --run r -q").await;
    assert_eq!(report["tables"].as_array().unwrap().len(), 227);
    place.json("transform --run r -q").await;

    let folder = place.run_folder("r");
    let client = source.client().await;
    let mut datasets = Vec::new();
    let mut tables = 0;
    for file in files(&folder).iter().filter(|file| file.ends_with("/_manifest.json")) {
        let manifest = read_json(&folder.join(file));
        let mut expected = json!({
            "name": manifest["dataset"], "folder": folder.join(file).parent().unwrap(), "rows": manifest["rows"],
            "files": manifest["files"], "decimals": {}, "lengths": {},
        });
        if manifest.get("table").is_some() {
            tables += 1;
            ask_postgresql(&client, &manifest, &mut expected).await;
        }
        datasets.push(expected);
    }
    assert_eq!(tables, 227);
    assert!(datasets.len() > 227 + 20, "queries, too: {}", datasets.len());
    drop(client);
    source.server.stop().await.unwrap();

    let seen = look(&python, place.path(), &datasets).await;
    let (code, summary) = (seen.0, &seen.1);
    assert_eq!(code, Some(0), "{}", seen.2);
    assert!(summary["files"].as_u64() >= Some(227) && summary["sums"].as_u64() > Some(600), "{summary}");

    // The comparison can fail: one digit, one character, one row.
    let table = datasets.iter().position(|set| set["name"] == "raw/public.asset_master").unwrap();
    let mut wrong = datasets[table].clone();
    wrong["rows"] = json!(wrong["rows"].as_u64().unwrap() + 1);
    for kind in ["decimals", "lengths"] {
        let (_, sum) = wrong[kind].as_object_mut().unwrap().iter_mut().next().unwrap();
        *sum = json!(format!("{}1", sum.as_str().unwrap()));
    }
    let seen = look(&python, place.path(), &[wrong]).await;
    assert_eq!((seen.0, &seen.1["problems"]), (Some(1), &json!(6)), "{}", seen.2);
}

/// The count and the sums of a table, by SQL.
async fn ask_postgresql(client: &tokio_postgres::Client, manifest: &Value, expected: &mut Value) {
    let part = |name: &str| manifest["table"][name].as_str().unwrap().to_owned();
    let (schema, table) = (part("schema"), part("name"));
    let query = "select a.attname, t.typname, a.atttypmod from pg_attribute a join pg_type t on t.oid = a.atttypid
                 join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped order by a.attnum";
    let mut numbers = Vec::new();
    let mut texts = Vec::new();
    for row in client.query(query, &[&schema, &table]).await.unwrap() {
        let (name, kind, modifier): (String, String, i32) = (row.get(0), row.get(1), row.get(2));
        let left_out = manifest["left_out"].as_array();
        if left_out.is_some_and(|columns| columns.iter().any(|column| column == name.as_str())) {
            continue;
        }
        // A numeric without a precision is exact text in Arrow.
        if NUMBERS.contains(&kind.as_str()) && (kind != "numeric" || modifier >= 0) {
            numbers.push(name);
        } else if TEXTS.contains(&kind.as_str()) {
            texts.push(name);
        }
    }
    // The last ones: the first is the key most often.
    let numbers: Vec<String> = numbers.into_iter().rev().take(SUMS).collect();
    let texts: Vec<String> = texts.into_iter().rev().take(SUMS).collect();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut sums = vec!["count(*)::text".to_owned()];
    // What Decimal cannot hold (a NaN) is NULL in raw/ and listed in raw/_exceptions.
    sums.extend(numbers.iter().map(|name| {
        let column = quoted(name);
        format!("(sum({column}::numeric) filter (where {column}::text not in ('NaN', 'Infinity', '-Infinity')))::text")
    }));
    sums.extend(texts.iter().map(|name| format!("sum(length({}))::text", quoted(name))));
    let query = format!("select {} from only {}.{}", sums.join(", "), quoted(&schema), quoted(&table));
    let row = client.query_one(&query, &[]).await.unwrap_or_else(|cause| panic!("{query}: {cause:?}"));
    expected["rows"] = json!(row.get::<_, &str>(0).parse::<u64>().unwrap());
    let sum = |index: usize| row.get::<_, Option<&str>>(index + 1);
    let named = |names: &[String], from: usize| -> Map<String, Value> {
        names.iter().enumerate().map(|(index, name)| (name.clone(), json!(sum(from + index)))).collect()
    };
    expected["decimals"] = Value::Object(named(&numbers, 0));
    expected["lengths"] = Value::Object(named(&texts, numbers.len()));
}

/// Lets both readers look; their last line is a summary.
pub(crate) async fn look(python: &Path, folder: &Path, datasets: &[Value]) -> (Option<i32>, Value, String) {
    let expected = folder.join("expected.json");
    fs::write(&expected, json!({ "datasets": datasets }).to_string()).unwrap();
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside.py")).arg(&expected);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let done = run(&mut command).await;
    let summary = done.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let text = format!("{}{}", done.stdout, done.stderr);
    (done.code, summary.unwrap_or_else(|| panic!("{text}")), text)
}
