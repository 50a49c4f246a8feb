//! What the ledger says of one asset, and what it is told.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::load::request::{Request, Step};
use crate::load::row::FieldPrints;

/// How far an asset has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A POST was about to be sent; whether the asset exists has to be looked up.
    Intended,
    /// The target gave it an id; its field values are to be (re)written.
    Created,
    /// Its field values are written, its references are not.
    Described,
    /// The target holds all of it.
    Complete,
    /// Refused, with a reason; tried again by the next load.
    Failed,
    /// Whether the asset exists cannot be found out; held for a person to look at.
    Unknown,
    /// It was removed from the target on purpose; a load makes it anew.
    Removed,
}

impl State {
    const WORDS: [(Self, &'static str); 7] = [
        (Self::Intended, "intended"),
        (Self::Created, "created"),
        (Self::Described, "described"),
        (Self::Complete, "complete"),
        (Self::Failed, "failed"),
        (Self::Unknown, "unknown"),
        (Self::Removed, "removed"),
    ];

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(state, _)| *state)
    }

    /// The word for it in the ledger.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }
}

/// An asset that is about to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The key in the source.
    pub source_key: String,
    /// The query that gave the row.
    pub query: String,
    /// The uuid to be sent.
    pub uuid: String,
    /// The name to be sent.
    pub name: String,
    /// The hash of the row, references apart.
    pub payload: [u8; 32],
    /// The run that creates it.
    pub run: String,
    /// BLAKE3 of the request that creates it; `None` where none will be sent.
    pub request: Option<[u8; 32]>,
    /// What the asset is created with beside its name (its type, definition, ids) as a fingerprint; `None` where no request
    /// of ours creates it.
    pub made: Option<i64>,
    /// No entry is expected: one that is there means that two rows have the key.
    pub fresh: bool,
}

/// What the ledger says of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How far it has come.
    pub state: State,
    /// The target's id, once it has one.
    pub flex_id: Option<i64>,
    /// The name the target holds.
    pub name: String,
    /// The hash of the row that was sent last, references apart.
    pub payload: [u8; 32],
    /// The field values that the target holds.
    pub fields: FieldPrints,
    /// The references that the target holds.
    pub linked: Option<[u8; 32]>,
    /// References that had no asset to point to when they were last written.
    pub unresolved: u32,
    /// How often the target came to hold all of it.
    pub completions: u32,
    /// How often it was begun to be written anew: what an earlier row held may be there.
    pub revisions: u32,
    /// When its creation was first intended.
    pub intended_at: DateTime<Utc>,
    /// When the ledger learned its id.
    pub created_at: Option<DateTime<Utc>>,
    /// When the entry was last changed.
    pub changed_at: DateTime<Utc>,
    /// A new name was on its way, and nobody knows whether the target holds it.
    pub renaming: bool,
    /// What it was created with beside its name, where that is known.
    pub made: Option<i64>,
    /// The target clearly refused the last request that was to create it: nothing came of that.
    pub refused: bool,
    /// The run that created it, or is about to.
    pub run: String,
}

/// A request that was sent, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What it does.
    pub step: Step,
    /// [`Request::hash`].
    pub hash: [u8; 32],
    /// The status of the answer; `None` where none came.
    pub status: Option<u16>,
    /// The server's own id of the request, where it gave one.
    pub request_id: Option<String>,
}

impl Sent {
    /// A request that was answered with this status.
    pub fn answered(request: &Request, status: u16) -> Self {
        Self { step: request.step, hash: request.hash(), status: Some(status), request_id: None }
    }

    /// A request of which nobody knows what came.
    pub fn unanswered(request: &Request) -> Self {
        Self { step: request.step, hash: request.hash(), status: None, request_id: None }
    }
}

/// Why a row failed or is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The class (`HTTP 400`, `INVALID`, `UNCLEAR`).
    pub class: String,
    /// The server's words, or ours.
    pub message: String,
    /// The server's own id of the request, where it gave one.
    pub request_id: Option<String>,
}

/// What an asset that was found in the target holds, for a ledger that is built anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As for an asset to be created; `payload` is that of the row if the target holds just that.
    pub intent: Intent,
    /// The target's id.
    pub flex_id: i64,
    /// The field values, if the target holds those of the row; else nothing, and the asset is written again.
    pub fields: Option<FieldPrints>,
    /// The references that the target holds.
    pub linked: Option<[u8; 32]>,
    /// References that have no asset to point to.
    pub unresolved: u32,
}

/// An asset that is failed or unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The key in the source.
    pub source_key: String,
    /// The query that gave the row.
    pub query: String,
    /// `failed` or `unknown`.
    pub state: String,
    /// The class of the reason (`HTTP 400`, `INVALID`, `UNCLEAR`).
    pub reason: String,
    /// The server's words.
    pub message: String,
    /// The server's own id of the request, where it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The target's id, if it has one.
    pub flex_id: Option<i64>,
}

/// A whole row of the ledger, for people and for outside tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetRecord {
    /// The key in the source.
    pub source_key: String,
    /// The query that gave the row.
    pub query: String,
    /// The uuid.
    pub uuid: String,
    /// How far it has come.
    pub state: String,
    /// How far its references have come: none, pending, done, partial, failed.
    pub links: String,
    /// The target's id, if it has one.
    pub flex_id: Option<i64>,
    /// The name the target holds.
    pub name: String,
    /// The hash of the row that was sent last, in hexadecimal digits.
    pub payload: String,
    /// References that have nothing to point to.
    pub unresolved: i64,
    /// How often the target came to hold all of it.
    pub completions: i64,
    /// The run that created it.
    pub run: String,
    /// When its creation was first intended (RFC 3339, as all times).
    pub intended_at: String,
    /// When the ledger learned its id.
    pub created_at: Option<String>,
    /// When the entry was last changed.
    pub changed_at: String,
    /// The class of the reason of a failed or unknown asset.
    pub reason: Option<String>,
    /// The words of the reason.
    pub message: Option<String>,
    /// The server's own id of the request that failed.
    pub request_id: Option<String>,
}

/// The last request of a kind for an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// The key in the source.
    pub source_key: String,
    /// What it does ([`Step::word`]).
    pub step: String,
    /// [`Request::hash`] in hexadecimal digits.
    pub blake3: String,
    /// The status of the answer.
    pub status: Option<i64>,
}
