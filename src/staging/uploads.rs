//! Tests of uploads to a remote store that are broken off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::*;

use super::StagingArea;
use super::object::ObjectWriter;

/// A store in memory that counts the uploads that are open.
#[derive(Debug, Default)]
struct Counting {
    store: InMemory,
    open: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Upload {
    inner: Box<dyn MultipartUpload>,
    open: Arc<AtomicUsize>,
}

impl std::fmt::Display for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.inner.abort().await
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.store.put_multipart_opts(location, options).await?;
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Upload { inner, open: Arc::clone(&self.open) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn no_upload_stays_open() {
    let counting = Counting::default();
    let open = Arc::clone(&counting.open);
    let store: Arc<dyn ObjectStore> = Arc::new(counting);
    let store_url = url::Url::parse("memory://store").unwrap();
    let area = StagingArea::over(store, store_url, Path::from("root"));
    let key = Path::from("root/large");
    // More than is held back before an upload in parts begins.
    let large = Bytes::from(vec![7; 24 << 20]);
    let begun = async || {
        let mut writer = ObjectWriter::create(&area, &key).await.unwrap();
        writer.append(large.clone()).await.unwrap();
        assert_eq!(open.load(Ordering::SeqCst), 1);
        writer
    };
    begun().await.abandon().await;
    assert_eq!(open.load(Ordering::SeqCst), 0);
    drop(begun().await);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(open.load(Ordering::SeqCst), 0, "dropped, it is removed in the background");
    assert!(area.store().head(&key).await.is_err());
    begun().await.finish().await.unwrap();
    assert_eq!(open.load(Ordering::SeqCst), 0);
    assert_eq!(area.store().head(&key).await.unwrap().size, 24 << 20);
}
