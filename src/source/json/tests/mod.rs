use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::dataflow::Source;

mod windows;

const LIMIT: usize = 1 << 24;

fn found(bytes: &[u8]) -> Vec<Document> {
    let mut found = Vec::new();
    examine(bytes, LIMIT, |document| found.push(document));
    found
}

/// Reasons with their places, none for what can be read.
fn reasons(bytes: &[u8]) -> Vec<Option<(usize, Reason)>> {
    found(bytes).iter().map(|document| document.fault.map(|fault| (fault.offset, fault.reason))).collect()
}

#[test]
fn what_is_json_is_read_and_what_is_not_is_told_with_its_place() {
    use Reason::*;
    type Case<'a> = (&'a [u8], Option<(usize, Reason)>);
    let cases: &[Case<'_>] = &[
        (b"{}", None),
        (b" [ ] ", None),
        (b"0", None),
        (b"-0.0e-0", None),
        (b"\"\\ud83d\\ude00\\u0000\"", None),
        ("{\"\u{e9}\":[1,{\"b\":null},true,false,\"\"]}".as_bytes(), None),
        (b"", Some((0, Empty))),
        (b" \r\n\t", Some((4, Empty))),
        (b"{", Some((1, Truncated))),
        (b"{\"a\"", Some((4, Truncated))),
        (b"{\"a\":", Some((5, Truncated))),
        (b"{\"a\":1", Some((6, Truncated))),
        (b"{\"a\":1,", Some((7, Truncated))),
        (b"{\"a\":1,}", Some((7, Syntax))),
        (b"{\"a\":1 \"b\":2}", Some((7, Syntax))),
        (b"{a:1}", Some((1, Syntax))),
        (b"{'a':1}", Some((1, Syntax))),
        (b"[1,]", Some((3, Syntax))),
        (b"[1 2]", Some((3, Syntax))),
        (b"[1}", Some((2, Syntax))),
        (b"]", Some((0, Syntax))),
        (b"<html>", Some((0, Syntax))),
        (b"\x00\x00\x00\x01Bud1", Some((0, Syntax))),
        (b"tru", Some((0, Truncated))),
        (b"nulL", Some((0, Syntax))),
        (b"01", Some((1, Syntax))),
        (b"+1", Some((0, Syntax))),
        (b".5", Some((0, Syntax))),
        (b"1.", Some((2, Truncated))),
        (b"1.e5", Some((2, Syntax))),
        (b"1e", Some((2, Truncated))),
        (b"-", Some((1, Truncated))),
        (b"[-]", Some((2, Syntax))),
        (b"NaN", Some((0, NoNumber))),
        (b"[-Infinity]", Some((2, NoNumber))),
        (b"\"a", Some((2, Truncated))),
        (b"\"a\\", Some((3, Truncated))),
        (b"\"\\u12", Some((5, Truncated))),
        (b"\"\\u12g4\"", Some((1, Syntax))),
        (b"\"\\x\"", Some((1, Syntax))),
        (b"\"\n\"", Some((1, ControlCharacter))),
        (b"\"12345678\x1f\"", Some((9, ControlCharacter))),
        (b"\"\\ud83d\"", Some((1, LoneSurrogate))),
        (b"\"\\ud83d\\u0041\"", Some((1, LoneSurrogate))),
        (b"\"\\ude00\"", Some((1, LoneSurrogate))),
        (b"{\"a\":1,\"\\u0061\":2}", Some((7, DuplicateKey))),
        (b"{\"a\":{\"a\":1},\"b\":[{\"a\":1}]}", None),
        (b"{\"a\":\"caf\xE9\"}", Some((9, InvalidUtf8))),
        (b"\xEF\xBB\xBF{", Some((4, Truncated))),
        (b"\xFF\xFE{\0}\0", None),
        (b"\xFE\xFF\0{\0}", None),
        (b"{\0\"\0a\0\"\0:\x001\0}\0", None),
        (b"\0{\0}", None),
        (b"\xFF\xFE{\0}", Some((1, InvalidUtf16))),
        (b"\xFF\xFE\"\0\x3D\xD8\"\0", Some((1, InvalidUtf16))),
        (b"\x1F\x8B\x08\x00", Some((0, Gzip))),
    ];
    for (bytes, reason) in cases {
        assert_eq!(reasons(bytes), [*reason], "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn documents_follow_one_another_and_a_broken_line_takes_no_other_with_it() {
    use Reason::*;
    assert_eq!(reasons(b"{}{} []\n1"), [None; 4]);
    assert_eq!(reasons(b"{}\n{}\r\n\n[1]\n"), [None; 3]);
    assert_eq!(reasons(b"{}}"), [Some((2, Syntax))]);
    assert_eq!(reasons(b"{} 1\n{}"), [Some((2, Syntax))]);
    assert_eq!(
        reasons(b"{}\n{\"a\":\n{\"b\":1}\n{\"c\":\"\xE9\"}\n{}"),
        [None, Some((8, Truncated)), None, Some((23, InvalidUtf8)), None]
    );
    // Not lines: the first line is no document.
    assert_eq!(reasons(b"{\n\"a\":1\n}\n{}"), [None; 2]);
    assert_eq!(reasons(b"{\n\"a\":\n}\n{}"), [Some((7, Syntax))]);
    let found = found(b"\xEF\xBB\xBF{}\n [1, 2] \n\"\"");
    let places: Vec<_> = found.iter().map(|document| (document.number, document.offset, document.length)).collect();
    assert_eq!(places, [(0, 3, 2), (1, 7, 6), (2, 15, 2)]);
    assert_eq!(
        found.iter().map(|document| document.kind.unwrap().word()).collect::<Vec<_>>(),
        ["object", "array", "string"]
    );
}

#[test]
fn depth_size_and_compression_have_bounds() {
    let nested = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat();
    assert_eq!(reasons(nested(1_000).as_bytes()), [None]);
    assert_eq!(reasons(nested(1_001).as_bytes()), [Some((1_000, Reason::TooDeep))]);
    assert_eq!(reasons("{\"a\":".repeat(1_000_000).as_bytes())[0].unwrap().1, Reason::TooDeep);
    let many: String = (0..100_000).map(|number| format!("\"k{number}\":{number},")).collect();
    assert_eq!(reasons(format!("{{{many}\"z\":0}}").as_bytes()), [None]);
    assert_eq!(reasons(format!("{{{many}\"k7\":0}}").as_bytes())[0].unwrap().1, Reason::DuplicateKey);

    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zipped = gzip(b"{}\n{\"a\":1}\n");
    assert_eq!(reasons(&zipped), [None; 2]);
    assert_eq!(reasons(&[zipped.clone(), gzip(b"[]")].concat()), [None; 3]);
    let cut = reasons(&zipped[..zipped.len() - 6]);
    assert!(cut.last().unwrap().is_some_and(|(_, reason)| reason == Reason::Gzip), "{cut:?}");
    let bomb = gzip(&vec![b' '; LIMIT + 1]);
    assert!(bomb.len() < LIMIT / 500);
    assert_eq!(reasons(&bomb), [Some((LIMIT, Reason::TooLarge))]);
    let mut count = 0;
    examine(b"[1,2,3,4]", 8, |document| {
        assert_eq!(document.fault.unwrap().reason, Reason::TooLarge);
        count += 1;
    });
    assert_eq!(count, 1);
}

pub(super) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Objects, documents of a line each, as the rows of their groups.
async fn rows(objects: &[(&str, String)]) -> (Vec<Examined>, BTreeMap<String, Vec<RecordBatch>>) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for (key, text) in objects {
        store.put(&Path::parse(key).unwrap(), text.clone().into_bytes().into()).await.unwrap();
    }
    let mut examined = Vec::new();
    let each = |one| {
        examined.push(one);
        Ok(())
    };
    let source = JsonSource::survey(store, &Path::default(), JsonOptions::default(), each).await.unwrap();
    let mut groups = BTreeMap::new();
    for table in source.tables().await.unwrap() {
        let mut batches = Vec::new();
        for partition in source.partitions(&table).await.unwrap() {
            let stream = source.scan(&partition).await.unwrap();
            batches.extend(stream.try_collect::<Vec<_>>().await.unwrap());
        }
        assert_eq!(batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), table.rows);
        groups.insert(table.table.name, batches);
    }
    (examined, groups)
}

