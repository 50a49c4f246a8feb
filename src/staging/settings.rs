//! Where a staging area is, and how it is written.

use std::path::PathBuf;

use url::Url;

use super::S3Settings;

/// Documents on their way to a bucket at the same time, where nothing else is set: a store that answers in 20 ms then takes
/// 1,600 a second.
pub const MAX_IN_FLIGHT: usize = 32;

/// Where the staging area is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingConfig {
    /// `file:PATH`, a plain path, or `s3://bucket/prefix`.
    pub url: String,
    /// How the pages of Parquet files are compressed.
    pub compression: Compression,
    /// Documents and deletions on their way to a bucket at the same time.
    pub max_in_flight: usize,
    /// How buckets are reached.
    pub s3: S3Settings,
}

impl StagingConfig {
    /// The area at `url`, with the defaults for the rest; buckets are reached as the variables of this process say.
    pub fn at(url: impl Into<String>) -> Self {
        let s3 = S3Settings::of_environment(std::env::vars());
        Self { url: url.into(), compression: Compression::default(), max_in_flight: MAX_IN_FLIGHT, s3 }
    }

    /// The folder, where it is one of this machine.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let text = match Url::parse(&self.url) {
            Ok(url) if url.scheme() == "file" => self.url.trim_start_matches("file:"),
            Ok(url) if url.scheme().len() > 1 => return None,
            _ => &self.url,
        };
        Some(PathBuf::from(if text.starts_with("//") { text.trim_start_matches("//") } else { text }))
    }
}

/// How the pages of Parquet files are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// zstd level 1: smaller files.
    #[default]
    Zstd,
    /// Snappy: less work, larger files.
    Snappy,
}

impl std::str::FromStr for Compression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "zstd" => Ok(Self::Zstd),
            "snappy" => Ok(Self::Snappy),
            other => Err(format!("{other:?} is neither zstd nor snappy")),
        }
    }
}
