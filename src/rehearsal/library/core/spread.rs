//! How rows are spread: the fixed block layout of asset types, permutations, and children over parents. All is
//! arithmetic or prefix sums, so any slice of any table can be made alone.

use super::dice::index;

/// The type of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Moving pictures.
    Video,
    /// A still picture.
    Image,
    /// Sound alone.
    Audio,
    /// A document with pages.
    Document,
    /// Anything else.
    Other,
    /// An asset announced and not yet delivered.
    Placeholder,
}

impl Kind {
    /// All kinds, in the order of the blocks.
    pub const ALL: [Self; 6] = [Self::Video, Self::Image, Self::Audio, Self::Document, Self::Other, Self::Placeholder];

    /// The label of `asset_type_enum`.
    pub fn label(self) -> &'static str {
        ["Video", "Image", "Audio", "Document", "Other", "Placeholder"][self as usize]
    }
}

/// Rows of a block, and how many of each kind are in it (section 1 of the specification).
const BLOCK: u64 = 1000;
const PER_BLOCK: [u64; 6] = [264, 555, 49, 111, 20, 1];

/// Which asset row is of which kind, and the how many-th of it.
#[derive(Debug)]
pub struct Blocks {
    rows: u64,
    kinds: Vec<Kind>,
    ranks: Vec<u64>,
    members: [Vec<u64>; 6],
}

impl Blocks {
    /// The layout of so many asset rows.
    pub fn new(rows: u64) -> Self {
        let mut members: [Vec<u64>; 6] = Default::default();
        let (mut kinds, mut ranks) = (Vec::new(), Vec::new());
        for position in 0..BLOCK {
            let mut slot = (position * 373 + 17) % BLOCK;
            let mut kind = 0;
            while slot >= PER_BLOCK[kind] {
                slot -= PER_BLOCK[kind];
                kind += 1;
            }
            kinds.push(Kind::ALL[kind]);
            ranks.push(members[kind].len() as u64);
            members[kind].push(position);
        }
        Self { rows, kinds, ranks, members }
    }

    /// The kind of a row.
    pub fn kind(&self, row: u64) -> Kind {
        self.kinds[index(row % BLOCK)]
    }

    /// How many rows of the same kind stand before this one.
    pub fn ordinal(&self, row: u64) -> u64 {
        row / BLOCK * PER_BLOCK[self.kind(row) as usize] + self.ranks[index(row % BLOCK)]
    }

    /// The rows of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        let rest = self.rows % BLOCK;
        let partial = self.members[kind as usize].iter().filter(|position| **position < rest).count();
        self.rows / BLOCK * PER_BLOCK[kind as usize] + partial as u64
    }

    /// The row of the `ordinal`-th asset of a kind.
    pub fn nth(&self, kind: Kind, ordinal: u64) -> u64 {
        let per_block = PER_BLOCK[kind as usize];
        ordinal / per_block * BLOCK + self.members[kind as usize][index(ordinal % per_block)]
    }
}

/// A permutation of `0..n` that can be asked both ways.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    n: u64,
    factor: u64,
    inverse: u64,
    shift: u64,
}

impl Permutation {
    /// A permutation of `0..n` (of one number, if `n` is 0).
    pub fn new(n: u64, shift: u64) -> Self {
        let n = n.max(1);
        let factor = coprime(n, n * 61 / 100 + 1);
        Self { n, factor, inverse: inverse(factor, n), shift: shift % n }
    }

    /// Where `i` goes; `i` may be larger than `n`, then it wraps.
    pub fn at(&self, i: u64) -> u64 {
        (modulo(i % self.n, self.factor, self.n) + self.shift) % self.n
    }

    /// What went to `place` (the smallest such number).
    pub fn position(&self, place: u64) -> u64 {
        modulo((place + self.n - self.shift) % self.n, self.inverse, self.n)
    }
}

