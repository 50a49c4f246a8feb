//! The first reading of all documents: what is in each object, and the shapes of the groups.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use tokio::sync::{Semaphore, mpsc};

use super::documents::{Document, FIRST_LINE, Limits, Parting, parting};
use super::fetch::{self, Ranges, WINDOW};
use super::finder::Finder;
use super::piece::{self, Part, Piece, chunks, is_row};
use super::shape::Shape;
use super::text::{self, Encoding, Writing};
use crate::error::Result;

/// The group of objects that are in no folder.
const ROOT: &str = "root";
/// Windows without the end of a line after which what is left of an object is read bit by bit.
const MOST_WINDOWS: u64 = 4;
/// Documents of an object that are told at a time.
const TOLD: usize = 1 << 16;

/// What was found in some pieces, in order.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) found: Vec<Found>,
    pub(super) shapes: BTreeMap<String, Shape>,
}

/// What was found in a piece, or in a part of it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) piece: Piece,
    pub(super) group: String,
    pub(super) writing: Writing,
    pub(super) documents: Vec<Document>,
}

/// What one thread looks at.
#[derive(Debug)]
enum Job {
    Chunk(Vec<Piece>),
    Fetched(Piece, Bytes),
    Long(Piece),
}

/// What is needed to look.
#[derive(Clone)]
pub(super) struct Survey {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    pub(super) limits: Limits,
    pub(super) threads: Arc<Semaphore>,
}

impl Survey {
    /// Looks at all objects, in order; as many pieces as `ahead` are under way.
    pub(super) fn look(self, objects: Vec<ObjectMeta>, ahead: usize) -> BoxStream<'static, Result<Looked>> {
        let store = Arc::clone(&self.store);
        let jobs = stream::iter(chunks(objects.into_iter().map(Piece::new))).flat_map(move |mut chunk| {
            match chunk.pop_if(|piece| piece.is_long()) {
                Some(piece) => cut(Arc::clone(&store), piece.object),
                None => stream::iter([Ok(Job::Chunk(chunk))]).boxed(),
            }
        });
        let looks = jobs.map(move |job| {
            let survey = self.clone();
            async move { survey.run(job?).await }
        });
        let flat = |looked: Result<BoxStream<'static, Result<Looked>>>| match looked {
            Ok(looked) => looked,
            Err(error) => stream::iter([Err(error)]).boxed(),
        };
        looks.buffered(ahead).flat_map(flat).boxed()
    }

    async fn run(self, job: Job) -> Result<BoxStream<'static, Result<Looked>>> {
        let fetched = match job {
            Job::Chunk(chunk) => piece::fetch(&self.store, chunk).await?,
            Job::Fetched(piece, bytes) => vec![(piece, bytes)],
            Job::Long(piece) => return Ok(self.long(piece)),
        };
        let threads = Arc::clone(&self.threads);
        let looked = piece::work(&threads, move || look(fetched, &self.prefix, self.limits)).await?;
        Ok(stream::iter([Ok(looked)]).boxed())
    }

    /// Looks at a piece bit by bit, once it is asked for.
    fn long(self, piece: Piece) -> BoxStream<'static, Result<Looked>> {
        let begin = async move {
            let (results, received) = mpsc::channel(1);
            tokio::task::spawn_blocking(move || {
                let looked = self.look_long(piece, &results);
                if looked.is_err() {
                    drop(results.blocking_send(looked.map(|()| Looked::default())));
                }
            });
            stream::unfold(received, |mut received| async { received.recv().await.map(|looked| (looked, received)) })
        };
        stream::once(begin).flatten().boxed()
    }

    fn look_long(&self, piece: Piece, results: &mpsc::Sender<Result<Looked>>) -> Result<()> {
        let from = if let Part::Rest(from) = piece.part { from } else { 0 };
        let mut ranges = Ranges::new(&self.store, &piece.object, from);
        let is_over = ranges.is_over();
        let group = group_of(&self.prefix, &piece.object.location);
        let (mut finder, mut documents) = (Finder::default(), Vec::new());
        let writing = Cell::new(None);
        let found = |documents: Vec<Document>| Found {
            piece: piece.clone(),
            group: group.clone(),
            writing: writing.get().unwrap_or(text::writing(&[]).0),
            documents,
        };
        piece.read_long(&mut ranges, self.limits, &writing, &mut finder, &mut |finder, document| {
            settle(finder, &document);
            documents.push(document);
            if documents.len() == TOLD {
                let found = vec![found(std::mem::take(&mut documents))];
                is_over.set(results.blocking_send(Ok(Looked { found, shapes: BTreeMap::new() })).is_err());
            }
        })?;
        let shapes = BTreeMap::from([(group.clone(), finder.into_shape())]);
        drop(results.blocking_send(Ok(Looked { found: vec![found(documents)], shapes })));
        Ok(())
    }
}

