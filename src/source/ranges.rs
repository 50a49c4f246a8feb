//! Ranges of a table's primary key, for reading a few of its rows again: the order of keys as this program and the server
//! both know it, bounds taken from a sample, and predicates that ask for the rows between two bounds.
//!
//! A key has such an order if each of its columns is of an integer type, oid, boolean, uuid, date, time, timestamp, bytea
//! or numeric(p, s), which sort alike on every server, or is sent as text. Text sorts by its bytes here, so the server is
//! asked for `COLLATE "C"`, which is that order only where the server's encoding is UTF-8. An index serves such a
//! predicate only if it has that collation itself; if not, the server looks through the table once and sends what is
//! asked for.

use tokio_postgres::types::{FromSql, ToSql, Type};

use super::catalog::{CatalogTable, quote, quote_table};
use super::failure::{answer, failure, malformed, value};
use super::types::Wire;
use super::{CopyRead, Inner, PostgresSource, copy};
use crate::dataflow::{Slice, TableName};
use crate::error::Result;

/// Keys sampled for each range.
const SAMPLED: u64 = 32;
/// Pages sampled at least: the keys of one page are often neighbours.
const SAMPLED_PAGES: u64 = 96;
/// PostgreSQL's page size as it is built everywhere; elsewhere the sample has another size.
const PAGE: u64 = 8192;

/// A table's columns and key, as far as two databases can agree on them.
#[derive(Debug, Clone)]
pub struct TableShape {
    /// The columns in the order of the table.
    pub columns: Vec<ShapeColumn>,
    /// The positions of the primary key's columns, in key order; empty without one.
    pub key: Vec<usize>,
    /// The key's order; none where this program does not know it.
    pub order: Option<KeyOrder>,
}

/// A column.
#[derive(Debug, Clone)]
pub struct ShapeColumn {
    /// Its name.
    pub name: String,
    /// Its type as declared.
    pub type_name: String,
    /// The form in which its values arrive.
    pub wire: Wire,
}

/// A primary key whose order is the same here and on the server.
#[derive(Debug, Clone)]
pub struct KeyOrder {
    columns: Vec<KeyColumn>,
}

#[derive(Debug, Clone)]
struct KeyColumn {
    /// The column as it is sent.
    sent: String,
    /// The column as it is compared.
    compared: String,
    /// The type of a value it is compared with.
    literal: &'static str,
    wire: Wire,
}

/// A key at which a range begins and the one before it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Bytes that sort like the key ([`KeyOrder::append`]).
    pub order: Vec<u8>,
    /// The key's values as SQL.
    values: String,
}

/// The rows of a key from `lower` on and below `upper`; open where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub lower: Option<Bound>,
    /// The first key after it.
    pub upper: Option<Bound>,
}

impl Bound {
    /// A bound at a key with these bytes ([`KeyOrder::append`]) and these values as SQL.
    pub fn at(order: Vec<u8>, values: String) -> Self {
        Self { order, values }
    }
}

impl KeyOrder {
    /// The order of these columns; none if one of them has none that is known here.
    fn new(table: &CatalogTable, key: &[usize], collated: &[String], utf8: bool) -> Option<Self> {
        let column = |index: &usize| {
            let column = &table.columns[*index];
            let (name, wire) = (quote(&column.name), &column.reading.wire);
            let literal = literal_type(wire).filter(|_| utf8 || *wire != Wire::Text)?;
            let sent = copy::wire_column(column);
            let text = column.type_name == "text" || column.type_name.starts_with("character varying");
            let compared = match wire {
                Wire::Text if text && collated.contains(&column.name) => name,
                Wire::Text if text || column.reading.cast => format!("({sent}) collate \"C\""),
                // What is sent is what the type prints; a cast to text would take blanks from the end of a char(n).
                Wire::Text => format!("pg_catalog.format('%s', {name}) collate \"C\""),
                _ => name,
            };
            Some(KeyColumn { sent, compared, literal, wire: wire.clone() })
        };
        let columns = key.iter().map(column).collect::<Option<Vec<_>>>()?;
        (!columns.is_empty()).then_some(Self { columns })
    }

