//! The answer key as files: each dataset as Parquet and as CSV, the same bytes on every run.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_json::ReaderBuilder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::super::Library;
use super::manifest;
use super::sheet::Sheet;
use crate::rehearsal::flex;
use crate::{Error, Result};

/// Rows that are brought to Arrow at once.
const BATCH: usize = 4096;

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Rows by dataset; each is there as `.parquet` and as `.csv`.
    pub rows: BTreeMap<&'static str, u64>,
    /// Rows of `dirt_manifest` by kind of dirt.
    pub dirt: BTreeMap<&'static str, u64>,
}

/// Writes `expected_targets`, `expected_dispositions` and `dirt_manifest` into a folder, which is made where it is
/// missing; files of the same names are replaced.
///
/// # Errors
/// [`Error::Preflight`] when the folder cannot be made; [`Error::Rehearsal`] naming the file that cannot be written, or the row and field whose value is not of the field's
/// type.
pub fn write(library: &Library, sheets: &[Sheet], folder: &Path) -> Result<Written> {
    std::fs::create_dir_all(folder).map_err(|cause| Error::Preflight {
        message: format!("{}: cannot be made a folder; name one that can be written to", folder.display()),
        cause: Some(cause.into()),
    })?;
    let mut written = Written::default();
    let mut targets = Dataset::create(folder, "expected_targets", targets_schema()?)?;
    let mut dispositions = Dataset::create(folder, "expected_dispositions", dispositions_schema())?;
    for sheet in sheets {
        if sheet.disposition() == "load" {
            targets.row(target(sheet))?;
        }
        dispositions.row(disposition(sheet))?;
    }
    written.rows.insert("expected_targets", targets.finish()?);
    written.rows.insert("expected_dispositions", dispositions.finish()?);
    let mut dirt = Dataset::create(folder, "dirt_manifest", manifest::schema())?;
    manifest::each(library, |cell| {
        *written.dirt.entry(cell.dirt).or_default() += 1;
        dirt.row(cell.row())
    })?;
    written.rows.insert("dirt_manifest", dirt.finish()?);
    Ok(written)
}

/// A field of text.
pub fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn list(name: &str, item: DataType) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new_list_field(item, true))), true)
}

fn warnings_column() -> Field {
    list("warnings", DataType::Struct(vec![text("code"), text("field"), text("raw")].into()))
}

/// The key's columns, then all fields of the target's definitions but `migration`, which holds what no generator can
/// know.
fn targets_schema() -> Result<SchemaRef> {
    let mut columns = vec![text("source_key"), text("target"), warnings_column()];
    let fields = flex::builtin_fields()?;
    columns.extend(fields.iter().filter(|field| field["name"] != "migration").map(column));
    Ok(Arc::new(Schema::new(columns)))
}

fn dispositions_schema() -> SchemaRef {
    let columns = [text("source_key"), text("target"), text("disposition"), text("reason"), text("details")];
    Arc::new(Schema::new(columns.into_iter().chain([warnings_column()]).collect::<Vec<_>>()))
}

/// The column of a FIELD object. A double is decimal text, so that no digit is lost; an asset is the source key that it
/// is known by here.
fn column(field: &Json) -> Field {
    let name = field["name"].as_str().unwrap_or_default();
    let children = || field["children"].as_array().into_iter().flatten().map(column).collect::<Vec<_>>();
    let kind = match field["type"].as_str().unwrap_or_default() {
        "boolean" => DataType::Boolean,
        "integer" => DataType::Int32,
        "long" => DataType::Int64,
        "date" => DataType::Date32,
        "time" => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        "complex" => DataType::Struct(children().into()),
        "asset" => DataType::Struct(vec![text("source_key")].into()),
        _ => DataType::Utf8,
    };
    let many = field["multiplicity"] == "0..*" || field["type"] == "multi-option";
    if many { list(name, kind) } else { Field::new(name, kind, true) }
}

/// The warnings in the order of code, field and raw value, which is the same on every run.
fn warnings(sheet: &Sheet) -> Json {
    let mut all: Vec<&super::Warning> = sheet.warnings.iter().collect();
    all.sort();
    let warning = |warning: &super::Warning| {
        let field = (!warning.field.is_empty()).then_some(&warning.field);
        serde_json::json!({"code": warning.code, "field": field, "raw": warning.raw})
    };
    all.into_iter().map(warning).collect()
}

fn target(sheet: &Sheet) -> Map<String, Json> {
    let mut row = head(sheet);
    row.insert("warnings".to_owned(), warnings(sheet));
    row.extend(sheet.fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone())));
    row
}

fn disposition(sheet: &Sheet) -> Map<String, Json> {
    let mut row = head(sheet);
    row.insert("disposition".to_owned(), sheet.disposition().into());
    row.insert("reason".to_owned(), sheet.reason().into());
    row.insert("details".to_owned(), sheet.details().into());
    row.insert("warnings".to_owned(), warnings(sheet));
    row
}

fn head(sheet: &Sheet) -> Map<String, Json> {
    let mut row = Map::new();
    row.insert("source_key".to_owned(), sheet.source_key.clone().into());
    row.insert("target".to_owned(), sheet.target.into());
    row
}

/// A dataset that is being written in both forms. Rows are JSON objects; a key that is no column is an error.
struct Dataset {
    name: String,
    schema: SchemaRef,
    parquet: ArrowWriter<File>,
    csv: csv::Writer<File>,
    waiting: Vec<Map<String, Json>>,
    rows: u64,
}

