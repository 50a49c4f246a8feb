//! Settings in layers: flag over environment over file over default, each value with its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use toml::{Table, Value};

use crate::error::{Error, Result};

/// Where a setting's value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The command line.
    Flag,
    /// An environment variable, by name.
    Environment(String),
    /// The project's `migration.toml`.
    File,
    /// Nothing was set.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => write!(f, "flag"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File => write!(f, "migration.toml"),
            Self::Default => write!(f, "default"),
        }
    }
}

/// One setting as `telecine config` prints it; secrets are masked.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// The dotted key.
    pub key: String,
    /// The value as text.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The layers while settings are taken from them. Problems are gathered, not thrown, so that all show at once.
pub(super) struct Layers {
    flags: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    file: Table,
    file_path: PathBuf,
    /// What was taken, in order.
    pub(super) settings: Vec<Setting>,
    /// What is wrong, in order.
    pub(super) problems: Vec<String>,
    /// Secrets that cannot be had here, in order: wrong only for who needs them.
    pub(super) absent: Vec<String>,
}

impl Layers {
    /// Reads `migration.toml` of the project; a project without one has no file settings.
    pub(super) fn open(
        project: &Path,
        flags: BTreeMap<String, String>,
        environment: BTreeMap<String, String>,
    ) -> Result<Self> {
        let file_path = project.join("migration.toml");
        let file = match std::fs::read_to_string(&file_path) {
            Ok(text) => text
                .parse::<Table>()
                .map_err(|cause| Error::config(format!("{}: {}", file_path.display(), cause.message())))?,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Table::new(),
            Err(cause) => return Err(Error::config(format!("{}: {cause}", file_path.display()))),
        };
        Ok(Self { flags, environment, file, file_path, settings: Vec::new(), problems: Vec::new(), absent: Vec::new() })
    }

    /// The names of the tables below `section`, in order: `[flex.dev]` is `dev` of `flex`.
    pub(super) fn names_in(&self, section: &str) -> Vec<String> {
        let mut parts = section.split('.');
        let first = parts.next().and_then(|part| self.file.get(part));
        let table = parts.fold(first, |value, part| value.and_then(|value| value.get(part))).and_then(Value::as_table);
        table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
    }