    /// Appends bytes that sort like the key's values, given in key order. None of them is NULL in a primary key.
    ///
    /// # Errors
    /// When a value is none of its form.
    pub fn append<'a>(
        &self,
        values: impl Iterator<Item = Option<&'a [u8]>>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        for (column, value) in self.columns.iter().zip(values) {
            append(&column.wire, value.ok_or("NULL in a primary key")?, out)?;
        }
        Ok(())
    }

    /// The SQL that holds for the keys of any of these ranges.
    pub fn predicate<'a>(&self, ranges: impl IntoIterator<Item = &'a KeyRange>) -> String {
        let compared = self.tuple(|column| &column.compared);
        let side = |bound: &Option<Bound>, operator: &str| {
            bound.as_ref().map(|bound| format!("{compared} {operator} {}", bound.values))
        };
        let range = |range: &KeyRange| {
            let sides: Vec<_> = [side(&range.lower, ">="), side(&range.upper, "<")].into_iter().flatten().collect();
            if sides.is_empty() { "true".to_owned() } else { sides.join(" and ") }
        };
        ranges.into_iter().map(range).collect::<Vec<_>>().join(" or ")
    }

    fn tuple(&self, part: impl Fn(&KeyColumn) -> &String) -> String {
        let parts: Vec<_> = self.columns.iter().map(|column| part(column).as_str()).collect();
        if let [one] = parts.as_slice() { (*one).to_owned() } else { format!("({})", parts.join(", ")) }
    }

    /// The bound that a row holds: the key's values as they are sent, then each as text.
    fn bound(&self, row: &tokio_postgres::Row) -> Result<Bound> {
        let width = self.columns.len();
        let mut order = Vec::new();
        let mut literals = Vec::with_capacity(width);
        for (index, column) in self.columns.iter().enumerate() {
            let sent: Sent<'_> = value(row, index)?;
            append(&column.wire, sent.0, &mut order).map_err(|what| malformed("key", what))?;
            literals.push(format!("{}::pg_catalog.{}", literal(value(row, width + index)?), column.literal));
        }
        let values = if width == 1 { literals.concat() } else { format!("({})", literals.join(", ")) };
        Ok(Bound::at(order, values))
    }

    /// The query for `parts - 1` bounds that cut the keys of `from` into parts of one size.
    fn bounds_query(&self, from: &str, parts: u64) -> String {
        let sent = |(index, column): (usize, &KeyColumn)| format!("{} as k{index}", column.sent);
        let shown =
            |(index, column): (usize, &KeyColumn)| format!("pg_catalog.format('%s', {}) as t{index}", column.sent);
        let columns: Vec<_> = self.columns.iter().enumerate().collect();
        let sent: Vec<_> = columns.iter().copied().map(sent).collect();
        let shown: Vec<_> = columns.iter().copied().map(shown).collect();
        let names =
            |letter: char| (0..columns.len()).map(|index| format!("{letter}{index}")).collect::<Vec<_>>().join(", ");
        let order: Vec<_> = self.columns.iter().map(|column| column.compared.as_str()).collect();
        format!(
            "select {}, {} from (select {}, {}, pg_catalog.row_number() over (order by {}) as place,
                                        pg_catalog.count(*) over () as all_keys from only {from}) keys
             where place > 1 and (place - 1) * {parts} / all_keys <> (place - 2) * {parts} / all_keys order by place",
            names('k'),
            names('t'),
            sent.join(", "),
            shown.join(", "),
            order.join(", "),
        )
    }
}

impl PostgresSource {
    /// A table's columns, key and the key's order.
    ///
    /// # Errors
    /// When the table is not one that is read.
    pub async fn shape(&self, table: &TableName) -> Result<TableShape> {
        let tables = self.catalog().await?;
        let found = self.selected(&tables, table)?;
        let columns = found.columns.iter().map(|column| ShapeColumn {
            name: column.name.clone(),
            type_name: column.type_name.clone(),
            wire: column.reading.wire.clone(),
        });
        let key: Vec<_> =
            found.key.iter().filter_map(|key| found.columns.iter().position(|c| c.name == *key)).collect();
        let order = if key.iter().any(|index| found.columns[*index].reading.wire == Wire::Text) {
            let (collated, utf8) = self.collations(found).await?;
            KeyOrder::new(found, &key, &collated, utf8)
        } else {
            KeyOrder::new(found, &key, &[], true)
        };
        Ok(TableShape { columns: columns.collect(), key, order })
    }

