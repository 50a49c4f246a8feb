use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn told(census: &Census) -> Vec<String> {
    let line = |found: Found<'_>| {
        let forms = found.forms.iter().map(|(form, tally)| format!(" {} {}", form.word(), tally.count));
        let breaches = found.breaches.iter().map(|(breach, tally)| format!(" !{} {}", breach.word(), tally.count));
        format!("{}:{}{}", found.path, forms.collect::<String>(), breaches.collect::<String>())
    };
    census.paths().into_iter().map(line).collect()
}

fn of(rule: Option<&Arc<Rule>>, texts: &[&str]) -> Census {
    let mut census = Census::new(rule);
    texts.iter().enumerate().for_each(|(number, text)| {
        census.read(&format!("o{number}"), text.as_bytes(), 1 << 20, |_| {});
    });
    census
}

const TEXTS: [&str; 4] = [
    r#"{"id": 1, "a.b": {"c": [1, 2.5, "x"]}, "tags": []}"#,
    "{\"id\": \"2\", \"tags\": [\"t\"], \"n\": null}\n{\"id\": 3, \"broken\": 1,}\n{\"id\": 4, \"tags\": [null, {\"k\": true}]}",
    "[1]",
    r#"{"id": {"en": "x"}}"#,
];

#[test]
fn values_are_counted_by_path_and_form_and_broken_documents_are_not() {
    let census = of(None, &TEXTS);
    let expected = [
        "$: object 4 array 1",
        "id: integer 2 string 1 object 1",
        "id.en: string 1",
        "\"a.b\": object 1",
        "\"a.b\".c: array 1",
        "\"a.b\".c[]: integer 1 number 1 string 1",
        "tags: array 3",
        "tags[]: null 1 string 1 object 1",
        "tags[].k: boolean 1",
        "n: null 1",
        "$[]: integer 1",
    ];
    assert_eq!(told(&census), expected);
    assert_eq!(census.documents(), 5);
    let paths = census.paths();
    let first = |path: &str, form: Form| {
        let found = paths.iter().find(|found| found.path == path).unwrap();
        let place = &found.forms[&form].first;
        let number: usize = place.object[1..].parse().unwrap();
        (place.document, TEXTS[number][usize::try_from(place.offset).unwrap()..].to_owned())
    };
    assert!(first("id", Form::String).1.starts_with("\"id\": \"2\""));
    assert!(first("id", Form::Object).1.starts_with("\"id\": {"));
    assert!(first("\"a.b\".c[]", Form::Number).1.starts_with("2.5"));
    assert!(first("\"a.b\".c[]", Form::String).1.starts_with("\"x\""));
    let (document, text) = first("tags[].k", Form::Boolean);
    assert!(document == 2 && text.starts_with("\"k\""), "{document} {text}");
}

#[test]
fn parts_that_are_put_together_are_the_whole_also_by_way_of_a_file() {
    let whole = of(None, &TEXTS);
    let mut parts = of(None, &TEXTS[..1]);
    let mut census: Census = serde_json::from_str(&serde_json::to_string(&parts).unwrap()).unwrap();
    for (number, text) in TEXTS.iter().enumerate().skip(1) {
        let mut part = Census::new(None);
        part.read(&format!("o{number}"), text.as_bytes(), 1 << 20, |_| {});
        parts.merge(part.clone());
        census.merge(part);
    }
    for census in [&parts, &census] {
        assert_eq!(told(census), told(&whole));
        let firsts = |census: &Census| -> Vec<Tally> {
            census.paths().iter().flat_map(|found| found.forms.values().cloned().collect::<Vec<_>>()).collect()
        };
        assert_eq!(firsts(census), firsts(&whole));
    }
}

