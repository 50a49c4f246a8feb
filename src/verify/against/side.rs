//! One side of a comparison: reading a table's rows, the bytes that each is compared by, and the part it belongs to.

use std::ops::Range;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::task::AbortOnDropHandle;
use xxhash_rust::xxh3::xxh3_64;

use crate::dataflow::checksum::{RowHash, push_member};
use crate::dataflow::{ContentChecksum, Partition, Progress, Slice, TableName};
use crate::error::{Error, Result};
use crate::source::framing::{Fields, Framing};
use crate::source::{KeyOrder, PostgresSource, Tries, Wire};
use crate::verify::exact;

/// A table on one side.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) database: PostgresSource,
    pub(super) table: TableName,
    /// The names of all its columns.
    pub(super) names: Vec<String>,
    /// The forms of all its columns.
    pub(super) wires: Vec<Wire>,
    /// The positions of the columns that are compared, in the order of the source.
    pub(super) compared: Vec<usize>,
    /// The positions of the key that both sides have; empty without one.
    pub(super) key: Vec<usize>,
    /// That key's order, if both sides have one.
    pub(super) order: Option<KeyOrder>,
    /// The slices that it is read in, together all of it.
    pub(super) slices: Vec<Slice>,
}

/// Which part of a table a row belongs to, by its key's bytes.
#[derive(Debug)]
pub(super) enum Parts {
    /// Between bounds: part n ends before bound n.
    Ranges(Vec<Vec<u8>>),
    /// By a hash.
    Hashes(u64),
}

/// A row, remembered by its key.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) key: Box<[u8]>,
    pub(super) digest: u128,
    pub(super) place: Place,
}

/// Where a row lies (`ctid`): page and number on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32, u16);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({},{})", self.0, self.1)
    }
}

/// What to read of a table for its rows.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) slices: Vec<Slice>,
    /// Parts of which rows are kept, where the slices hold others, too.
    pub(super) keep: Option<(Arc<Parts>, Arc<Vec<bool>>)>,
}

/// Rows that were read again.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Those that are kept.
    pub(super) entries: Vec<Entry>,
    /// The checksum of those that are kept.
    pub(super) checksum: ContentChecksum,
    /// All rows that were read for it.
    pub(super) read: u64,
}

impl Parts {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Ranges(bounds) => bounds.len() + 1,
            Self::Hashes(count) => usize::try_from(*count).unwrap_or(usize::MAX),
        }
    }

    /// The part of a key; `last` is the part of the row before, which often is the same.
    fn of(&self, key: &[u8], last: usize) -> usize {
        match self {
            Self::Ranges(bounds) => {
                let after_lower = last == 0 || bounds.get(last - 1).is_some_and(|bound| bound.as_slice() <= key);
                if after_lower && bounds.get(last).is_none_or(|bound| key < bound.as_slice()) {
                    return last;
                }
                bounds.partition_point(|bound| bound.as_slice() <= key)
            }
            Self::Hashes(1) => 0,
            Self::Hashes(count) => usize::try_from(xxh3_64(key) % count).unwrap_or(0),
        }
    }
}

/// The fields of a tuple, to be had by position.
struct Row<'a> {
    tuple: &'a [u8],
    fields: &'a [Option<Range<usize>>],
}

impl<'a> Row<'a> {
    fn field(&self, index: usize) -> Option<&'a [u8]> {
        self.fields.get(index).and_then(Option::as_ref).map(|range| &self.tuple[range.clone()])
    }
}

/// Finds the fields of a tuple.
fn locate(tuple: &[u8], fields: &mut Vec<Option<Range<usize>>>) {
    fields.clear();
    let mut at = 0;
    for field in Fields::new(tuple) {
        at += 4;
        fields.push(field.map(|value| at..at + value.len()));
        at += field.map_or(0, <[u8]>::len);
    }
}

impl Side {
    /// The checksum of each part of the table's rows in some slices, which are read at the same time.
    pub(super) async fn checksums(
        self: &Arc<Self>,
        slices: &[Slice],
        parts: &Arc<Parts>,
        progress: &Progress,
    ) -> Result<Vec<ContentChecksum>> {
        let read = slices.iter().map(|slice| {
            let (side, slice, parts, progress) = (self.clone(), slice.clone(), parts.clone(), progress.clone());
            in_task(async move {
                let start = || (vec![ContentChecksum::default(); parts.count()], 0);
                let (sums, _) = side
                    .scan(&slice, false, Some(&progress), start, |(sums, last), key, hash, _| {
                        *last = parts.of(key, *last);
                        sums[*last].add(hash);
                    })
                    .await?;
                Ok(sums)
            })
        });
        let mut all = vec![ContentChecksum::default(); parts.count()];
        let mut read = stream::iter(read).buffer_unordered(self.database.connections());
        while let Some(sums) = read.try_next().await? {
            all.iter_mut().zip(&sums).for_each(|(all, sum)| all.merge(sum));
        }
        Ok(all)
    }

    /// The rows of a scope, ordered by key.
    pub(super) async fn rows(self: &Arc<Self>, scope: &Scope) -> Result<Rows> {
        let read = scope.slices.iter().map(|slice| {
            let (side, slice, keep) = (self.clone(), slice.clone(), scope.keep.clone());
            in_task(async move {
                side.scan(&slice, true, None, Rows::default, |rows, key, hash, place| {
                    rows.read += 1;
                    if keep.as_ref().is_none_or(|keep| keep.1[keep.0.of(key, 0)]) {
                        rows.checksum.add(hash);
                        rows.entries.push(Entry { key: key.into(), digest: digest(hash), place });
                    }
                })
                .await
            })
        });
        let mut all = Rows::default();
        let mut read = stream::iter(read).buffer_unordered(self.database.connections());
        while let Some(mut rows) = read.try_next().await? {
            all.entries.append(&mut rows.entries);
            all.checksum.merge(&rows.checksum);
            all.read += rows.read;
        }
        all.entries.sort_unstable();
        Ok(all)
    }

