//! JSON documents as a source of rows: objects of any shape, each document of which is read exactly or listed with its
//! place and the reason.
//!
//! `text` makes text of bytes, `documents` finds the documents in it, `scan` reads one, `shape` finds what a group of them
//! holds, `build` makes columns, `declared` brings them into those that were asked for, `reader` is the source, `census`
//! counts of which `form` values are and which break a `rule`.

mod build;
mod census;
mod declared;
mod documents;
mod fault;
mod form;
mod reader;
mod rule;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod text;

pub use self::census::{Census, Found, ROOT_PATH, Step};
pub use self::declared::RESCUED;
pub use self::documents::{Document, Kind, Writing, examine};
pub use self::fault::{Fault, Reason};
pub use self::form::{Form, Place, Tally};
pub use self::reader::{Examined, JsonOptions, JsonSource, SCHEMA};
pub use self::rule::{Breach, Rule, Saying};
pub use self::shape::{JSON, number_field};
pub use self::text::Encoding;
