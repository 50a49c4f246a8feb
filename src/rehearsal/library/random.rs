//! Random numbers without state: each is a function of seed, table, row and draw, so any slice of any table can be
//! generated alone, in any order, on any thread, and is always the same.

/// The increment of SplitMix64 (the golden ratio in 64 bits).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64.
pub fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// What the draws of one row start from; [`draw`] takes it further.
pub fn row_state(seed: u64, table: u32, row: u64) -> u64 {
    let table_state = mix(seed.wrapping_add(GOLDEN.wrapping_mul(u64::from(table) + 1)));
    mix(table_state.wrapping_add(row))
}

/// One random number of a row. Draw numbers are fixed: column index * 8 + k.
pub fn draw(row_state: u64, draw: u64) -> u64 {
    mix(row_state.wrapping_add(GOLDEN.wrapping_mul(draw + 1)))
}

/// `h(seed, table, row, draw)` of the library's contract.
pub fn h(seed: u64, table: u32, row: u64, number: u64) -> u64 {
    draw(row_state(seed, table, row), number)
}

/// A number below `n` from a draw (0 when `n` is 0): the draw as a fraction of 2^64, in integers.
pub fn below(draw: u64, n: u64) -> u64 {
    u64::try_from((u128::from(draw) * u128::from(n)) >> 64).unwrap_or(0)
}

/// Whether a draw falls under `rate` (0..=1), compared as 32-bit integers so that no float decides.
pub fn chance(draw: u64, rate: f64) -> bool {
    (draw >> 32) < threshold(rate)
}

/// `round(rate * 2^32)`.
fn threshold(rate: f64) -> u64 {
    (rate.clamp(0.0, 1.0) * 4_294_967_296.0).round() as u64
}

/// A rank below `n`, low ranks more often (about 1/(rank+1), in steps of powers of two; 0 when `n` is 0).
pub fn zipf(draw: u64, n: u64) -> u64 {
    if n < 2 {
        return 0;
    }
    let levels = u64::from(n.ilog2()) + 1;
    let level = below(draw, levels);
    let first = (1u64 << level) - 1;
    let width = (1u64 << level).min(n - first);
    first + below(mix(draw), width)
}

/// A sequence of random numbers for one value that needs many, started from one draw.
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    /// The sequence that follows `draw`.
    pub fn new(draw: u64) -> Self {
        Self(draw)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// The next number, below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        below(self.number(), n)
    }

    /// Whether the next number falls under `rate`.
    pub fn chance(&mut self, rate: f64) -> bool {
        chance(self.number(), rate)
    }

    /// One of `choices`; the default when there are none.
    pub fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let index = usize::try_from(self.below(choices.len() as u64)).unwrap_or(0);
        choices.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of section 1 of the library's specification.
    #[test]
    fn check_values() {
        assert_eq!(h(42, 1, 0, 0), 0x6471_f702_93f9_08ce);
        assert_eq!(h(42, 1, 0, 1), 0xd8b2_177e_e813_0ea0);
        assert_eq!(h(42, 1, 1, 0), 0x476a_ae77_6f7c_3eeb);
        assert_eq!(h(42, 17, 52_799_999, 3), 0x8294_80b7_5bd7_3212);
        assert_eq!(h(7, 1, 0, 0), 0xb539_b516_4607_f867);
    }

    #[test]
    fn bounds_and_rates() {
        assert_eq!(below(u64::MAX, 10), 9);
        assert_eq!(below(7, 0), 0);
        assert!(chance(0, 0.001) && !chance(u64::MAX, 0.999) && chance(u64::MAX, 1.0) && !chance(0, 0.0));
        let mut draws = Draws::new(1);
        let low = (0..1000).filter(|_| zipf(draws.number(), 1000) < 31).count();
        assert!((400..600).contains(&low), "half of the draws fall on the lowest 3 % of the ranks, not {low}");
        assert!((0..1000).all(|_| zipf(draws.number(), 37) < 37));
    }
}
