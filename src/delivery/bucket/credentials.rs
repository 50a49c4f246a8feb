//! Where requests go and who signs them: the same builder as the staging area's.

use object_store::aws::{AmazonS3ConfigKey, AwsCredentialProvider};
use url::Url;

use crate::error::{Error, Result};
use crate::staging::S3Settings;

/// What requests to a bucket need.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) credentials: AwsCredentialProvider,
    pub(super) region: String,
    /// The server's URL, without a `/` at its end.
    pub(super) endpoint: String,
}

impl Access {
    /// By the `AWS_*` variables and the chain of credentials. Nothing is asked for yet.
    ///
    /// # Errors
    /// When the settings are unusable.
    pub(super) fn to(bucket: &Url, settings: &S3Settings) -> Result<Self> {
        let unusable = |cause: object_store::Error| Error::Preflight {
            message: format!("the S3 settings for {bucket} are unusable; set AWS_REGION and credentials"),
            cause: Some(Box::new(cause)),
        };
        let builder = settings.builder(bucket)?;
        let said = |key| builder.get_config_value(&key);
        let region = said(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = said(AmazonS3ConfigKey::S3Endpoint).or_else(|| said(AmazonS3ConfigKey::Endpoint));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let plain_http = endpoint.starts_with("http:");
        let store = builder.with_allow_http(plain_http).build().map_err(unusable)?;
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { credentials: store.credentials().clone(), region, endpoint })
    }
}