    /// The environment's variables.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        self.environment.clone()
    }

    /// Whether the environment has a variable.
    pub(super) fn is_in_environment(&self, name: &str) -> bool {
        self.environment.contains_key(name)
    }

    /// Whether the file has a table at `key`.
    pub(super) fn is_table(&self, key: &str) -> bool {
        let mut parts = key.split('.');
        let first = parts.next().and_then(|part| self.file.get(part));
        parts.fold(first, |value, part| value.and_then(|value| value.get(part))).is_some_and(Value::is_table)
    }

    /// The value of a key as text, with its origin; `env:NAME` and `file:PATH` are followed.
    fn find(&mut self, key: &str) -> Option<(String, Origin)> {
        // Taken whatever stands over it: what is left in the file at the end is unknown.
        let in_file = self.take_from_file(key);
        if let Some(found) = self.over_file(key) {
            return Some(found);
        }
        match in_file? {
            Value::String(text) => Some((text, Origin::File)),
            Value::Integer(number) => Some((number.to_string(), Origin::File)),
            Value::Float(number) => Some((number.to_string(), Origin::File)),
            Value::Boolean(truth) => Some((truth.to_string(), Origin::File)),
            other => {
                self.problems.push(format!("{key}: {} is not a value for this key", other.type_str()));
                None
            }
        }
    }

    /// The value of a key in the layers over the file.
    fn over_file(&self, key: &str) -> Option<(String, Origin)> {
        if let Some(value) = self.flags.get(key) {
            return Some((value.clone(), Origin::Flag));
        }
        let variable = format!("TELECINE_{}", key.to_uppercase().replace(['.', '-'], "_"));
        let value = self.environment.get(&variable)?;
        Some((value.clone(), Origin::Environment(variable)))
    }

    fn take_from_file(&mut self, key: &str) -> Option<Value> {
        let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut self.file;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            table = table.get_mut(part)?.as_table_mut()?;
        }
        table.remove(last)
    }

    fn note(&mut self, key: &str, value: &str, origin: Origin) {
        self.settings.push(Setting { key: key.to_owned(), value: value.to_owned(), origin });
    }

    /// A text, or its default.
    pub(super) fn text(&mut self, key: &str, default: &str) -> String {
        let (value, origin) = self.find(key).unwrap_or_else(|| (default.to_owned(), Origin::Default));
        self.note(key, &value, origin);
        value
    }

    /// A text that may be absent.
    pub(super) fn optional(&mut self, key: &str) -> Option<String> {
        let (value, origin) = self.find(key)?;
        self.note(key, &value, origin);
        Some(value)
    }

    /// A value with a parser of its own; what it refuses becomes a problem, and the default stands in.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key, default);
        match parse(&text) {
            Ok(value) => Some(value),
            Err(wanted) => {
                self.problems.push(format!("{key} = `{text}`: {wanted}"));
                None
            }
        }
    }

    /// A text that may be absent, with a parser of its own; what it refuses becomes a problem.
    pub(super) fn checked<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.optional(key)?;
        let wanted = |wanted| self.problems.push(format!("{key} = `{text}`: {wanted}"));
        parse(&text).map_err(wanted).ok()
    }

    /// The place of something: text, `env:NAME` or `file:PATH`. `plain` gives it without what must not be shown.
    pub(super) fn place(&mut self, key: &str, plain: impl Fn(&str) -> String) -> Option<String> {
        let (value, origin) = self.find(key)?;
        let shown = if is_elsewhere(&value) { value.clone() } else { plain(&value) };
        self.note(key, &shown, origin);
        let resolved =
            self.resolved(&value, |path| std::fs::read_to_string(path).map_err(|cause| format!("{path}: {cause}")));
        resolved.map_err(|problem| self.absent.push(format!("{key}: {problem}"))).ok()
    }

    /// What `env:NAME` or `file:PATH` stands for, or the text itself.
    fn resolved(&self, value: &str, read: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
        if let Some(name) = value.strip_prefix("env:") {
            self.environment.get(name).cloned().ok_or_else(|| format!("the environment variable {name} is not set"))
        } else if let Some(path) = value.strip_prefix("file:") {
            read(path).map(|text| text.trim_end().to_owned())
        } else {
            Ok(value.to_owned())
        }
    }

    /// A secret: `env:NAME`, `file:PATH`, or text from the environment or a flag. Never noted in clear. In the file a
    /// secret must not stand as text.
    pub(super) fn secret(&mut self, key: &str, plain_in_file: impl Fn(&str) -> bool) -> Option<String> {
        let (value, origin) = self.find(key)?;
        if origin == Origin::File && !is_elsewhere(&value) && !plain_in_file(&value) {
            self.problems.push(format!(
                "{key}: a secret must not stand in a file that is committed; write env:NAME or file:PATH"
            ));
            return None;
        }
        let resolved = self.resolved(&value, secret_file);
        let shown = if is_elsewhere(&value) { value.as_str() } else { "********" };
        self.note(key, shown, origin);
        match resolved {
            Ok(secret) => Some(secret),
            Err(problem) => {
                self.absent.push(format!("{key}: {problem}"));
                None
            }
        }
    }

    /// A list of texts: an array in the file, or separated by commas in flags and variables.
    pub(super) fn list(&mut self, key: &str) -> Vec<String> {
        let in_file = self.take_from_file(key);
        if let Some((text, origin)) = self.over_file(key) {
            self.note(key, &text, origin);
            return split_list(&text);
        }
        let Some(value) = in_file else {
            return Vec::new();
        };
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<String> = items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        if texts.len() != items.len() || !value.is_array() {
            self.problems.push(format!("{key}: a list of texts is wanted"));
        }
        self.note(key, &texts.join(","), Origin::File);
        texts
    }

    /// A table of texts, such as `[source.excluded]`, in the order of the file.
    pub(super) fn texts(&mut self, key: &str) -> Vec<(String, String)> {
        let Some(Value::Table(table)) = self.take_from_file(key) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, value) in table {
            match value.as_str() {
                Some(text) => texts.push((name, text.to_owned())),
                None => self.problems.push(format!("{key}.{name}: must be a text")),
            }
        }
        texts
    }

    /// What is left in the file is unknown: each key is a problem, with the nearest name among those asked for.
    pub(super) fn refuse_unknown(&mut self, known: &[&str]) {
        let mut left = Vec::new();
        collect_keys("", &self.file, &mut left);
        for key in left {
            // Section and key are compared apart: `sorce.url` is `source.url`, and `source.ulr` too.
            let near = |word: &str, least: f64| {
                let likeness = |name: &&&str| strsim::jaro_winkler(name, word);
                let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
                nearest.filter(|name| likeness(name) > least).map_or(word, |name| name).to_owned()
            };
            let hint = match key.rsplit_once('.') {
                Some((section, last)) if known.contains(&section) || !section.contains('.') => {
                    format!("; did you mean `{}.{}`?", near(section, 0.7), near(last, 0.0))
                }
                Some((section, last)) => format!("; did you mean `{section}.{}`?", near(last, 0.0)),
                None => format!("; did you mean `{}`?", near(&key, 0.0)),
            };
            self.problems.push(format!("{}: unknown key `{key}`{hint}", self.file_path.display()));
        }
    }
}

