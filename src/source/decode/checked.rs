//! Text within arrays, composites and ranges, looked at value by value.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};

use super::{Column, Malformed, Notes};

/// A column of text in which what is no UTF-8 becomes NULL (only a database of no declared encoding sends such bytes).
pub(super) struct Checked {
    texts: StringBuilder,
    /// The bytes that come before the text.
    head: &'static [u8],
}

impl Checked {
    pub(super) fn text() -> Self {
        Self { texts: StringBuilder::new(), head: &[] }
    }

    pub(super) fn jsonb() -> Self {
        Self { texts: StringBuilder::new(), head: &[1] }
    }
}

impl Column for Checked {
    fn push(&mut self, value: Option<&[u8]>, notes: &mut Notes) -> Result<(), Malformed> {
        let Some(value) = value else {
            self.texts.append_null();
            return Ok(());
        };
        let value = value.strip_prefix(self.head).ok_or("a jsonb of another version than 1")?;
        if i32::try_from(self.texts.values_slice().len() + value.len()).is_err() {
            return Err("more than 2 GiB in one batch");
        }
        match std::str::from_utf8(value) {
            Ok(text) => self.texts.append_value(text),
            Err(_) => {
                self.texts.append_null();
                notes.unheld();
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Notes) -> Result<ArrayRef, Malformed> {
        Ok(Arc::new(self.texts.finish()))
    }
}
