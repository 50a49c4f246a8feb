//! The library into a PostgreSQL database: schema, rows by COPY over several connections, indexes, statistics.

mod jobs;

use std::sync::Arc;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio_postgres::{Client, NoTls};

use self::jobs::{Job, Slice, run};
use super::schema::SCHEMA;
use super::{Library, TableSpec};
use crate::dataflow::Progress;
use crate::{Error, Result};

/// The role that owns the objects (section 1 of the specification).
const OWNER: &str = "reachengine";
/// The table under the materialised view, which is refreshed before the last hundredth of its rows is loaded: the
/// view is stale on purpose.
const VIEWED: &str = "asset_collection_item";
/// The table that refers to large objects, and the first of their OIDs.
const LARGE_OBJECTS: (&str, u64) = ("file_lob_ref", 300_000);

/// What a load did.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct LoadSummary {
    /// Tables filled (those without rows included).
    pub tables: u64,
    /// Rows written, fixtures included.
    pub rows: u64,
    /// Bytes sent in COPY text format.
    pub bytes: u64,
    /// The time it took.
    pub seconds: f64,
}

/// Creates all schema objects in a database and fills the library's tables, over `connections` connections. When
/// this returns everything is committed, indexed and analysed. Rows and bytes are counted in `progress`.
///
/// # Errors
/// [`Error::Preflight`] when the server cannot be reached, the database is not UTF8 or holds one of the tables;
/// [`Error::Rehearsal`] naming the table and rows when PostgreSQL refuses something.
pub async fn create(
    library: &Arc<Library>,
    url: &SecretString,
    connections: usize,
    progress: &Progress,
) -> Result<LoadSummary> {
    let started = Instant::now();
    let client = connect(url).await?;
    refuse_other_databases(&client, library).await?;
    create_objects(&client).await?;

    let (early, late) = copies(library);
    progress.expect(early.iter().chain(&late).map(Slice::rows).sum());
    let context = jobs::Context { library: library.clone(), url: url.clone(), progress: progress.clone() };
    let mut done = run(&context, connections, early.into_iter().map(Job::Copy).collect()).await?;
    execute(&client, "materialised view", "REFRESH MATERIALIZED VIEW mv_collection_counts").await?;
    done += run(&context, connections, late.into_iter().map(Job::Copy).collect()).await?;
    create_large_objects(&client, library).await?;
    run(&context, connections, statements(indexes())).await?;
    let analyse = library.tables().iter().map(|table| format!("ANALYZE {}", table.quoted()));
    run(&context, connections, statements(analyse)).await?;

    let tables = library.tables().iter().filter(|table| library.fills(table)).count() as u64;
    Ok(LoadSummary { tables, rows: done.rows, bytes: done.bytes, seconds: started.elapsed().as_secs_f64() })
}

/// A connection; its driver runs as a task of its own and ends with the client.
async fn connect(url: &SecretString) -> Result<Client> {
    let connected = tokio_postgres::connect(url.expose_secret(), NoTls).await;
    let (client, connection) = connected.map_err(|cause| Error::Preflight {
        message: format!("the library's database does not answer: {}; check the URL", told(&cause)),
        cause: None,
    })?;
    tokio::spawn(connection);
    Ok(client)
}

/// What PostgreSQL said, which the error type itself does not show.
fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => match db.where_() {
            Some(place) => format!("{} ({place})", db.message()),
            None => db.message().to_owned(),
        },
        None => error.to_string(),
    }
}

fn refused(what: impl Into<String>, cause: tokio_postgres::Error) -> Error {
    Error::rehearsal(what, format!("PostgreSQL refused: {}", told(&cause)), cause)
}

async fn execute(client: &Client, what: &str, statement: &str) -> Result<()> {
    client.batch_execute(statement).await.map_err(|cause| refused(format!("library, {what}"), cause))
}

