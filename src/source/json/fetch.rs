//! Bytes of objects: each is that of the object which was listed, or an error.

use std::cell::Cell;
use std::io::{self, Read};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// Bytes that are asked for at a time of an object that is not fetched whole.
pub(super) const WINDOW: u64 = 8 << 20;

/// The whole object.
pub(super) async fn whole(store: &dyn ObjectStore, object: &ObjectMeta) -> Result<Bytes> {
    get(store, object, None).await
}

/// A range of an object, which ends at its end at the latest.
pub(super) async fn range(store: &dyn ObjectStore, object: &ObjectMeta, range: Range<u64>) -> Result<Bytes> {
    let range = range.start..range.end.min(object.size);
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    get(store, object, Some(range)).await
}

async fn get(store: &dyn ObjectStore, object: &ObjectMeta, range: Option<Range<u64>>) -> Result<Bytes> {
    let failed = |cause| Error::staging(object.location.to_string(), "cannot be read", cause);
    let options = GetOptions::new().with_range(range);
    let found = store.get_opts(&object.location, options).await.map_err(failed)?;
    if found.meta.e_tag != object.e_tag || found.meta.size != object.size {
        return Err(Error::Staging {
            path: object.location.to_string(),
            message: "the object was changed while its documents were read; run the same command again".into(),
            cause: None,
        });
    }
    found.bytes().await.map_err(failed)
}

/// An object from a place on, to be read outside of the runtime that fetches it. One window is fetched ahead.
pub(super) struct Ranges {
    store: Arc<dyn ObjectStore>,
    object: ObjectMeta,
    runtime: Handle,
    next: JoinHandle<Result<Bytes>>,
    /// Where the window after the next begins.
    at: u64,
    current: Bytes,
    /// What a read failed with: an [`io::Error`] is for the reader alone.
    failure: Option<Error>,
    /// Nobody wants what is read.
    is_over: Rc<Cell<bool>>,
}

impl Ranges {
    /// Begins to fetch.
    pub(super) fn new(store: &Arc<dyn ObjectStore>, object: &ObjectMeta, from: u64) -> Self {
        let runtime = Handle::current();
        let next = Self::fetch(&runtime, store, object, from);
        let (store, object) = (Arc::clone(store), object.clone());
        Self {
            store,
            object,
            runtime,
            next,
            at: from + WINDOW,
            current: Bytes::new(),
            failure: None,
            is_over: Rc::default(),
        }
    }

    /// Set to `true`, it ends the reading with an error.
    pub(super) fn is_over(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.is_over)
    }

    fn fetch(
        runtime: &Handle,
        store: &Arc<dyn ObjectStore>,
        object: &ObjectMeta,
        at: u64,
    ) -> JoinHandle<Result<Bytes>> {
        let (store, object) = (Arc::clone(store), object.clone());
        runtime.spawn(async move { range(store.as_ref(), &object, at..at + WINDOW).await })
    }

    /// The failure of the store, if that was why reading ended.
    pub(super) fn failure(&mut self, cause: io::Error) -> Error {
        let path = self.object.location.to_string();
        self.failure.take().unwrap_or_else(|| Error::staging(path, "cannot be read", cause))
    }
}

impl Read for Ranges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over.get() {
            return Err(io::Error::other("what was read is not wanted any more"));
        }
        if self.current.is_empty() {
            let next = Self::fetch(&self.runtime, &self.store, &self.object, self.at);
            let fetched = self.runtime.block_on(std::mem::replace(&mut self.next, next));
            self.at += WINDOW;
            self.current = fetched?.map_err(|error| {
                let message = error.to_string();
                self.failure = Some(error);
                io::Error::other(message)
            })?;
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Drop for Ranges {
    fn drop(&mut self) {
        self.next.abort();
    }
}
