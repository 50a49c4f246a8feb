//! Which ids were seen: a million of them in a few megabytes at worst, in a hundred kilobytes where they are dense.

use std::collections::HashMap;

/// Ids of one chunk; the low bits tell them apart.
const CHUNK_BITS: u32 = 12;
/// Words of a dense chunk's bitmap.
const WORDS: usize = 1 << (CHUNK_BITS - 6);
/// Ids from which a bitmap is the smaller form (two bytes an id against a bit a place).
const DENSE_FROM: usize = WORDS * 4;

/// A set of ids, kept as sorted lists where they are sparse and as bitmaps where they are dense (as roaring bitmaps are).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct IdSet {
    chunks: HashMap<i64, Chunk>,
    len: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Chunk {
    Sparse(Vec<u16>),
    Dense(Box<[u64; WORDS]>),
}

impl IdSet {
    /// Adds an id; false if it was there.
    pub(super) fn insert(&mut self, id: i64) -> bool {
        let low = (id & ((1 << CHUNK_BITS) - 1)) as u16;
        let chunk = self.chunks.entry(id >> CHUNK_BITS).or_insert_with(|| Chunk::Sparse(Vec::new()));
        let new = chunk.insert(low);
        self.len += u64::from(new);
        new
    }

    /// Adds all ids of another set.
    pub(super) fn absorb(&mut self, other: &Self) {
        other.each(|id| {
            self.insert(id);
        });
    }

    /// Hands every id to `take`, in no order.
    fn each(&self, mut take: impl FnMut(i64)) {
        for (high, chunk) in &self.chunks {
            let first = high << CHUNK_BITS;
            match chunk {
                Chunk::Sparse(ids) => ids.iter().for_each(|low| take(first + i64::from(*low))),
                Chunk::Dense(words) => (0..1 << CHUNK_BITS)
                    .filter(|low| words[low / 64] & (1 << (low % 64)) != 0)
                    .for_each(|low| take(first + low as i64)),
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }
}

impl Chunk {
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::Sparse(ids) => {
                let Err(place) = ids.binary_search(&low) else { return false };
                ids.insert(place, low);
                if ids.len() >= DENSE_FROM {
                    let mut words = Box::new([0; WORDS]);
                    ids.iter().for_each(|id| words[usize::from(*id) / 64] |= 1 << (id % 64));
                    *self = Self::Dense(words);
                }
                true
            }
            Self::Dense(words) => {
                let (word, bit) = (&mut words[usize::from(low) / 64], 1 << (low % 64));
                let new = *word & bit == 0;
                *word |= bit;
                new
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            sparse in proptest::collection::vec(any::<i64>(), 0..200),
            dense in proptest::collection::vec(-5_000i64..5_000, 0..3_000),
        ) {
            let (mut ids, mut model) = (IdSet::default(), HashSet::new());
            for id in sparse.into_iter().chain(dense) {
                prop_assert_eq!(ids.insert(id), model.insert(id), "{}", id);
            }
            prop_assert_eq!(ids.len(), model.len() as u64);
            let mut given = Vec::new();
            ids.each(|id| given.push(id));
            prop_assert_eq!(given.len(), model.len());
            prop_assert_eq!(given.into_iter().collect::<HashSet<_>>(), model);
        }
    }
}
