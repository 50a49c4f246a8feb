//! An S3-compatible server that keeps its buckets in memory, so that what is measured is its clients.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io::Write as _;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::body::Body as AxumBody;
use axum::http::Request;
use bytes::Bytes;
use futures::TryStreamExt as _;
use s3s::auth::SimpleAuth;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

/// The key's id and secret.
pub const KEY: &str = "bench";
/// The bucket that is full from the beginning.
pub const TRUTH: &str = "truth";
/// The name by which the number of requests is told.
pub const REQUESTS: &str = "(requests)";
/// The buckets that are empty.
pub const EMPTY: [&str; 3] = ["work", "dev", "other"];

/// Where parts of uploads are until these are completed.
const PARTS: &str = "(parts)";
/// The largest body that is taken.
const LARGEST: usize = 64 << 20;
/// The largest page of a listing.
const PAGE: usize = 1_000;

/// Ids of uploads.
static UPLOADS: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, Clone)]
struct Kept {
    bytes: Bytes,
    etag: ETag,
    at: SystemTime,
}

impl Kept {
    fn new(bytes: Bytes) -> Self {
        let digest = Md5::checksum(&bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { etag: ETag::Strong(hex), bytes, at: SystemTime::now() }
    }
}

/// The key of an object of the source of truth.
pub fn key(number: usize) -> String {
    format!("promo/{}/PR-{number:07}.json", 2015 + number % 10)
}

/// Its text.
pub fn document(number: usize, size: usize) -> String {
    let begun = format!(r#"{{"id":"Promo:{number}","title":"Title {number}","notes":""#);
    let rest = size.saturating_sub(begun.len() + 2);
    format!("{begun}{}\"}}", "x".repeat(rest))
}

type Bucket = BTreeMap<String, Kept>;

#[derive(Debug, Clone)]
struct Buckets(Arc<Mutex<HashMap<String, Bucket>>>);

impl Buckets {
    fn filled(objects: usize, size: usize) -> Self {
        let mut buckets: HashMap<_, _> = EMPTY.map(|name| (name.to_owned(), Bucket::new())).into();
        let filled = (0..objects).map(|number| (key(number), Kept::new(document(number, size).into())));
        buckets.insert(PARTS.to_owned(), Bucket::new());
        buckets.insert(TRUTH.to_owned(), filled.collect());
        Self(Arc::new(Mutex::new(buckets)))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, bucket: &str, key: &str) -> S3Result<Kept> {
        let all = self.all();
        let bucket = all.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        bucket.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    fn put(&self, bucket: &str, key: String, kept: Kept, only_new: bool) -> S3Result<ETag> {
        let mut all = self.all();
        let bucket = all.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        if only_new && bucket.contains_key(&key) {
            return Err(s3_error!(PreconditionFailed));
        }
        let etag = kept.etag.clone();
        bucket.insert(key, kept);
        Ok(etag)
    }
}

async fn whole(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    let parts: Vec<Bytes> = body.try_collect().await.map_err(|_| s3_error!(IncompleteBody))?;
    Ok(if parts.len() == 1 { parts.into_iter().next().unwrap_or_default() } else { parts.concat().into() })
}

fn length(kept: &Kept) -> Option<i64> {
    i64::try_from(kept.bytes.len()).ok()
}

#[async_trait::async_trait]
impl S3 for Buckets {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let kept = self.get(&input.bucket, &input.key)?;
        if let Some(ETagCondition::ETag(wanted)) = &input.if_match
            && *wanted != kept.etag
        {
            return Err(s3_error!(PreconditionFailed));
        }
        Ok(S3Response::new(GetObjectOutput {
            content_length: length(&kept),
            e_tag: Some(kept.etag),
            last_modified: Some(kept.at.into()),
            body: Some(StreamingBlob::from(Body::from(kept.bytes))),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let kept = self.get(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: length(&kept),
            e_tag: Some(kept.etag),
            last_modified: Some(kept.at.into()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let bytes = whole(input.body).await?;
        let etag = self.put(&input.bucket, input.key, Kept::new(bytes), input.if_none_match.is_some())?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(etag), ..PutObjectOutput::default() }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else { return Err(s3_error!(NotImplemented)) };
        let kept = self.get(bucket, key)?;
        if let Some(ETagCondition::ETag(wanted)) = &input.copy_source_if_match
            && *wanted != kept.etag
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let kept = Kept { at: SystemTime::now(), ..kept };
        let result = CopyObjectResult {
            last_modified: Some(kept.at.into()),
            e_tag: Some(self.put(&input.bucket, input.key, kept, false)?),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let CreateMultipartUploadInput { bucket, key, .. } = request.input;
        let upload_id = Some(UPLOADS.fetch_add(1, Ordering::Relaxed).to_string());
        let (bucket, key) = (Some(bucket), Some(key));
        Ok(S3Response::new(CreateMultipartUploadOutput { bucket, key, upload_id, ..Default::default() }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let kept = Kept::new(whole(input.body).await?);
        let name = format!("{}/{:05}", input.upload_id, input.part_number);
        let e_tag = Some(self.put(PARTS, name, kept, false)?);
        Ok(S3Response::new(UploadPartOutput { e_tag, ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let begin = format!("{}/", input.upload_id);
        let parts: Vec<Bytes> = {
            let mut all = self.all();
            let kept = all.get_mut(PARTS).ok_or_else(|| s3_error!(NoSuchUpload))?;
            let names: Vec<String> = kept.keys().filter(|name| name.starts_with(&begin)).cloned().collect();
            names.iter().filter_map(|name| Some(kept.remove(name)?.bytes)).collect()
        };
        let etag =
            self.put(&input.bucket, input.key, Kept::new(parts.concat().into()), input.if_none_match.is_some())?;
        let made = CompleteMultipartUploadOutput { e_tag: Some(etag), ..CompleteMultipartUploadOutput::default() };
        Ok(S3Response::new(made))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let mut all = self.all();
        let bucket = all.get_mut(&request.input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        bucket.remove(&request.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let mut all = self.all();
        let bucket = all.get_mut(&request.input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let deleted = request.input.delete.objects.into_iter().map(|object| {
            bucket.remove(&object.key);
            DeletedObject { key: Some(object.key), ..DeletedObject::default() }
        });
        let deleted = Some(deleted.collect());
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..DeleteObjectsOutput::default() }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let all = self.all();
        let bucket = all.get(&input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.clone().or(input.start_after.clone());
        let from = match &after {
            Some(after) => Bound::Excluded(after.as_str()),
            None => Bound::Included(prefix.as_str()),
        };
        let page = input.max_keys.and_then(|keys| usize::try_from(keys).ok()).unwrap_or(PAGE).min(PAGE);
        let mut found =
            bucket.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(&prefix));
        let contents: Vec<Object> = found
            .by_ref()
            .take(page)
            .map(|(key, kept)| Object {
                key: Some(key.clone()),
                size: length(kept),
                e_tag: Some(kept.etag.clone()),
                last_modified: Some(kept.at.into()),
                ..Object::default()
            })
            .collect();
        let more = found.next().is_some();
        let next = contents.last().and_then(|object| object.key.clone()).filter(|_| more);
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(contents.len()).ok(),
            max_keys: i32::try_from(page).ok(),
            contents: Some(contents),
            is_truncated: Some(more),
            next_continuation_token: next,
            name: Some(input.bucket),
            prefix: input.prefix,
            ..ListObjectsV2Output::default()
        }))
    }
}

/// Serves until the process is ended. The endpoint is the first line on stdout.
pub async fn serve(objects: usize, size: usize) {
    let buckets = Buckets::filled(objects, size);
    let mut builder = S3ServiceBuilder::new(buckets.clone());
    builder.set_auth(SimpleAuth::from_single(KEY, KEY));
    let service = builder.build();
    let requests = AtomicUsize::new(0);
    let requests: &AtomicUsize = Box::leak(Box::new(requests));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    let app = axum::Router::new().fallback(async move |request: Request<AxumBody>| {
        if request.uri().path() == "/__counts" {
            let mut counts: BTreeMap<_, _> =
                buckets.all().iter().map(|(name, bucket)| (name.clone(), bucket.len())).collect();
            counts.insert(REQUESTS.to_owned(), requests.load(Ordering::Relaxed));
            return Ok::<_, Infallible>(axum::response::Response::new(AxumBody::from(
                serde_json::to_string(&counts).unwrap(),
            )));
        }
        requests.fetch_add(1, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, LARGEST).await.unwrap_or_default();
        let answer = service.call(Request::from_parts(head, Body::from(body))).await.unwrap();
        Ok(answer.map(AxumBody::new))
    });
    axum::serve(listener, app).await.unwrap();
}