#[test]
fn tables_by_their_keys_and_what_is_deep_have_bounds() {
    let keys: String = (0..5_000).map(|number| format!("\"k{number}\": 1,")).collect();
    let census = of(None, &[&format!("{{{keys} \"z\": \"\"}}")]);
    let lines = told(&census);
    assert_eq!(lines.len(), 2 + MOST_FIELDS);
    assert_eq!(lines.last().unwrap(), "*: integer 3000 string 1");
    let deep = of(None, &[&format!("{}{}", "[".repeat(100), "]".repeat(100))]);
    assert_eq!(told(&deep).last().unwrap().split_once(": ").unwrap().1, "deep 1");
    assert_eq!(deep.paths().len(), MOST_NESTED + 2);
}

#[test]
fn what_a_rule_forbids_is_counted_with_an_example() {
    let text = |longest| Arc::new(Rule { longest: Some(longest), required: true, ..Rule::default() });
    let options = Arc::new(Rule { options: Some(["a".to_owned()].into()), ..Rule::default() });
    let list = Arc::new(Rule { item: Some(options), ..Rule::default() });
    let rule = Arc::new(Rule { fields: [("t".into(), text(2)), ("l".into(), list)].into(), ..Rule::default() });
    let census =
        of(Some(&rule), &[r#"{"t": "abc", "l": ["a", "b"]}"#, "{\"t\": null}\n{}\n{\"t\": ", "{\"t\": \"x\"}"]);
    let expected = ["$: object 4", "t: null 1 string 2 !missing 2 !length 1", "l: array 1", "l[]: string 2 !option 1"];
    assert_eq!(told(&census), expected);
    let example = census.paths()[3].breaches[&Breach::Option].example.clone();
    assert_eq!(example.as_deref(), Some("b"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(serde_json::from_str("1e400").unwrap()),
        Just(serde_json::from_str("-9223372036854775809").unwrap()),
        "[a\u{e9}\"\\\\ ]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab.\"]{0,2}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The same counts by a walk of another making.
fn walk(value: &Value, path: &str, counts: &mut BTreeMap<String, u64>) {
    let form = match value {
        Value::Null => Form::Null,
        Value::Bool(_) => Form::Boolean,
        Value::Number(number) if number.to_string().parse::<i64>().is_ok() => Form::Integer,
        Value::Number(_) => Form::Number,
        Value::String(_) => Form::String,
        Value::Array(_) => Form::Array,
        Value::Object(_) => Form::Object,
    };
    *counts.entry(format!("{path} {}", form.word())).or_default() += 1;
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, &format!("{path}[]"), counts)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let plain = !name.is_empty() && name.chars().all(char::is_alphanumeric);
            let name = if plain { name.clone() } else { format!("{name:?}") };
            walk(value, &if path == ROOT_PATH { name } else { format!("{path}.{name}") }, counts);
        }),
        _ => {}
    }
}

proptest! {
    #[test]
    fn counts_are_those_of_another_reader_and_firsts_stand_where_they_are_said_to(
        documents in prop::collection::vec(any_json(), 1..8),
        split in 0_usize..8,
    ) {
        let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
        let mut wanted = BTreeMap::new();
        documents.iter().for_each(|document| walk(document, ROOT_PATH, &mut wanted));
        let mut census = Census::new(None);
        let mut rest = Census::new(None);
        for (number, text) in texts.iter().enumerate() {
            let part = if number < split { &mut census } else { &mut rest };
            part.read(&number.to_string(), text.as_bytes(), 1 << 20, |_| {});
        }
        census.merge(rest);
        let mut counted = BTreeMap::new();
        for found in census.paths() {
            for (form, tally) in found.forms {
                counted.insert(format!("{} {}", found.path, form.word()), tally.count);
                if let Step::Field(name) = found.step {
                    let text = &texts[tally.first.object.parse::<usize>().unwrap()];
                    let there = &text[usize::try_from(tally.first.offset).unwrap()..];
                    let key = format!("{}:", Value::from(name));
                    prop_assert!(there.starts_with(&key), "{there} {key}");
                }
            }
        }
        prop_assert_eq!(counted, wanted);
    }
}
