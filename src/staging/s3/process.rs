//! Credentials that a program of the user's makes (`credential_process` of a profile). The form is that of
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Mutex;

/// Credentials that end sooner are made anew: requests under way must not meet their end.
const SPARE: chrono::TimeDelta = chrono::TimeDelta::minutes(5);
/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program and what it last gave.
#[derive(Debug)]
pub(super) struct Process {
    profile: String,
    command: String,
    last: Mutex<Option<Made>>,
}

/// Credentials and when they end, if they do.
type Made = (Arc<AwsCredential>, Option<DateTime<Utc>>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<DateTime<Utc>>,
}

impl Process {
    pub(super) fn new(profile: &str, command: &str) -> Self {
        Self { profile: profile.to_owned(), command: command.to_owned(), last: Mutex::new(None) }
    }

    /// Runs the program. What it says on stderr is its own; what it says on stdout is secret.
    async fn ask(&self) -> Result<Made, String> {
        let failed = |what: String| format!("credential_process of the profile `{}` {what}", self.profile);
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.stderr(std::process::Stdio::inherit()).output()).await;
        let output = output.map_err(|_| failed(format!("took longer than {} s", PATIENCE.as_secs())))?;
        let output = output.map_err(|cause| failed(format!("cannot be started: {cause}")))?;
        if !output.status.success() {
            return Err(failed(format!("failed ({}); run it by hand to see why", output.status)));
        }
        let given: Option<Given> = serde_json::from_slice(&output.stdout).ok();
        let given = given.filter(|given| given.version == 1);
        let given = given.ok_or_else(|| failed("gave no JSON of credentials of version 1".to_owned()))?;
        let (key_id, secret_key, token) = (given.access_key_id, given.secret_access_key, given.session_token);
        Ok((Arc::new(AwsCredential { key_id, secret_key, token }), given.expiration))
    }
}

#[async_trait::async_trait]
impl CredentialProvider for Process {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        let good = |end: &Option<DateTime<Utc>>| end.is_none_or(|end| end - Utc::now() > SPARE);
        if let Some((credential, _)) = last.as_ref().filter(|(_, end)| good(end)) {
            return Ok(Arc::clone(credential));
        }
        let asked = self.ask().await;
        let asked = asked.map_err(|problem| object_store::Error::Generic { store: "S3", source: problem.into() })?;
        Ok(Arc::clone(&last.insert(asked).0))
    }
}
