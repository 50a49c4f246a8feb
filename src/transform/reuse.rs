//! What a dataset was made from, and so whether it is to be made again.
//!
//! A manifest's inputs name everything that decides a dataset's rows: the text of its query and of the views it reads
//! (without comments and white space), the content of each raw table and dataset (columns and rows, whatever files they
//! are in), each mapping's file, the set time where the text asks for the time, and the program itself, whose functions
//! another build may have changed. A dataset whose inputs are what they were is kept. A query that runs again and gives
//! the same rows leaves those that read it as they are: they depend on content, not on when it was made.
//!
//! A run keeps to itself: rows of another run are never taken over, even where its tables hold the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::OnceLock;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use serde::{Deserialize, Serialize};

use super::clock::PRESENT;
use super::graph::Input;
use super::opened::OpenRun;
use super::query::{Level, Query};
use super::{Transform, tables};
use crate::error::{Error, Result};
use crate::staging::Manifest;

/// What something was made from: a hash or checksum of each, by what it is in words.
pub(super) type Inputs = BTreeMap<String, String>;

/// The entry of the program among the inputs.
const PROGRAM: &str = "the program";

/// Whether a query would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outlook {
    /// Its dataset is what it would make.
    Unchanged,
    /// It would run.
    Stale,
    /// It would run if what it reads comes out otherwise than before.
    Waits,
}

/// Whether a query would run, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryOutlook {
    /// The query's name.
    pub name: String,
    /// Whether it would run.
    pub outlook: Outlook,
    /// What has changed; for one that waits, the queries that would run and that it reads at first or second hand.
    pub reasons: Vec<String>,
}

/// What a transform would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransformOutlook {
    /// The run.
    pub run: String,
    /// The queries that keep rows, in running order.
    pub queries: Vec<QueryOutlook>,
}

impl Transform {
    /// What decides a query's rows besides its text and that of its views: tables of the source, mappings and datasets;
    /// a view stands for what it reads.
    pub(super) fn sources(&self, query: &Query) -> BTreeSet<Input> {
        let mut sources = BTreeSet::new();
        let mut source = |input: &Input| {
            sources.insert(input.clone());
        };
        self.walk(query, &mut source, &mut |_| {});
        sources
    }

    /// Shows each source and each text: that of the query, then those of the views it reads, at first or second hand.
    fn walk<'a>(&'a self, query: &'a Query, source: &mut impl FnMut(&'a Input), text: &mut impl FnMut(&'a Query)) {
        let (mut open, mut seen) = (vec![query], BTreeSet::new());
        while let Some(query) = open.pop() {
            if !seen.insert(&query.name) {
                continue;
            }
            text(query);
            for input in self.graph.inputs(&query.name) {
                match input {
                    Input::Query(name) => match self.query(name) {
                        Some(view) if !view.is_kept() => open.push(view),
                        _ => source(input),
                    },
                    _ => source(input),
                }
            }
        }
    }

    fn query(&self, name: &str) -> Option<&Query> {
        self.project.queries.iter().find(|query| query.name == name)
    }
}