fn collect_keys(prefix: &str, table: &Table, left: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => collect_keys(&key, inner, left),
            _ => left.push(key),
        }
    }
}

/// The text of a file that others had better not read: where they may, it is told and used all the same, because secrets
/// that are mounted into containers are readable by everybody there.
fn secret_file(path: &str) -> Result<String, String> {
    if std::fs::metadata(path).is_ok_and(|file| is_open_to_others(&file)) {
        tracing::warn!("the secret in {path} can be read by others; chmod 600 {path} keeps it to its owner");
    }
    std::fs::read_to_string(path).map_err(|cause| format!("{path}: {cause}"))
}

/// The rule is libpq's for private keys: a group may read where the file is root's. What is no file (a pipe) has no others.
fn is_open_to_others(file: &std::fs::Metadata) -> bool {
    let allowed = if file.uid() == 0 { 0o640 } else { 0o600 };
    file.is_file() && file.mode() & 0o077 & !allowed != 0
}

/// Whether a secret's value says where it is (`env:NAME`, `file:PATH`).
pub fn is_elsewhere(value: &str) -> bool {
    value.starts_with("env:") || value.starts_with("file:")
}

/// The items of a list in a flag or variable, separated by commas that stand outside of braces (`a_{b,c},d` is two globs).
fn split_list(text: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let parts = text.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Bytes from `2GiB`, `512 MiB`, `64MB`, `4096`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text.trim()[digits.len()..].trim().to_ascii_lowercase();
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("a size such as 512MiB or 2GiB is wanted".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a size such as 512MiB or 2GiB is wanted".to_owned())?;
    number.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(|| "the size is out of range".to_owned())
}

/// A time from `500ms`, `60s`, `5m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wanted = || "a time such as 30s, 5m or 1h is wanted".to_owned();
    let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let millis: u64 = match &text.trim()[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wanted()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wanted())?;
    number.checked_mul(millis).filter(|time| *time > 0).map(Duration::from_millis).ok_or_else(wanted)
}

/// A whole number from 1 on.
pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a whole number from 1 on is wanted".to_owned())
}

