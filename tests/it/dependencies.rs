//! What the default build is made of: licences that may be used, one Arrow, one object store, one HTTP and TLS stack.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences under which code may be linked. A crate needs one way through its expression that uses only these.
const LICENCES: &[&str] =
    &["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "Unicode-3.0", "Zlib"];

/// Crates of which two versions would mean two types of the same name, or two stacks in one process.
const SINGLE: &[&str] = &[
    "arrow",
    "arrow-array",
    "arrow-schema",
    "datafusion",
    "http",
    "hyper",
    "object_store",
    "parquet",
    "reqwest",
    "rustls",
    "tokio",
    "tokio-postgres",
];

/// Crates that must not be in the default build at all: a second TLS stack.
const ABSENT: &[&str] = &["native-tls", "openssl", "openssl-sys", "aws-lc-rs"];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().clone();
    assert!(packages.len() > 200, "the dependencies were not found");
    packages
}

/// Whether an SPDX expression of `OR`, `AND`, `WITH` and parentheses (and the old `/` for `OR`) can be satisfied.
fn permitted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let permitted = either(&words, &mut at);
    assert_eq!(at, words.len(), "not understood: {expression}");
    permitted
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut any = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        any |= both(words, at);
    }
    any
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut all = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        all &= one(words, at);
    }
    all
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let word = words[*at];
    *at += 1;
    if word == "(" {
        let inner = either(words, at);
        *at += 1;
        return inner;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    LICENCES.contains(&word)
}

#[test]
fn licences_are_permitted() {
    assert!(permitted("(MIT OR GPL-3.0) AND Unicode-3.0") && permitted("Unlicense/MIT"));
    assert!(!permitted("GPL-3.0 AND MIT") && !permitted("AGPL-3.0"));
    let mut wrong = Vec::new();
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or("none");
        if !permitted(licence) {
            wrong.push(format!("{} {}: {licence}", package["name"], package["version"]));
        }
    }
    assert!(wrong.is_empty(), "licences that are not permitted:\n{}", wrong.join("\n"));
}

#[test]
fn there_is_one_stack_of_each_kind() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap().to_owned();
        versions.entry(name).or_default().insert(package["version"].as_str().unwrap().to_owned());
    }
    for name in SINGLE {
        let found = versions.get(*name).unwrap_or_else(|| panic!("{name} is no longer used"));
        assert_eq!(found.len(), 1, "{name}: {found:?}");
    }
    for name in ABSENT {
        assert!(!versions.contains_key(*name), "{name} is in the build");
    }
}
