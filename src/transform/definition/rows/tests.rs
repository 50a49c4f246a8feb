use datafusion::arrow::array::{
    Date32Array, Float64Array, Int64Array, ListArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Field as Column, Fields, Schema};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::staging::json as json_rule;

fn texts_of(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn list(item: ArrayRef, lengths: &[usize], valid: Option<Vec<bool>>) -> ArrayRef {
    let field = Arc::new(Column::new_list_field(item.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), item, valid.map(Into::into)))
}

fn structure(columns: Vec<(&str, ArrayRef)>, valid: Option<Vec<bool>>) -> ArrayRef {
    let fields: Fields = columns.iter().map(|(n, array)| Column::new(*n, array.data_type().clone(), true)).collect();
    Arc::new(StructArray::new(fields, columns.into_iter().map(|(_, array)| array).collect(), valid.map(Into::into)))
}

/// Disposition, reason and details of each row that has the columns after the engine's own.
fn checked(dispositions: &[&str], columns: Vec<(&str, ArrayRef)>, fields: serde_json::Value) -> Vec<[String; 3]> {
    let rows = dispositions.len();
    let same = |text: Option<&str>| texts_of(&vec![text; rows]);
    let mut all = vec![
        ("disposition", texts_of(&dispositions.iter().map(|text| Some(*text)).collect::<Vec<_>>())),
        ("reason", same(None)),
        ("details", same(None)),
        ("name", same(Some("n"))),
    ];
    all.extend(columns);
    let schema =
        Schema::new(all.iter().map(|(n, array)| Column::new(*n, array.data_type().clone(), true)).collect::<Vec<_>>());
    let batch = RecordBatch::try_new(Arc::new(schema), all.into_iter().map(|(_, array)| array).collect()).unwrap();
    let fields: Vec<Field> = serde_json::from_value(fields).unwrap();
    let rules = RowRules::of(&Definition { id: 0, name: "d".into(), enabled: true, fields });
    // A slice, as a stream may give: offsets do not begin at 0.
    let whole = rules.reject(&batch).unwrap();
    let cut = rules.reject(&batch.slice(1, rows - 1)).unwrap();
    let read = |batch: &RecordBatch, row: usize| {
        ["disposition", "reason", "details"].map(|name| {
            let column = texts(batch, name).unwrap();
            if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
        })
    };
    for row in 1..rows {
        assert_eq!(read(&whole, row), read(&cut, row - 1), "a slice is another batch");
    }
    (0..rows).map(|row| read(&whole, row)).collect()
}

fn details(rows: &[[String; 3]]) -> Vec<&str> {
    rows.iter().map(|[_, _, details]| details.as_str()).collect()
}

#[test]
fn texts_and_options() {
    let fields = json!([
        {"name": "title", "type": "string", "required": true, "maxLength": 3},
        {"name": "kind", "type": "single-option", "options": [{"value": "a"}]},
        {"name": "tags", "type": "multi-option", "multiplicity": "1..*", "options": [{"value": "x"}, {"value": "y"}]},
    ]);
    let tags = list(
        texts_of(&[Some("x"), Some("z"), Some("z"), None, Some("y")]),
        &[1, 1, 1, 1, 0, 1],
        Some(vec![true, true, false, true, true, true]),
    );
    let columns = vec![
        ("title", texts_of(&[Some("äöü"), Some("four"), Some("abc"), Some("abc"), None, None])),
        ("kind", texts_of(&[Some("a"), Some("A"), None, None, Some("a"), Some("b")])),
        ("tags", tags),
    ];
    let rows = checked(&["load", "load", "load", "load", "load", "reject"], columns, fields);
    assert_eq!(rows[0], ["load", "", ""]);
    assert_eq!(rows[1][..2], ["reject".to_owned(), VIOLATION.to_owned()]);
    assert_eq!(
        details(&rows),
        [
            "",
            "title: 4 characters, 3 at most: \"four\"; kind: \"A\" is not among the options; tags: \"z\" is not among the options",
            // The item of a list that is NULL is nobody's.
            "tags: required, but there is no value",
            "tags: an item of the list is NULL",
            "title: required, but there is no value; tags: required, but the list is empty",
            // A row that is not loaded is not looked at.
            "",
        ]
    );
}

#[test]
fn numbers_and_dates() {
    let fields = json!([
        {"name": "n", "type": "integer"}, {"name": "long", "type": "long"}, {"name": "x", "type": "double"},
        {"name": "day", "type": "date"}, {"name": "at", "type": "time"},
    ]);
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::from(i32::MAX)), Some(1 << 31), None]));
    let at = TimestampMicrosecondArray::from(vec![Some(0), Some(i64::MAX), Some(253_402_300_799_999_999)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::clone(&whole)),
        ("long", whole),
        ("x", Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(i32::MAX), None]))),
        ("at", Arc::new(at.with_timezone("UTC"))),
    ];
    let rows = checked(&["load"; 3], columns, fields);
    let no_form = "a value that has no JSON form";
    let wanted = format!("n: not a whole number of 32 bits; x: {no_form}; day: {no_form}; at: {no_form}");
    assert_eq!(details(&rows), ["", &wanted, ""]);
}

