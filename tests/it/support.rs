//! What the tests of the whole share: the binary as a child process, a local Flex with its oracle, a filled source.
//! Every wait is bounded, every process is ended by its own id, everything listens on loopback only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use telecine::dataflow::Progress;
use telecine::extract::{self, ExtractReport};
use telecine::rehearsal::library::{self, Library, LibraryOptions};
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::source::{PostgresSource, SourceConfig};
use telecine::staging::{RunFolder, StagingArea, StagingConfig};
use telecine::verify::{self, VerifyReport};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// A staging area in a folder.
pub fn area(folder: &Path) -> StagingArea {
    StagingArea::open(&StagingConfig::at(folder.display().to_string())).unwrap()
}

/// An extraction that nobody watches or stops.
pub async fn extract(source: &PostgresSource, run: &RunFolder) -> telecine::Result<ExtractReport> {
    extract::run(source, run, &Progress::default(), &CancellationToken::new()).await
}

/// A verification that nobody watches or stops.
pub async fn verify(source: &PostgresSource, run: &RunFolder) -> VerifyReport {
    verify::run(source, run, &Progress::default(), &CancellationToken::new()).await.unwrap()
}

/// The sample library in a database of its own, extracted into a run below `folder`.
pub async fn extracted_library(server: &PrivateServer, name: &str, library: &Arc<Library>, folder: &Path) -> RunFolder {
    server.create_database(name).await.unwrap();
    let url = server.url(name);
    library::create(library, &url, 2, &Progress::default()).await.unwrap();
    let settings = SourceConfig { connections: 2, ..crate::source::config(&url) };
    let source = PostgresSource::connect(&settings).await.unwrap();
    let run = area(folder).run("r1");
    extract(&source, &run).await.unwrap();
    run
}

/// Runs a shell command as the server's user, in the folder of its data; what it prints is lost. The row that COPY gives
/// it is taken before anything else: a command that ends without reading its input breaks the server's pipe.
pub async fn server_command(client: &tokio_postgres::Client, command: &str) {
    let command = command.replace('\'', "''");
    let statement = format!("copy (select 1) to program '(cat; {command}) >/dev/null 2>&1'");
    client.batch_execute(&statement).await.unwrap();
}

/// How long anything may take that is not a whole run.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The clock of the sample library, which the queries judge its dates by.
pub const LIBRARY_NOW: &str = "2025-03-01T00:00:00Z";
/// User and password of the local Flex in these tests.
pub const FLEX_USER: &str = "loader";
/// See [`FLEX_USER`]; it must turn up nowhere.
pub const FLEX_PASSWORD: &str = "canary-flex-0b5e1c";

/// Settings of the machine that must not reach into a test.
fn foreign(name: &str) -> bool {
    ["TELECINE_", "PG", "AWS_", "FLEX_"].iter().any(|prefix| name.starts_with(prefix))
}

/// A call of the binary that knows nothing of the machine's settings. It is killed when its handle is dropped.
pub fn telecine<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telecine"));
    for (name, _) in std::env::vars().filter(|(name, _)| foreign(name)) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A process that has ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a call to its end.
pub async fn run(command: &mut Command) -> Done {
    finish(command.spawn().unwrap()).await
}

/// Waits for a child's end.
pub async fn finish(child: Child) -> Done {
    let output = tokio::time::timeout(2 * PATIENCE, child.wait_with_output()).await;
    let output = output.expect("the child does not end").unwrap();
    Done {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Done {
    /// The same, if this was the exit code.
    #[track_caller]
    pub fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, Some(wanted), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert!(!self.stderr.contains('\x1b'), "colours where no eyes are: {}", self.stderr);
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|cause| panic!("{cause}: {}\nstderr:\n{}", self.stdout, self.stderr))
    }
}

/// Sends a signal to one process.
pub fn signal(name: &str, pid: u32) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

/// Whether a process is there and not a zombie.
pub fn lives(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !matches!(rest.trim().chars().next(), Some('Z' | 'X') | None))
}