/// The value in a row of a column, none where it is null.
pub(super) fn back(field: &Field, column: &ArrayRef, row: usize) -> Option<Value> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            if field.metadata().contains_key("json") { serde_json::from_str(text).unwrap() } else { text.into() }
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let values = fields
                .iter()
                .zip(columns)
                .filter_map(|(field, column)| Some((field.name().clone(), back(field, column, row)?)));
            Value::Object(values.collect())
        }
        DataType::List(item) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|index| back(item, &items, index).unwrap_or_default()).collect()
        }
        other => panic!("{other}"),
    })
}

/// The documents of a group, from its rows.
fn documents(batches: &[RecordBatch]) -> Vec<Value> {
    let mut all = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let fields =
                batch.schema().fields().iter().cloned().zip(batch.columns().to_vec()).skip(4).collect::<Vec<_>>();
            let values =
                fields.iter().filter_map(|(field, column)| Some((field.name().clone(), back(field, column, row)?)));
            let mut document = Value::Object(values.collect());
            let nulls = batch.column(3).as_list::<i32>();
            if nulls.is_valid(row) {
                for path in nulls.value(row).as_string::<i32>().iter().flatten() {
                    let (parent, name) = path.rsplit_once('/').unwrap();
                    let name = name.replace("~1", "/").replace("~0", "~");
                    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{path}"));
                    parent.as_object_mut().unwrap().insert(name, Value::Null);
                }
            }
            all.push(document);
        }
    }
    all
}

