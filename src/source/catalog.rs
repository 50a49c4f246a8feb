//! What the source's catalog says: tables, columns, keys, types. PostgreSQL 10 to 17.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use tokio_postgres::Client;
use tokio_postgres::types::{Oid, ToSql};

use super::failure::{answer, value};
use super::types::{PG_INFINITY, PgType, Reading, Types};
use crate::dataflow::{ColumnMeta, PG_TYPE, TableKind, TableMeta, TableName};
use crate::error::Result;

/// The metadata key of a field whose values are PostgreSQL's text form, because no exact Arrow form is known.
pub const PG_TEXT: &str = "pg_text";

const TABLES: &str = "
    select c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::float8, c.relispartition,
           pn.nspname::text, pc.relname::text, coalesce(am.amname::text, 'heap') = 'heap',
           case when c.relkind in ('r', 'm')
                then c.relpages::int8 * pg_catalog.current_setting('block_size')::int8 else 0 end,
           pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT'),
           pg_catalog.row_security_active(c.oid), c.relispopulated,
           (select e.extname::text from pg_catalog.pg_depend d
            join pg_catalog.pg_extension e on e.oid = d.refobjid
            where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0
              and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e' limit 1)
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_am am on am.oid = c.relam
    left join pg_catalog.pg_inherits i on i.inhrelid = c.oid and c.relispartition
    left join pg_catalog.pg_class pc on pc.oid = i.inhparent
    left join pg_catalog.pg_namespace pn on pn.oid = pc.relnamespace
    where c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relpersistence <> 't'
      and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'";

/// Sizes as they are now. These functions wait for whoever has an exclusive lock (VACUUM FULL): they are asked of what is
/// to be read and locked anyway, of nothing else. NULL once the table is gone.
const SIZES: &str = "
    select c.oid, pg_catalog.pg_table_size(c.oid), pg_catalog.pg_relation_size(c.oid)
    from pg_catalog.pg_class c where c.oid = any($1)";

const COLUMNS: &str = "
    select a.attrelid, a.attname::text, a.atttypid, a.atttypmod,
           pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
      and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
    order by a.attrelid, a.attnum";

// `indnkeyatts` is there since PostgreSQL 11; what comes after so many columns is INCLUDEd and no part of the key.
const KEYS: &str = "
    select i.indrelid, a.attname::text
    from pg_catalog.pg_index i
    cross join lateral pg_catalog.unnest(i.indkey::int2[]) with ordinality k(attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indisprimary and k.place <= coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts)
    order by i.indrelid, k.place";

// A type is an array if it is the one that its element names. `rngmultitypid` is there since PostgreSQL 14; a row as JSON
// has it or has it not.
const TYPES: &str = "
    select t.oid, case when e.typarray = t.oid then 'a' else t.typtype::text end,
           t.typbasetype, t.typtypmod, t.typelem, coalesce(r.rngsubtype, m.rngsubtype, 0::oid), t.typrelid
    from pg_catalog.pg_type t
    left join pg_catalog.pg_type e on e.oid = t.typelem
    left join pg_catalog.pg_range r on r.rngtypid = t.oid
    left join pg_catalog.pg_range m on (pg_catalog.to_jsonb(m) ->> 'rngmultitypid')::oid = t.oid";

/// A column with the way it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CatalogColumn {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) nullable: bool,
    pub(super) reading: Reading,
}

