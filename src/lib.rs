//! telecine moves the metadata of a media library from PostgreSQL into Dalet Flex.
//!
//! (Being built: the map of the house follows.)

pub mod dataflow;
pub mod error;
pub mod extract;
pub mod rehearsal;
pub mod source;
pub mod staging;
pub mod transform;
pub mod verify;

pub use error::{Error, Result};