/// A large object as jobs: windows of whole lines, where each line is read by itself.
fn cut(store: Arc<dyn ObjectStore>, object: ObjectMeta) -> BoxStream<'static, Result<Job>> {
    let cut = Cut { store, object, held: Vec::new(), from: 0, fetched: 0, is_over: false };
    stream::try_unfold(cut, |mut cut| async move { Ok(cut.next().await?.map(|job| (job, cut))) }).boxed()
}

/// A large object while it is cut.
struct Cut {
    store: Arc<dyn ObjectStore>,
    object: ObjectMeta,
    /// What was fetched and is in no job, and where it begins.
    held: Vec<u8>,
    from: u64,
    fetched: u64,
    is_over: bool,
}

impl Cut {
    async fn next(&mut self) -> Result<Option<Job>> {
        if self.is_over {
            return Ok(None);
        }
        loop {
            let is_first = self.fetched == 0;
            let bytes = fetch::range(self.store.as_ref(), &self.object, self.fetched..self.fetched + WINDOW).await?;
            self.fetched += bytes.len() as u64;
            self.held.extend_from_slice(&bytes);
            if is_first {
                let (writing, mark) = text::writing(&self.held);
                let is_plain = !writing.is_compressed && writing.encoding == Encoding::Utf8;
                if !is_plain || parting(&self.held[mark..], FIRST_LINE, false) != Parting::Lines {
                    return Ok(Some(self.rest()));
                }
            }
            let end = if self.fetched >= self.object.size {
                self.is_over = true;
                self.held.len()
            } else {
                memchr::memrchr(b'\n', &self.held).map_or(0, |end| end + 1)
            };
            if end > 0 {
                let left = self.held.split_off(end);
                let bytes = std::mem::replace(&mut self.held, left);
                return Ok(Some(self.lines(bytes)));
            }
            if self.is_over {
                return Ok(None);
            }
            if self.held.len() as u64 > MOST_WINDOWS * WINDOW {
                return Ok(Some(self.rest()));
            }
        }
    }

    fn lines(&mut self, bytes: Vec<u8>) -> Job {
        let end = self.from + bytes.len() as u64;
        let piece = Piece { part: Part::Lines(self.from..end), ..Piece::new(self.object.clone()) };
        self.from = end;
        Job::Fetched(piece, bytes.into())
    }

    fn rest(&mut self) -> Job {
        self.is_over = true;
        self.held = Vec::new();
        Job::Long(Piece { part: Part::Rest(self.from), ..Piece::new(self.object.clone()) })
    }
}

/// What a document that has ended adds to the shape.
fn settle(finder: &mut Finder, document: &Document) {
    if is_row(document) {
        finder.keep();
    } else {
        finder.drop_document();
    }
}

fn look(fetched: Vec<(Piece, Bytes)>, prefix: &Path, limits: Limits) -> Looked {
    let mut finders: BTreeMap<String, Finder> = BTreeMap::new();
    let mut found = Vec::with_capacity(fetched.len());
    for (piece, bytes) in fetched {
        let group = group_of(prefix, &piece.object.location);
        let finder = finders.entry(group.clone()).or_default();
        let mut documents = Vec::new();
        let writing = piece.read(&bytes, limits, finder, &mut |finder, document| {
            settle(finder, &document);
            documents.push(document);
        });
        found.push(Found { piece, group, writing, documents });
    }
    Looked { found, shapes: finders.into_iter().map(|(group, finder)| (group, finder.into_shape())).collect() }
}

/// The first folder below the prefix.
fn group_of(prefix: &Path, location: &Path) -> String {
    let folder = location.prefix_match(prefix).and_then(|mut parts| {
        let first = parts.next()?;
        parts.next().map(|_| first.as_ref().to_owned())
    });
    folder.unwrap_or_else(|| ROOT.to_owned())
}