/// A relation of the database: table, partitioned parent, view, materialised view or foreign table.
#[derive(Debug, Clone)]
pub(super) struct CatalogTable {
    pub(super) oid: Oid,
    pub(super) table: TableName,
    /// `pg_class.relkind`: r, p, f, v or m.
    pub(super) relkind: char,
    pub(super) parent: Option<TableName>,
    pub(super) is_partition: bool,
    /// Rows by the planner's estimate, or none where it has none. 0 is no estimate: there are none.
    pub(super) estimate: Option<u64>,
    /// Bytes with TOAST, without indexes; until [`measure`] those of the pages that the planner counted last.
    pub(super) bytes: u64,
    /// Bytes of the main fork, the pages that a ctid counts; until [`measure`] as `bytes`.
    pub(super) main_bytes: u64,
    /// Whether rows are addressed by page (the access method is `heap`).
    pub(super) heap: bool,
    pub(super) readable: bool,
    pub(super) row_security: bool,
    /// Whether a materialised view has been filled; true of all others.
    pub(super) populated: bool,
    /// The extension that it belongs to.
    pub(super) extension: Option<String>,
    pub(super) columns: Vec<CatalogColumn>,
    /// Columns that the settings leave out.
    pub(super) left_out: Vec<String>,
    pub(super) key: Vec<String>,
}

