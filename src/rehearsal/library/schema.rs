//! The 227 tables as data: what `tables.txt` (sizes, uses) and `schema.sql` (columns, types, keys) say.

use super::types::ColumnType;
use crate::{Error, Result};

/// The DDL of the library: types, tables, then secondary indexes and views.
pub const SCHEMA: &str = include_str!("schema.sql");
const TABLES: &str = include_str!("tables.txt");

/// The yearly partitions, which `tables.txt` gives as one line a parent: parent, first year, rows at scale 1 in all,
/// the years' shares in per cent, heap bytes a row.
const PARTITIONS: [(&str, i32, u64, &[u64], u64); 3] = [
    ("workflow_step_execution", 2015, 33_000_000, &[4, 6, 8, 10, 12, 12, 13, 13, 11, 8, 3], 151),
    ("audit_event", 2019, 12_400_000, &[12, 14, 15, 18, 18, 15, 8], 193),
    ("metadata_value_history", 2020, 16_800_000, &[14, 18, 20, 20, 18, 10], 143),
];

/// How a table's rows follow the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeClass {
    /// The same at every scale.
    Constant,
    /// `max(20, round(rows * scale))`.
    Linear,
    /// `max(20, round(rows * sqrt(scale)))`: vocabularies and users shrink more slowly.
    SquareRoot,
    /// No rows at all.
    Empty,
    /// A partitioned parent: its rows live in its partitions.
    Parent,
}

impl SizeClass {
    /// The rows at a scale of a table with `rows` rows at scale 1.
    pub fn rows(self, rows: u64, scale: f64) -> u64 {
        let scaled = |by: f64| ((rows as f64 * by).round() as u64).max(20);
        match self {
            Self::Constant => rows,
            Self::Linear => scaled(scale),
            Self::SquareRoot => scaled(scale.sqrt()),
            Self::Empty | Self::Parent => 0,
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct ColumnSpec {
    /// The name, unquoted.
    pub name: &'static str,
    /// The type.
    pub kind: ColumnType,
    /// NOT NULL, or part of the primary key.
    pub required: bool,
    /// Part of the primary key.
    pub key: bool,
    /// Computed by the database: left out of COPY and of fixture rows.
    pub generated: bool,
}

/// A partition's parent and year.
#[derive(Debug, Clone, Copy)]
pub struct PartitionSpec {
    /// The parent's name, unquoted.
    pub parent: &'static str,
    /// The year whose rows the partition holds (UTC).
    pub year: i32,
}

/// A table of the library.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// The number in section 12 of the specification (1..=227), which seeds the table's random numbers.
    pub number: u32,
    /// The schema (`public` or `wfe`).
    pub schema: &'static str,
    /// The name, unquoted.
    pub name: &'static str,
    /// The family's letter (A..R).
    pub family: char,
    /// `M` migrated, `J` joined, `X` excluded, `E` empty.
    pub usage: char,
    /// How the rows follow the scale.
    pub class: SizeClass,
    /// Rows at scale 1.
    pub full_rows: u64,
    /// Heap bytes a row, roughly.
    pub row_bytes: u64,
    /// The columns in order.
    pub columns: Vec<ColumnSpec>,
    /// For a partition: of what, and for which year.
    pub partition: Option<PartitionSpec>,
}

impl TableSpec {
    /// The name as SQL writes it: `"public"."asset_master"`.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(self.schema), quote(self.name))
    }

    /// The index of a column by its unquoted name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The indexes of the primary key's columns in table order (which is the key's order in every table here).
    pub fn key(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns.iter().enumerate().filter(|(_, column)| column.key).map(|(index, _)| index)
    }
}

/// An identifier in double quotes.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// All 227 tables, by their number.
///
/// # Errors
/// When the two files, which are part of the program, contradict each other.
pub fn tables() -> Result<Vec<TableSpec>> {
    let definitions = definitions();
    let mut tables = Vec::with_capacity(227);
    for line in TABLES.lines() {
        if line.starts_with("## K") {
            for (parent, first_year, total, shares, row_bytes) in PARTITIONS {
                for (share, year) in shares.iter().zip(first_year..) {
                    tables.push(partition(&definitions, parent, year, total * share / 100, row_bytes)?);
                }
            }
        } else if !line.starts_with('#') && !line.is_empty() {
            tables.push(table(&definitions, line)?);
        }
    }
    for (table, number) in tables.iter_mut().zip(1..) {
        table.number = number;
    }
    Ok(tables)
}

fn contradiction(what: impl std::fmt::Display) -> Error {
    Error::Rehearsal {
        what: "library".into(),
        message: format!("tables.txt and schema.sql differ: {what}"),
        cause: None,
    }
}

fn table(definitions: &[Definition], line: &'static str) -> Result<TableSpec> {
    let fields: Vec<&'static str> = line.splitn(9, '|').collect();
    let [name, family, usage, class, rows, heap, ..] = fields.as_slice() else {
        return Err(contradiction(line));
    };
    let (schema, name) = split_name(name);
    let class = match *class {
        "C" => SizeClass::Constant,
        "L" => SizeClass::Linear,
        "S" => SizeClass::SquareRoot,
        "P" => SizeClass::Parent,
        _ => SizeClass::Empty,
    };
    Ok(TableSpec {
        number: 0,
        schema,
        name,
        family: family.chars().next().unwrap_or('?'),
        usage: usage.chars().next().unwrap_or('?'),
        class,
        full_rows: rows.parse().map_err(|_| contradiction(line))?,
        row_bytes: heap.parse().map_err(|_| contradiction(line))?,
        columns: find(definitions, schema, name)?.columns.clone(),
        partition: None,
    })
}

fn partition(definitions: &[Definition], parent: &str, year: i32, full_rows: u64, row_bytes: u64) -> Result<TableSpec> {
    let name = format!("{parent}_{year}");
    let found = definitions.iter().find(|definition| definition.name == name).ok_or_else(|| contradiction(&name))?;
    let Some(parent) = found.parent else { return Err(contradiction(&name)) };
    Ok(TableSpec {
        number: 0,
        schema: found.schema,
        name: found.name,
        family: 'K',
        usage: 'X',
        class: SizeClass::Linear,
        full_rows,
        row_bytes,
        columns: find(definitions, found.schema, parent)?.columns.clone(),
        partition: Some(PartitionSpec { parent, year }),
    })
}

fn find<'a>(definitions: &'a [Definition], schema: &str, name: &str) -> Result<&'a Definition> {
    definitions
        .iter()
        .find(|definition| definition.schema == schema && definition.name == name)
        .ok_or_else(|| contradiction(name))
}

