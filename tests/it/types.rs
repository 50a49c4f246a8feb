//! Every PostgreSQL type through extraction, Parquet and back, with the server as the judge: the types that it has, values
//! that no column can hold, databases without UTF-8, random types and values; and bytes that are no values at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod back;
pub(crate) mod every;
mod hostile;
mod nested;
mod random;
mod scalars;

use std::env;
use std::path::Path;

use telecine::source::{PostgresSource, SourceConfig};
use telecine::staging::{RunFolder, StagingArea, StagingConfig};

/// A run in a folder.
pub fn run_in(folder: &Path, name: &str) -> RunFolder {
    StagingArea::open(&StagingConfig::at(folder.display().to_string())).unwrap().run(name)
}

/// A source of the tables of one schema.
pub async fn of_schema(config: &SourceConfig, schema: &str) -> PostgresSource {
    let config = SourceConfig { include: vec![format!("{schema}.*")], ..config.clone() };
    PostgresSource::connect(&config).await.unwrap()
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
