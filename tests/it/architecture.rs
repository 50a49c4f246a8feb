//! The house keeps its rules: who may import whom, how long files and functions are, and that the engine knows nothing
//! of a particular migration.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules by layer; lower never imports higher, and peers never import each other.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["dataflow"],
    &["staging"],
    &["source", "transform", "flex"],
    &["extract", "verify", "load", "reconcile", "delivery"],
    &["config", "report", "rehearsal"],
    &["pipeline"],
    &["cli"],
];

fn source_files() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let mut files: Vec<_> =
        files.into_iter().map(|(path, text)| (path.strip_prefix(&root).unwrap().to_owned(), text)).collect();
    files.sort();
    assert!(files.len() > 20, "the sources were not found");
    files
}

fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules a file names by `crate::module` or `use crate::{module, …}`.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => drop(found.insert(word(rest))),
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (index, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if c.is_whitespace() => {}
                        _ if start && depth == 0 => {
                            found.insert(word(&group[index..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn imports_run_downward() {
    let mut wrong = Vec::new();
    for (path, text) in source_files() {
        let module = module_of(&path);
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let own = layer_of(&module).unwrap_or_else(|| panic!("{} is in no layer", path.display()));
        for import in imports(&text) {
            if import != module && layer_of(&import).is_some_and(|layer| layer >= own) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that run upward or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_seen_in_every_form() {
    let text = "use crate::error::Result;\nuse crate::{cli, source::{Source, copy}};\nlet x = crate::load::plan();";
    let expected: BTreeSet<String> = ["error", "cli", "source", "load"].map(String::from).into();
    assert_eq!(imports(text), expected);
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    for (path, text) in source_files() {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > 500 {
            wrong.push(format!("{}: {} lines", path.display(), lines.len()));
        }
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let is_function = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(super) fn ", "pub(crate) fn "]
                .iter()
                .chain(&["pub(super) async fn ", "pub(crate) async fn ", "const fn ", "pub const fn "])
                .any(|prefix| words.starts_with(prefix));
            if !is_function {
                continue;
            }
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| **line == end).map_or(1, |offset| offset + 1);
            if length > 80 && !lines[start].trim_end().ends_with('}') && !lines[start].trim_end().ends_with(';') {
                wrong.push(format!("{}:{}: {length} lines", path.display(), start + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "too long:\n{}", wrong.join("\n"));
}

/// The engine is general: no source table with a telling name and no field of the target appears outside `rehearsal/`.
#[test]
fn the_engine_knows_no_migration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rehearsal");
    let tables = std::fs::read_to_string(root.join("library/tables.txt")).unwrap();
    let mut words: BTreeSet<String> = tables
        .lines()
        .filter(|line| line.matches('|').count() > 5)
        .filter_map(|line| line.split('|').next())
        .map(|name| name.rsplit('.').next().unwrap().to_owned())
        .filter(|name| name.contains('_'))
        .collect();
    assert!(words.len() > 100, "the tables were not found");
    let definitions = std::fs::read_to_string(root.join("flex/definitions.json")).unwrap();
    for piece in definitions.split("\"name\":").skip(1) {
        let name = piece.trim_start().trim_start_matches('"').split('"').next().unwrap();
        if name.chars().any(char::is_uppercase) && name.starts_with(char::is_lowercase) && !name.contains(' ') {
            words.insert(name.to_owned());
        }
    }
    assert!(words.contains("projectCode"), "the definitions were not found");
    // Words of the REST API itself, which happen to name a table and a field, too: the type of an asset, and the matrix
    // parameter of a look-up.
    for word in ["asset_type", "externalId"] {
        assert!(words.remove(word), "{word} is no longer an exception");
    }
    let mut wrong = Vec::new();
    let engine = |path: &Path| module_of(path) != "rehearsal" && !path.ends_with("tests.rs");
    for (path, text) in source_files().into_iter().filter(|(path, _)| engine(path)) {
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for word in line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| words.contains(*word)) {
                wrong.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "words of a particular migration in the engine:\n{}", wrong.join("\n"));
}

/// The one file that may hold unsafe code; it says of each place why it is sound.
const UNSAFE: &str = "source/connectorx/bridge.rs";

#[test]
fn unsafe_code_is_in_one_file_only_and_says_why() {
    let mut wrong = Vec::new();
    for (path, text) in source_files() {
        let lines: Vec<&str> = text.lines().collect();
        let holds = |line: &str| {
            let code = line.split("//").next().unwrap_or_default();
            code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe" || word == "unsafe_code")
        };
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| holds(line)) {
            let allowed = line.starts_with("#![allow(unsafe_code");
            let reasoned = lines[..number].iter().rev().take_while(|line| line.trim_start().starts_with("//"));
            let reasoned = reasoned.into_iter().any(|line| line.contains("// SAFETY: "));
            if !path.ends_with(UNSAFE) || !(allowed || reasoned) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe code in the wrong place or without a reason:\n{}", wrong.join("\n"));
    let bridge = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(UNSAFE);
    let code = std::fs::read_to_string(bridge).unwrap();
    assert_eq!(code.matches(" unsafe {").count(), 3, "the unsafe code was looked through when there were three places");
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""), "the compiler refuses it everywhere else");
}

/// The table of faults at the head of these tests names tests that are there.
#[test]
fn every_fault_of_the_table_has_its_tests() {
    fn add(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let module = if prefix.is_empty() { name } else { prefix.to_owned() };
            if path.is_dir() {
                add(&path, &module, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let tests = text.split("#[test]").skip(1).chain(text.split("#[tokio::test").skip(1));
                let names = tests.filter_map(|after| after.split_once("fn ")?.1.split_once('('));
                found.extend(names.map(|(name, _)| format!("{module}::{name}")));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    add(&root.join("tests/it"), "", &mut known);
    add(&root.join("src/flex"), "flex", &mut known);
    let table = std::fs::read_to_string(root.join("tests/it/main.rs")).unwrap();
    let rows: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1).collect();
    let numbers: Vec<u32> = rows.iter().map(|row| row.split_once(' ').unwrap().0.parse().unwrap()).collect();
    assert_eq!(numbers, (33..=41).chain(43..=64).collect::<Vec<_>>());
    for row in rows {
        let named: Vec<&str> = row.split('`').filter(|part| part.contains("::")).collect();
        let absent: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
        assert!(!named.is_empty() && absent.is_empty(), "{row}: {absent:?} is no test");
    }
}