/// One CREATE TABLE of schema.sql.
struct Definition {
    schema: &'static str,
    name: &'static str,
    columns: Vec<ColumnSpec>,
    parent: Option<&'static str>,
}

/// Every CREATE TABLE stands on a line of its own.
fn definitions() -> Vec<Definition> {
    SCHEMA.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")).filter_map(definition).collect()
}

fn definition(line: &'static str) -> Option<Definition> {
    let (name, rest) = split_identifier(line);
    let (schema, name) = split_name(name);
    if let Some(parent) = rest.strip_prefix("PARTITION OF ") {
        let (_, parent) = split_name(parent.split(' ').next()?);
        return Some(Definition { schema, name, columns: Vec::new(), parent: Some(parent) });
    }
    let body = rest.strip_suffix(';')?;
    let body = body.split(" PARTITION BY ").next()?.strip_prefix('(')?.strip_suffix(')')?;
    let parts = split_list(body);
    let keys: Vec<&str> = parts
        .iter()
        .filter_map(|part| part.strip_prefix("PRIMARY KEY (")?.strip_suffix(')'))
        .flat_map(split_list)
        .map(|key| key.trim_matches('"'))
        .collect();
    let columns =
        parts.iter().filter(|part| !part.starts_with("PRIMARY KEY")).map(|part| column(part, &keys)).collect();
    Some(Definition { schema, name, columns, parent: None })
}

fn column(text: &'static str, keys: &[&str]) -> ColumnSpec {
    let (name, rest) = split_identifier(text);
    let name = name.trim_matches('"');
    let generated = rest.contains(" GENERATED ALWAYS AS ");
    let required = rest.ends_with(" NOT NULL");
    let kind = rest.split(" GENERATED ").next().unwrap_or(rest).trim_end_matches(" NOT NULL");
    let key = keys.contains(&name);
    ColumnSpec { name, kind: ColumnType::parse(kind), required: required || key, key, generated }
}

/// The identifier at the start (with its quotes) and what follows the blank after it.
fn split_identifier(text: &'static str) -> (&'static str, &'static str) {
    let end = match text.strip_prefix('"').and_then(|inner| inner.find('"')) {
        Some(at) => at + 2,
        None => text.find(' ').unwrap_or(text.len()),
    };
    (&text[..end], text[end..].trim_start())
}

fn split_name(name: &'static str) -> (&'static str, &'static str) {
    match name.strip_prefix("wfe.") {
        Some(name) => ("wfe", name),
        None => ("public", name.trim_matches('"')),
    }
}

/// Splits at the commas that are neither in brackets nor in quotes.
fn split_list(text: &'static str) -> Vec<&'static str> {
    let (mut parts, mut depth, mut quoted, mut start) = (Vec::new(), 0, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth -= 1,
            b',' if !quoted && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() {
        parts.push(text[start..].trim());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_with_their_numbers() {
        let tables = tables().unwrap();
        assert_eq!(tables.len(), 227);
        assert_eq!(tables.iter().map(|table| table.full_rows).sum::<u64>(), 290_435_755);
        let number = |name: &str| tables.iter().find(|table| table.name == name).unwrap().number;
        assert_eq!(number("asset_master"), 1);
        assert_eq!(number("workflow_step_execution_2015"), 136);
        assert_eq!(number("metadata_value_history_2025"), 159);
        assert_eq!(number("audit_event"), 160);
        assert_eq!(number("no_columns"), 227);
        // 1,288 columns in all, 1,513 with those of the partitions (section 5).
        assert_eq!(tables.iter().map(|table| table.columns.len()).sum::<usize>(), 1_513);
        let partitions = tables.iter().filter(|table| table.partition.is_some());
        assert_eq!(partitions.map(|table| table.columns.len()).sum::<usize>(), 1_513 - 1_288);
    }

    #[test]
    fn no_type_is_unknown() {
        for table in tables().unwrap() {
            for column in &table.columns {
                assert!(column.kind != ColumnType::Unknown, "{}.{}", table.name, column.name);
            }
        }
    }

    #[test]
    fn columns_keys_and_quotes() {
        let tables = tables().unwrap();
        let table = |name: &str| tables.iter().find(|table| table.name == name).unwrap();
        let export = table("AssetExport");
        assert_eq!(export.columns[4].name, "Größe");
        assert_eq!(export.key().collect::<Vec<_>>(), [0]);
        assert_eq!(export.quoted(), "\"public\".\"AssetExport\"");
        let file = table("file_info");
        assert!(file.columns[file.column("extension").unwrap()].generated);
        let object = table("s3_object");
        assert_eq!(object.key().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(table("asset_checksum").columns[2].required);
        assert_eq!(table("workflow_step_execution_2020").key().count(), 2);
    }
}