    /// The columns of a table that sort by their bytes, and whether those are UTF-8.
    async fn collations(&self, table: &CatalogTable) -> Result<(Vec<String>, bool)> {
        // `datlocprovider` came with PostgreSQL 15; before, or with `c`, the name of the locale says it.
        let query = "select array(select a.attname::text from pg_catalog.pg_attribute a
                                             join pg_catalog.pg_collation c on c.oid = a.attcollation
                                             where a.attrelid = $1 and a.attnum > 0 and (c.collname in ('C', 'POSIX')
                                             or c.collname = 'default' and d.datcollate in ('C', 'POSIX') and
                                             coalesce(pg_catalog.to_jsonb(d) ->> 'datlocprovider', 'c') = 'c')),
                            pg_catalog.pg_encoding_to_char(d.encoding) = 'UTF8'
                     from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()";
        let parameters: [&(dyn ToSql + Sync); 1] = [&table.oid];
        let asked = self.inner.control.client.query_one(query, &parameters);
        let row = answer(&table.table.to_string(), "its collations cannot be read", asked).await?;
        Ok((value(&row, 0)?, value(&row, 1)?))
    }

    /// At most `parts - 1` ascending keys of a table that cut it into parts of about one size: by a sample of its pages,
    /// or, within a range, by all its keys (an index serves that).
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub async fn bounds(
        &self,
        table: &TableName,
        order: &KeyOrder,
        within: Option<&KeyRange>,
        parts: u64,
    ) -> Result<Vec<Bound>> {
        let tables = self.catalog().await?;
        let found = self.selected(&tables, table)?;
        let name = quote_table(table);
        let from = match within {
            Some(range) => format!("{name} where {}", order.predicate([range])),
            None => format!("{name}{}", sample(found, parts)),
        };
        let lease = self.open_snapshot().await?.lease().await?;
        // Without a limit: within a range of a big table this is a look at many keys.
        let asked = lease.session.client.query(&order.bounds_query(&from, parts), &[]).await;
        let rows = asked.map_err(|cause| failure(&table.to_string(), "its keys cannot be read", cause))?;
        lease.give_back();
        let mut bounds = rows.iter().map(|row| order.bound(row)).collect::<Result<Vec<_>>>()?;
        bounds.sort_by(|a, b| a.order.cmp(&b.order));
        bounds.dedup_by(|a, b| a.order == b.order);
        Ok(bounds)
    }

    /// Reads rows under the snapshot like [`PostgresSource::read`], each with its place (`ctid`, six bytes) after its
    /// columns.
    ///
    /// # Errors
    /// When the table is not one that is read, or the read cannot be started.
    pub async fn read_with_places(&self, table: &TableName, slice: &Slice) -> Result<CopyRead> {
        let tables = self.catalog().await?;
        let found = self.selected(&tables, table)?;
        let mut columns = copy::wire_columns(found);
        columns.push("ctid".into());
        let statement = copy::copy_columns(found, &columns, slice)?;
        let lease = self.open_snapshot().await?.lease().await?;
        let Inner { pace, config, .. } = &*self.inner;
        CopyRead::start(table.to_string(), lease, &statement, pace.clone(), config.silence).await
    }

    /// What the columns of the row at a place print, each cut after `longest` characters (of a server without an encoding:
    /// bytes); none if there is no such row. Bytes that are not UTF-8 are shown as `\xff`.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub async fn texts(&self, table: &TableName, place: &str, longest: u32) -> Result<Option<Vec<Option<String>>>> {
        let tables = self.catalog().await?;
        let found = self.selected(&tables, table)?;
        let text = |column: &super::catalog::CatalogColumn| {
            let name = quote(&column.name);
            format!(
                "case when ({name}) is distinct from null then pg_catalog.left(pg_catalog.format('%s', {name}), {longest}) end"
            )
        };
        let columns: Vec<_> = found.columns.iter().map(text).collect();
        let query = format!(
            "select array[{}]::pg_catalog.text[] from only {} where ctid = '{place}'::pg_catalog.tid",
            columns.join(", "),
            quote_table(table)
        );
        let lease = self.open_snapshot().await?.lease().await?;
        let asked = lease.session.client.query_opt(&query, &[]);
        let row = answer(&table.to_string(), "a row cannot be read", asked).await?;
        lease.give_back();
        let printed: Option<Vec<Option<Printed>>> = row.as_ref().map(|row| value(row, 0)).transpose()?;
        Ok(printed.map(|values| values.into_iter().map(|value| value.map(|Printed(text)| text)).collect()))
    }
}

