use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, StructArray};
use arrow::datatypes::Field;

use super::*;

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> Vec<Row> {
    let head = [
        ("source_key", texts(&[Some("Promo:1"), Some("Promo:2")])),
        ("disposition", texts(&[Some("load"), Some("load")])),
        ("name", texts(&[Some("one"), Some("two")])),
    ];
    let columns: Vec<_> = head.into_iter().chain(columns).collect();
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let number = |name: &str| u16::from(name.as_bytes()[0]);
    let mut shape = Shape::of("q", batch.schema_ref()).unwrap().with_external_ids("b");
    shape.number(number);
    shape.rows(&batch).unwrap().into_iter().map(|(_, row)| row).collect()
}

fn link(keys: &[Option<&str>]) -> ArrayRef {
    let field = Arc::new(Field::new("source_key", DataType::Utf8, true));
    Arc::new(StructArray::from(vec![(field, texts(keys))]))
}

#[test]
fn values_are_the_bytes_to_be_sent_and_references_stand_apart() {
    let rows = rows(vec![
        ("a", texts(&[Some("x\"ä"), None])),
        ("p", link(&[Some("Project:1"), Some("Project:2")])),
        ("b", texts(&[Some("y"), Some("z")])),
    ]);
    assert_eq!(rows[0].values, r#"{"a":"x\"ä","b":"y"}"#);
    assert_eq!(rows[1].values, r#"{"b":"z"}"#);
    assert_eq!(rows[1].references, ["Project:2"]);
    assert_eq!(rows[1].links[0].1.to_string(), r#"{"source_key":"Project:2"}"#);
    assert_eq!(rows[0].external_id.as_deref(), Some("y"));
}

#[test]
fn the_payload_follows_names_and_values_and_not_the_order_of_columns_or_references() {
    let one = rows(vec![("a", texts(&[Some("x"), Some("x")])), ("b", texts(&[Some("y"), None]))]);
    let turned = rows(vec![("b", texts(&[Some("y"), None])), ("a", texts(&[Some("x"), Some("x")]))]);
    assert_eq!((one[0].payload, one[1].payload), (turned[0].payload, turned[1].payload));
    assert_eq!(one[0].fields.changed(&turned[0].fields), Vec::<u16>::new());
    let linked = rows(vec![
        ("a", texts(&[Some("x"), Some("x")])),
        ("b", texts(&[Some("y"), None])),
        ("p", link(&[Some("A:1"), Some("A:2")])),
    ]);
    assert_eq!(one[0].payload, linked[0].payload);
    assert_eq!(one[0].fields.changed(&linked[0].fields), [u16::from(b'p')]);
    // A value does not slip from one column into the next.
    let slipped = rows(vec![("a", texts(&[Some("xy"), None])), ("b", texts(&[Some(""), Some("x")]))]);
    for (before, after) in one.iter().zip(&slipped) {
        assert_ne!(before.payload, after.payload);
        assert_eq!(before.fields.changed(&after.fields), [u16::from(b'a'), u16::from(b'b')]);
    }
}

#[test]
fn the_uuid_is_that_of_the_source_key() {
    // Computed with Python's uuid.uuid5 in two steps.
    assert_eq!(rows(vec![])[0].uuid(), "f8227176-7d7c-5edd-9ac8-af30d6a78b49");
}
