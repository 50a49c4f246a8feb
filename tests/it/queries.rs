//! The SQL of `queries/` as its readers meet it: heads that name their rules, and one list of fields that must not
//! fall behind another.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const STAGES: [&str; 5] = ["1_select", "2_collect", "3_normalise", "4_map", "checks"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("queries")
}

fn query(path: &str) -> String {
    fs::read_to_string(folder().join(path)).unwrap()
}

/// What is never compared between duplicates: the head of each row, what is the row's own (rulings A28; of the external
/// id the spelling may differ), references, which follow what is merged, and what is judged among the rows that load.
const NOT_COMPARED: [&str; 14] = [
    "source_key",
    "disposition",
    "reason",
    "details",
    "warnings",
    "name",
    "batch",
    "externalId",
    "legacyId",
    "legacyUuid",
    "createdDate",
    "modifiedDate",
    "relatedAssets",
    "isPrimary",
];

/// The datasets behind the aliases of a query: the two words after each `from` and `join`.
fn aliases(sql: &str) -> BTreeMap<&str, &str> {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let named = words.windows(3).filter(|words| matches!(words[0], "from" | "join"));
    named.map(|words| (words[2], words[1])).collect()
}

/// The parts of a list between commas that stand in no bracket.
fn parts(list: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut depth = 0;
    for letter in list.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().unwrap().push(letter);
    }
    found.iter().map(|part| part.trim().to_owned()).collect()
}

/// The columns that an expression reads, as `dataset.column`.
fn columns(expression: &str, aliases: &BTreeMap<&str, &str>) -> BTreeSet<String> {
    let words = expression.split(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '.')));
    let named = words.filter_map(|word| word.split_once('.'));
    named.filter_map(|(alias, column)| Some(format!("{}.{column}", aliases.get(alias)?))).collect()
}

fn between<'a>(sql: &'a str, start: &str, end: &str) -> &'a str {
    let (_, behind) = sql.split_once(start).unwrap_or_else(|| panic!("no `{start}`"));
    behind.split_once(end).unwrap_or_else(|| panic!("no `{end}` after `{start}`")).0
}

/// Every field of a 4_map query with the columns that it is made of.
fn mapped(target: &str) -> Vec<(String, BTreeSet<String>)> {
    let sql = query(&format!("4_map/{target}.sql"));
    let code: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let code = code.join("\n");
    let head = between(&code, "with mapped as (", "where d.target");
    let aliases = aliases(head);
    let list = between(head, "select", "from dispositions d");
    let field = |part: &str| part.rsplit([' ', '.']).next().unwrap().trim_matches('"').to_owned();
    parts(list).iter().map(|part| (field(part), columns(part, &aliases))).collect()
}

/// The columns that duplicates.sql compares of a type.
fn compared(target: &str) -> BTreeSet<String> {
    let sql = query("3_normalise/duplicates.sql");
    let end = format!("where u.target = '{target}'");
    let (start, _) = sql.split_once(&end).unwrap_or_else(|| panic!("duplicates.sql compares no {target}"));
    let (_, block) = start.rsplit_once("row_digest(").unwrap();
    let (list, from) = block.split_once(") as digest").unwrap();
    let aliases = aliases(from);
    parts(list).iter().flat_map(|part| columns(part, &aliases)).collect()
}

/// D11, rulings A28: duplicates are one where they are equal in every mapped field. A field that a 4_map query gains and
/// duplicates.sql does not would be lost with the row that is merged.
#[test]
fn duplicates_are_compared_in_every_mapped_field() {
    for target in ["promo", "deliverable_image"] {
        let compared = compared(target);
        let fields = mapped(target);
        assert!(fields.len() > 60 && compared.len() > 50, "{target}: {} of {}", compared.len(), fields.len());
        let fields: Vec<_> = fields.into_iter().filter(|(field, _)| !NOT_COMPARED.contains(&field.as_str())).collect();
        for (field, columns) in &fields {
            assert!(!columns.is_empty(), "4_map/{target}.sql: `{field}` reads no column");
            let missing: Vec<_> = columns.difference(&compared).collect();
            assert!(missing.is_empty(), "duplicates.sql does not compare `{field}` of 4_map/{target}.sql: {missing:?}");
        }
        let mapped: BTreeSet<String> = fields.into_iter().flat_map(|(_, columns)| columns).collect();
        let strange: Vec<_> = compared.difference(&mapped).collect();
        assert!(strange.is_empty(), "duplicates.sql compares what 4_map/{target}.sql does not give: {strange:?}");
    }
}

/// Whether a text names a rule: a kind of dirt (D..), a ruling (A..) or a section of the specification.
fn names_a_rule(text: &str) -> bool {
    let numbered = |word: &str| {
        let digits = word.strip_prefix(['A', 'D']);
        digits.is_some_and(|digits| digits.len() >= 2 && digits.bytes().take(2).all(|digit| digit.is_ascii_digit()))
    };
    text.contains("section") || text.split(|letter: char| !letter.is_alphanumeric()).any(numbered)
}

#[test]
fn every_head_says_which_rules_apply() {
    let mut heads = 0;
    for stage in STAGES {
        for entry in fs::read_dir(folder().join(stage)).unwrap() {
            let path = entry.unwrap().path();
            let sql = fs::read_to_string(&path).unwrap();
            let head: Vec<&str> = sql.lines().take_while(|line| line.starts_with("--")).collect();
            let wide: Vec<_> = head.iter().filter(|line| line.chars().count() > 120).collect();
            assert!(wide.is_empty(), "{}: wider than 120 columns: {wide:?}", path.display());
            assert!(names_a_rule(&head.join("\n")), "{}: the head names no rule (D.., A.., section)", path.display());
            heads += 1;
        }
    }
    assert!(heads > 80, "{heads} queries were found");
}
