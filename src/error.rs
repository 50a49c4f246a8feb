//! The one error type: variants by seam, each naming the thing that failed, the cause and what to do next.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A cause of any type, kept for the error chain.
pub type Cause = Box<dyn StdError + Send + Sync + 'static>;

/// What went wrong, by the seam at which it went wrong. [`Error::exit_code`] tells how the process ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings, arguments or credentials are unusable. All problems found are listed; nothing was started.
    #[error("the settings are not usable:\n  {}", .problems.join("\n  "))]
    Config {
        /// One line a problem, each naming the key and what it should be.
        problems: Vec<String>,
    },
    /// A condition for starting is not met (a missing program, an unreadable table, an unknown column in a query).
    #[error("cannot start: {message}")]
    Preflight {
        /// What is missing and the command or change that mends it.
        message: String,
        /// The underlying error, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// Reading the source failed.
    #[error("source {table}: {message}")]
    Source {
        /// `schema.table`, or the part of the source that was being read.
        table: String,
        /// What happened and what to do next.
        message: String,
        /// Whether the same read may succeed when repeated.
        transient: bool,
        /// The underlying error, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// Running a query failed.
    #[error("query {name}: {message}")]
    Query {
        /// The query's name (its file's stem).
        name: String,
        /// What happened and what to do next.
        message: String,
        /// The underlying error, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// Reading or writing the staging area failed.
    #[error("staging {path}: {message}")]
    Staging {
        /// The object's path or URL.
        path: String,
        /// What happened and what to do next.
        message: String,
        /// The underlying error, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// Reading or writing a bucket of the delivery failed.
    #[error("bucket {url}: {message}")]
    Bucket {
        /// The bucket or folder.
        url: String,
        /// What happened and what to do next.
        message: String,
        /// The underlying error, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// A request to the Flex REST API failed.
    #[error("flex {method} {url}: {message}")]
    Flex {
        /// The HTTP method.
        method: String,
        /// The URL, without credentials.
        url: String,
        /// The HTTP status, where an answer came.
        status: Option<u16>,
        /// What happened and what to do next.
        message: String,
        /// Whether the same request may succeed when repeated.
        transient: bool,
        /// The underlying error, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// The ledger could not be read or written, or does not belong to this target.
    #[error("ledger {path}: {message}")]
    Ledger {
        /// The ledger's file.
        path: String,
        /// What happened and what to do next.
        message: String,
        /// The underlying error, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// The work was done, and what was found is not clean: a checksum, a balance, a field that differs.
    #[error("{what}: {message}")]
    Mismatch {
        /// What was compared.
        what: String,
        /// How the two sides differ, by name.
        message: String,
    },
    /// Something that a rehearsal starts (a private server, the local Flex) failed.
    #[error("rehearsal {what}: {message}")]
    Rehearsal {
        /// What was being started or filled.
        what: String,
        /// What happened and what to do next.
        message: String,
        /// The underlying error, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// A signal asked the process to stop; what was in flight has been drained.
    #[error("stopped by signal {signal}; what was committed stays: run the same command again to go on")]
    Interrupted {
        /// The signal's number (2 or 15).
        signal: i32,
    },
}

impl Error {
    /// The process's exit code: 1 failed but resumable, 2 could not start, 3 finished but not clean, 128 + signal.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config { .. } | Self::Preflight { .. } => 2,
            Self::Mismatch { .. } => 3,
            Self::Interrupted { signal } => 128u8.saturating_add(u8::try_from(*signal).unwrap_or(0)),
            _ => 1,
        }
    }

    /// Whether the same operation may succeed when repeated. The only place that decides a retry.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Source { transient, .. } | Self::Flex { transient, .. } => *transient,
            _ => false,
        }
    }

    /// A single unusable setting.
    pub fn config(problem: impl Into<String>) -> Self {
        Self::Config { problems: vec![problem.into()] }
    }

    /// A condition for starting that is not met, without an underlying error.
    pub fn preflight(message: impl Into<String>) -> Self {
        Self::Preflight { message: message.into(), cause: None }
    }

    /// The same error with what it is about, where two of a kind are at work.
    #[must_use]
    pub fn about(self, what: &str) -> Self {
        match self {
            Self::Config { problems } => {
                Self::Config { problems: problems.into_iter().map(|problem| format!("{what}: {problem}")).collect() }
            }
            Self::Preflight { message, cause } => Self::Preflight { message: format!("{what}: {message}"), cause },
            Self::Source { table, message, transient, cause } => {
                Self::Source { table: format!("{table} ({what})"), message, transient, cause }
            }
            other => other,
        }
    }

    /// A staging failure at `path` caused by `cause`.
    pub fn staging(path: impl Into<String>, message: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Staging { path: path.into(), message: message.into(), cause: Some(cause.into()) }
    }

    /// A query failure caused by `cause`.
    pub fn query(name: impl Into<String>, message: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Query { name: name.into(), message: message.into(), cause: Some(cause.into()) }
    }

    /// The error as it travels through a stream of record batches.
    pub fn into_datafusion(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }

    /// The error that came through a stream of record batches: our own where it was one, else the engine's.
    pub fn from_datafusion(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(cause) => Self::from_cause(cause),
            DataFusionError::ArrowError(arrow, context) => match *arrow {
                ArrowError::ExternalError(cause) => Self::from_cause(cause),
                other => Self::stream(DataFusionError::ArrowError(Box::new(other), context)),
            },
            DataFusionError::Context(context, inner) => match Self::from_datafusion(*inner) {
                Self::Query { name, message, cause } => {
                    Self::Query { name, message: format!("{context}: {message}"), cause }
                }
                other => other,
            },
            other => Self::stream(other),
        }
    }

    fn from_cause(cause: Cause) -> Self {
        match cause.downcast::<Self>() {
            Ok(own) => *own,
            Err(cause) => match cause.downcast::<DataFusionError>() {
                Ok(engine) => Self::from_datafusion(*engine),
                Err(cause) => Self::query("stream", "the stream of rows broke", cause),
            },
        }
    }

    fn stream(cause: DataFusionError) -> Self {
        Self::query("stream", "the stream of rows broke", cause)
    }

    /// A failure of something a rehearsal starts, caused by `cause`.
    pub fn rehearsal(what: impl Into<String>, message: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Rehearsal { what: what.into(), message: message.into(), cause: Some(cause.into()) }
    }
}
