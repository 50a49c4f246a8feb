//! What is read by one thread at a time: small objects, some together; of a large one whose documents are lines, some lines;
//! another large one whole, bit by bit.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};
use tokio::sync::Semaphore;

use super::documents::{Document, Feed, Kind, Limits};
use super::fetch;
use super::scan::Visitor;
use super::text::{self, Text, Writing};
use crate::error::{Cause, Error, Result};

/// Bytes of objects that are read by one thread at a time, and above which an object is large.
pub(super) const CHUNK_BYTES: u64 = fetch::WINDOW;
/// Objects of such a chunk.
const CHUNK_OBJECTS: usize = 1_024;
/// Objects of a chunk fetched at the same time.
const FETCHES: usize = 16;

/// Which of an object's bytes a piece is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of them.
    Whole,
    /// Some lines, each of which is read by itself.
    Lines(Range<u64>),
    /// All from here on, which are not held at once; from the beginning, or lines.
    Rest(u64),
}

/// A piece as it was found to be.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) object: ObjectMeta,
    pub(super) part: Part,
    /// The number of its first document.
    pub(super) first: u64,
    /// Documents that are no rows: broken ones, and those that are no JSON objects.
    pub(super) left_out: Vec<Range<u64>>,
}

impl Piece {
    /// An object of which nothing is known yet.
    pub(super) fn new(object: ObjectMeta) -> Self {
        let part = if object.size > CHUNK_BYTES { Part::Rest(0) } else { Part::Whole };
        Self { object, part, first: 0, left_out: Vec::new() }
    }

    /// Bytes of it, as they are stored.
    pub(super) fn bytes(&self) -> u64 {
        match &self.part {
            Part::Lines(range) => range.end - range.start,
            Part::Whole | Part::Rest(_) => self.object.size,
        }
    }

    /// Adds a document to those that are no rows.
    pub(super) fn leave_out(&mut self, number: u64) {
        match self.left_out.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => self.left_out.push(number..number + 1),
        }
    }

    /// Whether it is to be read bit by bit.
    pub(super) fn is_long(&self) -> bool {
        matches!(self.part, Part::Rest(_))
    }

    async fn fetch(&self, store: &dyn ObjectStore) -> Result<Bytes> {
        match &self.part {
            Part::Lines(range) => fetch::range(store, &self.object, range.clone()).await,
            Part::Whole | Part::Rest(_) => fetch::whole(store, &self.object).await,
        }
    }

    /// Shows the documents in its bytes to `visitor`, and tells them.
    pub(super) fn read<V: Visitor>(
        &self,
        bytes: &[u8],
        limits: Limits,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) -> Writing {
        let Part::Lines(range) = &self.part else { return text::read(bytes, limits, visitor, told) };
        let place = usize::try_from(range.start).unwrap_or(usize::MAX);
        let mut feed = Feed::lines_from(limits, place);
        feed.number = self.first;
        let (writing, mark) = if place == 0 { text::writing(bytes) } else { (text::writing(&[]).0, 0) };
        feed.skip(mark);
        feed.read(&bytes[mark..], Some(None), visitor, told);
        writing
    }

    /// The same for a piece that is read bit by bit, outside of the runtime that fetches it. `writing` is set first.
    pub(super) fn read_long<V: Visitor>(
        &self,
        ranges: &mut fetch::Ranges,
        limits: Limits,
        writing: &Cell<Option<Writing>>,
        visitor: &mut V,
        told: &mut impl FnMut(&mut V, Document),
    ) -> Result<()> {
        let read = match self.part {
            Part::Rest(from) if from > 0 => {
                let mut feed = Feed::lines_from(limits, usize::try_from(from).unwrap_or(usize::MAX));
                feed.number = self.first;
                writing.set(Some(text::writing(&[]).0));
                text::read_lines_from(&mut *ranges, feed, visitor, told)
            }
            _ => Text::open(&mut *ranges, limits).and_then(|text| {
                writing.set(Some(text.writing()));
                text.read(visitor, told)
            }),
        };
        read.map_err(|cause| ranges.failure(cause))
    }
}

/// A document that is a row.
pub(super) fn is_row(document: &Document) -> bool {
    document.fault.is_none() && document.kind == Some(Kind::Object)
}

/// Pieces as one thread takes them; one that is large is alone.
pub(super) fn chunks(pieces: impl Iterator<Item = Piece>) -> impl Iterator<Item = Vec<Piece>> {
    let mut pieces = pieces.peekable();
    std::iter::from_fn(move || {
        let mut chunk = vec![pieces.next()?];
        let mut bytes = chunk.first().map_or(0, Piece::bytes);
        while let Some(piece) = pieces.next_if(|piece| bytes + piece.bytes() <= CHUNK_BYTES) {
            bytes += piece.bytes();
            chunk.push(piece);
            if chunk.len() == CHUNK_OBJECTS {
                break;
            }
        }
        Some(chunk)
    })
}

/// Fetches the pieces of a chunk.
pub(super) async fn fetch(store: &Arc<dyn ObjectStore>, chunk: Vec<Piece>) -> Result<Vec<(Piece, Bytes)>> {
    let fetches = stream::iter(chunk).map(|piece| async move {
        let bytes = piece.fetch(store.as_ref()).await?;
        Ok((piece, bytes))
    });
    fetches.buffered(FETCHES).try_collect().await
}

/// Work outside of the runtime, of which so much is done at a time as `threads` has permits.
pub(super) async fn work<T: Send + 'static>(
    threads: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let broken = |cause: Cause| Error::staging("documents", "the reading of documents broke off", cause);
    let permit = Arc::clone(threads).acquire_owned().await.map_err(|cause| broken(cause.into()))?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    });
    done.await.map_err(|cause| broken(cause.into()))
}
