//! Arguments of `telecine library …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RunId;

/// `telecine library …`.
#[derive(Debug, Subcommand)]
pub enum LibraryVerb {
    /// Creates and fills the sample library in an existing, empty database.
    Create(LibraryCreate),
    /// Writes the answer key: expected_targets, expected_dispositions and dirt_manifest, as Parquet and CSV.
    Answers(LibraryAnswers),
    /// Mapped datasets against the answer key, cell by cell; differences by field and by kind of dirt.
    Compare(LibraryCompare),
    /// Writes the sample documents, flawed in many ways, as files of a folder, and what a right delivery makes of each.
    Documents(LibraryDocuments),
}

/// Which sample library.
#[derive(Debug, Clone, Args)]
pub struct LibraryShape {
    /// The library's size: 1 is 290 million rows.
    #[arg(long, default_value = "0.001")]
    pub scale: f64,
    /// How dirty: 0 none, 1 the rates of the specification, n times them.
    #[arg(long, default_value = "1")]
    pub dirt: f64,
    /// The library's seed.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
}

/// `telecine library answers`.
#[derive(Debug, Clone, Args)]
pub struct LibraryAnswers {
    /// The folder to write into; files of the same names are replaced.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Which library.
    #[command(flatten)]
    pub shape: LibraryShape,
}

/// `telecine library compare`.
#[derive(Debug, Clone, Args)]
pub struct LibraryCompare {
    /// The library that the run was extracted from.
    #[command(flatten)]
    pub shape: LibraryShape,
    /// The run.
    #[command(flatten)]
    pub run: RunId,
}

/// `telecine library create`.
#[derive(Debug, Clone, Args)]
pub struct LibraryCreate {
    /// The database: postgres://…, or env:NAME for a variable that holds it.
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Which library.
    #[command(flatten)]
    pub shape: LibraryShape,
    /// Connections at once.
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
}

/// `telecine library documents`.
#[derive(Debug, Clone, Args)]
pub struct LibraryDocuments {
    /// The folder to write into; files of the same names are replaced.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The file of the answer key: what is expected of each object, a line of JSON each. It must lie outside of the folder.
    #[arg(long, value_name = "FILE")]
    pub answers: PathBuf,
    /// Objects, beside one for each flaw.
    #[arg(long, default_value_t = 1_000)]
    pub count: u64,
    /// How dirty: 0 none, 1 every flaw once and 5 % of the others, n times as many.
    #[arg(long, default_value = "1")]
    pub dirt: f64,
    /// The seed.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Bytes of one more document that is as large; none where 0.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub large: usize,
}
