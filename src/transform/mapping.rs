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
    /// The line of the file where each row begins, from 1.
    pub(super) lines: Vec<u64>,
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
            Err(found) => problems.extend(found.iter().map(|problem| format!("{}{problem}", mapping.path.display()))),
        }
    }
    if problems.is_empty() { Ok(tables) } else { Err(Error::Config { problems }) }
}

/// Reads one file. Each problem starts with `:` and follows the file's name.
fn read(mapping: &Mapping) -> Result<MappingTable, Vec<String>> {
    let bytes = fs::read(&mapping.path).map_err(|cause| vec![format!(": cannot be read: {cause}")])?;
    let text = text(&bytes).map_err(|problem| vec![problem])?;
    if let Some(line) = unclosed_quote(text) {
        return Err(vec![format!(":{line}: the quote that opens here is never closed")]);
    }
    // The number of fields is compared below, where the message can say what the header has.
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let failed = |cause: csv::Error| vec![format!(": {cause}")];
    let header: Vec<String> = reader.headers().map_err(failed)?.iter().map(str::to_owned).collect();
    header_problem(&header).map_or(Ok(()), |problem| Err(vec![format!(":1: {problem}")]))?;
    let mut columns: Vec<StringBuilder> = header.iter().map(|_| StringBuilder::new()).collect();
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let (has, named) = (record.len(), header.len());
            problems.push(format!(":{line}: has {has} fields, and the header names {named}: {}", header.join(", ")));
        }
        lines.push(line);
        for (column, value) in columns.iter_mut().zip(&record) {
            column.append_option((!value.is_empty()).then_some(value));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let fields: Vec<Field> = header.into_iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    let arrays: Vec<ArrayRef> = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|cause| vec![format!(": {} rows do not make a table: {cause}", lines.len())])?;
    Ok(MappingTable { name: mapping.name.clone(), hash: blake3::hash(&bytes).to_hex().to_string(), rows, lines })
}

/// The file's text without a byte order mark.
fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0) {
        return Err(": is UTF-16 or no text; save it as UTF-8".into());
    }
    let text = str::from_utf8(bytes).map_err(|cause| {
        let before = bytes.get(..cause.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!(":{line}: is not UTF-8; save the file as UTF-8")
    })?;
    Ok(text.trim_start_matches('\u{feff}'))
}

fn header_problem(header: &[String]) -> Option<String> {
    if let [only] = header
        && let Some(separator) = [';', '\t', '|'].into_iter().find(|separator| only.contains(*separator))
    {
        return Some(format!("the columns are parted by {separator:?}; save the file with commas"));
    }
    for (index, name) in header.iter().enumerate() {
        if name.is_empty() {
            return Some(format!("column {} has no name in the header", index + 1));
        }
        if header.iter().take(index).any(|other| other == name) {
            return Some(format!("two columns are named `{name}`"));
        }
    }
    header.is_empty().then(|| "has no header line".into())
}

/// The line of a quote at a field's beginning that no other one ends.
fn unclosed_quote(text: &str) -> Option<usize> {
    let (mut line, mut at_start, mut opened) = (1, true, None);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, opened) {
            ('"', Some(_)) if characters.peek() == Some(&'"') => {
                characters.next();
            }
            ('"', Some(_)) => opened = None,
            ('"', None) if at_start => opened = Some(line),
            _ => {}
        }
        at_start = matches!(character, ',' | '\n' | '\r');
        line += usize::from(character == '\n');
    }
    opened
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};

    use super::*;

    fn read_text(text: &str) -> Result<MappingTable, Vec<String>> {
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
    fn what_is_no_table_is_told_with_its_line() {
        for (text, problem) in [
            ("a,b\n1\n1,2\n1,2,3\n", ":2: has 1 fields, and the header names 2: a, b"),
            ("a\n1,2\n", ":2: has 2 fields, and the header names 1: a"),
            ("a,a\n", ":1: two columns are named `a`"),
            ("a,\n", ":1: column 2 has no name"),
            ("a;b\n1;2\n", ":1: the columns are parted by ';'"),
            ("a,b\n1,\"2\n3,4\n", ":2: the quote that opens here is never closed"),
            ("a\0,\0b\0", ": is UTF-16"),
            ("", ":1: has no header line"),
        ] {
            let problems = read_text(text).unwrap_err();
            assert!(problems[0].starts_with(problem), "{text:?}: {problems:?}");
        }
        assert_eq!(read_text("a,b\n1\n1,2\n1,2,3\n").unwrap_err().len(), 2);
        assert_eq!(read_text("a,b\n\"x\ny\",\"\"\"\"\n1,2\n").unwrap().lines, [2, 4]);
        assert_eq!(text(b"a\nM\xe9xico\n").unwrap_err(), ":2: is not UTF-8; save the file as UTF-8");
    }
}
