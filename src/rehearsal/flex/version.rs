//! Releases of Flex that differ in what a loader sees.

use std::str::FromStr;

use crate::{Error, Result};

/// The release a local Flex behaves as. What came when is as the field lists of the releases' own OpenAPI have it
/// (contract sections 0.3 and 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// 2021.5: `externalIds` is an unknown property, errors carry no `flex.request.id`, references no `uuid`.
    V2021_5,
    /// 2023.6: all of these.
    #[default]
    V2023_6,
    /// 2024.9: `commonPlaceholderFileDetails`, and `value` in references, too.
    V2024_9,
}

impl FromStr for Version {
    type Err = Error;

    /// # Errors
    /// [`Error::Config`] for a release that no profile is known of.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "2021.5" => Ok(Self::V2021_5),
            "2023.6" => Ok(Self::V2023_6),
            "2024.9" => Ok(Self::V2024_9),
            _ => Err(Error::config(format!("Flex version \"{text}\" is not one of 2021.5, 2023.6, 2024.9"))),
        }
    }
}