    /// The digest of each compared value of the row at a place, none for NULL.
    pub(super) async fn values(&self, place: Place) -> Result<Vec<Option<u128>>> {
        let slice = Slice::Where(format!("ctid = '{place}'::pg_catalog.tid"));
        let mut buffer = Vec::new();
        self.tuples(&slice, false, Vec::new, |values, row| {
            for column in &self.compared {
                let digest = |value| {
                    let mut hash = RowHash::default();
                    hash.push(exact::bytes(&self.wires[*column], value, &mut buffer)?);
                    Ok::<_, &'static str>(digest(hash))
                };
                values.push(row.field(*column).map(digest).transpose()?);
            }
            Ok(())
        })
        .await
    }

    /// Hands each row's key bytes, hash and place (if asked for) to `row`. What broke off for a passing reason is read
    /// again from `start` on.
    async fn scan<S>(
        &self,
        slice: &Slice,
        places: bool,
        progress: Option<&Progress>,
        start: impl Fn() -> S,
        mut row: impl FnMut(&mut S, &[u8], RowHash, Place),
    ) -> Result<S> {
        let (mut buffer, mut key, mut counted) = (Vec::new(), Vec::new(), 0_u64);
        let state = self
            .tuples(slice, places, start, |state, tuple| {
                let hash = self.hash(&tuple, &mut buffer)?;
                key.clear();
                self.key(&tuple, hash, &mut buffer, &mut key)?;
                row(state, &key, hash, if places { place(tuple.field(self.wires.len()))? } else { Place(0, 0) });
                counted += 1;
                if counted == 4096 {
                    progress.inspect(|progress| progress.advance(counted, 0));
                    counted = 0;
                }
                Ok(())
            })
            .await?;
        progress.inspect(|progress| progress.advance(counted, 0));
        Ok(state)
    }

    async fn tuples<S>(
        &self,
        slice: &Slice,
        places: bool,
        start: impl Fn() -> S,
        mut row: impl FnMut(&mut S, Row<'_>) -> Result<(), &'static str>,
    ) -> Result<S> {
        let mut tries = Tries::default();
        loop {
            match self.read(slice, places, &start, &mut row).await {
                Ok(state) => return Ok(state),
                Err(error) => tries.after(&self.table, error).await?,
            }
        }
    }

    async fn read<S>(
        &self,
        slice: &Slice,
        places: bool,
        start: impl Fn() -> S,
        mut row: impl FnMut(&mut S, Row<'_>) -> Result<(), &'static str>,
    ) -> Result<S> {
        let mut read = if places {
            self.database.read_with_places(&self.table, slice).await?
        } else {
            let partition = Partition { table: self.table.clone(), number: 0, slice: slice.clone() };
            self.database.read(&partition).await?
        };
        // Only now: slices that wait for a connection hold nothing.
        let mut state = start();
        let mut framing = Framing::new(self.table.to_string(), self.wires.len() + usize::from(places));
        let mut fields = Vec::new();
        while let Some(chunk) = read.chunk().await? {
            framing.push(&chunk, |tuple| {
                locate(tuple, &mut fields);
                row(&mut state, Row { tuple, fields: &fields }).map_err(|what| Error::Source {
                    table: self.table.to_string(),
                    message: format!("{what} on the wire; please report the types of its columns"),
                    transient: false,
                    cause: None,
                })
            })?;
        }
        read.accept(framing.rows(), framing.is_complete()).await?;
        Ok(state)
    }

    fn hash(&self, row: &Row<'_>, buffer: &mut Vec<u8>) -> Result<RowHash, &'static str> {
        let mut hash = RowHash::default();
        for column in &self.compared {
            match row.field(*column) {
                Some(value) => hash.push(exact::bytes(&self.wires[*column], value, buffer)?),
                None => hash.push_null(),
            }
        }
        Ok(hash)
    }

    /// The bytes of a row's key: in the key's order, or as they are, or without a key the digest of the whole row.
    fn key(&self, row: &Row<'_>, hash: RowHash, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), &'static str> {
        if let Some(order) = &self.order {
            return order.append(self.key.iter().map(|column| row.field(*column)), out);
        }
        for column in &self.key {
            let value =
                row.field(*column).map(|value| exact::bytes(&self.wires[*column], value, buffer)).transpose()?;
            push_member(out, value);
        }
        if self.key.is_empty() {
            out.extend_from_slice(&digest(hash).to_be_bytes());
        }
        Ok(())
    }
}

/// The digest of one row.
fn digest(hash: RowHash) -> u128 {
    let mut one = ContentChecksum::default();
    one.add(hash);
    one.sum
}

fn place(sent: Option<&[u8]>) -> Result<Place, &'static str> {
    match sent {
        Some([a, b, c, d, e, f]) => Ok(Place(u32::from_be_bytes([*a, *b, *c, *d]), u16::from_be_bytes([*e, *f]))),
        _ => Err("a ctid of another width"),
    }
}

/// Runs work on another thread; it ends when nobody waits for it any more.
async fn in_task<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    AbortOnDropHandle::new(tokio::spawn(work)).await.unwrap_or_else(|cause| {
        Err(Error::Mismatch { what: "verify".into(), message: format!("a comparison ended abnormally: {cause}") })
    })
}
