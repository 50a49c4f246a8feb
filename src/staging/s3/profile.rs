//! Profiles: the files of the AWS tools in which people keep how they sign in. The form is that of
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

use super::process::Process;

/// The settings of sections, by section and key; a nested setting is `key.nested`.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// One profile: what `config` and `credentials` say of it, the latter before the former.
#[derive(Clone, Default)]
pub(super) struct Profile {
    name: String,
    settings: BTreeMap<String, String>,
    files: Files,
}

/// Where the files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Files {
    config: Option<PathBuf>,
    credentials: Option<PathBuf>,
}

/// How a profile signs in.
#[derive(Debug)]
pub(super) enum Credentials {
    /// It does not say.
    None,
    /// By a token in a file, for a role.
    WebIdentity { token_file: String, role: String, session: Option<String> },
    /// By keys that are kept or made elsewhere.
    Provider(Arc<dyn CredentialProvider<Credential = AwsCredential>>),
}

impl Profile {
    /// The profile that an environment names, or `default`, which may be absent.
    pub(super) fn read(environment: &BTreeMap<String, String>) -> Result<Self, String> {
        let get = |name: &str| environment.get(name).cloned();
        let home = get("HOME").map(PathBuf::from);
        let file = |variable: &str, name: &str| {
            get(variable).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(".aws").join(name)))
        };
        let files = Files {
            config: file("AWS_CONFIG_FILE", "config"),
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        };
        let named = get("AWS_PROFILE").or_else(|| get("AWS_DEFAULT_PROFILE"));
        let name = named.clone().unwrap_or_else(|| "default".to_owned());
        match Self::named(&name, files.clone())? {
            Some(profile) => Ok(profile),
            None if named.is_none() => Ok(Self::default()),
            None => {
                let shown =
                    [files.config, files.credentials].map(|file| file.unwrap_or_default().display().to_string());
                Err(format!(
                    "AWS_PROFILE: there is no profile `{name}` in {} or {}; `aws configure --profile {name}` makes one",
                    shown[0], shown[1]
                ))
            }
        }
    }

    fn named(name: &str, files: Files) -> Result<Option<Self>, String> {
        let config = sections(files.config.as_ref())?;
        let credentials = sections(files.credentials.as_ref())?;
        // In `config` only the default's section may be called by its bare name.
        let in_config =
            config.get(&format!("profile {name}")).or_else(|| config.get(name).filter(|_| name == "default"));
        let in_credentials = credentials.get(name);
        if in_config.is_none() && in_credentials.is_none() {
            return Ok(None);
        }
        let mut settings = in_config.cloned().unwrap_or_default();
        if let Some(services) = settings.get("services").and_then(|name| config.get(&format!("services {name}"))) {
            settings.extend(services.clone());
        }
        settings.extend(in_credentials.cloned().unwrap_or_default());
        Ok(Some(Self { name: name.to_owned(), settings, files }))
    }

    /// One of its settings.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// How it signs in.
    pub(super) fn credentials(self) -> Result<Credentials, String> {
        let name = &self.name;
        let text = |key: &str| self.get(key).map(str::to_owned);
        if self.get("aws_access_key_id").is_some() || self.get("aws_secret_access_key").is_some() {
            self.keys()?;
            return Ok(Credentials::Provider(Arc::new(self)));
        }
        if let (Some(token_file), Some(role)) = (text("web_identity_token_file"), text("role_arn")) {
            return Ok(Credentials::WebIdentity { token_file, role, session: text("role_session_name") });
        }
        if let Some(command) = text("credential_process") {
            return Ok(Credentials::Provider(Arc::new(Process::new(name, &command))));
        }
        let foreign =
            ["sso_session", "sso_start_url", "login_session", "role_arn", "source_profile", "credential_source"];
        match foreign.into_iter().find(|key| self.get(key).is_some()) {
            Some(key) => Err(format!(
                "AWS_PROFILE: the profile `{name}` signs in by {key}, which telecine leaves to the AWS tools: make a profile \
                 with `credential_process = aws configure export-credentials --profile {name}` and name that one"
            )),
            None => Ok(Credentials::None),
        }
    }

    fn keys(&self) -> Result<AwsCredential, String> {
        let key = |key: &str| {
            let found = self.get(key).map(str::to_owned);
            found.ok_or_else(|| format!("AWS_PROFILE: the profile `{}` has no {key}; add it", self.name))
        };
        Ok(AwsCredential {
            key_id: key("aws_access_key_id")?,
            secret_key: key("aws_secret_access_key")?,
            token: self.get("aws_session_token").map(str::to_owned),
        })
    }
}