#[test]
fn what_is_nested_is_told_by_its_path_and_its_row() {
    let fields = json!([
        {"name": "parts", "type": "complex", "multiplicity": "0..*", "children": [
            {"name": "code", "type": "string", "required": true, "maxLength": 2},
            {"name": "kinds", "type": "multi-option", "options": [{"value": "x"}]}]},
        {"name": "one", "type": "complex", "children": [{"name": "code", "type": "string", "required": true}]},
        {"name": "parent", "type": "asset"},
    ]);
    let kinds = list(texts_of(&[Some("x"), Some("q"), Some("x")]), &[1, 0, 2], None);
    let parts = structure(vec![("code", texts_of(&[Some("ab"), None, Some("abc")])), ("kinds", kinds)], None);
    let columns = vec![
        ("parts", list(parts, &[1, 0, 2], None)),
        // The second has no struct at all: what it would hold is not missing.
        ("one", structure(vec![("code", texts_of(&[Some("c"), None, None]))], Some(vec![true, false, true]))),
        (
            "parent",
            structure(vec![("source_key", texts_of(&[Some("A:1"), None, None]))], Some(vec![true, false, true])),
        ),
    ];
    let rows = checked(&["load"; 3], columns, fields);
    assert_eq!(
        details(&rows),
        [
            "",
            "",
            "parts.code: required, but there is no value; parts.code: 3 characters, 2 at most: \"abc\"; \
             parts.kinds: \"q\" is not among the options; one.code: required, but there is no value; \
             parent: a reference without a key",
        ]
    );
}

#[test]
fn many_faults_and_long_values_are_cut() {
    let fields = json!([{"name": "tags", "type": "string", "multiplicity": "0..*", "maxLength": 1}]);
    let long = "é".repeat(100);
    let tags = list(texts_of(&[Some(long.as_str()); 30]), &[0, 30], None);
    let rows = checked(&["load"; 2], vec![("tags", tags)], fields);
    let shown = &rows[1][2];
    assert_eq!(shown.matches("100 characters").count(), MOST_NAMED);
    assert!(shown.ends_with("; …") && !shown.contains(&"é".repeat(SHOWN + 1)), "{shown}");
}

/// A part of a complex field: a code and its kinds.
type Part = (Option<String>, Option<Vec<String>>);

/// The columns `title`, `kind`, `tags` and `parts` of one row.
type Instance = (Option<String>, Option<String>, Option<Vec<String>>, Option<Vec<Part>>);

fn instances() -> impl Strategy<Value = Vec<Instance>> {
    let text = || "[aé😀]{0,4}";
    let kind = || prop_oneof![Just("x".to_owned()), Just("y".to_owned()), Just("z".to_owned())];
    let part = (of(text()), of(vec(kind(), 0..3)));
    vec((of(text()), of(kind()), of(vec(text(), 1..4)), of(vec(part, 0..3))), 2..12)
}

fn texts_in(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// Lists of what `items` makes of all items in order.
fn lists<T: Clone>(values: Vec<Option<Vec<T>>>, items: impl Fn(Vec<T>) -> ArrayRef) -> ArrayRef {
    let lengths: Vec<usize> = values.iter().map(|value| value.as_ref().map_or(0, Vec::len)).collect();
    let valid = values.iter().map(Option::is_some).collect();
    list(items(values.into_iter().flatten().flatten().collect()), &lengths, Some(valid))
}

fn columns(rows: &[Instance]) -> Vec<(&'static str, ArrayRef)> {
    let list_of_texts = |values| lists(values, |items| texts_in(items.into_iter().map(Some)));
    let parts = |parts: Vec<Part>| {
        let code = texts_in(parts.iter().map(|part| part.0.clone()));
        let kinds = list_of_texts(parts.into_iter().map(|part| part.1).collect());
        structure(vec![("code", code), ("kinds", kinds)], None)
    };
    vec![
        ("title", texts_in(rows.iter().map(|row| row.0.clone()))),
        ("kind", texts_in(rows.iter().map(|row| row.1.clone()))),
        ("tags", list_of_texts(rows.iter().map(|row| row.2.clone()).collect())),
        ("parts", lists(rows.iter().map(|row| row.3.clone()).collect(), parts)),
    ]
}

proptest! {
    /// Columns as a whole and instances one by one, as the loader looks at them before it sends, find the same rows.
    #[test]
    fn a_row_is_rejected_exactly_where_its_instance_has_a_fault(rows in instances()) {
        let options = json!([{"value": "x"}, {"value": "y"}]);
        let fields = json!([
            {"name": "title", "type": "string", "required": true, "maxLength": 2},
            {"name": "kind", "type": "single-option", "options": options},
            {"name": "tags", "type": "string", "multiplicity": "1..*", "maxLength": 3},
            {"name": "parts", "type": "complex", "multiplicity": "0..*", "children": [
                {"name": "code", "type": "string", "required": true, "maxLength": 3},
                {"name": "kinds", "type": "multi-option", "options": options}]},
        ]);
        let columns = columns(&rows);
        let batch = RecordBatch::try_from_iter(columns.clone()).unwrap();
        let definition = Definition {
            id: 1,
            name: "d".into(),
            enabled: true,
            fields: serde_json::from_value(fields.clone()).unwrap(),
        };
        let found = checked(&vec!["load"; rows.len()], columns, fields);
        for (index, [disposition, _, details]) in found.iter().enumerate() {
            let faults = definition.faults(&json_rule::row(&batch, index).unwrap());
            prop_assert_eq!(disposition == "reject", !faults.is_empty(), "{}: {} / {:?}", index, details, faults);
        }
    }
}