fn modulo(a: u64, b: u64, n: u64) -> u64 {
    u64::try_from(u128::from(a) * u128::from(b) % u128::from(n)).unwrap_or(0)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The smallest number from `from` on that shares no divisor with `n`.
pub fn coprime(n: u64, from: u64) -> u64 {
    let mut number = from.max(1);
    while gcd(number, n) != 1 {
        number += 1;
    }
    number
}

/// The inverse of `a` modulo `n`, for `a` and `n` without a common divisor.
fn inverse(a: u64, n: u64) -> u64 {
    let (mut old_r, mut r) = (i128::from(a), i128::from(n));
    let (mut old_s, mut s) = (1i128, 0i128);
    while r != 0 {
        let quotient = old_r / r;
        (old_r, r) = (r, old_r - quotient * r);
        (old_s, s) = (s, old_s - quotient * s);
    }
    u64::try_from(old_s.rem_euclid(i128::from(n))).unwrap_or(0)
}

/// How many children each parent has, as prefix sums.
#[derive(Debug, Default)]
pub struct FanOut {
    starts: Vec<u32>,
}

impl FanOut {
    /// Children over parents: `draw` gives a parent's count and its bounds `(least, count, most)`; the counts are then
    /// evened out over the parents until they add up to `total`, as far as the bounds allow.
    pub fn new(parents: u64, total: u64, draw: impl Fn(u64) -> (u32, u32, u32)) -> Self {
        let mut least = 0;
        let bounds: Vec<_> = (0..parents).map(draw).collect();
        let mut counts: Vec<u32> =
            bounds.iter().map(|(low, count, high)| (*count).clamp(*low, (*high).max(*low))).collect();
        let mut sum: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        let step = coprime(parents.max(1), parents * 38 / 100 + 1);
        let (mut at, mut idle) = (0, 0);
        while sum != total && idle < parents {
            let (low, _, high) = bounds[index(at)];
            let count = &mut counts[index(at)];
            if sum < total && *count < high {
                *count += 1;
                sum += 1;
                idle = 0;
            } else if sum > total && *count > low {
                *count -= 1;
                sum -= 1;
                idle = 0;
            } else {
                idle += 1;
            }
            at = (at + step) % parents;
        }
        let mut starts = Vec::with_capacity(counts.len() + 1);
        for count in counts {
            starts.push(least);
            least += count;
        }
        starts.push(least);
        Self { starts }
    }

    /// All children.
    pub fn total(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0).into()
    }

    /// The first child of a parent.
    pub fn start(&self, parent: u64) -> u64 {
        self.starts.get(index(parent)).copied().unwrap_or(0).into()
    }

    /// The number of children of a parent.
    pub fn count(&self, parent: u64) -> u64 {
        self.start(parent + 1).saturating_sub(self.start(parent))
    }

    /// The parent of a child, and the child's number among its siblings.
    pub fn parent(&self, child: u64) -> (u64, u64) {
        let after = self.starts.partition_point(|start| u64::from(*start) <= child);
        let parent = after.saturating_sub(1) as u64;
        (parent, child - self.start(parent))
    }
}

/// The place, among `all`, of the `i`-th of so many chosen ones that are spread evenly.
pub fn nth_chosen(i: u64, chosen: u64, all: u64) -> u64 {
    let place = u128::from(i) * u128::from(all) / u128::from(chosen.max(1));
    u64::try_from(place).unwrap_or(0).min(all.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_each_kind_as_often_as_it_should() {
        let blocks = Blocks::new(2118);
        for (kind, per_block) in Kind::ALL.into_iter().zip(PER_BLOCK) {
            let rows: Vec<u64> = (0..2118).filter(|row| blocks.kind(*row) == kind).collect();
            assert_eq!(blocks.count(kind), rows.len() as u64);
            assert_eq!(rows.iter().filter(|row| **row < 1000).count() as u64, per_block);
            for (ordinal, row) in rows.iter().enumerate() {
                assert_eq!(blocks.ordinal(*row), ordinal as u64);
                assert_eq!(blocks.nth(kind, ordinal as u64), *row);
            }
        }
    }

    #[test]
    fn permutations_go_both_ways() {
        for n in [1, 2, 20, 31, 312, 311_520] {
            let permutation = Permutation::new(n, 7);
            let mut seen = vec![false; index(n)];
            for i in 0..n {
                let place = permutation.at(i);
                assert!(!std::mem::replace(&mut seen[index(place)], true));
                assert_eq!(permutation.position(place), i);
            }
        }
    }

    #[test]
    fn fan_out_adds_up() {
        let fan = FanOut::new(100, 555, |parent| (1, u32::try_from(parent % 7).unwrap(), 40));
        assert_eq!(fan.total(), 555);
        assert!((0..100).all(|parent| fan.count(parent) >= 1));
        for child in 0..555 {
            let (parent, k) = fan.parent(child);
            assert_eq!(fan.start(parent) + k, child);
            assert!(k < fan.count(parent));
        }
        assert_eq!(FanOut::new(10, 3, |_| (1, 1, 9)).total(), 10, "the least counts stand above the total");
        assert_eq!(FanOut::new(10, 3, |_| (0, 4, 9)).total(), 3);
        assert_eq!(FanOut::new(10, 99, |_| (0, 4, 9)).total(), 90);
    }

    #[test]
    fn a_choice_is_even_and_exact() {
        let places: std::collections::HashSet<u64> = (0..31).map(|i| nth_chosen(i, 31, 97)).collect();
        assert_eq!(places.len(), 31);
        assert!(places.iter().all(|place| *place < 97));
    }
}