/// `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "true or false is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(file: &str, flags: &[(&str, &str)], environment: &[(&str, &str)]) -> Layers {
        let project = tempfile::tempdir().unwrap();
        std::fs::write(project.path().join("migration.toml"), file).unwrap();
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Layers::open(project.path(), owned(flags), owned(environment)).unwrap()
    }

    #[test]
    fn a_flag_stands_over_the_environment_over_the_file_over_the_default() {
        let file = "[staging]\nurl = \"file:f\"\n[source]\nexclude = [\"f\"]\n";
        let variables = [("TELECINE_STAGING_URL", "file:e"), ("TELECINE_SOURCE_EXCLUDE", "a_{b,c}, d")];
        let read = |mut layers: Layers| {
            let read = (layers.text("staging.url", "file:d"), layers.list("source.exclude"));
            layers.refuse_unknown(&["url"]);
            assert_eq!(layers.problems, Vec::<String>::new());
            (read, layers.settings[0].origin.clone())
        };
        let texts = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        assert_eq!(read(layers("", &[], &[])), (("file:d".into(), vec![]), Origin::Default));
        assert_eq!(read(layers(file, &[], &[])), (("file:f".into(), texts(&["f"])), Origin::File));
        let variable = Origin::Environment("TELECINE_STAGING_URL".into());
        assert_eq!(read(layers(file, &[], &variables)), (("file:e".into(), texts(&["a_{b,c}", "d"])), variable));
        let flags = [("staging.url", "file:g"), ("source.exclude", "g")];
        assert_eq!(read(layers(file, &flags, &variables)), (("file:g".into(), texts(&["g"])), Origin::Flag));
    }

    #[test]
    fn unknown_keys_are_named_with_the_nearest() {
        let mut layers = layers("[staging]\nulr = \"x\"\n", &[], &[]);
        layers.text("staging.url", "file:d");
        layers.refuse_unknown(&["url", "memory"]);
        assert!(
            layers.problems[0].contains("`staging.ulr`") && layers.problems[0].contains("did you mean `staging.url`"),
            "{:?}",
            layers.problems
        );
    }

    #[test]
    fn secrets_are_followed_masked_and_not_taken_from_the_file_as_text() {
        let file = "[flex.a]\npassword = \"env:CANARY\"\n[flex.b]\npassword = \"plain\"\n";
        let mut layers = layers(file, &[], &[("CANARY", "s3cret")]);
        assert_eq!(layers.secret("flex.a.password", |_| false).as_deref(), Some("s3cret"));
        assert_eq!(layers.secret("flex.b.password", |_| false), None);
        assert!(layers.problems[0].contains("must not stand in a file"), "{:?}", layers.problems);
        assert!(!format!("{:?}", layers.settings).contains("s3cret"));
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("512 MiB"), Ok(512 << 20));
        assert_eq!(bytes("4096"), Ok(4096));
        for wrong in ["", "GiB", "2GB2", "0", "-1", "2 bananas", "99999999999GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("5 m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "60", "0s", "-1s", "5 minutes", "s", "99999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_of_a_secret_that_others_may_read_is_told_and_used() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "s3cret\n").unwrap();
        let roots = std::fs::metadata(&path).unwrap().uid() == 0;
        let variable = format!("file:{}", path.display());
        for (mode, open) in
            [(0o400, false), (0o600, false), (0o640, !roots), (0o604, true), (0o644, true), (0o660, true)]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_others(&std::fs::metadata(&path).unwrap()), open, "{mode:o}");
            let mut layers = layers("", &[], &[("TELECINE_FLEX_A_PASSWORD", &variable)]);
            assert_eq!(layers.secret("flex.a.password", |_| false).as_deref(), Some("s3cret"));
        }
        let mut pipe = layers("", &[], &[("TELECINE_FLEX_A_PASSWORD", "file:/dev/null")]);
        assert_eq!(pipe.secret("flex.a.password", |_| false).as_deref(), Some(""));
    }
}
