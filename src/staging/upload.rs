//! An object on its way to a remote store: small ones in one request, large ones in parts, of which only a few are in
//! memory. (`object_store`'s own buffered writer leaves the upload open, unseen and paid for, when its last part fails.)

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{
    Attributes, MultipartUpload, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, Result,
};
use tokio::task::JoinSet;

use super::StagingArea;
use super::object;

/// Bytes of a part. S3 takes 10,000 parts of at least 5 MiB, all but the last of one size where others are as strict
/// (Amazon S3 user guide, "multipart upload limits"): an object may have 97 GiB.
const PART: usize = 10 << 20;
/// Parts sent at the same time; one more is being filled.
const PARTS_AT_ONCE: usize = 4;

/// One object while it is sent: invisible until [`Upload::finish`]. It holds at most five parts of 10 MiB.
#[derive(Debug)]
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    key: Path,
    attributes: Attributes,
    filling: BytesMut,
    /// Once it is known that one request does not do.
    in_parts: Option<InParts>,
}

#[derive(Debug)]
struct InParts {
    upload: Box<dyn MultipartUpload>,
    sent: JoinSet<Result<()>>,
}

impl InParts {
    /// Waits until at most `most` parts are on their way.
    async fn wait(&mut self, most: usize) -> Result<()> {
        while self.sent.len() > most {
            match self.sent.join_next().await {
                Some(Ok(sent)) => sent?,
                Some(Err(cause)) => return Err(object_store::Error::JoinError { source: cause }),
                None => {}
            }
        }
        Ok(())
    }

    fn send(&mut self, part: Bytes) {
        self.sent.spawn(self.upload.put_part(part.into()));
    }
}

impl Upload {
    pub(super) fn new(area: &StagingArea, key: &Path) -> Self {
        let (store, attributes) = (area.store(), area.attributes.clone());
        Self { store, key: key.clone(), attributes, filling: BytesMut::new(), in_parts: None }
    }

    /// Adds bytes; parts that are full are on their way when it returns.
    pub(super) async fn append(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PART - self.filling.len()));
            self.filling.extend_from_slice(&piece);
            if self.filling.len() < PART {
                break;
            }
            let full = self.filling.split().freeze();
            let parts = self.in_parts().await?;
            parts.wait(PARTS_AT_ONCE - 1).await?;
            parts.send(full);
        }
        Ok(())
    }

    async fn in_parts(&mut self) -> Result<&mut InParts> {
        match &mut self.in_parts {
            Some(parts) => Ok(parts),
            none => {
                let options = PutMultipartOptions { attributes: self.attributes.clone(), ..Default::default() };
                let upload = self.store.put_multipart_opts(&self.key, options).await?;
                Ok(none.insert(InParts { upload, sent: JoinSet::new() }))
            }
        }
    }

    /// Makes the object durable and visible. `digest` is the size and BLAKE3 of all that was appended: where the answer is
    /// lost, or the second one says that there is no such upload any more, what is there tells whether it was completed.
    pub(super) async fn finish(&mut self, digest: (u64, String)) -> Result<()> {
        let rest = self.filling.split().freeze();
        let Some(parts) = &mut self.in_parts else {
            let options = PutOptions { attributes: self.attributes.clone(), ..PutOptions::default() };
            return self.store.put_opts(&self.key, PutPayload::from(rest), options).await.map(drop);
        };
        if !rest.is_empty() {
            parts.send(rest);
        }
        parts.wait(0).await?;
        let Err(cause) = parts.upload.complete().await else {
            self.in_parts = None;
            return Ok(());
        };
        if !Self::is_there(Arc::clone(&self.store), self.key.clone(), digest).await {
            return Err(cause);
        }
        self.in_parts = None;
        Ok(())
    }

    /// Whether an object of this size and BLAKE3 is there.
    async fn is_there(store: Arc<dyn ObjectStore>, key: Path, (bytes, blake3): (u64, String)) -> bool {
        match store.get(&key).await {
            Ok(found) => found.meta.size == bytes && object::hash(found).await.is_ok_and(|hash| hash == blake3),
            Err(_) => false,
        }
    }

    /// Whether parts are kept in the store that only an abort or a completion removes.
    pub(super) fn is_open(&self) -> bool {
        self.in_parts.is_some()
    }

    /// Gives the object up: parts that were sent are removed from the store.
    pub(super) async fn abort(mut self) {
        let Some(mut parts) = self.in_parts.take() else { return };
        // A part that arrives after the abort would stay.
        parts.sent.shutdown().await;
        if let Err(cause) = parts.upload.abort().await {
            tracing::warn!(
                key = %self.key, %cause,
                "an upload that was broken off could not be removed from the store; `telecine staging orphans --sweep` does"
            );
        }
    }
}