/// Numbers by their value, keys in one order.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            let number = token::Number { text: &text, is_integer: !text.contains(['.', 'e', 'E']) };
            match text.parse::<f64>() {
                Ok(float) if token::is_exact_float(number) => Value::from(format!("{float:?}")),
                _ => Value::from(text),
            }
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().map(|(name, value)| (name, canonical(value))).collect();
            sorted.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        other => other.clone(),
    }
}

fn type_of<'a>(batches: &'a [RecordBatch], name: &str) -> &'a DataType {
    batches[0].schema_ref().field_with_name(name).unwrap().data_type()
}

#[tokio::test]
async fn groups_become_tables_of_what_all_their_documents_hold() {
    let promo =
        r#"{"a":1,"b":"x","c":[1,2],"d":{"e":true},"f":1.5,"g":1,"h":12345678901234567890,"i":null,"j":[],"k":"x"}"#;
    let other =
        r#"{"A":1,"b":null,"c":[null],"d":{"z":[{"y":null}]},"f":2,"g":"1","h":0.1,"j":[],"k":"\u0078","_object":7}"#;
    let objects = [
        ("promo/2/b.json", format!("{other}\n{{\"broken\":1,\n{promo}\n[1]\n")),
        ("promo/a.json", promo.to_owned()),
        ("still.json", r#"{"x":{}}"#.to_owned()),
        ("x/no.txt", "no".to_owned()),
        ("x/scalar", "1".to_owned()),
    ];
    let (examined, groups) = rows(&objects).await;
    let found: Vec<_> = examined.iter().map(|one| (one.group.as_str(), one.documents.len())).collect();
    assert_eq!(found, [("promo", 4), ("promo", 1), ("root", 1), ("x", 1), ("x", 1)]);
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["promo", "root"]);
    let promos = &groups["promo"];
    let wanted = [other, promo, promo].map(|text| canonical(&serde_json::from_str(text).unwrap()));
    assert_eq!(documents(promos).iter().map(canonical).collect::<Vec<_>>(), wanted);
    assert_eq!(documents(&groups["root"]), [serde_json::json!({"x": {}})]);
    let schema = promos[0].schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    // The broken document's field is no column, and ours make room.
    assert_eq!(names[..6], ["_object_", "_document", "_offset", "_null", "A", "b"]);
    assert!(!names.contains(&"broken"));
    assert_eq!(type_of(promos, "a"), &DataType::Int64);
    assert_eq!(type_of(promos, "f"), &DataType::Float64);
    for (name, what) in [("g", "value"), ("h", "number"), ("j", "value")] {
        assert_eq!(schema.field_with_name(name).unwrap().metadata()["json"], what);
    }
    let places = promos[0].column(2).as_primitive::<Int64Type>();
    assert_eq!(promos[0].column(1).as_primitive::<Int64Type>().values()[..], [0, 2, 0]);
    assert_eq!(places.value(0), 0);
    assert_eq!(promos[0].column(0).as_string::<i32>().value(2), "promo/a.json");
}

