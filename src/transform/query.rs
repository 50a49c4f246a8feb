//! A project's files: one SQL file a query, one CSV file a mapping, and the settings in a query's header.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use serde::{Deserialize, Serialize};

use super::nearest::did_you_mean;
use crate::error::{Error, Result};

/// The name of the dataset of rows that are not loaded; no query may take it.
pub const REJECTED: &str = "rejected";

/// The folders of a run that are no query's: a query of such a name would write over them.
const RESERVED: [(&str, &str); 3] = [
    (REJECTED, "the dataset of rows not loaded"),
    ("raw", "the folder of the source's tables"),
    ("documents", "the folder of JSON documents"),
];

/// The folder of mappings and of the checks over them.
const MAPPINGS: &str = "mappings";

/// The folder of what is said of documents between buckets: it has queries of other kinds.
const DELIVERY: &str = "deliver";

/// The settings a query's header may hold.
const SETTINGS: [&str; 4] = ["alternatives", "key", "materialise", "purpose"];

/// What a query is for, by its folder. A query may read queries of its own or a lower level; checks may read all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Which entities are candidates; scope.
    Select,
    /// Descriptive, technical, relational data of each candidate.
    Collect,
    /// Values brought to one form; duplicates settled.
    Normalise,
    /// One query a target type, one row a candidate.
    Map,
    /// Rows that must not exist.
    Check,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 5] = [Self::Select, Self::Collect, Self::Normalise, Self::Map, Self::Check];

    /// The folder of the level's queries.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Select => "1_select",
            Self::Collect => "2_collect",
            Self::Normalise => "3_normalise",
            Self::Map => "4_map",
            Self::Check => "checks",
        }
    }
}

/// The forms in which a query's rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Materialise {
    /// Parquet files with a manifest (the default).
    Parquet,
    /// One JSON document a row, beside the Parquet.
    Json,
    /// One file with a line of JSON a row, beside the Parquet.
    Ndjson,
    /// Nothing: the query is repeated wherever it is read.
    View,
}

/// One SQL file.
#[derive(Debug, Clone)]
pub struct Query {
    /// The file's stem; also the name of its table, its dataset and its line in the report.
    pub name: String,
    /// The folder's level.
    pub level: Level,
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub sql: String,
    /// What it is for, in the header's words.
    pub purpose: String,
    /// The forms in which its rows are kept; never empty.
    pub materialise: BTreeSet<Materialise>,
    /// The columns that together differ in every row, where the header declares them.
    pub key: Option<Vec<String>>,
    /// The column by which rows that hold the same value are asked in turn, where the header declares it: the rows with the
    /// least are those that a value is taken from. Only a trace reads it.
    pub alternatives: Option<String>,
    pub(super) statement: Statement,
}

/// One CSV file: a table of its stem's name. All columns are text, and an empty field is NULL.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The file's stem; also the name of its table.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// All queries and mappings of a project folder.
#[derive(Debug, Clone)]
pub struct Project {
    /// Ordered by level and name.
    pub queries: Vec<Query>,
    /// Ordered by name.
    pub mappings: Vec<Mapping>,
    /// What must hold of mappings, one SQL file each beside them; ordered by name.
    pub mapping_checks: Vec<Query>,
}

impl Project {
    /// Reads every query and finds every mapping of the project folder `root`.
    ///
    /// # Errors
    /// [`Error::Config`] with all problems of all files at once.
    pub fn read(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            return Err(Error::config(format!(
                "project: {} is not a folder; name the one with --project",
                root.display()
            )));
        }
        let mut problems = unknown_folders(root);
        let mut queries = Vec::new();
        for level in Level::ALL {
            queries.extend(read_queries(&root.join(level.folder()), level, &mut problems));
        }
        let mapping_checks = read_queries(&root.join(MAPPINGS), Level::Check, &mut problems);
        let mappings: Vec<Mapping> = files(&root.join(MAPPINGS), "csv", &mut problems)
            .into_iter()
            .map(|path| Mapping { name: stem(&path), path })
            .collect();
        problems.extend(name_problems(&queries, &mappings));
        if problems.is_empty() {
            Ok(Self { queries, mappings, mapping_checks })
        } else {
            Err(Error::Config { problems })
        }
    }
}

fn read_queries(folder: &Path, level: Level, problems: &mut Vec<String>) -> Vec<Query> {
    let mut queries = Vec::new();
    for path in files(folder, "sql", problems) {
        match Query::read(&path, level) {
            Ok(query) => queries.push(query),
            Err(found) => problems.extend(found.into_iter().map(|text| format!("{}{text}", path.display()))),
        }
    }
    queries
}