async fn refuse_other_databases(client: &Client, library: &Library) -> Result<()> {
    let names: Vec<&str> = library.tables().iter().map(|table| table.name).collect();
    let query = "select current_setting('server_encoding'), (select min(schemaname || '.' || tablename) \
                 from pg_catalog.pg_tables where schemaname in ('public', 'wfe') and tablename = any($1))";
    let row = client.query_one(query, &[&names]).await.map_err(|cause| refused("library, catalog", cause))?;
    let encoding: String = row.get(0);
    if encoding != "UTF8" {
        return Err(Error::preflight(format!("the library needs a database in UTF8, this one is in {encoding}")));
    }
    match row.get::<_, Option<String>>(1) {
        Some(table) => Err(Error::preflight(format!(
            "the database already holds {table}; the library is created only in a database without any of its tables"
        ))),
        None => Ok(()),
    }
}

/// Role, types, tables, partitions and views, in one transaction each for role and objects. Where the user may not
/// make the role or give objects away, they stay the user's.
async fn create_objects(client: &Client) -> Result<()> {
    let role = format!(
        "DO $$ BEGIN CREATE ROLE {OWNER} NOLOGIN; \
         EXCEPTION WHEN duplicate_object OR insufficient_privilege THEN NULL; END $$"
    );
    execute(client, "role", &role).await?;
    let objects: Vec<&str> = SCHEMA.lines().filter(|line| !is_index(line)).collect();
    execute(client, "schema", &objects.join("\n")).await?;
    let owner = format!(
        "DO $$ DECLARE object regclass; BEGIN \
         FOR object IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') \
         AND relnamespace::regnamespace::text IN ('public', 'wfe') LOOP \
         EXECUTE format('ALTER TABLE %s OWNER TO {OWNER}', object); END LOOP; \
         EXCEPTION WHEN insufficient_privilege OR undefined_object THEN NULL; END $$"
    );
    execute(client, "owner", &owner).await
}

fn is_index(line: &str) -> bool {
    line.starts_with("CREATE INDEX ")
}

/// The secondary indexes, one statement each.
fn indexes() -> impl Iterator<Item = String> {
    let lines = SCHEMA.lines().filter(|line| is_index(line));
    lines.flat_map(|line| line.split_inclusive(';')).map(|statement| statement.trim().to_owned())
}

fn statements(statements: impl Iterator<Item = String>) -> Vec<Job> {
    statements.map(Job::Execute).collect()
}

/// The slices of all tables that are filled, the biggest first: those to load before the materialised view is
/// refreshed, and those after.
fn copies(library: &Library) -> (Vec<Slice>, Vec<Slice>) {
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for (index, table) in library.tables().iter().enumerate().filter(|(_, table)| library.fills(table)) {
        let rows = library.rows_of(table);
        let kept_back = if table.name == VIEWED { rows.div_ceil(100) } else { 0 };
        early.extend(slices(table, index, 0, rows - kept_back, true));
        late.extend(slices(table, index, rows - kept_back, rows, false));
    }
    for slices in [&mut early, &mut late] {
        slices.sort_by_key(|slice| std::cmp::Reverse(slice.bytes));
    }
    (early, late)
}

fn slices(table: &TableSpec, index: usize, from: u64, to: u64, fixtures: bool) -> Vec<Slice> {
    let each = (jobs::SLICE_BYTES / table.row_bytes.max(1)).max(1);
    let mut slices = Vec::new();
    let mut start = from;
    while start < to || (fixtures && start == from && slices.is_empty()) {
        let end = to.min(start + each);
        let bytes = (end - start) * table.row_bytes;
        slices.push(Slice { table: index, from: start, to: end, fixtures: fixtures && start == from, bytes });
        start = end;
    }
    slices
}

/// Large objects of about 5 kB, as many as rows refer to them.
async fn create_large_objects(client: &Client, library: &Library) -> Result<()> {
    let (table, first) = LARGE_OBJECTS;
    let Some(table) = library.table(table).filter(|table| library.fills(table)) else { return Ok(()) };
    let last = first + library.rows_of(table);
    let statement = format!(
        "SELECT count(lo_from_bytea(number::oid, convert_to(repeat(md5(number::text), 160), 'UTF8'))) \
         FROM generate_series({first}, {last} - 1) AS number"
    );
    execute(client, "large objects", &statement).await
}
