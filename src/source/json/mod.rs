//! JSON documents as a source of rows: objects of any shape, each document of which is read exactly or listed with its
//! place and the reason.
//!
//! `text` makes text of bytes, `documents` finds the documents in it, `scan` reads one, `shape` finds what a group of them
//! holds, `build` makes columns, `reader` is the source, `census` counts what is where and what breaks a `rule`.

mod build;
mod census;
mod documents;
mod fault;
mod reader;
mod rule;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod text;

pub use self::census::{Census, Form, Found, Place, ROOT_PATH, Tally};
pub use self::documents::{Document, Kind, Writing, examine};
pub use self::fault::{Fault, Reason};
pub use self::reader::{Examined, JsonOptions, JsonSource, SCHEMA};
pub use self::rule::{Breach, Rule, Saying};
pub use self::text::Encoding;