impl OpenRun<'_> {
    /// What the query would be made from now; a source that is not there has no entry.
    pub(super) fn inputs(&self, query: &Query) -> Inputs {
        let mut inputs = Inputs::from([(PROGRAM.to_owned(), program().to_owned())]);
        let mut texts = Vec::new();
        let mut source = |input: &Input| {
            if let Some(known) = self.known(&input.to_string()) {
                inputs.insert(in_words(input), known.content.clone());
            }
        };
        self.transform.walk(query, &mut source, &mut |query| texts.push(query));
        inputs.extend(self.transform.definition_hash(query));
        for query in texts {
            let (text, asks_for_time) = digest(query);
            inputs.insert(format!("text of {}", query.name), text);
            if asks_for_time && let Some(now) = &self.transform.config.now {
                inputs.insert("setting transform.now".into(), now.clone());
            }
        }
        inputs
    }

    /// Why the query's dataset cannot stand for what the query would make from `inputs`; nothing when it can. Its bytes
    /// are compared with its manifest.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn staleness(&self, query: &Query, inputs: &Inputs) -> Result<Vec<String>> {
        let dataset = self.run.query(&query.name);
        let manifest = match dataset.manifest().await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(vec![NEVER.into()]),
            Err(error) => return damage(error),
        };
        let found = reasons(&manifest.inputs, inputs);
        if !found.is_empty() {
            return Ok(found);
        }
        match tables::require_intact(&dataset, &manifest).await {
            Ok(()) => Ok(Vec::new()),
            Err(error) => damage(error),
        }
    }

    /// Whether each of the queries `chosen` that keeps rows would run, in running order. Manifests are compared and the
    /// sizes of files, no rows are read.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn outlook(&mut self, chosen: impl Fn(&Query) -> bool) -> Result<Vec<QueryOutlook>> {
        let transform = self.transform;
        let mut found: Vec<QueryOutlook> = Vec::new();
        let kept = transform.graph.order(&transform.project);
        for query in kept.filter(|query| query.is_kept() && query.level != Level::Check) {
            let dataset = self.run.query(&query.name);
            let lost = match dataset.manifest().await {
                Ok(Some(manifest)) => Ok(manifest),
                Ok(None) => Err(vec![NEVER.into()]),
                Err(error) => Err(damage(error)?),
            };
            let manifest = match lost {
                Ok(manifest) => manifest,
                Err(reasons) => {
                    if chosen(query) {
                        found.push(QueryOutlook::new(query, Outlook::Stale, reasons));
                    }
                    continue;
                }
            };
            self.note(&query.name, &manifest);
            if !chosen(query) {
                continue;
            }
            let runs = |other: &&QueryOutlook| {
                other.outlook != Outlook::Unchanged && transform.sources(query).iter().any(|input| other.is_of(input))
            };
            let awaited: Vec<&QueryOutlook> = found.iter().filter(runs).collect();
            let (mut before, mut now) = (manifest.inputs.clone(), self.inputs(query));
            for other in &awaited {
                let name = in_words(&Input::Query(other.name.clone()));
                before.remove(&name);
                now.remove(&name);
            }
            let roots: BTreeSet<String> = awaited.iter().flat_map(|other| other.roots()).collect();
            let reasons = match reasons(&before, &now) {
                _ if transform.again => vec![ASKED.into()],
                changed if changed.is_empty() => match dataset.found(&manifest).await {
                    Ok(_) => changed,
                    Err(error) => damage(error)?,
                },
                changed => changed,
            };
            found.push(if !reasons.is_empty() {
                QueryOutlook::new(query, Outlook::Stale, reasons)
            } else if roots.is_empty() {
                QueryOutlook::new(query, Outlook::Unchanged, Vec::new())
            } else {
                QueryOutlook::new(query, Outlook::Waits, roots.into_iter().collect())
            });
        }
        Ok(found)
    }
}

/// The reason of a query that has no dataset.
const NEVER: &str = "never made";

/// A query's dataset that is damaged is made again: the damage is the reason.
fn damage(error: Error) -> Result<Vec<String>> {
    match error {
        Error::Staging { path, message, .. } => Ok(vec![format!("{path} {message}")]),
        other => Err(other),
    }
}

/// The reason when everything is to be made again.
pub(super) const ASKED: &str = "asked for";

impl QueryOutlook {
    fn new(query: &Query, outlook: Outlook, reasons: Vec<String>) -> Self {
        Self { name: query.name.clone(), outlook, reasons }
    }

    /// The queries by which those that read this one may have to run.
    fn roots(&self) -> Vec<String> {
        if self.outlook == Outlook::Waits { self.reasons.clone() } else { vec![self.name.clone()] }
    }

    fn is_of(&self, input: &Input) -> bool {
        matches!(input, Input::Query(name) if *name == self.name)
    }
}

/// What differs between two sets of inputs, in words; nothing when they are equal.
pub(super) fn reasons(before: &Inputs, now: &Inputs) -> Vec<String> {
    if !before.contains_key(PROGRAM) && now.contains_key(PROGRAM) {
        return vec!["made by another version of telecine".into()];
    }
    let changed: Vec<String> = now
        .iter()
        .filter(|(name, hash)| before.get(*name).is_some_and(|known| known != *hash))
        .map(|(name, _)| format!("{name} changed"))
        .collect();
    let read = now.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("{name} is read now"));
    let unread =
        before.keys().filter(|name| !now.contains_key(*name)).map(|name| format!("{name} is not read any more"));
    // A changed text tells why other things are read.
    let told = changed.iter().any(|reason| reason.starts_with("text of "));
    let others: Vec<String> = if told { Vec::new() } else { read.chain(unread).collect() };
    changed.into_iter().chain(others).collect()
}

/// Equal for the same columns with the same rows. The checksum alone does not see names.
pub(super) fn content(manifest: &Manifest) -> String {
    let mut columns = blake3::Hasher::new();
    for field in &manifest.schema {
        columns.update(format!("{:?} {:?}\n", field.name, field.type_name).as_bytes());
    }
    format!("{}:{}", manifest.content(), &columns.finalize().to_hex()[..16])
}

