//! Which values of a column are there, while it grows.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::NullBuffer;

/// Counts values until the first NULL; a bit a value from there on.
#[derive(Debug, Default)]
pub(super) struct Validity {
    length: usize,
    bits: Option<BooleanBufferBuilder>,
}

impl Validity {
    /// Appends a value that is there, or a NULL.
    #[inline(always)]
    pub(super) fn append(&mut self, valid: bool) {
        match &mut self.bits {
            Some(bits) => bits.append(valid),
            None if valid => {}
            None => self.first_null(),
        }
        self.length += 1;
    }

    #[cold]
    fn first_null(&mut self) {
        let mut bits = BooleanBufferBuilder::new(2 * self.length + 64);
        bits.append_n(self.length, true);
        bits.append(false);
        self.bits = Some(bits);
    }

    /// The bits, none if no value is NULL; empty afterwards.
    pub(super) fn finish(&mut self) -> Option<NullBuffer> {
        self.length = 0;
        self.bits.take().map(|mut bits| NullBuffer::new(bits.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_what_was_appended() {
        let mut validity = Validity::default();
        assert_eq!(validity.finish(), None);
        for nulls in [vec![], vec![0], vec![9], vec![3, 4, 99]] {
            (0..100).for_each(|index| validity.append(!nulls.contains(&index)));
            let bits = validity.finish();
            let found = bits.map_or(Vec::new(), |bits| (0..100).filter(|index| bits.is_null(*index)).collect());
            assert_eq!(found, nulls);
        }
    }
}
