//! By which reader the rows of a slice become record batches.

use super::target::Target;
use crate::error::Result;

/// The command that builds a binary with every reader.
#[cfg(not(feature = "connectorx"))]
const BUILD: &str = "OPENSSL_NO_VENDOR=1 cargo build --release --features connectorx";

/// The way from a slice's rows in the database to record batches. Catalog, selection, locks, snapshot and slices are the
/// same whichever it is, and so are the batches: the same schema, the same values, the same exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    /// Our own: binary `COPY`, decoded straight into Arrow.
    #[default]
    Copy,
    /// The crate connectorx, which is in a build with the feature of that name.
    #[cfg(feature = "connectorx")]
    Connectorx,
}

impl Reader {
    /// The reader of a name.
    ///
    /// # Errors
    /// The names there are, or how to build the reader that this build lacks.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "copy" => Ok(Self::Copy),
            #[cfg(feature = "connectorx")]
            "connectorx" => Ok(Self::Connectorx),
            #[cfg(not(feature = "connectorx"))]
            "connectorx" => Err(format!("this binary was built without the reader connectorx; build one: {BUILD}")),
            _ => Err("one of copy, connectorx is wanted".to_owned()),
        }
    }

    /// Whether this reader can reach a source at all; told before anything is read.
    pub(super) fn require_reach(self, target: &Target) -> Result<()> {
        match self {
            Self::Copy => {
                let _ = target;
                Ok(())
            }
            #[cfg(feature = "connectorx")]
            Self::Connectorx => super::connectorx::require_reach(target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_known_by_name() {
        assert_eq!(Reader::parse("copy"), Ok(Reader::Copy));
        assert_eq!(Reader::default(), Reader::Copy);
        assert!(Reader::parse("Copy").unwrap_err().contains("copy, connectorx"));
        #[cfg(feature = "connectorx")]
        assert_eq!(Reader::parse("connectorx"), Ok(Reader::Connectorx));
        #[cfg(not(feature = "connectorx"))]
        assert!(Reader::parse("connectorx").unwrap_err().contains("--features connectorx"));
    }
}
