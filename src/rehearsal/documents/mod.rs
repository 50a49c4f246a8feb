//! The sample documents: JSON as an invented system left it in a bucket, an object an asset, with everything that makes
//! such buckets hard to read. Each object is a function of seed and number, so the same options give the same bytes; what a
//! right delivery makes of each is told beside it ([`SampleObject::expected`]).
//!
//! Layers inside: `content` (what a document says, and what the target wants of it), `flaw` (how an object is broken: its
//! bytes, its shape, its name), `write` (objects and answer key as files).

mod content;
mod flaw;
mod write;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

pub use self::flaw::Flaw;
pub use self::write::{Written, write};
use super::library::random::{below, chance, row_state};

/// The number that stands for the documents where random numbers are drawn.
const TABLE: u32 = 9_001;
/// The first number of a generated document; fixtures stand below it.
const FIRST: u64 = 1_000;
/// The share of flawed documents at dirt 1.
const RATE: f64 = 0.05;

/// What the documents are made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DocumentOptions {
    /// The seed of all random numbers.
    pub seed: u64,
    /// Generated objects, beside the fixtures.
    pub count: u64,
    /// 0 for clean documents without fixtures; 1 for every flaw once as a fixture and 5 % of the others flawed; n for n
    /// times as many.
    pub dirt: f64,
    /// Bytes of the document of [`Flaw::Large`], which is made where this is above 0.
    pub large: usize,
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self { seed: 42, count: 1_000, dirt: 1.0, large: 0 }
    }
}

/// One object of the bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleObject {
    /// Its key: any text that S3 takes, so not always the path of a file.
    pub key: String,
    /// Its bytes.
    pub body: Bytes,
    /// What became of it and what is to become of it.
    pub expected: Expected,
}

/// What a right delivery makes of an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// The object's key.
    pub key: String,
    /// How it is broken, if it is.
    pub flaw: Option<Flaw>,
    /// Documents in it that can be read exactly.
    pub readable: u64,
    /// Documents in it that cannot.
    pub unreadable: u64,
    /// The definition its documents belong to; none where it is no document at all.
    pub definition: Option<&'static str>,
    /// What the target is to hold of each document that is delivered, in the order of the object.
    pub instances: Vec<Value>,
}

/// All objects: fixtures first, then the generated ones, ordered by number.
pub fn objects(options: &DocumentOptions) -> impl Iterator<Item = SampleObject> + use<> {
    let options = *options;
    let fixtures = if options.dirt > 0.0 { Flaw::ALL } else { &[] };
    let large = (options.large > 0 && options.dirt > 0.0).then_some(Flaw::Large);
    let fixtures = fixtures.iter().copied().chain(large).enumerate();
    let fixtures = fixtures.flat_map(move |(number, flaw)| made(&options, number as u64, Some(flaw)));
    let generated = (FIRST..FIRST + options.count).flat_map(move |number| {
        let draws = row_state(options.seed, TABLE, number);
        let flawed = chance(draws, RATE * options.dirt);
        let flaw = Flaw::ALL.get(usize::try_from(below(draws.rotate_left(17), Flaw::ALL.len() as u64)).unwrap_or(0));
        made(&options, number, flaw.copied().filter(|_| flawed))
    });
    fixtures.chain(generated)
}

fn made(options: &DocumentOptions, number: u64, flaw: Option<Flaw>) -> Vec<SampleObject> {
    let document = content::document(options.seed, number);
    if let Some(flaw) = flaw {
        return flaw.strike(&document, options.large);
    }
    let body = document.source.to_string().into();
    let expected = Expected {
        key: document.key.clone(),
        flaw: None,
        readable: 1,
        unreadable: 0,
        definition: Some(document.definition),
        instances: vec![document.instance],
    };
    vec![SampleObject { key: document.key, body, expected }]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_options_give_the_same_objects_and_each_flaw_is_there() {
        let options = DocumentOptions { count: 3_000, large: 1 << 20, ..DocumentOptions::default() };
        let all: Vec<_> = objects(&options).collect();
        assert!(objects(&options).eq(all.iter().cloned()));
        let keys: BTreeSet<_> = all.iter().map(|object| &object.key).collect();
        assert_eq!(keys.len(), all.len());
        for flaw in Flaw::ALL.iter().chain([&Flaw::Large]) {
            let with = all.iter().filter(|object| object.expected.flaw == Some(*flaw)).count();
            assert!(with >= 1, "{flaw:?}");
        }
        let flawed = all.iter().skip(Flaw::ALL.len() + 1).filter(|object| object.expected.flaw.is_some()).count();
        assert!((90..230).contains(&flawed), "{flawed}");
    }

    #[test]
    fn clean_documents_are_plain_json() {
        let options = DocumentOptions { count: 500, dirt: 0.0, ..DocumentOptions::default() };
        for object in objects(&options) {
            let value: Value = serde_json::from_slice(&object.body).unwrap();
            assert!(object.key.ends_with(".json") && value["id"].is_string(), "{}", object.key);
            assert_eq!(value["id"], object.expected.instances[0]["externalId"]);
        }
    }
}
