//! The first look at a source: the facts a migration is planned by, table by table.

use serde::Serialize;

use super::activity;
use super::catalog::{CatalogTable, quote_table};
use super::connect::Session;
use super::failure::{answer, failure, value};
use super::selection::Selection;
use crate::dataflow::{ColumnMeta, TableKind, TableName};
use crate::error::Result;

/// What is in the source.
#[derive(Debug, Clone, Serialize)]
pub struct Discovery {
    /// The database's size on disk in bytes, indexes included.
    pub size_bytes: u64,
    /// Tables, partitioned parents and partitions in the user's schemas.
    pub tables: u64,
    /// The server's version, as it words it.
    pub server_version: String,
    /// How the source is reached.
    pub connection: Connection,
    /// Large objects in the database. They are counted, not read.
    pub large_objects: u64,
    /// What may disturb a migration or be disturbed by it: a standby, a busy server, locks on tables that are to be read.
    pub warnings: Vec<String>,
    /// Every table, view and foreign table, ordered by name.
    pub listing: Vec<TableFinding>,
}

/// How the source is reached.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// The host and port, or the Unix socket's folder, as given.
    pub place: String,
    /// `unix socket`, `TCP, not encrypted`, or the TLS version and cipher.
    pub transport: String,
    /// `direct`, or what the server says of itself when that is not the address that was dialled.
    pub route: String,
    /// The user signed in as.
    pub user: String,
    /// The database.
    pub database: String,
    /// The database's encoding.
    pub encoding: String,
    /// The time zone that the server sets for other sessions.
    pub timezone: String,
    /// Whether the server is a standby.
    pub in_recovery: bool,
}

/// Whether a table is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "use", content = "reason", rename_all = "snake_case")]
pub enum Use {
    /// It is read.
    Read,
    /// It is not, for this reason.
    Skipped(String),
}

/// One table.
#[derive(Debug, Clone, Serialize)]
pub struct TableFinding {
    /// Its name.
    #[serde(flatten)]
    pub table: TableName,
    /// `table`, `partitioned`, `partition`, `view`, `materialised view` or `foreign table`.
    pub kind: String,
    /// Its rows, 0 where nothing is known of them (see `rows_exact`): views and foreign tables have none of their own, and
    /// of a table that is not read only the planner's estimate is told.
    pub rows: u64,
    /// Whether the rows are counted, not estimated or unknown.
    pub rows_exact: bool,
    /// Its bytes with TOAST, without indexes; of one that is not read, those of the pages that the planner counted last.
    pub bytes: u64,
    /// The primary key's columns.
    pub key: Vec<String>,
    /// Its columns.
    pub columns: Vec<ColumnMeta>,
    /// Whether it is read.
    #[serde(flatten)]
    pub usage: Use,
    /// What a reader should know: no key, columns read as text, parts of what, unreadable.
    pub findings: Vec<String>,
}

/// Asks for all of it. Tables to be read that the planner has never counted are counted.
pub(super) async fn discover(
    session: &Session,
    tables: &[CatalogTable],
    selection: &Selection,
    connections: usize,
) -> Result<Discovery> {
    // Before rows are counted, which may take long and is work of its own.
    let read: Vec<_> = tables.iter().filter(|table| selection.skips(table).is_none()).collect();
    let mut warnings = activity::warnings(session, &read, connections).await;
    warnings.extend(tables.iter().filter_map(missing_rows));
    let mut listing = Vec::with_capacity(tables.len());
    for table in tables {
        listing.push(finding(session, table, selection).await?);
    }
    let query = "select pg_catalog.pg_database_size(pg_catalog.current_database()),
                        pg_catalog.current_setting('server_version'),
                        (select pg_catalog.count(*) from pg_catalog.pg_largeobject_metadata)";
    let asked = session.client.query_one(query, &[]);
    let facts = answer("catalog", "the database's size cannot be read", asked).await?;
    Ok(Discovery {
        size_bytes: u64::try_from(value::<i64>(&facts, 0)?).unwrap_or(0),
        tables: tables.iter().filter(|table| matches!(table.relkind, 'r' | 'p')).count() as u64,
        server_version: value(&facts, 1)?,
        connection: connection(session).await?,
        large_objects: u64::try_from(value::<i64>(&facts, 2)?).unwrap_or(0),
        warnings,
        listing,
    })
}

async fn finding(session: &Session, table: &CatalogTable, selection: &Selection) -> Result<TableFinding> {
    let skips = selection.skips(table);
    let has_rows = table.relkind == 'r' || (table.relkind == 'm' && skips.is_none());
    let counted = match table.estimate {
        // Not one that is left out: counting it would wait for whoever has an exclusive lock on it.
        None if has_rows && skips.is_none() && table.readable && !table.row_security => {
            Some(count(session, table).await?)
        }
        _ => None,
    };
    let known = counted.or(table.estimate);
    let rows = known.unwrap_or(0);
    let meta = table.meta();
    let kind = match (table.relkind, meta.kind) {
        ('v', _) => "view",
        ('m', _) => "materialised view",
        ('f', _) => "foreign table",
        (_, TableKind::Table) => "table",
        (_, TableKind::Partitioned) => "partitioned",
        (_, TableKind::Partition) => "partition",
    };
    Ok(TableFinding {
        table: meta.table,
        kind: kind.into(),
        rows,
        // A parent has no rows of its own, and a table without pages none at all: 0 is never an estimate.
        rows_exact: counted.is_some() || table.estimate == Some(0),
        bytes: meta.bytes,
        key: meta.key,
        columns: meta.columns,
        findings: if table.relkind == 'p' || has_rows { findings(table, known) } else { Vec::new() },
        usage: skips.map_or(Use::Read, Use::Skipped),
    })
}