/// The part of a table's pages that holds about [`SAMPLED`] keys for each of `parts`; nothing where all are needed.
fn sample(table: &CatalogTable, parts: u64) -> String {
    let pages = (table.main_bytes / PAGE).max(1);
    let rows = table.estimate.unwrap_or(0).max(pages);
    let wanted = (parts * SAMPLED * pages / rows).max(SAMPLED_PAGES);
    if wanted * 2 >= pages || table.relkind != 'r' || !table.heap {
        return String::new();
    }
    format!(" tablesample system ({:.6}) repeatable (0)", wanted as f64 * 100.0 / pages as f64)
}

/// The type of values that a column of this form is compared with; none if its order is not known here.
fn literal_type(wire: &Wire) -> Option<&'static str> {
    Some(match wire {
        Wire::Bool => "bool",
        Wire::Int16 | Wire::Int32 | Wire::Int64 => "int8",
        Wire::Oid => "oid",
        Wire::Decimal { precision, .. } if *precision <= 38 => "numeric",
        Wire::Text => "text",
        Wire::Uuid => "uuid",
        Wire::Bytes => "bytea",
        Wire::Date => "date",
        Wire::Timestamp { utc: false } => "timestamp",
        Wire::Timestamp { utc: true } => "timestamptz",
        Wire::Time => "time",
        _ => return None,
    })
}

/// Appends bytes that sort like the value, and of which none begins another of the same type.
fn append(wire: &Wire, value: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    match wire {
        Wire::Int16 | Wire::Int32 | Wire::Int64 | Wire::Date | Wire::Timestamp { .. } | Wire::Time => {
            // Eight bytes whatever the width, so that a key that has become wider sorts with the one it was.
            let negative = value.first().is_some_and(|first| first & 0x80 != 0);
            let mut wide = [if negative { 0xFF } else { 0 }; 8];
            wide.get_mut(8_usize.wrapping_sub(value.len())..)
                .ok_or("a number of another width")?
                .copy_from_slice(value);
            wide[0] ^= 0x80;
            out.extend_from_slice(&wide);
        }
        Wire::Decimal { .. } => decimal(value, out)?,
        Wire::Text => {
            out.extend_from_slice(value);
            out.push(0);
        }
        Wire::Bytes => {
            for byte in value {
                out.extend_from_slice(if *byte == 0 { &[0, 1] } else { std::slice::from_ref(byte) });
            }
            out.extend_from_slice(&[0, 0]);
        }
        _ => out.extend_from_slice(value),
    }
    Ok(())
}

/// A numeric: sign, then weight and digits, complemented for negative ones; NaN is after all numbers.
fn decimal(value: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (head, digits) = value.split_at_checked(8).ok_or("a numeric cut short")?;
    let weight = i16::from_be_bytes([head[2], head[3]]);
    match (u16::from_be_bytes([head[4], head[5]]), digits.is_empty()) {
        (0, true) | (0x4000, true) => out.push(1),
        (sign @ (0 | 0x4000), false) => {
            let flip = if sign == 0 { 0 } else { 0xFF };
            out.push(if sign == 0 { 2 } else { 0 });
            out.extend((weight.wrapping_add(i16::MIN)).to_be_bytes().map(|byte| byte ^ flip));
            // A group of digits is below 10000; one more keeps it above the end of a shorter number.
            for group in digits.chunks_exact(2) {
                let group = u16::from_be_bytes([group[0], group[1]]);
                if group > 9999 {
                    return Err("a numeric with more than four digits in a group");
                }
                out.extend((group + 1).to_be_bytes().map(|byte| byte ^ flip));
            }
            out.extend([flip, flip]);
        }
        _ => out.push(3),
    }
    Ok(())
}

