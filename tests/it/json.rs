//! The sample documents, read: every document of every object is accounted for, as their answer key has it.

use std::collections::BTreeMap;

use telecine::rehearsal::documents::{DocumentOptions, Flaw, objects};
use telecine::source::json::examine;

/// Bytes of one object that are read.
const LIMIT: usize = 256 << 20;

#[test]
fn every_sample_document_is_read_or_listed_as_the_answer_key_says() {
    let options = DocumentOptions { count: 2_000, dirt: 3.0, large: 20 << 20, ..DocumentOptions::default() };
    let mut flaws: BTreeMap<Option<Flaw>, u64> = BTreeMap::new();
    for object in objects(&options) {
        let (mut readable, mut unreadable) = (0, 0);
        examine(&object.body, LIMIT, |document| match document.fault {
            None => readable += 1,
            Some(fault) => {
                unreadable += 1;
                assert!(fault.offset >= document.offset, "{document:?}");
            }
        });
        let expected = &object.expected;
        // What is no document at all is purged by its name.
        if expected.readable + expected.unreadable > 0 {
            let found = (readable, unreadable);
            assert_eq!(found, (expected.readable, expected.unreadable), "{:?} {}", expected.flaw, object.key);
        }
        *flaws.entry(expected.flaw).or_default() += 1;
    }
    assert_eq!(flaws.len(), Flaw::ALL.len() + 2, "{flaws:?}");
}