/// Looks every few milliseconds until `look` finds something.
pub async fn wait_for<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every file below a folder with its path from there, ordered.
pub fn files(folder: &Path) -> Vec<String> {
    fn add(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                add(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    add(folder, folder, &mut found);
    found.sort();
    found
}

/// A JSON file.
#[track_caller]
pub fn read_json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// A folder that is as open as `/tmp`, in which the private PostgreSQL's user can make and remove its own.
pub fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    folder
}

/// A private PostgreSQL with one database.
#[derive(Debug)]
pub struct Source {
    pub server: PrivateServer,
    pub url: SecretString,
}

impl Source {
    /// A database filled by SQL.
    pub async fn of_sql(sql: &str) -> Self {
        let source = Self::empty().await;
        source.client().await.batch_execute(sql).await.unwrap();
        source
    }

    /// A database filled with the sample library.
    pub async fn of_library(options: LibraryOptions) -> Self {
        let source = Self::empty().await;
        let library = Arc::new(Library::new(options).unwrap());
        library::create(&library, &source.url, 2, &Progress::default()).await.unwrap();
        source
    }

    async fn empty() -> Self {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        server.create_database("studio").await.unwrap();
        let url = server.url("studio");
        Self { server, url }
    }

    pub async fn client(&self) -> tokio_postgres::Client {
        let connecting = tokio_postgres::connect(self.url.expose_secret(), tokio_postgres::NoTls);
        let (client, connection) = connecting.await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// A folder with a project, a staging area and ledgers, in which verbs are called one by one.
#[derive(Debug)]
pub struct Workplace {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Workplace {
    /// A copy of the project `queries/`.
    pub fn of_queries() -> Self {
        let place = Self::empty();
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("queries"), &place.project());
        place.set("TELECINE_TRANSFORM_NOW", LIBRARY_NOW)
    }

    /// A project of these files.
    pub fn of_files(files: &[(&str, &str)]) -> Self {
        let place = Self::empty();
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    fn empty() -> Self {
        let folder = open_folder();
        fs::create_dir(folder.path().join("project")).unwrap();
        let staging = format!("file:{}", folder.path().join("staging").display());
        let ledger = folder.path().join("ledger").display().to_string();
        let project = folder.path().join("project").display().to_string();
        Self { folder, environment: BTreeMap::new() }
            .set("TELECINE_STAGING_URL", &staging)
            .set("TELECINE_LOAD_LEDGER", &ledger)
            .set("TELECINE_PROJECT", &project)
    }

    /// The same with a variable of the environment.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with a source.
    #[must_use]
    pub fn with_source(self, source: &Source) -> Self {
        self.set("TELECINE_SOURCE_URL", source.url.expose_secret())
    }

    /// Adds a target to the project's settings.
    pub fn add_target(&self, name: &str, url: &str, more: &str) {
        let path = self.project().join("migration.toml");
        let mut settings = fs::read_to_string(&path).unwrap_or_default();
        settings.push_str(&format!(
            "\n[flex.{name}]\nurl = \"{url}\"\nusername = \"env:FLEX_USERNAME\"\npassword = \"env:FLEX_PASSWORD\"\n{more}\n"
        ));
        fs::write(path, settings).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn run_folder(&self, run: &str) -> PathBuf {
        self.folder.path().join("staging/runs").join(run)
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.project().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A verb with its arguments, separated by spaces.
    pub fn call(&self, line: &str) -> Command {
        let mut command = telecine(line.split(' '));
        command.env("FLEX_USERNAME", FLEX_USER).env("FLEX_PASSWORD", FLEX_PASSWORD);
        command.envs(&self.environment).current_dir(self.path());
        command
    }

    /// Runs a verb to its end.
    pub async fn run(&self, line: &str) -> Done {
        run(&mut self.call(line)).await
    }

    /// Runs a verb that must succeed and gives its JSON.
    pub async fn json(&self, line: &str) -> Value {
        self.run(&format!("{line} --output json")).await.code(0).json()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// `telecine flex serve` as a child process.
#[derive(Debug)]
pub struct Flex {
    child: Child,
    pub url: String,
}

impl Flex {
    /// Starts one; the first line on stdout is its URL.
    pub async fn start(arguments: &[&str]) -> Self {
        let mut command = telecine(["flex", "serve"].iter().chain(arguments));
        command.env("FLEX_USERNAME", FLEX_USER).env("FLEX_PASSWORD", FLEX_PASSWORD).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("no URL");
        let url = line.unwrap().expect("the local Flex has ended");
        assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/api"), "{url}");
        Self { child, url }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/api")
    }

    /// Ends it without any notice.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    fn oracle(&self, path: &str) -> String {
        format!("http://{}/__standin/{path}", self.address())
    }

    /// Everything that is stored, a line each.
    pub async fn dump(&self) -> Vec<Value> {
        let answer = reqwest::get(self.oracle("dump")).await.unwrap().error_for_status().unwrap();
        let text = answer.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The stored assets by uuid; a uuid that is there twice is a failure.
    pub async fn assets(&self) -> BTreeMap<String, Value> {
        let mut assets = BTreeMap::new();
        for line in self.dump().await.into_iter().filter(|line| line["kind"] == "asset") {
            let uuid = line["uuid"].as_str().unwrap().to_owned();
            let twin = assets.insert(uuid, line);
            assert!(twin.is_none(), "two assets: {twin:?}");
        }
        assets
    }

    /// Requests so far whose method is one of these, whatever the answer.
    pub async fn requests(&self, methods: &[&str]) -> u64 {
        let answer = reqwest::get(self.oracle("totals")).await.unwrap().error_for_status().unwrap();
        let totals: Vec<Value> = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let ours = totals.iter().filter(|total| {
            let route = total["route"].as_str().unwrap();
            methods.iter().any(|method| route.starts_with(method))
        });
        ours.map(|total| total["count"].as_u64().unwrap()).sum()
    }

    /// Falsifies what is stored, past every check.
    pub async fn tamper(&self, change: Value) {
        let client = reqwest::Client::new();
        let request = client.post(self.oracle("tamper")).header("content-type", "application/json");
        let answer = request.body(change.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
}

/// Methods that change a target.
pub const CHANGING: [&str; 4] = ["POST", "PUT", "DELETE", "PATCH"];

/// What assets are, apart from what each server gives them by itself: ids become uuids, times go.
pub fn comparable(assets: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let uuids: BTreeMap<u64, &str> =
        assets.iter().map(|(uuid, asset)| (asset["id"].as_u64().unwrap(), uuid.as_str())).collect();
    let mut plain = BTreeMap::new();
    for (uuid, asset) in assets {
        let mut instance = asset["instance"].clone();
        replace_ids(&mut instance, &uuids);
        let record = json!({
            "name": asset["name"], "type": asset["type"], "definition": asset["definition"],
            "externalIds": asset["externalIds"], "deleted": asset["deleted"], "instance": instance,
        });
        plain.insert(uuid.clone(), record);
    }
    plain
}

/// `{"id": 1001}` becomes `{"asset": uuid}`, wherever it stands.
fn replace_ids(value: &mut Value, uuids: &BTreeMap<u64, &str>) {
    match value {
        Value::Object(object) => {
            let id = object.get("id").and_then(Value::as_u64);
            if let Some(id) = id {
                let uuid = uuids.get(&id).unwrap_or_else(|| panic!("a reference to {id}, which is not there"));
                *value = json!({ "asset": uuid });
            } else {
                object.values_mut().for_each(|inner| replace_ids(inner, uuids));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| replace_ids(inner, uuids)),
        _ => {}
    }
}

/// The Python with the outside readers; `tests/run.sh` installs it.
pub fn python() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let installed = cache.unwrap_or_default().join("telecine/venv/bin/python");
    let python = std::env::var_os("TELECINE_TEST_PYTHON").map_or(installed, PathBuf::from);
    assert!(
        python.is_file(),
        "{} is not there: the outside readers are not installed; run tests/run.sh, which installs them",
        python.display()
    );
    python
}