/// That rows of a partitioned table will be missing, because a partition of it is a foreign table.
fn missing_rows(table: &CatalogTable) -> Option<String> {
    let parent = table.parent.as_ref().filter(|_| table.relkind == 'f')?;
    Some(format!("{parent}: its partition {} is a foreign table; the rows that are there are not read", table.table))
}

async fn count(session: &Session, table: &CatalogTable) -> Result<u64> {
    let query = format!("select pg_catalog.count(*) from only {}", quote_table(&table.table));
    // Without a limit: a table of any size is counted whole.
    let counted = session.client.query_one(&query, &[]).await;
    let row = counted.map_err(|cause| failure(&table.table.to_string(), "its rows cannot be counted", cause))?;
    Ok(u64::try_from(value::<i64>(&row, 0)?).unwrap_or(0))
}

fn findings(table: &CatalogTable, rows: Option<u64>) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(unreadable(table).map(|why| format!("unreadable: {why}")));
    match (table.relkind, &table.parent) {
        ('p', _) => found.push("partitioned parent: its rows are in its partitions".into()),
        (_, Some(parent)) => found.push(format!("partition of {parent}")),
        _ => {}
    }
    if !table.left_out.is_empty() {
        found.push(format!("left out by source.exclude_columns: {}", table.left_out.join(", ")));
    }
    if table.columns.is_empty() {
        found.push("no columns".into());
    } else if table.key.is_empty() {
        found.push("no primary key".into());
    }
    if rows == Some(0) && table.relkind != 'p' {
        found.push("empty".into());
    }
    found.extend(table.extension.as_ref().map(|extension| format!("belongs to the extension {extension}")));
    let as_text = table.columns.iter().filter(|column| column.reading.fallback);
    found.extend(
        as_text.map(|column| format!("column {} ({}) is read in its text form", column.name, column.type_name)),
    );
    found
}

/// Why a table cannot be read whole by this user, and what mends it; none if it can.
fn unreadable(table: &CatalogTable) -> Option<String> {
    let name = quote_table(&table.table);
    if !table.readable {
        return Some(format!("{}: no permission (grant usage on its schema, grant select on {name})", table.table));
    }
    table.row_security.then(|| {
        format!("{}: row-level security hides rows from this user (use one with BYPASSRLS, or the owner)", table.table)
    })
}

async fn connection(session: &Session) -> Result<Connection> {
    let query = "select current_user::text, pg_catalog.current_database()::text,
                        pg_catalog.current_setting('server_encoding'),
                        (select reset_val from pg_catalog.pg_settings where name = 'TimeZone'),
                        pg_catalog.pg_is_in_recovery(), pg_catalog.inet_server_addr(), pg_catalog.inet_server_port(),
                        (select version || ', ' || cipher from pg_catalog.pg_stat_ssl
                         where pid = pg_catalog.pg_backend_pid() and ssl)";
    let asked = session.client.query_one(query, &[]);
    let row = answer("connection", "the session's facts cannot be read", asked).await?;
    let server: Option<(std::net::IpAddr, i32)> = Option::zip(value(&row, 5)?, value(&row, 6)?);
    let tls: Option<String> = value(&row, 7)?;
    Ok(Connection {
        place: session.place.clone(),
        transport: match (session.peer, tls) {
            (None, _) => "unix socket".into(),
            (Some(_), Some(tls)) => tls,
            (Some(_), None) => "TCP, not encrypted".into(),
        },
        route: route(session.peer, server),
        user: value(&row, 0)?,
        database: value(&row, 1)?,
        encoding: value(&row, 2)?,
        timezone: value::<Option<String>>(&row, 3)?.unwrap_or_default(),
        in_recovery: value(&row, 4)?,
    })
}

/// Whether the address dialled is the one the server answers at. A proxy, a pooler or a NAT shows by the difference.
fn route(dialled: Option<(std::net::IpAddr, u16)>, server: Option<(std::net::IpAddr, i32)>) -> String {
    match (dialled, server) {
        (None, None) => "direct".into(),
        (Some((ip, port)), Some((server, at)))
            if ip.to_canonical() == server.to_canonical() && i32::from(port) == at =>
        {
            "direct".into()
        }
        (_, Some((server, at))) => {
            format!("through a proxy, pooler or address translation (the server answers at {server}:{at})")
        }
        (Some(_), None) => "through a proxy or pooler (the server answers at a unix socket)".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_address_than_the_one_dialled_is_a_proxy() {
        let at = |text: &str| text.parse::<std::net::IpAddr>().unwrap();
        assert_eq!(route(Some((at("10.0.0.1"), 5432)), Some((at("10.0.0.1"), 5432))), "direct");
        assert_eq!(route(Some((at("::ffff:10.0.0.1"), 5432)), Some((at("10.0.0.1"), 5432))), "direct");
        assert!(route(Some((at("10.0.0.1"), 6432)), Some((at("10.0.0.1"), 5432))).contains("10.0.0.1:5432"));
        assert!(route(Some((at("10.0.0.1"), 6432)), None).contains("unix socket"));
        assert_eq!(route(None, None), "direct");
    }
}