/// One hash of all inputs.
pub(super) fn fold(inputs: &Inputs) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, hash) in inputs {
        hasher.update(format!("{name:?}={hash:?}\n").as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The program and the contents of these datasets: what is made of them by the engine's own statements.
pub(super) fn derived<'a>(contents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Inputs {
    let datasets = contents.into_iter().map(|(name, content)| (format!("dataset {name}"), content.to_owned()));
    datasets.chain([(PROGRAM.to_owned(), program().to_owned())]).collect()
}

fn in_words(input: &Input) -> String {
    match input {
        Input::Table(table) => format!("table {table}"),
        Input::Query(name) => format!("dataset {name}"),
        Input::Mapping(name) => format!("mapping {name}.csv"),
        Input::Unknown(name) => name.clone(),
    }
}

/// A hash of the query's words, signs and key, and whether one of the words may ask for the time. Comments and white
/// space do not count.
fn digest(query: &Query) -> (String, bool) {
    let mut hasher = blake3::Hasher::new();
    let mut asks_for_time = false;
    match Tokenizer::new(&GenericDialect, &query.sql).tokenize() {
        Ok(tokens) => {
            for token in tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
                if let Token::Word(word) = token {
                    asks_for_time |= tells_time(&word.value);
                }
                // Debug output quotes what it holds, so that no two lists of tokens look alike.
                hasher.update(format!("{token:?}\n").as_bytes());
            }
        }
        // It was parsed before; should it not be read a second time, its text stands for itself.
        Err(_) => {
            hasher.update(query.sql.as_bytes());
            asks_for_time = true;
        }
    }
    hasher.update(format!("{:?}", query.key).as_bytes());
    (hasher.finalize().to_hex().to_string(), asks_for_time)
}

fn tells_time(word: &str) -> bool {
    PRESENT.iter().any(|(name, aliases)| {
        name.eq_ignore_ascii_case(word) || aliases.iter().any(|alias| alias.eq_ignore_ascii_case(word))
    })
}

/// Begins to hash the file that runs, on a thread of its own: it is large, and needed only once there are inputs.
pub(super) fn hash_program_beside() {
    drop(tokio::task::spawn_blocking(program));
}

/// The BLAKE3 of the file that runs, in hex; telecine's version where it cannot be read.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // On Linux this is the file that was started, even if another one has taken its place since.
        let file = File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?));
        let mut hasher = blake3::Hasher::new();
        match file.and_then(|file| hasher.update_reader(file).map(drop)) {
            Ok(()) => hasher.finalize().to_hex().to_string(),
            Err(cause) => {
                tracing::warn!(%cause, "the program's own file cannot be read; its version stands for it");
                env!("CARGO_PKG_VERSION").to_owned()
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(sql: &str) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1_select")).unwrap();
        std::fs::write(folder.path().join("1_select/one.sql"), sql).unwrap();
        digest(&crate::transform::Project::read(folder.path()).unwrap().queries[0])
    }

    #[test]
    fn comments_and_white_space_are_no_part_of_a_text() {
        let text = "-- Why.\n-- key: a\nselect 'x  y' as a, \"B\" from t";
        let same = "-- key: a\n-- Why, and how.\nselect 'x  y'   as a, /* more */ \"B\"\nfrom t -- here";
        assert_eq!(digest_of(text), digest_of(same));
        for (from, to) in [
            ("'x  y'", "'x y'"),
            ("\"B\"", "b"),
            ("\"B\"", "'B'"),
            ("key: a", "key: a, B"),
            ("'x  y'", "'x'' ''y'"),
            ("from", "From"),
        ] {
            assert_ne!(digest_of(text).0, digest_of(&text.replace(from, to)).0, "{from} {to}");
        }
    }

    #[test]
    fn a_text_that_may_ask_for_the_time_is_known() {
        for asks in ["select now() as a", "select CURRENT_DATE as a", "select cast(today() as varchar) as a"] {
            assert!(digest_of(asks).1, "{asks}");
        }
        assert!(!digest_of("select 'now' as a, nowhere from t -- now").1);
    }

    #[test]
    fn a_change_is_told_in_words() {
        let inputs = |pairs: &[(&str, &str)]| -> Inputs {
            pairs.iter().chain(&[(PROGRAM, "1")]).map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect()
        };
        let before = inputs(&[("text of a", "1"), ("table public.t", "1"), ("setting transform.now", "x")]);
        assert_eq!(reasons(&before, &before), Vec::<String>::new());
        let tables = inputs(&[("text of a", "1"), ("table public.t", "2"), ("setting transform.now", "x")]);
        assert_eq!(reasons(&before, &tables), ["table public.t changed"]);
        // What another text reads needs no telling.
        let text = inputs(&[("text of a", "2"), ("table public.u", "1"), ("setting transform.now", "y")]);
        assert_eq!(reasons(&before, &text), ["setting transform.now changed", "text of a changed"]);
        let gone = inputs(&[("text of a", "1"), ("setting transform.now", "x")]);
        assert_eq!(reasons(&before, &gone), ["table public.t is not read any more"]);
        assert_eq!(reasons(&Inputs::new(), &before), ["made by another version of telecine"]);
    }
}