impl Dataset {
    fn create(folder: &Path, name: &str, schema: SchemaRef) -> Result<Self> {
        let create = |extension: &str| {
            let path = folder.join(format!("{name}.{extension}"));
            File::create(&path)
                .map_err(|cause| Error::rehearsal(path.display().to_string(), "cannot be created", cause))
        };
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let name = folder.join(name).display().to_string();
        let parquet = ArrowWriter::try_new(create("parquet")?, schema.clone(), Some(properties))
            .map_err(|cause| Error::rehearsal(&name, "cannot be written as Parquet", cause))?;
        let mut csv = csv::Writer::from_writer(create("csv")?);
        csv.write_record(schema.fields().iter().map(|field| field.name().as_str()))
            .map_err(|cause| Error::rehearsal(&name, "cannot be written as CSV", cause))?;
        Ok(Self { name, schema, parquet, csv, waiting: Vec::new(), rows: 0 })
    }

    fn row(&mut self, row: Map<String, Json>) -> Result<()> {
        self.rows += 1;
        let cells = self.schema.fields().iter().map(|field| match row.get(field.name()) {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        });
        self.csv
            .write_record(cells)
            .map_err(|cause| Error::rehearsal(&self.name, "cannot be written as CSV", cause))?;
        self.waiting.push(row);
        if self.waiting.len() == BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let batch = match batch(&self.schema, &self.waiting) {
            Ok(batch) => batch,
            Err(problem) => return Err(self.culprit(&problem)),
        };
        self.waiting.clear();
        let Some(batch) = batch else { return Ok(()) };
        self.parquet.write(&batch).map_err(|cause| Error::rehearsal(&self.name, "cannot be written as Parquet", cause))
    }

    /// The waiting row that is not of the schema, which the error of the whole does not name.
    fn culprit(&self, problem: &str) -> Error {
        let found =
            self.waiting.iter().find_map(|row| Some((row, batch(&self.schema, std::slice::from_ref(row)).err()?)));
        let (row, problem) = match found {
            Some((row, problem)) => (Json::Object(row.clone()).to_string(), problem),
            None => (String::new(), problem.to_owned()),
        };
        Error::rehearsal(&self.name, format!("holds a row that is not of its columns' types: {row}"), problem)
    }

    fn finish(mut self) -> Result<u64> {
        self.flush()?;
        self.csv.flush().map_err(|cause| Error::rehearsal(&self.name, "cannot be written as CSV", cause))?;
        self.parquet.close().map_err(|cause| Error::rehearsal(&self.name, "cannot be written as Parquet", cause))?;
        Ok(self.rows)
    }
}

fn batch(schema: &SchemaRef, rows: &[Map<String, Json>]) -> Result<Option<RecordBatch>, String> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row).map_err(|cause| cause.to_string())?);
        text.push('\n');
    }
    let mut decoder = ReaderBuilder::new(schema.clone())
        .with_batch_size(rows.len().max(1))
        .with_coerce_primitive(true)
        .with_strict_mode(true)
        .build_decoder()
        .map_err(|cause| cause.to_string())?;
    decoder.decode(text.as_bytes()).map_err(|cause| cause.to_string())?;
    decoder.flush().map_err(|cause| cause.to_string())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Date32Type, Int32Type, TimestampMillisecondType};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
    use serde_json::json;

    use super::*;

    fn row(fields: Json) -> Map<String, Json> {
        fields.as_object().cloned().unwrap()
    }

    #[test]
    fn values_take_the_types_of_the_definitions() {
        let folder = tempfile::tempdir().unwrap();
        let mut dataset = Dataset::create(folder.path(), "targets", targets_schema().unwrap()).unwrap();
        let budget: Json = serde_json::from_str("123456789012345.12345678901234567890").unwrap();
        dataset
            .row(row(json!({
                "source_key": "Project:1", "budgetAmount": budget, "startDate": "2019-04-12",
                "createdDate": "2019-04-12T09:30:00.000Z", "width": 1920, "tags": ["a, \"b\"", "c"],
                "parent": {"source_key": "AssetCollection:1"}
            })))
            .unwrap();
        assert_eq!(dataset.finish().unwrap(), 1);
        let file = File::open(folder.path().join("targets.parquet")).unwrap();
        let batch = ParquetRecordBatchReader::try_new(file, 10).unwrap().next().unwrap().unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        assert_eq!(column("budgetAmount").as_string::<i32>().value(0), "123456789012345.12345678901234567890");
        assert_eq!(column("startDate").as_primitive::<Date32Type>().value(0), 17_998);
        assert_eq!(column("createdDate").as_primitive::<TimestampMillisecondType>().value(0), 1_555_061_400_000);
        assert_eq!(column("width").as_primitive::<Int32Type>().value(0), 1920);
        assert!(column("height").is_null(0) && column("memberSummary").is_null(0));
        let text = std::fs::read_to_string(folder.path().join("targets.csv")).unwrap();
        assert!(text.contains(r#""[""a, \""b\"""",""c""]""#), "{text}");
    }

    #[test]
    fn a_row_of_other_types_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for wrong in [json!({"source_key": "Promo:7", "width": "wide"}), json!({"source_key": "Promo:7", "colour": 1})]
        {
            let mut dataset = Dataset::create(folder.path(), "targets", targets_schema().unwrap()).unwrap();
            dataset.row(row(json!({"source_key": "Promo:6"}))).unwrap();
            dataset.row(row(wrong)).unwrap();
            let error = dataset.finish().unwrap_err().to_string();
            assert!(error.contains("Promo:7") && !error.contains("Promo:6"), "{error}");
        }
    }
}
