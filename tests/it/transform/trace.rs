//! One asset's way: the rows behind it, what its fields were made of, its warnings, its document.

use serde_json::{Value, json};
use telecine::transform::{FieldTrace, SourceTrace, Trace};

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

/// `table.column` with its raw values.
fn sources(trace: &Trace, name: &str) -> Vec<(String, Vec<Value>)> {
    let raw = |source: &SourceTrace| source.cells.iter().map(|cell| cell.raw.clone()).collect();
    field(trace, name).from.iter().map(|source| (format!("{}.{}", source.table, source.column), raw(source))).collect()
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
    assert_eq!(sources(&promo, "title"), [of("public.asset.Title", "Two")]);
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

/// Values that wait side by side in an array of structs, and rows that are asked in turn: a field is of the cell that was
/// taken, one without a value of none.
#[tokio::test]
async fn a_field_is_of_the_alternative_that_was_taken() {
    let bench = Bench::new(&[
        ("1_select/candidates.sql", "select concat('Film:', id) as source_key, 'Film' as class from public.film"),
        (
            "1_select/cells.sql",
            "-- materialise: view\nselect source_key, cell['name'] as name, cell['raw'] as raw from (\
             select concat('Film:', id) as source_key, unnest(make_array(\
             named_struct('name', 'network', 'raw', network), named_struct('name', 'label', 'raw', label), \
             named_struct('name', 'again', 'raw', again), named_struct('name', 'words', 'raw', words), \
             named_struct('name', 'none', 'raw', none))) as cell from public.film) where cell['raw'] is not null",
        ),
        (
            "2_collect/asked.sql",
            "-- alternatives: rank\nselect c.source_key, f.field, cast(f.rank as int) as rank, \
             coalesce(k.canonical, c.raw) as value from cells c join order_of f on f.cell = c.name \
             left join spelling k on k.raw = lower(c.raw)",
        ),
        (
            "3_normalise/wide.sql",
            "-- key: source_key\nselect source_key, first_value(value order by rank) filter (where field = 'network') as network, \
             first_value(value order by rank) filter (where field = 'tags') as tags, \
             first_value(value order by rank) filter (where field = 'empty') as empty from asked group by source_key",
        ),
        (
            "4_map/promo.sql",
            "select w.source_key, 'load' as disposition, cast(null as varchar) as reason, cast(null as varchar) as details, \
             arrow_cast(null, 'List(Struct(\"code\": Utf8, \"field\": Utf8, \"raw\": Utf8))') as warnings, \
             w.network as name, w.network, string_to_array(w.tags, ', ') as tags, w.empty, \
             concat(f.width, 'x', f.height) as size from wide w join public.film f on concat('Film:', f.id) = w.source_key",
        ),
        (
            "mappings/order_of.csv",
            "field,rank,cell\nnetwork,1,none\nnetwork,2,network\nnetwork,3,again\ntags,1,words\nempty,1,none\n",
        ),
        ("mappings/spelling.csv", "raw,canonical\nother,Netherland\n"),
    ]);
    let names = ["network", "label", "again", "words", "none"];
    let texts = names.map(|name| Field::new(name, DataType::Utf8, true));
    let numbers = ["id", "width", "height"].map(|name| Field::new(name, DataType::Int64, true));
    let films = Arc::new(Schema::new(numbers.into_iter().chain(texts).collect::<Vec<_>>()));
    let mut columns: Vec<ArrayRef> = Vec::new();
    for values in [[1, 2], [1920, 720], [1080, 576]] {
        columns.push(Arc::new(Int64Array::from(values.to_vec())));
    }
    let own = [Some("NLD"), Some("Label"), Some("NLD"), Some("sea, wind"), None];
    for value in own {
        columns.push(Arc::new(StringArray::from(vec![value, Some("Other")])));
    }
    let batch = RecordBatch::try_new(Arc::clone(&films), columns).unwrap();
    bench.raw(&TableName::new("public", "film"), films, vec![batch]).await;
    bench.run().await.unwrap();

    let trace = bench.trace("Film:1").await.unwrap();
    let raw = |name: &str| -> Vec<_> {
        let from = sources(&trace, name);
        from.into_iter().filter(|(column, _)| column.starts_with("public.")).collect()
    };
    assert_eq!(field(&trace, "network").value, "NLD");
    let cells = |name: &str| (format!("public.film.{name}"), vec![json!("NLD")]);
    assert_eq!(raw("network"), [cells("again"), cells("network")]);
    assert_eq!(raw("tags"), [("public.film.words".to_owned(), vec![json!("sea, wind")])]);
    let size =
        [("height", 1080), ("width", 1920)].map(|(name, side)| (format!("public.film.{name}"), vec![json!(side)]));
    assert_eq!(raw("size"), size);
    assert_eq!((&field(&trace, "empty").value, raw("empty")), (&Value::Null, Vec::new()));
    assert_eq!(rows(&trace, "public.film").len(), 1);
}
