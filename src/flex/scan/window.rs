//! A span of creation times.

use std::fmt::{self, Display};

use chrono::DateTime;

use crate::flex::client::MATRIX_DATE;
use crate::flex::matrix::Address;

/// From the first second to before the second one, in seconds since 1970 (UTC). Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    from: i64,
    to: i64,
}

impl Window {
    /// 1970 to before 2100: every asset there can be.
    pub(super) const ALL: Self = Self { from: 0, to: 4_102_444_800 };

    /// A whole second is the least that the parameters can tell apart.
    pub(super) fn is_second(&self) -> bool {
        self.to - self.from == 1
    }

    /// The earlier and the later half; `None` for a single second.
    pub(super) fn halves(&self) -> Option<(Self, Self)> {
        let middle = self.from + (self.to - self.from) / 2;
        (middle > self.from).then_some((Self { to: middle, ..*self }, Self { from: middle, ..*self }))
    }

    /// The list of assets created in this window.
    pub(super) fn of(&self, address: Address) -> Address {
        address.with("createdFrom", date(self.from)).with("createdTo", date(self.to))
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to before {} UTC", date(self.from), date(self.to))
    }
}

fn date(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().format(MATRIX_DATE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_meet_and_end_at_a_second() {
        let mut window = Window::ALL;
        for _ in 0..64 {
            let Some((earlier, later)) = window.halves() else { break };
            assert!(earlier.from == window.from && earlier.to == later.from && later.to == window.to);
            window = later;
        }
        assert!(window.is_second());
        assert_eq!(window.to_string(), "from 31 Dec 2099 23:59:59 to before 01 Jan 2100 00:00:00 UTC");
    }
}
