//! The keys of the objects that are open, so that none comes twice.

use std::collections::HashSet;

use super::token::Quoted;

/// Keys of one object above which they are looked up by hash.
const FEW: usize = 64;

/// The keys of the open objects, each as a number: its place among the fields that the visitor knows, else its hash. Two of
/// the same object are the same key where these are equal, by hashes but once in 2^64.
#[derive(Debug, Default)]
pub(super) struct Keys {
    numbers: Vec<u64>,
    open: Vec<Open>,
    buffer: String,
}

/// An open object.
#[derive(Debug)]
struct Open {
    /// Where its numbers begin.
    begin: usize,
    /// All its numbers are below this: fields in the order of their places are new without a search.
    above: u64,
    /// Its numbers, once they are many.
    many: Option<HashSet<u64>>,
}

impl Keys {
    /// What a document with a fault has left.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.open.clear();
    }

    pub(super) fn enter(&mut self) {
        self.open.push(Open { begin: self.numbers.len(), above: 0, many: None });
    }

    pub(super) fn leave(&mut self) {
        if let Some(open) = self.open.pop() {
            self.numbers.truncate(open.begin);
        }
    }

    /// The open objects and their keys, for [`Keys::back_to`].
    pub(super) fn mark(&self) -> usize {
        self.open.len()
    }

    /// Leaves the objects that were entered since the mark.
    pub(super) fn back_to(&mut self, mark: usize) {
        while self.open.len() > mark {
            self.leave();
        }
    }

    /// Whether the innermost object has no such key yet; `place` is its place among the fields that the visitor knows.
    pub(super) fn is_new(&mut self, key: Quoted<'_>, place: Option<usize>) -> bool {
        let number = match place {
            Some(place) => place as u64,
            None => xxhash_rust::xxh3::xxh3_64(key.decoded(&mut self.buffer).as_bytes()),
        };
        self.add(number)
    }

    /// The same for a place that is known.
    #[inline]
    pub(super) fn add(&mut self, number: u64) -> bool {
        let Some(open) = self.open.last_mut() else { return true };
        let own = self.numbers.len() - open.begin;
        let is_new = if number >= open.above && open.many.is_none() {
            open.above = number.saturating_add(1);
            // The largest of all numbers can come twice.
            number < u64::MAX || !self.numbers[open.begin..].contains(&number)
        } else if own < FEW {
            !self.numbers[open.begin..].contains(&number)
        } else {
            let numbers = &self.numbers[open.begin..];
            open.many.get_or_insert_with(|| numbers.iter().copied().collect()).insert(number)
        };
        self.numbers.push(number);
        is_new
    }
}
