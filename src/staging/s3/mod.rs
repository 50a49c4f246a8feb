//! S3 and what is compatible with it: where credentials, region and endpoint come from, and how objects are kept there.

mod process;
mod profile;
mod requests;
mod uploads;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider};
use object_store::client::HttpConnector;
use object_store::path::Path;
use object_store::{Attribute, Attributes, Certificate, ClientOptions};
use url::Url;

use self::profile::Profile;
pub use self::requests::{Counter, Requests};
pub(in crate::staging) use self::uploads::OpenUpload;
use self::uploads::Uploads;
use crate::error::{Error, Result};

/// Storage classes of S3 whose objects can be read at once (Amazon S3 API, `PutObject`, `x-amz-storage-class`): what is
/// staged is read by the next step.
const STORAGE_CLASSES: [&str; 7] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "EXPRESS_ONEZONE",
];

/// How buckets are reached and objects kept. Credentials are looked for where AWS's own tools look, the first place that
/// has any is taken: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`; the
/// profile `AWS_PROFILE` (else `default`) of `~/.aws/config` and `~/.aws/credentials`; the container's; the machine's
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>). Those that expire are renewed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct S3Settings {
    environment: BTreeMap<String, String>,
    kms_key: Option<String>,
    storage_class: Option<String>,
}

impl S3Settings {
    /// The settings of an environment: its `AWS_*` variables, and `HOME` for the files of profiles.
    pub fn of_environment(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |name: &str| name.starts_with("AWS_") || name == "HOME";
        let environment = variables.into_iter().filter(|(name, value)| ours(name) && !value.is_empty()).collect();
        Self { environment, ..Self::default() }
    }

    /// The same, with objects encrypted under a key of KMS (its id, alias or ARN; SSE-KMS).
    #[must_use]
    pub fn with_kms_key(mut self, key: Option<String>) -> Self {
        self.kms_key = key;
        self
    }

    /// The same, with objects written to a storage class ([`storage_class`]).
    #[must_use]
    pub fn with_storage_class(mut self, class: Option<String>) -> Self {
        self.storage_class = class;
        self
    }

    /// The builder of a client for the bucket that `url` (`s3://bucket/prefix`) names: credentials, region, endpoint,
    /// encryption. Sends nothing.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong with the settings.
    pub fn builder(&self, url: &Url) -> Result<AmazonS3Builder> {
        let mut problems = Vec::new();
        let bucket = url.host_str().unwrap_or_default();
        if url.scheme() != "s3" || bucket.is_empty() {
            problems.push(format!("{url} names no bucket; write s3://bucket/prefix"));
        }
        let profile = self.profile(&mut problems);
        let mut builder = AmazonS3Builder::new().with_client_options(self.client_options(&mut problems));
        for (name, value) in &self.environment {
            // What the client does not know is for others; the region of the newer name stands over the older one's.
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        builder = self.with_profile(builder, profile, &mut problems).with_bucket_name(bucket);
        if let Some(endpoint) = self.endpoint(&builder, &mut problems) {
            builder = builder.with_allow_http(endpoint.scheme() == "http");
        }
        if let Some(key) = &self.kms_key {
            builder = builder.with_sse_kms_encryption(key);
        }
        if problems.is_empty() { Ok(builder) } else { Err(Error::Config { problems }) }
    }

    /// What every object is written with, besides its bytes.
    pub fn attributes(&self) -> Attributes {
        let class = self.storage_class.clone().map(|class| (Attribute::StorageClass, class));
        class.into_iter().collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// The profile that says how to sign in, or where to, beside the environment; one that was named must be there.
    fn profile(&self, problems: &mut Vec<String>) -> Profile {
        Profile::read(&self.environment).unwrap_or_else(|problem| {
            problems.push(problem);
            Profile::default()
        })
    }

    fn with_profile(
        &self,
        mut builder: AmazonS3Builder,
        profile: Profile,
        problems: &mut Vec<String>,
    ) -> AmazonS3Builder {
        let missing = |builder: &AmazonS3Builder, key| builder.get_config_value(&key).is_none();
        if let Some(region) = profile.get("region").filter(|_| missing(&builder, AmazonS3ConfigKey::Region)) {
            builder = builder.with_region(region);
        }
        let endpoint = profile.get("s3.endpoint_url").or_else(|| profile.get("endpoint_url"));
        let is_set =
            ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"].iter().any(|name| self.get(name).is_some());
        if let Some(endpoint) = endpoint.filter(|_| !is_set) {
            builder = builder.with_endpoint(endpoint);
        }
        let (key, secret) = (self.get("AWS_ACCESS_KEY_ID"), self.get("AWS_SECRET_ACCESS_KEY"));
        if key.is_some() != secret.is_some() {
            let absent = if key.is_some() { "AWS_SECRET_ACCESS_KEY" } else { "AWS_ACCESS_KEY_ID" };
            problems.push(format!("{absent} is not set; the access key's id and its secret belong together"));
        }
        let web = self.get("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() && self.get("AWS_ROLE_ARN").is_some();
        if key.is_some() || secret.is_some() || web || self.get("AWS_SKIP_SIGNATURE") == Some("true") {
            return builder;
        }
        match profile.credentials() {
            Ok(profile::Credentials::None) => builder,
            Ok(profile::Credentials::WebIdentity { token_file, role, session }) => {
                let named = builder
                    .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, token_file)
                    .with_config(AmazonS3ConfigKey::RoleArn, role);
                session.map_or(named.clone(), |session| named.with_config(AmazonS3ConfigKey::RoleSessionName, session))
            }
            Ok(profile::Credentials::Provider(provider)) => builder.with_credentials(provider as AwsCredentialProvider),
            Err(problem) => {
                problems.push(problem);
                builder
            }
        }
    }

    /// `AWS_CA_BUNDLE` says whom to trust besides those that the system trusts.
    pub(crate) fn client_options(&self, problems: &mut Vec<String>) -> ClientOptions {
        let mut options = ClientOptions::new();
        let Some(bundle) = self.get("AWS_CA_BUNDLE") else { return options };
        let read = std::fs::read(bundle).map_err(|cause| cause.to_string());
        match read.and_then(|pem| Certificate::from_pem_bundle(&pem).map_err(|cause| cause.to_string())) {
            Ok(certificates) => {
                for certificate in certificates {
                    options = options.with_root_certificate(certificate);
                }
            }
            Err(cause) => problems.push(format!("AWS_CA_BUNDLE: {bundle} is no file of certificates: {cause}")),
        }
        options
    }

    fn endpoint(&self, builder: &AmazonS3Builder, problems: &mut Vec<String>) -> Option<Url> {
        let at = |key| builder.get_config_value(&key);
        let text = at(AmazonS3ConfigKey::S3Endpoint).or_else(|| at(AmazonS3ConfigKey::Endpoint))?;
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() && url.password().is_none() => {
                Some(url)
            }
            _ => {
                problems.push(
                    "the endpoint of S3 (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile's endpoint_url) is no \
                     http:// or https:// URL without credentials"
                        .to_owned(),
                );
                None
            }
        }
    }
}

/// Shows no variable: some are secrets.
impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("kms_key", &self.kms_key)
            .field("storage_class", &self.storage_class)
            .finish_non_exhaustive()
    }
}

