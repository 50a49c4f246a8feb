//! JSON documents as a source of rows: objects of any shape, each document of which is read exactly or listed with its
//! place and the reason. Objects may be of any size: what is held at once is a document, or a window of lines.
//!
//! `fetch` gets bytes of objects, `text` makes text of them, `documents` finds the documents in it, `scan` reads one, by
//! `token` and `keys`; `shape` says what a group of them holds, which `finder` finds; `build` fills the columns of `column`,
//! and `write` makes documents of them again; `declared` brings them into those that were asked for; `census` counts of which
//! `form` values are and which break a `rule`. `piece` is what one thread reads, `survey` the first reading of all, and
//! `reader` the source.

mod build;
mod census;
mod column;
mod declared;
mod documents;
mod fault;
mod fetch;
mod finder;
mod form;
mod keys;
mod piece;
mod reader;
mod rule;
mod scan;
mod shape;
mod survey;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod write;

pub use self::census::{Census, Found, ROOT_PATH, Step};
pub use self::declared::RESCUED;
pub use self::documents::{Document, Kind, Limits};
pub use self::fault::{Fault, Reason};
pub use self::form::{Form, Place, Tally};
pub use self::reader::{Examined, JsonOptions, JsonSource, SCHEMA};
pub use self::rule::{Breach, Rule, Saying};
pub use self::shape::{JSON, number_field};
pub use self::text::{Encoding, Writing, examine, examine_from};
pub use self::write::Documents;
