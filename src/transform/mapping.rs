//! Mappings: CSV files as tables whose columns are all text, an empty field being NULL.

use std::fs;
use std::sync::Arc;

use csv::ReaderBuilder;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::query::{Mapping, Project};
use crate::error::{Error, Result};

/// A mapping that has been read.
#[derive(Debug, Clone)]
pub(super) struct MappingTable {
    pub(super) name: String,
    /// BLAKE3 of the file, in hex.
    pub(super) hash: String,
    pub(super) rows: RecordBatch,
}

/// Reads all mappings of a project, in order.
///
/// # Errors
/// [`Error::Config`] with the problems of all files.
pub(super) fn read_all(project: &Project) -> Result<Vec<MappingTable>> {
    let mut tables = Vec::new();
    let mut problems = Vec::new();
    for mapping in &project.mappings {
        match read(mapping) {
            Ok(table) => tables.push(table),
            Err(problem) => problems.push(format!("{}: {problem}", mapping.path.display())),
        }
    }
    if problems.is_empty() { Ok(tables) } else { Err(Error::Config { problems }) }
}

fn read(mapping: &Mapping) -> Result<MappingTable, String> {
    let bytes = fs::read(&mapping.path).map_err(|cause| format!("cannot be read: {cause}"))?;
    let mut reader = ReaderBuilder::new().from_reader(bytes.as_slice());
    let header: Vec<String> = reader.headers().map_err(|cause| cause.to_string())?.iter().map(str::to_owned).collect();
    for (index, name) in header.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("column {} has no name in the header", index + 1));
        }
        if header.iter().take(index).any(|other| other == name) {
            return Err(format!("two columns are named `{name}`"));
        }
    }
    let mut columns: Vec<StringBuilder> = header.iter().map(|_| StringBuilder::new()).collect();
    let mut count = 0;
    for record in reader.records() {
        let record = record.map_err(|cause| cause.to_string())?;
        count += 1;
        for (column, value) in columns.iter_mut().zip(&record) {
            column.append_option((!value.is_empty()).then_some(value));
        }
    }
    if header.is_empty() {
        return Err("has no header line".into());
    }
    let fields: Vec<Field> = header.into_iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    let arrays: Vec<ArrayRef> = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|cause| format!("{count} rows do not make a table: {cause}"))?;
    Ok(MappingTable { name: mapping.name.clone(), hash: blake3::hash(&bytes).to_hex().to_string(), rows })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};

    use super::*;

    fn read_text(text: &str) -> Result<MappingTable, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genre.csv");
        fs::write(&path, text).unwrap();
        read(&Mapping { name: "genre".into(), path })
    }

    #[test]
    fn an_empty_field_is_null_and_the_rest_is_text() {
        let table = read_text("\u{feff}raw,target\n01,\"a, \"\"b\"\"\"\n,x\n").unwrap();
        assert_eq!(table.rows.schema().field(0).name(), "raw");
        let raw = table.rows.column(0).as_string::<i32>();
        assert_eq!((raw.value(0), raw.is_null(1)), ("01", true));
        assert_eq!(table.rows.column(1).as_string::<i32>().value(0), "a, \"b\"");
    }

    #[test]
    fn a_ragged_line_and_a_double_name_are_errors() {
        assert!(read_text("a,b\n1\n").unwrap_err().contains("line: 2"));
        assert!(read_text("a,a\n").unwrap_err().contains("two columns"));
        assert!(read_text("").is_err());
    }
}