impl Query {
    /// Reads one file. Each problem starts with `:` and follows the file's name.
    fn read(path: &Path, level: Level) -> Result<Self, Vec<String>> {
        let sql = fs::read_to_string(path).map_err(|cause| vec![format!(": cannot be read: {cause}")])?;
        let mut header = Header::default();
        header.read(&sql);
        if level == Level::Check && (header.key.is_some() || !header.materialise.is_empty()) {
            header.problems.push(": a check keeps no rows: take `key` and `materialise` out of its header".into());
        }
        match parse(&sql) {
            Ok(statement) if header.problems.is_empty() => Ok(Self {
                name: stem(path),
                level,
                path: path.to_owned(),
                sql,
                purpose: header.purpose.join(" "),
                materialise: header.forms(),
                key: header.key,
                alternatives: header.alternatives,
                statement,
            }),
            Ok(_) => Err(header.problems),
            Err(problem) => {
                header.problems.push(problem);
                Err(header.problems)
            }
        }
    }

    /// Whether its rows are kept as a dataset, not repeated wherever they are read.
    pub fn is_kept(&self) -> bool {
        !self.materialise.contains(&Materialise::View)
    }
}

/// The comment lines with which a query's file begins.
#[derive(Debug, Default)]
struct Header {
    purpose: Vec<String>,
    materialise: BTreeSet<Materialise>,
    key: Option<Vec<String>>,
    alternatives: Option<String>,
    problems: Vec<String>,
}

impl Header {
    fn read(&mut self, sql: &str) {
        for (index, line) in sql.lines().enumerate() {
            let Some(comment) = line.trim().strip_prefix("--") else { break };
            match comment.trim().split_once(':') {
                Some((setting, value)) if is_setting(setting) => self.set(index + 1, setting, value.trim()),
                _ => self.purpose.push(comment.trim().to_owned()),
            }
        }
    }

    fn set(&mut self, line: usize, setting: &str, value: &str) {
        let values: Vec<String> = value.split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect();
        if SETTINGS.contains(&setting) && values.is_empty() {
            self.problems.push(format!(":{line}: `{setting}` has no value"));
        }
        match setting {
            "purpose" => self.purpose.push(value.to_owned()),
            "key" => self.key = Some(values),
            "alternatives" => self.alternatives = Some(value.to_owned()),
            "materialise" => values.iter().for_each(|value| self.keep_as(line, value)),
            _ => self.problems.push(format!(
                ":{line}: unknown setting `{setting}`{}; settings are {} (a comment in prose must not begin with one \
                 lower-case word and a colon)",
                did_you_mean(setting, SETTINGS),
                SETTINGS.join(", ")
            )),
        }
    }

    fn keep_as(&mut self, line: usize, form: &str) {
        match form {
            "parquet" => self.materialise.insert(Materialise::Parquet),
            "json" => self.materialise.insert(Materialise::Json),
            "ndjson" => self.materialise.insert(Materialise::Ndjson),
            "view" => self.materialise.insert(Materialise::View),
            _ => {
                let near = did_you_mean(form, ["parquet", "json", "ndjson", "view"]);
                self.problems.push(format!(":{line}: materialise: unknown form `{form}`{near}"));
                false
            }
        };
        if self.materialise.contains(&Materialise::View) && self.materialise.len() > 1 {
            self.problems
                .push(format!(":{line}: materialise: a view keeps no rows, so it cannot be parquet or json too"));
        }
    }

    /// The declared forms; Parquet is always kept unless the query is a view.
    fn forms(&self) -> BTreeSet<Materialise> {
        let mut forms = self.materialise.clone();
        if !forms.contains(&Materialise::View) {
            forms.insert(Materialise::Parquet);
        }
        forms
    }
}