#[tokio::test]
async fn an_object_that_changes_between_the_readings_is_named() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let key = Path::from("promo/a.json");
    store.put(&key, r#"{"a":1}"#.into()).await.unwrap();
    let options = JsonOptions::default();
    let source = JsonSource::survey(Arc::clone(&store), &Path::default(), options, |_| Ok(())).await.unwrap();
    let table = source.tables().await.unwrap().remove(0);
    let partition = source.partitions(&table).await.unwrap().remove(0);
    store.put(&key, r#"{"a":2}"#.into()).await.unwrap();
    let read = source.scan(&partition).await.unwrap().try_collect::<Vec<_>>().await;
    let error = read.unwrap_err().to_string();
    assert!(error.contains("promo/a.json") && error.contains("was changed"), "{error}");
}

proptest! {
    #[test]
    fn documents_come_back_from_their_columns(
        values in prop::collection::vec(prop::collection::hash_map("[a-c_/~]{0,2}", value(), 0..6), 1..8),
    ) {
        let texts: Vec<Value> = values.into_iter().map(|map| Value::Object(map.into_iter().collect())).collect();
        let lines: String = texts.iter().map(|text| format!("{text}\n")).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (_, groups) = runtime.block_on(rows(&[("g/lines", lines)]));
        let ours: Vec<Value> = groups.get("g").map(|batches| documents(batches)).unwrap_or_default();
        let theirs: Vec<Value> = texts.iter().map(canonical).collect();
        if theirs.iter().any(|document| document.as_object().is_some_and(|fields| !fields.is_empty())) {
            prop_assert_eq!(ours.iter().map(canonical).collect::<Vec<_>>(), theirs);
        }
    }

    #[test]
    fn every_value_is_read(value in value(), indented in any::<bool>()) {
        let text = if indented { format!("{value:#}") } else { value.to_string() };
        prop_assert_eq!(reasons(text.as_bytes()), vec![None]);
    }

    #[test]
    fn bytes_that_are_altered_are_judged_as_serde_json_does(
        value in value(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = value.to_string().into_bytes();
        let at = place.index(bytes.len());
        bytes[at] = byte;
        // Where the first byte is altered, it may be another encoding, and several documents may follow one another.
        let ours = reasons(&bytes);
        let theirs = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>().all(|read| read.is_ok());
        let several = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>().count() > 1;
        let odd = ours.iter().flatten().any(|(_, reason)| {
            matches!(reason, Reason::DuplicateKey | Reason::Empty | Reason::InvalidUtf16)
        });
        let wide = bytes.len() > 1 && (bytes[0] == 0 || bytes[1] == 0 || bytes[0] >= 0xEF || bytes[0] == 0x1F);
        // Scalars that share a line are several documents to them.
        prop_assert!(odd || wide || several || theirs == ours.iter().all(Option::is_none), "{:?} {:?}", String::from_utf8_lossy(&bytes), ours);
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!found(&bytes).is_empty());
    }
}
