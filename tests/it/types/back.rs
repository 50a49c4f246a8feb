//! Values back out of Parquet into PostgreSQL text, and PostgreSQL as the judge: by code of the tests alone.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use chrono::{Datelike, Days, NaiveDate};
use futures::TryStreamExt;
use telecine::dataflow::{Partition, Progress, Slice, Source, TableMeta, TableName};
use telecine::source::decode::render;
use telecine::source::framing::{Fields, Framing};
use telecine::source::{PostgresSource, Wire};
use telecine::staging::RunFolder;
use telecine::{extract, verify};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// What PostgreSQL's output functions print must not depend on the server's settings.
pub const SETTINGS: &str = "set timezone = 'UTC'; set extra_float_digits = 3; set lc_monetary = 'C'";

/// A value as text that PostgreSQL reads; none for NULL.
pub fn text(wire: &Wire, array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match wire {
        Wire::List(item) => {
            let items = array.as_list::<i32>().value(row);
            let item = |index| text(item, &items, index).map_or("NULL".into(), |text| quoted(&text, "\\\""));
            format!("{{{}}}", (0..items.len()).map(item).collect::<Vec<_>>().join(","))
        }
        Wire::Struct(fields) => {
            let members = array.as_struct().columns();
            let member = |((_, wire), member): (&(String, Wire), &ArrayRef)| {
                text(wire, member, row).map_or(String::new(), |text| quoted(&text, "\"\""))
            };
            format!("({})", fields.iter().zip(members).map(member).collect::<Vec<_>>().join(","))
        }
        Wire::Range(bound) => range(bound, array, row),
        Wire::Multirange(bound) => {
            let ranges = array.as_list::<i32>().value(row);
            format!("{{{}}}", (0..ranges.len()).map(|index| range(bound, &ranges, index)).collect::<Vec<_>>().join(","))
        }
        _ => scalar(array, row),
    })
}

/// In quotes, whatever it is: `quote` stands for a quote within.
fn quoted(text: &str, quote: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', quote))
}

fn range(bound: &Wire, array: &ArrayRef, row: usize) -> String {
    let members = array.as_struct();
    let member = |name: &str| members.column_by_name(name).unwrap();
    let flag = |name: &str| member(name).as_boolean().value(row);
    let bound = |name: &str| text(bound, member(name), row).map_or(String::new(), |text| quoted(&text, "\"\""));
    if flag("empty") {
        return "empty".into();
    }
    let (open, close) = (if flag("lower_inc") { "[" } else { "(" }, if flag("upper_inc") { "]" } else { ")" });
    format!("{open}{},{}{close}", bound("lower"), bound("upper"))
}

/// A value that is no list and no struct, and not NULL.
pub fn scalar(array: &ArrayRef, row: usize) -> String {
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::Float32 => format!("{:?}", array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        DataType::Decimal256(..) => array.as_primitive::<Decimal256Type>().value_as_string(row),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(row);
            format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        DataType::Date32 => match array.as_primitive::<Date32Type>().value(row) {
            -2_147_483_647 => "-infinity".into(),
            i32::MAX => "infinity".into(),
            days => {
                let (day, era) = day(days.into());
                format!("{day}{era}")
            }
        },
        DataType::Timestamp(_, zone) => match array.as_primitive::<TimestampMicrosecondType>().value(row) {
            -9_223_372_036_854_775_807 => "-infinity".into(),
            i64::MAX => "infinity".into(),
            micros => {
                let (day, era) = day(micros.div_euclid(86_400_000_000));
                let zone = if zone.is_some() { "+00" } else { "" };
                format!("{day} {}{zone}{era}", clock(micros.rem_euclid(86_400_000_000)))
            }
        },
        DataType::Time64(_) => clock(array.as_primitive::<Time64MicrosecondType>().value(row)),
        other => panic!("{other} is no scalar"),
    }
}

/// A day of any year: chrono's calendar within one cycle of 400 years.
fn day(days: i64) -> (String, &'static str) {
    const CYCLE: i64 = 146_097;
    let within = Days::new(days.rem_euclid(CYCLE).unsigned_abs());
    let date = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + within;
    let year = i64::from(date.year()) + 400 * days.div_euclid(CYCLE);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{:02}-{:02}", date.month(), date.day()), era)
}

