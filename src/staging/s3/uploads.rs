//! Uploads in parts that were begun and neither completed nor aborted: no listing of objects shows them, and they are paid
//! for. `object_store` does not list them; the request is <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{Error, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// How often a page is asked for when the store fails.
const TRIES: u32 = 6;
/// The wait after the first failure; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A bucket, asked what `object_store` does not ask.
#[derive(Debug, Clone)]
pub(in crate::staging) struct Uploads {
    pub(super) client: Arc<AmazonS3>,
    pub(super) http: HttpClient,
    pub(super) region: String,
    /// Whether requests are signed.
    pub(super) signed: bool,
}

/// An upload that is open.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::staging) struct OpenUpload {
    /// The key of the object that it would become.
    pub(in crate::staging) key: String,
    /// Its id.
    pub(in crate::staging) upload_id: String,
    /// When it was begun, RFC 3339.
    pub(in crate::staging) initiated: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    #[serde(rename = "Upload")]
    uploads: Vec<OpenUpload>,
    is_truncated: bool,
    next_key_marker: String,
    next_upload_id_marker: String,
}

impl Uploads {
    /// The open uploads of keys below a prefix; `None` where the store does not tell them.
    pub(in crate::staging) async fn list(&self, prefix: &Path) -> Result<Option<Vec<OpenUpload>>> {
        let mut uploads = Vec::new();
        let (mut key_marker, mut id_marker) = (String::new(), String::new());
        loop {
            let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let mut query = format!("uploads=&prefix={}%2F", encoded(prefix.as_ref()));
            if !key_marker.is_empty() {
                query += &format!("&key-marker={}&upload-id-marker={}", encoded(&key_marker), encoded(&id_marker));
            }
            let Some(text) = self.ask(&query).await? else { return Ok(None) };
            let page: Page = quick_xml::de::from_str(&text).map_err(|cause| generic(cause.into()))?;
            let is_last =
                !page.is_truncated || (&page.next_key_marker, &page.next_upload_id_marker) == (&key_marker, &id_marker);
            uploads.extend(page.uploads);
            if is_last {
                // Not every store keeps to the prefix.
                uploads.retain(|upload: &OpenUpload| upload.key.starts_with(&format!("{prefix}/")));
                return Ok(Some(uploads));
            }
            (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    /// Ends an upload; its parts are gone. One that is gone already is no failure.
    pub(in crate::staging) async fn abort(&self, upload: &OpenUpload) -> Result<()> {
        match self.client.abort_multipart(&Path::parse(&upload.key)?, &upload.upload_id).await {
            Err(Error::NotFound { .. }) => Ok(()),
            aborted => aborted,
        }
    }

    /// The answer to a GET of the bucket; `None` where the store does not know what is asked.
    async fn ask(&self, query: &str) -> Result<Option<String>> {
        let mut wait = FIRST_WAIT;
        let mut last = None;
        for _ in 0..TRIES {
            match self.http.execute(self.request(query).await?).await {
                Ok(answer) if answer.status().is_success() => {
                    let body = answer.into_body().bytes().await.map_err(|cause| generic(cause.into()))?;
                    return Ok(Some(String::from_utf8_lossy(&body).into_owned()));
                }
                Ok(answer) if matches!(answer.status().as_u16(), 404 | 405 | 501) => return Ok(None),
                Ok(answer) if answer.status().is_server_error() || answer.status().as_u16() == 429 => {
                    last = Some(generic(format!("the store answered {}", answer.status()).into()));
                }
                Ok(answer) => return Err(generic(format!("the store answered {}", answer.status()).into())),
                Err(cause) => last = Some(generic(cause.into())),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(last.unwrap_or_else(|| generic("the store does not answer".into())))
    }

    async fn request(&self, query: &str) -> Result<HttpRequest> {
        // Where the bucket is, in the host's name or in the path, the client alone knows: its signed URLs tell.
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        let method = request.method().clone();
        let mut url = self.client.signed_url(method, &Path::from("x"), Duration::from_secs(60)).await?;
        let bucket = url.path().strip_suffix('x').unwrap_or_default().to_owned();
        url.set_path(if bucket == "/" { "/" } else { bucket.trim_end_matches('/') });
        url.set_query(Some(query));
        *request.uri_mut() = url.as_str().parse().map_err(|_| generic("the bucket's URL is none".into()))?;
        if self.signed {
            let credential = self.client.credentials().get_credential().await?;
            AwsAuthorizer::new(&credential, "s3", &self.region).authorize(&mut request, None);
        }
        Ok(request)
    }
}

fn generic(source: crate::error::Cause) -> Error {
    Error::Generic { store: "S3", source }
}
