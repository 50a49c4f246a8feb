//! Work shared by several connections: copies of table slices, and single statements.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::SinkExt;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_postgres::{Client, CopyInSink};

use super::super::{Library, TableSpec, core, quote};
use super::{connect, execute, refused};
use crate::dataflow::Progress;
use crate::{Error, Result};

/// Big tables are cut into slices of about this many heap bytes, so that all connections stay busy to the end.
pub(super) const SLICE_BYTES: u64 = 16 * 1024 * 1024;
/// How much is made before it is handed to the connection.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Room for the row that passes the limit.
const CHUNK_ROOM: usize = CHUNK_BYTES + 64 * 1024;

/// A range of rows of one table.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    /// The table's index in [`Library::tables`].
    pub(super) table: usize,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Whether the table's fixtures come with this slice.
    pub(super) fixtures: bool,
    /// Heap bytes, roughly.
    pub(super) bytes: u64,
}

impl Slice {
    pub(super) fn rows(&self) -> u64 {
        self.to - self.from
    }
}

/// Something one connection does at a time.
#[derive(Debug)]
pub(super) enum Job {
    Copy(Slice),
    Execute(String),
}

/// Rows and bytes sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// What all workers share.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) library: Arc<Library>,
    pub(super) url: SecretString,
    pub(super) progress: Progress,
}

/// Does all jobs, the first ones first, over `connections` connections. The first failure ends the others.
pub(super) async fn run(context: &Context, connections: usize, jobs: Vec<Job>) -> Result<Sent> {
    let workers = connections.clamp(1, jobs.len().max(1));
    let queue = Arc::new(Mutex::new(VecDeque::from(jobs)));
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(work(context.clone(), queue.clone()));
    }
    let mut sent = Sent::default();
    while let Some(ended) = tasks.join_next().await {
        sent += ended.map_err(|cause| Error::rehearsal("library", "a worker ended early", cause))??;
    }
    Ok(sent)
}

async fn work(context: Context, queue: Arc<Mutex<VecDeque<Job>>>) -> Result<Sent> {
    let client = connect(&context.url).await?;
    let mut sent = Sent::default();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match job {
            Some(Job::Copy(slice)) => sent += copy(&context, &client, &slice).await?,
            Some(Job::Execute(statement)) => execute(&client, &statement, &statement).await?,
            None => return Ok(sent),
        }
    }
}

/// The COPY statement of a table: its columns without the generated ones.
fn statement(table: &TableSpec) -> String {
    let columns = table.columns.iter().filter(|column| !column.generated);
    let columns: Vec<String> = columns.map(|column| quote(column.name)).collect();
    format!("COPY {} ({}) FROM STDIN", table.quoted(), columns.join(", "))
}

async fn copy(context: &Context, client: &Client, slice: &Slice) -> Result<Sent> {
    let table = &context.library.tables()[slice.table];
    let mut chunk = Vec::new();
    let fixtures = if slice.fixtures { context.library.write_fixtures(table, &mut chunk) } else { 0 };
    if fixtures + slice.rows() == 0 {
        return Ok(Sent::default());
    }
    let what = || format!("library, {} rows {}..{}", table.quoted(), slice.from, slice.to);
    let sink: CopyInSink<Bytes> = client.copy_in(&statement(table)).await.map_err(|cause| refused(what(), cause))?;
    let mut sink = pin!(sink);
    let mut sent = Sent { rows: fixtures, bytes: 0 };
    let covered = core::covers(table.name);
    let mut row = slice.from;
    loop {
        let before = row;
        while row < slice.to && chunk.len() < CHUNK_BYTES {
            context.library.write_cells(table, row, covered, &mut chunk);
            row += 1;
        }
        let bytes = chunk.len() as u64;
        let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROOM));
        if let Err(cause) = sink.send(Bytes::from(full)).await {
            // When the server has refused a row, finishing tells why; sending only tells that it is over.
            return Err(refused(what(), sink.finish().await.err().unwrap_or(cause)));
        }
        context.progress.advance(row - before, bytes);
        sent += Sent { rows: row - before, bytes };
        if row == slice.to {
            break;
        }
    }
    sink.finish().await.map_err(|cause| refused(what(), cause))?;
    Ok(sent)
}
