//! One reading of a list from its first row towards its last, and what it proves.
//!
//! Each answer begins with the last row of the one before. While that row comes back, no asset in front of it came or
//! went, so nothing slipped between two answers; where it does not, the order is not kept or the list has moved.

use serde_json::Value;

use super::ids::IdSet;
use super::model::Asset;

/// Answers in a row without a new asset after which a pass is given up.
const STALE: u32 = 3;
/// Answers beyond the length that the list had at first, after which a pass is given up.
const MOST_LATE: u32 = 100;

/// One answer of a list.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) assets: Vec<Asset>,
    /// The server's `totalCount`.
    pub(super) total: u64,
}

impl Answer {
    /// Reads an answer; the error says what it lacks.
    pub(super) fn read(mut page: Value) -> Result<Self, String> {
        let total = page.get("totalCount").and_then(Value::as_u64).ok_or("the answer has no totalCount")?;
        let assets = page.get_mut("assets").map(Value::take).ok_or("the answer has no assets")?;
        let assets = serde_json::from_value(assets).map_err(|cause| format!("an asset cannot be read: {cause}"))?;
        Ok(Self { assets, total })
    }
}

/// The state of one reading.
#[derive(Debug)]
pub(super) struct Pass {
    descending: bool,
    ids: IdSet,
    total: Option<u64>,
    last: Option<i64>,
    position: u64,
    first_total: Option<u64>,
    answers: u32,
    stale: u32,
    late: u32,
    overlap: bool,
    in_order: bool,
    steady: bool,
    stopped: Option<String>,
}

impl Pass {
    pub(super) fn new(descending: bool) -> Self {
        Self {
            descending,
            ids: IdSet::default(),
            total: None,
            last: None,
            position: 0,
            first_total: None,
            answers: 0,
            stale: 0,
            late: 0,
            overlap: false,
            in_order: true,
            steady: true,
            stopped: None,
        }
    }

    /// Offset and limit of the next request, of `most` rows at most; `None` when there is nothing more to ask.
    pub(super) fn next(&self, most: u64) -> Option<(u64, u64)> {
        if self.stopped.is_some() {
            return None;
        }
        let Some(total) = self.total else { return Some((0, most)) };
        let offset = self.position - u64::from(self.overlap);
        // No more than is left: offset and limit together stay within the server's result window. A list that grows is
        // asked for more, so as not to follow it row by row.
        (self.position < total).then(|| (offset, if self.steady { most.min(total - offset) } else { most }))
    }

    /// The server refuses to go on here.
    pub(super) fn stop(&mut self, reason: String) {
        self.stopped = Some(reason);
    }

    /// Takes an answer in.
    pub(super) fn take(&mut self, answer: &Answer) {
        self.steady &= self.total.is_none_or(|total| total == answer.total);
        self.total = Some(answer.total);
        let rows = &answer.assets;
        let fresh = rows.iter().filter(|asset| self.ids.insert(asset.id)).count();
        // A server that repeats rows, or goes back to its last page, shows the last row further down.
        let place = rows.iter().position(|asset| Some(asset.id) == self.last).filter(|_| self.overlap);
        let (joined, again) = (!self.overlap || place.is_some(), place.map_or(0, |place| place + 1));
        if fresh == 0 && self.position < answer.total && (rows.is_empty() || (self.in_order && !joined)) {
            return self.stop(format!("its rows end or repeat after row {}", self.position));
        }
        self.stale = if fresh == 0 { self.stale + 1 } else { 0 };
        if self.stale >= STALE && self.position < answer.total {
            return self.stop(format!("its rows repeat after row {}", self.position));
        }
        self.late += u32::from(self.position >= *self.first_total.get_or_insert(answer.total));
        if self.late > MOST_LATE {
            return self.stop("it grows faster than it can be read".to_owned());
        }
        self.in_order &= joined && self.ordered(rows, again);
        self.position += (rows.len() - again) as u64;
        self.last = rows.last().map(|asset| asset.id).or(self.last);
        self.answers += 1;
        // A server that gives single rows has no room for a repeated one: its pages cannot be joined.
        let single = rows.len() < 2 && self.position < answer.total;
        self.in_order &= !single;
        self.overlap = self.in_order && self.position > 0;
    }

    /// The rows are in order, and those from `again` on follow the last row known.
    fn ordered(&self, rows: &[Asset], again: usize) -> bool {
        let follows = |a: i64, b: i64| if self.descending { b < a } else { a < b };
        let joint = self.last.zip(rows.get(again)).is_none_or(|(last, next)| follows(last, next.id));
        joint && rows.windows(2).all(|pair| follows(pair[0].id, pair[1].id))
    }

    /// As many different assets were read as the server says there are.
    pub(super) fn is_complete(&self) -> bool {
        self.stopped.is_none() && self.total == Some(self.ids.len())
    }

    /// Nothing can have been missed: one answer held all, or all answers were joined in order.
    pub(super) fn is_proven(&self) -> bool {
        self.is_complete() && (self.answers == 1 || self.in_order)
    }

    /// The total never moved.
    pub(super) fn is_steady(&self) -> bool {
        self.steady
    }

    /// All answers so far were in order and joined, though the end may not have been reached.
    pub(super) fn is_joined(&self) -> bool {
        self.in_order
    }

    /// Why it ended early.
    pub(super) fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Rows read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The server's last count.
    pub(super) fn total(&self) -> u64 {
        self.total.unwrap_or(0)
    }

    /// What was read.
    pub(super) fn ids(&self) -> &IdSet {
        &self.ids
    }

    /// What was read, when nothing else is of interest any more.
    pub(super) fn into_ids(self) -> IdSet {
        self.ids
    }

    /// What does not add up, for an error.
    pub(super) fn complaint(&self) -> String {
        let reason = self.stopped.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let moved = if self.steady { "" } else { ", the total moved meanwhile" };
        format!("{} different assets were read of {}{moved}{reason}", self.ids.len(), self.total())
    }
}