/// A text as SQL, whatever it holds and however the server reads backslashes.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!(" e'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A value's bytes as they are sent, of whatever type.
struct Sent<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Sent<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A text that may be in any encoding, or cut within a character (SQL_ASCII), to be looked at.
struct Printed(String);

impl<'a> FromSql<'a> for Printed {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let mut text = String::with_capacity(raw.len());
        for chunk in raw.utf8_chunks() {
            text.push_str(chunk.valid());
            chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
        }
        Ok(Self(text))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TEXT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(wire: &Wire, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append(wire, value, &mut out).unwrap();
        out
    }

    #[test]
    fn bytes_sort_like_the_values_they_stand_for() {
        let numbers = [i64::MIN, -70_000, -1, 0, 1, 300, i64::MAX].map(|n| bytes(&Wire::Int64, &n.to_be_bytes()));
        assert!(numbers.is_sorted());
        assert_eq!(bytes(&Wire::Int16, &(-5_i16).to_be_bytes()), bytes(&Wire::Int64, &(-5_i64).to_be_bytes()));
        // -12345.5, -1, 0, 0.5, 1, 10000, 12345.5, NaN: weight, sign, scale, digits.
        let numeric = |weight: i16, sign: u16, digits: &[u16]| {
            let head = [digits.len() as u16, weight.cast_unsigned(), sign, 3];
            head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>()
        };
        let decimal = Wire::Decimal { precision: 12, scale: 3 };
        let ordered = [
            numeric(1, 0x4000, &[1, 2345, 5000]),
            numeric(1, 0x4000, &[1, 2345]),
            numeric(0, 0x4000, &[1]),
            numeric(0, 0, &[]),
            numeric(-1, 0, &[5000]),
            numeric(0, 0, &[1]),
            numeric(1, 0, &[1]),
            numeric(1, 0, &[1, 2345, 5000]),
            numeric(0, 0xC000, &[]),
        ]
        .map(|value| bytes(&decimal, &value));
        assert!(ordered.is_sorted_by(|a, b| a < b), "{ordered:?}");
        assert!(append(&decimal, &numeric(0, 0, &[u16::MAX]), &mut Vec::new()).is_err());
        let blobs =
            [&b""[..], b"\0", b"\0\0", b"\0a", b"a", b"a\0", b"aa", b"\xff"].map(|value| bytes(&Wire::Bytes, value));
        assert!(blobs.is_sorted_by(|a, b| a < b), "{blobs:?}");
    }

    #[test]
    fn predicates_hold_for_the_keys_between_bounds() {
        let column =
            |name: &str, literal| KeyColumn { sent: quote(name), compared: quote(name), literal, wire: Wire::Int64 };
        let one = KeyOrder { columns: vec![column("id", "int8")] };
        let bound = |values: &str| Some(Bound::at(Vec::new(), values.into()));
        let ranges = [
            KeyRange { lower: None, upper: bound("5") },
            KeyRange { lower: bound("7"), upper: bound("9") },
            KeyRange::default(),
        ];
        assert_eq!(one.predicate(&ranges), "\"id\" < 5 or \"id\" >= 7 and \"id\" < 9 or true");
        let two = KeyOrder { columns: vec![column("a", "int8"), column("b", "int8")] };
        assert_eq!(two.predicate([&KeyRange { lower: bound("(1, 2)"), upper: None }]), "(\"a\", \"b\") >= (1, 2)");
        assert_eq!((literal("o'x"), literal("a\\'")), ("'o''x'".into(), " e'a\\\\'''".into()));
    }
}
