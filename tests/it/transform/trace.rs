//! One asset's way: the rows behind it, what its fields were made of, its warnings, its document.

use serde_json::{Value, json};
use telecine::transform::{FieldTrace, Trace};

use super::*;

impl Bench {
    async fn trace(&self, key: &str) -> Result<Trace> {
        let definitions = BTreeMap::from([("promo".to_owned(), "assetType_Promo".to_owned())]);
        self.open()?.trace(&self.run, &definitions, key).await
    }
}

fn field<'a>(trace: &'a Trace, name: &str) -> &'a FieldTrace {
    trace.fields.iter().find(|field| field.field == name).unwrap()
}

/// `table.column` with its values, of those that have any.
fn sources(trace: &Trace, name: &str) -> Vec<(String, Vec<Value>)> {
    let from = field(trace, name).from.iter().filter(|source| !source.values.is_empty());
    from.map(|source| (format!("{}.{}", source.table, source.column), source.values.clone())).collect()
}

fn rows(trace: &Trace, table: &str) -> Vec<Value> {
    trace.tables.iter().find(|found| found.table == table).map_or(Vec::new(), |found| found.rows.clone())
}

#[tokio::test]
async fn an_asset_is_followed_to_the_rows_and_columns_it_is_made_of() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    bench.run().await.unwrap();
    let trace = bench.trace("Promo:2").await.unwrap();
    assert_eq!((trace.query.as_str(), &trace.disposition, &trace.reason), ("promo", &json!("load"), &Value::Null));
    assert_eq!(field(&trace, "title").value, "Two");
    assert_eq!(sources(&trace, "title"), [("public.asset.Title".to_owned(), vec![json!("Two")])]);
    assert_eq!(sources(&trace, "genre"), [("genre_map.target".to_owned(), vec![json!("Drama")])]);
    assert_eq!(sources(&trace, "parent"), [("public.asset.parent".to_owned(), vec![json!(1)])]);
    assert_eq!(rows(&trace, "public.asset"), [json!({"id": 2, "parent": 1, "Title": "Two"})]);
    assert_eq!(rows(&trace, "public.Legacy Metadata"), [json!({"asset_id": 2, "genre": "DRA"})]);
    assert_eq!(rows(&trace, "genre_map"), [json!({"raw": "dra", "target": "Drama"})]);
    let kinds: Vec<_> = trace.tables.iter().map(|table| (table.table.as_str(), table.kind, table.rows.len())).collect();
    let datasets = [("candidates", "dataset", 1), ("titles", "dataset", 1), ("promo", "dataset", 1)];
    assert_eq!(kinds[3..], datasets, "{kinds:?}");
    assert_eq!(trace.document, Some(json!({"title": "Two", "genre": "Drama", "parent": {"source_key": "Promo:1"}})));

    let warned = bench.trace("Promo:4").await.unwrap();
    let warning = json!({"code": "unknown_genre", "field": "genre", "raw": "???"});
    assert_eq!(field(&warned, "genre").warnings, [warning]);
    assert!(field(&warned, "title").warnings.is_empty() && warned.warnings.is_empty());
    let rejected = bench.trace("Promo:3").await.unwrap();
    assert_eq!((rejected.disposition, rejected.reason, rejected.document), (json!("reject"), json!("no_title"), None));
    let unknown = bench.trace("Promo:77").await.unwrap_err();
    assert_eq!(unknown.exit_code(), 2);
    assert!(unknown.to_string().contains("no query of 4_map has a row of the key Promo:77 in the run r1"), "{unknown}");
    // Where a transform was broken off, the trace ends there.
    bench.run.query("titles").discard().await.unwrap();
    assert_eq!(rows(&bench.trace("Promo:2").await.unwrap(), "promo").len(), 1);
}

/// Two tables with the same ids in one union, and a table of names and values of which a field takes one row: neither the
/// other table's row nor the other names' values are shown for it.
#[tokio::test]
async fn a_field_is_of_its_own_branch_and_its_own_row_of_a_vertical_table() {
    let bench = Bench::new(&[
        (
            "1_select/candidates.sql",
            "-- key: source_key\nselect concat('Promo:', id) as source_key, 'Promo' as class, id, \"Title\" as own from public.asset\n\
             union all select concat('Film:', id), 'Film', id, name from public.film",
        ),
        (
            "2_collect/cells.sql",
            "select v.id, v.entity, f.field, v.value from public.cell v join names f on f.number = cast(v.number as varchar)",
        ),
        (
            "2_collect/wide.sql",
            "-- key: entity\nselect entity, max(value) filter (where field = 'studio') as studio, \
             max(value) filter (where field = 'place') as place from cells group by entity",
        ),
        (
            "4_map/promo.sql",
            "select c.source_key, 'load' as disposition, cast(null as varchar) as reason, cast(null as varchar) as details, \
             arrow_cast(null, 'List(Struct(\"code\": Utf8, \"field\": Utf8, \"raw\": Utf8))') as warnings, \
             c.own as name, coalesce(c.own, w.place) as title, w.studio, upper(w.place) as place \
             from candidates c left join wide w on w.entity = c.id",
        ),
        ("mappings/names.csv", "number,field\n7,studio\n8,place\n"),
    ]);
    bench.library().await;
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let films = Arc::new(Schema::new(vec![number("id"), text("name")]));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec!["Film one", "Film two"]))];
    let batch = RecordBatch::try_new(Arc::clone(&films), columns).unwrap();
    bench.raw(&TableName::new("public", "film"), films, vec![batch]).await;
    let cells = Arc::new(Schema::new(vec![number("id"), number("entity"), number("number"), text("value")]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![11, 12, 13, 14])),
        Arc::new(Int64Array::from(vec![2, 2, 1, 2])),
        Arc::new(Int64Array::from(vec![7, 8, 7, 9])),
        Arc::new(StringArray::from(vec!["Old Mill", "Graz", "Other", "unmapped"])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&cells), columns).unwrap();
    bench.raw(&TableName::new("public", "cell"), cells, vec![batch]).await;
    bench.run().await.unwrap();

    let of = |column: &str, value: &str| (column.to_owned(), vec![json!(value)]);
    let promo = bench.trace("Promo:2").await.unwrap();
    assert_eq!(sources(&promo, "title"), [of("public.asset.Title", "Two"), of("public.cell.value", "Graz")]);
    assert_eq!(sources(&promo, "studio"), [of("public.cell.value", "Old Mill")]);
    assert_eq!(sources(&promo, "place"), [of("public.cell.value", "Graz")]);
    assert_eq!(rows(&promo, "public.film"), Vec::<Value>::new());
    let ids: Vec<Value> = rows(&promo, "public.cell").iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, [json!(11), json!(12)]);
    let film = bench.trace("Film:1").await.unwrap();
    assert_eq!(sources(&film, "title"), [of("public.film.name", "Film one")]);
    assert_eq!(sources(&film, "studio"), [of("public.cell.value", "Other")]);
    assert_eq!(rows(&film, "public.asset"), Vec::<Value>::new());
}