fn clock(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    format!("{:02}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000)
}

const BACK: &str = "create temp table if not exists back
    (id int, name text, value text, shown text, primary key (name, id))";

/// What came of a schema's tables.
#[derive(Debug, Default)]
pub struct Judged {
    /// Values compared, NULLs among them.
    pub values: usize,
    /// Of these, the ones that are not NULL.
    pub filled: usize,
    /// Of these, the ones that were whole in `raw/_exceptions`, as (table, key, column, text).
    pub exceptions: Vec<(String, String, String, String)>,
}

/// Extracts all tables, verifies, and returns what is in `raw/_exceptions`: (table, key, column, text).
pub async fn extracted(source: &PostgresSource, run: &RunFolder) -> Vec<(String, String, String, String)> {
    let (progress, never) = (Progress::default(), CancellationToken::new());
    let report = extract::run(source, run, &progress, &never).await.unwrap();
    verify::run(source, run, &progress, &never).await.unwrap().require_equal().unwrap();
    let exceptions = exceptions(run).await;
    assert_eq!(report.tables.iter().map(|table| table.exceptions).sum::<u64>(), exceptions.len() as u64);
    exceptions
}

/// Extracts all tables, each with a key `id` as its first column, verifies, reads the Parquet files back, and has
/// PostgreSQL compare: each value that was turned into text and read again, and each value's text as `render` makes it.
pub async fn judge(client: &Client, source: &PostgresSource, run: &RunFolder) -> Judged {
    let exceptions = extracted(source, run).await;
    let mut judged = Judged { exceptions, ..Judged::default() };
    let lost: HashMap<_, _> =
        judged.exceptions.iter().map(|(t, k, c, text)| ((t.clone(), k.clone(), c.clone()), text.clone())).collect();
    assert_eq!(lost.len(), judged.exceptions.len(), "one exception a value");
    client.batch_execute(BACK).await.unwrap();
    for table in source.tables().await.unwrap() {
        client.batch_execute("truncate back").await.unwrap();
        let wires = source.wires(&table.table).await.unwrap();
        let values = values(run, &table, &wires, &lost).await;
        judged.values += values.len();
        judged.filled += values.values().filter(|value| value.is_some()).count();
        let shown = shown(source, &table.table, &wires).await;
        let (mut ids, mut names, mut texts, mut prints) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for ((id, column), value) in values {
            prints.push(shown[&(id, column)].clone());
            ids.push(id);
            names.push(table.columns[column].name.clone());
            texts.push(value);
        }
        let statement = "insert into back select * from unnest($1::int[], $2::text[], $3::text[], $4::text[])";
        client.execute(statement, &[&ids, &names, &texts, &prints]).await.unwrap();
        client.batch_execute("analyze back").await.unwrap();
        for (column, wire) in table.columns.iter().zip(&wires).skip(1) {
            compare(client, &table.table, (&column.name, &column.type_name), wire).await;
        }
    }
    judged
}

async fn exceptions(run: &RunFolder) -> Vec<(String, String, String, String)> {
    let manifest = run.exceptions().manifest().await.unwrap().unwrap();
    let mut found = Vec::new();
    for file in &manifest.files {
        let batches: Vec<RecordBatch> = run.exceptions().read_part(file).await.unwrap().try_collect().await.unwrap();
        for batch in &batches {
            let of = |column: usize, row| batch.column(column).as_string::<i32>().value(row).to_owned();
            found.extend((0..batch.num_rows()).map(|row| (of(0, row), of(1, row), of(2, row), of(3, row))));
        }
    }
    found
}

type Values = HashMap<(i32, usize), Option<String>>;

/// Every value of a table's files by its row's id and its column's index, an exception's text in place of what is not held.
async fn values(
    run: &RunFolder,
    table: &TableMeta,
    wires: &[Wire],
    lost: &HashMap<(String, String, String), String>,
) -> Values {
    let dataset = run.raw(&table.table);
    let mut values = HashMap::new();
    for file in &dataset.manifest().await.unwrap().unwrap().files {
        let batches: Vec<RecordBatch> = dataset.read_part(file).await.unwrap().try_collect().await.unwrap();
        for batch in &batches {
            for (index, wire) in wires.iter().enumerate().skip(1) {
                let array = batch.column(index);
                assert_eq!(array.data_type(), table.arrow.field(index).data_type());
                for row in 0..batch.num_rows() {
                    let id = batch.column(0).as_primitive::<Int32Type>().value(row);
                    let name = (table.table.to_string(), id.to_string(), table.columns[index].name.clone());
                    let value = lost.get(&name).cloned().or_else(|| text(wire, array, row));
                    values.insert((id, index), value);
                }
            }
        }
    }
    values
}

/// Every value's text as the reader would give it to `raw/_exceptions`, from the wire.
async fn shown(source: &PostgresSource, table: &TableName, wires: &[Wire]) -> Values {
    let whole = Partition { table: table.clone(), number: 0, slice: Slice::Whole };
    let mut read = source.read(&whole).await.unwrap();
    let mut framing = Framing::new(table.to_string(), wires.len());
    let mut shown = HashMap::new();
    while let Some(chunk) = read.chunk().await.unwrap() {
        let row = |tuple: &[u8]| {
            let fields: Vec<_> = Fields::new(tuple).collect();
            let id = i32::from_be_bytes(fields[0].unwrap().try_into().unwrap());
            for (index, (wire, field)) in wires.iter().zip(fields).enumerate() {
                shown.insert((id, index), field.map(|field| render(wire, field)));
            }
            Ok(())
        };
        framing.push(&chunk, row).unwrap();
    }
    read.accept(framing.rows(), framing.is_complete()).await.unwrap();
    shown
}

/// PostgreSQL compares a column with what came back: as the output function prints both.
async fn compare(client: &Client, table: &TableName, (name, type_name): (&str, &str), wire: &Wire) {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let printed = |value: String| match type_name {
        "xml" => format!("({value})::text"),
        _ => format!("case when ({value}) is distinct from null then concat({value}) end"),
    };
    let there = printed(format!("t.{}", quoted(name)));
    let back = if *wire == Wire::Text { "b.value".to_owned() } else { printed(format!("b.value::{type_name}")) };
    let query = format!(
        "select t.id, {there}, b.value, b.shown from {}.{} t left join back b on b.id = t.id and b.name = $1
         where {there} is distinct from {back} or {there} is distinct from b.shown or b.id is null",
        quoted(&table.schema),
        quoted(&table.name)
    );
    let rows = client.query(&query, &[&name]).await;
    let rows = rows.unwrap_or_else(|cause| panic!("{table}.{name} {type_name}: {cause:?}"));
    if let Some(row) = rows.first() {
        let of = |index| row.get::<_, Option<String>>(index);
        panic!(
            "{table}.{name} {type_name}, {} values differ; id {}:\n  PostgreSQL {:?}\n  back       {:?}\n  rendered   {:?}",
            rows.len(),
            row.get::<_, i32>(0),
            of(1),
            of(2),
            of(3)
        );
    }
}