/// The keys as the files say now: who renews them there has renewed them here.
#[async_trait::async_trait]
impl CredentialProvider for Profile {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let (name, files) = (self.name.clone(), self.files.clone());
        let read = tokio::task::spawn_blocking(move || Self::named(&name, files));
        let read = read.await.unwrap_or_else(|cause| Err(cause.to_string()));
        // Files that are being written are asked again with the next request; until then the former keys are good.
        let now = read.ok().flatten().and_then(|profile| profile.keys().ok());
        let keys = now.map_or_else(|| self.keys(), Ok);
        keys.map(Arc::new).map_err(|problem| object_store::Error::Generic { store: "S3", source: problem.into() })
    }
}

/// Shows no setting: some are secrets.
impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The sections of a file; none where there is no file.
fn sections(file: Option<&PathBuf>) -> Result<Sections, String> {
    let Some(file) = file else { return Ok(Sections::new()) };
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(parse(&text)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Sections::new()),
        Err(cause) => Err(format!("{}: {cause}; the profile in it cannot be read", file.display())),
    }
}

fn parse(text: &str) -> Sections {
    let mut sections = Sections::new();
    let (mut section, mut parent) = (String::new(), String::new());
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']) && !line.trim().is_empty()) {
        if let Some(head) = line.trim().strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = head.0.split_whitespace().collect::<Vec<_>>().join(" ");
            sections.entry(section.clone()).or_default();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        // After a space, `#` and `;` begin a remark.
        let end = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min().unwrap_or(value.len());
        let (key, value) = (key.trim().to_lowercase(), value[..end].trim().to_owned());
        let nested = line.starts_with([' ', '\t']) && !parent.is_empty();
        let name = if nested { format!("{parent}.{key}") } else { key.clone() };
        if !nested {
            parent = if value.is_empty() { key } else { String::new() };
        }
        sections.entry(section.clone()).or_default().insert(name, value);
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: Option<&str>, config: &str, credentials: &str) -> Result<Profile, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".aws")).unwrap();
        std::fs::write(folder.path().join(".aws/config"), config).unwrap();
        std::fs::write(folder.path().join(".aws/credentials"), credentials).unwrap();
        let mut environment = BTreeMap::from([("HOME".to_owned(), folder.path().display().to_string())]);
        environment.extend(name.map(|name| ("AWS_PROFILE".to_owned(), name.to_owned())));
        Profile::read(&environment)
    }

    #[test]
    fn a_profile_is_what_both_files_say_of_it() {
        let config = "# ours\n[default]\nregion = eu-west-1 # near\n\n[profile shelf]\nregion=us-east-2\nservices = local\n\
                      aws_access_key_id = of-config\n[services local]\ns3 =\n  endpoint_url = http://127.0.0.1:1\n\
                      [profile  spaced ]\nregion = x\n";
        let credentials = "[shelf]\naws_access_key_id = AK\naws_secret_access_key = a=b;c\naws_session_token = t\n";
        let shelf = profile(Some("shelf"), config, credentials).unwrap();
        assert_eq!(shelf.get("region"), Some("us-east-2"));
        assert_eq!(shelf.get("s3.endpoint_url"), Some("http://127.0.0.1:1"));
        let keys = shelf.keys().unwrap();
        assert_eq!((keys.key_id.as_str(), keys.secret_key.as_str(), keys.token.as_deref()), ("AK", "a=b;c", Some("t")));
        assert!(!format!("{shelf:?}").contains("a=b"));
        assert_eq!(profile(None, config, "").unwrap().get("region"), Some("eu-west-1"));
        assert_eq!(profile(Some("spaced"), config, "").unwrap().get("region"), Some("x"));
        assert!(profile(None, "", "").unwrap().settings.is_empty());
    }

    #[test]
    fn what_is_not_there_or_not_for_us_is_named_with_what_to_do() {
        let error = profile(Some("gone"), "[profile other]\n", "").err().unwrap();
        assert!(error.contains("no profile `gone`") && error.contains(".aws/credentials"), "{error}");
        for (settings, key) in [
            ("sso_session = x", "sso_session"),
            ("role_arn = arn:x\nsource_profile = y", "role_arn"),
            ("login_session = x", "login_session"),
        ] {
            let error =
                profile(Some("a"), &format!("[profile a]\n{settings}\n"), "").unwrap().credentials().err().unwrap();
            let told = format!("the profile `a` signs in by {key}, ");
            assert!(error.contains(&told) && error.contains("export-credentials --profile a`"), "{error}");
        }
        let error =
            profile(Some("a"), "[profile a]\naws_access_key_id = k\n", "").unwrap().credentials().err().unwrap();
        assert!(error.contains("has no aws_secret_access_key"), "{error}");
    }
}