fn is_setting(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The one statement of a file, which must be a query.
fn parse(sql: &str) -> Result<Statement, String> {
    let mut statements = DFParser::parse_sql(sql).map_err(|cause| parse_problem(&cause.strip_backtrace()))?;
    match (statements.pop_front(), statements.len()) {
        (None, _) => Err(": holds no statement".into()),
        (Some(Statement::Statement(statement)), 0) if matches!(*statement, SqlStatement::Query(_)) => {
            Ok(Statement::Statement(statement))
        }
        (Some(_), 0) => Err(": is not a query; it must be one `select` or `with … select`".into()),
        (Some(_), more) => Err(format!(": holds {} statements; one file is one query", more + 1)),
    }
}

/// Brings the place, which the parser writes at its message's end, to the front.
pub(super) fn parse_problem(message: &str) -> String {
    let message = message.trim_start_matches("SQL error: ").trim();
    let message = message.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")")).unwrap_or(message);
    match message.rsplit_once(" at Line: ") {
        Some((text, place)) => format!(":{}: {text}", place.replace(", Column: ", ":")),
        None => format!(": {message}"),
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files of `folder` that end in `extension`, by name; none when there is no such folder.
fn files(folder: &Path, extension: &str, problems: &mut Vec<String>) -> Vec<PathBuf> {
    if !folder.exists() {
        return Vec::new();
    }
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut paths: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(cause) => {
            problems.push(format!("{}: cannot be read: {cause}", folder.display()));
            Vec::new()
        }
    };
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

/// Folders and files that look like queries but would not be read.
fn unknown_folders(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let known = Level::ALL.map(Level::folder);
        let holds_sql = || !files(&path, "sql", &mut Vec::new()).is_empty();
        if path.is_dir() && name != MAPPINGS && name != DELIVERY && !known.contains(&name.as_str()) && holds_sql() {
            found.push(format!("{}: not a folder of queries{}", path.display(), did_you_mean(&name, known)));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            found.push(format!("{}: belongs into one of {}", path.display(), known.join(", ")));
        }
    }
    found.sort();
    found
}

/// Names that cannot be written bare in SQL, that are taken twice, or that the engine needs itself.
fn name_problems(queries: &[Query], mappings: &[Mapping]) -> Vec<String> {
    let queries = queries.iter().map(|query| (&query.name, &query.path));
    let mappings = mappings.iter().map(|mapping| (&mapping.name, &mapping.path));
    let mut taken: BTreeMap<&str, &Path> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, path) in queries.chain(mappings) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.chars().all(plain) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            let rule = "a name is lower-case letters, digits and `_`, beginning with a letter";
            problems.push(format!("{}: `{name}` cannot be a table's name: {rule}", path.display()));
        }
        if let Some((_, what)) = RESERVED.iter().find(|(reserved, _)| name == reserved) {
            problems.push(format!("{}: `{name}` is {what}; rename it", path.display()));
        }
        if let Some(first) = taken.insert(name, path) {
            problems.push(format!("{}: the name `{name}` is taken by {}", path.display(), first.display()));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Project>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let project = Project::read(folder.path());
        (folder, project)
    }

    #[test]
    fn a_header_tells_purpose_and_settings() {
        let sql = "-- purpose: Assets in scope.\n-- Deleted ones are not.\n-- materialise: json\n-- key: id, part\nselect 1 as id, 2 as part";
        let (_folder, project) = project(&[("1_select/assets.sql", sql), ("mappings/genre.csv", "a,b\n")]);
        let project = project.unwrap();
        let query = &project.queries[0];
        assert_eq!((query.name.as_str(), query.level), ("assets", Level::Select));
        assert_eq!(query.purpose, "Assets in scope. Deleted ones are not.");
        assert_eq!(query.materialise, BTreeSet::from([Materialise::Parquet, Materialise::Json]));
        assert_eq!(query.key.as_deref(), Some(&["id".to_owned(), "part".to_owned()][..]));
        assert_eq!(project.mappings[0].name, "genre");
    }

    #[test]
    fn all_problems_are_shown_at_once() {
        let (_folder, project) = project(&[
            ("1_select/a.sql", "-- materialize: parquet\nselect 1"),
            ("1_select/b.sql", ""),
            ("1_select/c.sql", "select 1; select 2"),
            ("1_select/d.sql", "select 1,\nfrom )"),
            ("1_select/Bad-name.sql", "select 1"),
            ("1_select/twice.sql", "select 1"),
            ("2_collect/twice.sql", "select 1"),
            ("2_collct/e.sql", "select 1"),
            ("3_normalise/f.sql", "-- materialise: view, parquet\nselect 1"),
            ("3_normalise/g.sql", "drop table x"),
            ("4_map/rejected.sql", "select 1"),
            ("2_collect/raw.sql", "select 1"),
            ("2_collect/documents.sql", "select 1"),
        ]);
        let text = project.unwrap_err().to_string();
        for expected in [
            "a.sql:1: unknown setting `materialize`; did you mean materialise?",
            "b.sql: holds no statement",
            "c.sql: holds 2 statements",
            "d.sql:2:6: ",
            "`Bad-name` cannot be a table's name",
            "2_collect/twice.sql: the name `twice` is taken by",
            "2_collct: not a folder of queries; did you mean 2_collect?",
            "f.sql:1: materialise: a view keeps no rows",
            "g.sql: is not a query",
            "rejected.sql: `rejected` is the dataset",
            "raw.sql: `raw` is the folder",
            "documents.sql: `documents` is the folder",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }
}
