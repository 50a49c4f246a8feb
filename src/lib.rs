//! telecine moves the metadata of a media library from PostgreSQL into Dalet Flex.
//!
//! (Being built: the map of the house follows.)

pub mod dataflow;
pub mod error;
pub mod rehearsal;
pub mod staging;

pub use error::{Error, Result};