impl CatalogTable {
    /// The schema of its batches: every field nullable (what a type cannot hold becomes NULL), with its PostgreSQL type.
    pub(super) fn schema(&self) -> SchemaRef {
        let field = |column: &CatalogColumn| {
            let mut metadata = HashMap::from([(PG_TYPE.to_owned(), column.type_name.clone())]);
            if column.reading.fallback {
                metadata.insert(PG_TEXT.to_owned(), "true".to_owned());
            }
            if let Some(infinities) = column.reading.wire.infinities() {
                metadata.insert(PG_INFINITY.to_owned(), infinities);
            }
            Field::new(&column.name, column.reading.wire.arrow(), true).with_metadata(metadata)
        };
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    pub(super) fn meta(&self) -> TableMeta {
        let column = |column: &CatalogColumn| ColumnMeta {
            name: column.name.clone(),
            type_name: column.type_name.clone(),
            nullable: column.nullable,
        };
        TableMeta {
            table: self.table.clone(),
            kind: match (self.relkind, self.is_partition) {
                ('p', _) => TableKind::Partitioned,
                (_, true) => TableKind::Partition,
                _ => TableKind::Table,
            },
            columns: self.columns.iter().map(column).collect(),
            left_out: self.left_out.clone(),
            key: self.key.clone(),
            rows: self.estimate.unwrap_or(0),
            bytes: self.bytes,
            arrow: self.schema(),
        }
    }

    /// Whether two readings of the catalog describe the same rows in the same form.
    pub(super) fn same_shape(&self, other: &Self) -> bool {
        (self.oid, &self.table, self.relkind) == (other.oid, &other.table, other.relkind)
            && self.columns == other.columns
            && self.key == other.key
    }
}

/// A row of `pg_attribute`.
struct Attribute {
    name: String,
    oid: Oid,
    typmod: i32,
    type_name: String,
    nullable: bool,
}

/// Reads all relations of the user's schemas, ordered by name. Waits for nobody's lock.
pub(super) async fn read(client: &Client) -> Result<Vec<CatalogTable>> {
    let ask = |query| answer("catalog", "the catalog cannot be read", client.query(query, &[]));
    let mut types = types(client).await?;
    let mut columns: HashMap<Oid, Vec<Attribute>> = HashMap::new();
    for row in ask(COLUMNS).await? {
        columns.entry(value(&row, 0)?).or_default().push(Attribute {
            name: value(&row, 1)?,
            oid: value(&row, 2)?,
            typmod: value(&row, 3)?,
            type_name: value::<Option<String>>(&row, 4)?.unwrap_or_default(),
            nullable: !value::<bool>(&row, 5)?,
        });
    }
    for (relation, columns) in &columns {
        let attributes = columns.iter().map(|column| (column.name.clone(), column.oid, column.typmod)).collect();
        types.attributes.insert(*relation, attributes);
    }
    let mut keys: HashMap<Oid, Vec<String>> = HashMap::new();
    for row in ask(KEYS).await? {
        keys.entry(value(&row, 0)?).or_default().push(value(&row, 1)?);
    }
    let mut tables = Vec::new();
    for row in ask(TABLES).await? {
        // NULL for a relation that was dropped while the statement ran (it waits for the locks of others).
        let Some(readable) = value::<Option<bool>>(&row, 10)? else { continue };
        let oid: Oid = value(&row, 0)?;
        let relkind = value::<&str>(&row, 3)?.chars().next().unwrap_or('r');
        let bytes = unsigned(value(&row, 9)?);
        let column = |column: Attribute| CatalogColumn {
            name: column.name,
            type_name: column.type_name,
            nullable: column.nullable,
            reading: types.reading(column.oid, column.typmod),
        };
        let parent: Option<(String, String)> = Option::zip(value(&row, 6)?, value(&row, 7)?);
        tables.push(CatalogTable {
            oid,
            table: TableName::new(value::<String>(&row, 1)?, value::<String>(&row, 2)?),
            relkind,
            parent: parent.map(|(schema, name)| TableName::new(schema, name)),
            is_partition: value(&row, 5)?,
            estimate: estimate(value(&row, 4)?, relkind),
            bytes,
            main_bytes: bytes,
            heap: value(&row, 8)?,
            readable,
            row_security: value(&row, 11)?,
            populated: value(&row, 12)?,
            extension: value(&row, 13)?,
            columns: columns.remove(&oid).unwrap_or_default().into_iter().map(column).collect(),
            left_out: Vec::new(),
            key: keys.remove(&oid).unwrap_or_default(),
        });
    }
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(tables)
}

async fn types(client: &Client) -> Result<Types> {
    let mut types = Types::default();
    let rows = answer("catalog", "the types cannot be read", client.query(TYPES, &[])).await?;
    for row in rows {
        let oid: Oid = value(&row, 0)?;
        let found = PgType {
            kind: value::<&str>(&row, 1)?.chars().next().unwrap_or('b'),
            base: value(&row, 2)?,
            typmod: value(&row, 3)?,
            element: value(&row, 4)?,
            range_of: value(&row, 5)?,
            relation: value(&row, 6)?,
        };
        types.by_oid.insert(oid, found);
    }
    Ok(types)
}

/// Asks the sizes of those tables that are `wanted`. One without pages has no rows; one that was dropped by whoever was
/// waited for is no longer among the tables.
pub(super) async fn measure(
    client: &Client,
    tables: &mut Vec<CatalogTable>,
    wanted: impl Fn(&CatalogTable) -> bool,
) -> Result<()> {
    let is_asked = |table: &CatalogTable| matches!(table.relkind, 'r' | 'm') && wanted(table);
    let oids: Vec<Oid> = tables.iter().filter(|table| is_asked(table)).map(|table| table.oid).collect();
    let parameters: [&(dyn ToSql + Sync); 1] = [&oids];
    let mut sizes = HashMap::new();
    for row in answer("catalog", "the tables' sizes cannot be read", client.query(SIZES, &parameters)).await? {
        let size: Option<(i64, i64)> = Option::zip(value(&row, 1)?, value(&row, 2)?);
        if let Some(size) = size {
            sizes.insert(value::<Oid>(&row, 0)?, size);
        }
    }
    tables.retain_mut(|table| {
        if !is_asked(table) {
            return true;
        }
        let Some((bytes, main_bytes)) = sizes.get(&table.oid) else { return false };
        (table.bytes, table.main_bytes) = (unsigned(*bytes), unsigned(*main_bytes));
        if table.main_bytes == 0 {
            table.estimate = Some(0);
        }
        true
    });
    Ok(())
}

/// The planner's row count: -1 means never counted since PostgreSQL 14; before, 0 may mean that too. A partitioned parent
/// has none of its own.
fn estimate(reltuples: f64, relkind: char) -> Option<u64> {
    if relkind == 'p' {
        return Some(0);
    }
    if reltuples >= 1.0 { Some(reltuples as u64) } else { None }
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// An identifier as SQL text, whatever it holds.
pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A table's name as SQL text.
pub(super) fn quote_table(table: &TableName) -> String {
    format!("{}.{}", quote(&table.schema), quote(&table.name))
}