/// A bucket that is reached.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) client: Arc<AmazonS3>,
    /// What was sent to it.
    pub(super) counter: Counter,
    pub(super) uploads: Uploads,
}

/// A client of the bucket, which has sent nothing yet.
pub(super) fn connect(settings: &S3Settings, url: &Url) -> Result<Bucket> {
    let unusable = |cause: object_store::Error| Error::Preflight {
        message: format!("the S3 settings for {url} are unusable; see the AWS_* variables and the profile"),
        cause: Some(Box::new(cause)),
    };
    let counter = Counter::default();
    let builder = settings.builder(url)?;
    let is_plain = settings.endpoint(&builder, &mut Vec::new()).is_some_and(|endpoint| endpoint.scheme() == "http");
    let options = settings.client_options(&mut Vec::new()).with_allow_http(is_plain);
    let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
    let signed = builder.get_config_value(&AmazonS3ConfigKey::SkipSignature).as_deref() != Some("true");
    let client = Arc::new(builder.with_http_connector(counter.connector()).build().map_err(unusable)?);
    let uploads = Uploads {
        client: Arc::clone(&client),
        http: counter.connector().connect(&options).map_err(unusable)?,
        // As the client's own default.
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        signed,
    };
    Ok(Bucket { client, counter, uploads })
}

/// The key that all of an area's keys begin with: what follows the bucket in `s3://bucket/prefix`, as it is written.
///
/// # Errors
/// When a part of it is empty, `.` or `..`, or holds what a URL or a listing would give back as something else.
pub(super) fn prefix(text: &str) -> Result<Path> {
    let after = text.split_once("://").map_or("", |(_, rest)| rest);
    let prefix = after.split_once('/').map_or("", |(_, prefix)| prefix);
    let refused = |why: String| {
        Error::config(format!(
            "staging.url: the prefix {prefix:?} cannot be used: {why}; name another, such as media/staging"
        ))
    };
    if let Some(sign) = prefix.chars().find(|c| c.is_control() || "%?#\\".contains(*c)) {
        return Err(refused(format!("it holds {sign:?}")));
    }
    Path::parse(prefix).map_err(|_| refused("a part of it is empty, `.`, `..` or holds what no key may".to_owned()))
}

/// A storage class by its name.
///
/// # Errors
/// The names that there are.
pub fn storage_class(name: &str) -> Result<String, String> {
    if STORAGE_CLASSES.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("one of {} is wanted; what others keep cannot be read at once", STORAGE_CLASSES.join(", ")))
}

/// The id, alias or ARN of a key of KMS.
///
/// # Errors
/// When no key is called so.
pub fn kms_key(name: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/:.".contains(c);
    if !name.is_empty() && name.len() <= 2048 && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    Err("the id, alias (alias/NAME) or ARN of a KMS key is wanted".to_owned())
}
