//! From parts that differ to rows: only those parts are read again, then both sides' rows are merged by key.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};

use super::listing;
use super::report::{ComparedTable, RowKind, Sides};
use super::side::{Entry, Parts, Place, Rows, Scope, Side};
use super::{HASHED_ROWS, LISTED, PART_ROWS, ROWS_AT_ONCE};
use crate::dataflow::{ContentChecksum, Progress, Slice};
use crate::error::Result;
use crate::source::{Bound, KeyOrder, KeyRange};

/// Ranges asked for by one statement.
const RANGES_AT_ONCE: usize = 64;

/// A table on both sides, taken apart.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) source: Arc<Side>,
    pub(super) against: Arc<Side>,
    pub(super) parts: Arc<Parts>,
    /// The bounds between parts, where they are ranges.
    pub(super) bounds: Vec<Bound>,
}

/// A range of the key and what each side holds in it.
#[derive(Debug, Clone)]
struct RangePart {
    range: KeyRange,
    sums: Sides<ContentChecksum>,
}

impl RangePart {
    fn rows(&self) -> u64 {
        self.sums.source.rows.max(self.sums.against.rows)
    }
}

/// A row that differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: Box<[u8]>,
    pub(super) kind: RowKind,
    pub(super) places: Sides<Option<Place>>,
    pub(super) times: u64,
}

impl Pair {
    /// What the parts are.
    pub(super) fn method(&self) -> &'static str {
        match (&*self.parts, self.source.key.is_empty()) {
            (Parts::Ranges(_), _) => "key ranges",
            (Parts::Hashes(_), false) => "hashes of the key",
            (Parts::Hashes(_), true) => "hashes of the row",
        }
    }

    /// Reads the parts that differ again, and enters the rows that do.
    pub(super) async fn narrow(
        &self,
        sums: &[ContentChecksum],
        other_sums: &[ContentChecksum],
        found: &mut ComparedTable,
    ) -> Result<()> {
        let begun = Instant::now();
        let differing = sums.iter().zip(other_sums).enumerate().filter(|(_, (a, b))| a != b);
        let differing = differing.map(|(index, (a, b))| (index, Sides { source: *a, against: *b }));
        let scopes = match (&*self.parts, &self.source.order, &self.against.order) {
            (Parts::Ranges(_), Some(order), Some(other)) => {
                let parts =
                    differing.map(|(index, sums)| RangePart { range: range(&self.bounds, index), sums }).collect();
                let batches = batches(self.small(parts, (order, other), found).await?);
                batches.iter().map(|batch| range_scope(batch, (order, other))).collect()
            }
            _ => vec![self.hash_scope(differing.collect(), found)],
        };
        let rows = scopes.into_iter().map(|(scopes, expected)| self.compare(scopes, expected));
        let mut rows = stream::iter(rows).buffer_unordered(self.source.database.connections());
        let mut listed: Vec<Found> = Vec::new();
        while let Some((mut rows, read, problem)) = rows.try_next().await? {
            found.narrowing.rows_read.source += read.source;
            found.narrowing.rows_read.against += read.against;
            found.not_narrowed.extend(problem);
            rows.iter().for_each(|row| *found.counts.entry(row.kind).or_default() += row.times);
            listed.append(&mut rows);
            listed.sort_by(|a, b| a.key.cmp(&b.key));
            listed.truncate(LISTED);
        }
        drop(rows);
        found.differences = listing::list(self, listed).await?;
        found.narrowing.end(begun);
        Ok(())
    }

    /// Cuts ranges of too many rows, and keeps those that differ, until each can be compared row by row.
    async fn small(
        &self,
        mut parts: Vec<RangePart>,
        orders: (&KeyOrder, &KeyOrder),
        found: &mut ComparedTable,
    ) -> Result<Vec<RangePart>> {
        let mut small = Vec::new();
        while let Some(part) = parts.pop() {
            if part.rows() <= ROWS_AT_ONCE {
                small.push(part);
                continue;
            }
            let fuller = part.sums.source.rows >= part.sums.against.rows;
            let (side, order) = if fuller { (&self.source, orders.0) } else { (&self.against, orders.1) };
            let cut = part.rows().div_ceil(PART_ROWS);
            let mut bounds = side.database.bounds(&side.table, order, Some(&part.range), cut).await?;
            let inside = |bound: &Bound| part.range.lower.as_ref().is_none_or(|lower| lower.order < bound.order);
            bounds.retain(inside);
            if bounds.is_empty() {
                found.not_narrowed.push(format!("a key range of {} rows has no keys to cut it by", part.rows()));
                continue;
            }
            let sub = Arc::new(Parts::Ranges(bounds.iter().map(|bound| bound.order.clone()).collect()));
            let slice = |order: &KeyOrder| [Slice::Where(order.predicate([&part.range]))];
            let (here, there, unseen) = (slice(orders.0), slice(orders.1), Progress::default());
            let (sums, other_sums) = tokio::try_join!(
                self.source.checksums(&here, &sub, &unseen),
                self.against.checksums(&there, &sub, &unseen)
            )?;
            found.narrowing.rows_read.source += sums.iter().map(|sum| sum.rows).sum::<u64>();
            found.narrowing.rows_read.against += other_sums.iter().map(|sum| sum.rows).sum::<u64>();
            found.parts += bounds.len() as u64;
            for (index, (source, against)) in sums.into_iter().zip(other_sums).enumerate().filter(|(_, (a, b))| a != b)
            {
                let KeyRange { lower, upper } = range(&bounds, index);
                let range = KeyRange {
                    lower: lower.or_else(|| part.range.lower.clone()),
                    upper: upper.or_else(|| part.range.upper.clone()),
                };
                parts.push(RangePart { range, sums: Sides { source, against } });
            }
        }
        small.sort_by(|a, b| lower(a).cmp(&lower(b)));
        Ok(small)
    }

    /// The differing parts by hash of which all rows can be held; the others are counted as not narrowed.
    fn hash_scope(
        &self,
        differing: Vec<(usize, Sides<ContentChecksum>)>,
        found: &mut ComparedTable,
    ) -> (Sides<Scope>, Sides<ContentChecksum>) {
        let mut keep = vec![false; self.parts.count()];
        let mut expected = Sides::<ContentChecksum>::default();
        let (mut left, mut left_rows) = (0_u64, 0_u64);
        for (index, sums) in differing {
            let rows = sums.source.rows.max(sums.against.rows);
            if expected.source.rows.max(expected.against.rows) + rows > HASHED_ROWS {
                left += 1;
                left_rows += rows;
                continue;
            }
            keep[index] = true;
            expected.source.merge(&sums.source);
            expected.against.merge(&sums.against);
        }
        if left > 0 {
            found.not_narrowed.push(format!(
                "{left} parts of {left_rows} rows in all differ and were not compared row by row: without a key in a known \
                 order no more than {HASHED_ROWS} rows are held"
            ));
        }
        let keep = Some((self.parts.clone(), Arc::new(keep)));
        let scope = |side: &Side| Scope { slices: side.slices.clone(), keep: keep.clone() };
        (Sides { source: scope(&self.source), against: scope(&self.against) }, expected)
    }

    /// The rows of a scope that differ, the rows read for it, and what kept them from being told.
    async fn compare(
        &self,
        scopes: Sides<Scope>,
        expected: Sides<ContentChecksum>,
    ) -> Result<(Vec<Found>, Sides<u64>, Option<String>)> {
        let (here, there) = tokio::try_join!(self.source.rows(&scopes.source), self.against.rows(&scopes.against))?;
        let read = Sides { source: here.read, against: there.read };
        if here.checksum != expected.source || there.checksum != expected.against {
            let problem = format!(
                "parts of {} and {} rows came as {} and {} when they were read again: the server's order of their keys is \
                 another than is known here",
                expected.source.rows, expected.against.rows, here.checksum.rows, there.checksum.rows
            );
            return Ok((Vec::new(), read, Some(problem)));
        }
        Ok((merge(here, there), read, None))
    }
}

fn lower(part: &RangePart) -> Option<&[u8]> {
    part.range.lower.as_ref().map(|bound| bound.order.as_slice())
}

/// The range of a part.
fn range(bounds: &[Bound], index: usize) -> KeyRange {
    let lower = index.checked_sub(1).and_then(|before| bounds.get(before));
    KeyRange { lower: lower.cloned(), upper: bounds.get(index).cloned() }
}

/// Ranges that are read by one statement; neighbours become one range.
fn batches(parts: Vec<RangePart>) -> Vec<Vec<RangePart>> {
    let mut batches: Vec<Vec<RangePart>> = Vec::new();
    let mut rows = 0;
    for part in parts {
        rows += part.rows();
        let batch = batches.last_mut().filter(|_| rows <= ROWS_AT_ONCE);
        let Some(batch) = batch.filter(|batch| batch.len() < RANGES_AT_ONCE || neighbours(batch, &part)) else {
            rows = part.rows();
            batches.push(vec![part]);
            continue;
        };
        let joins = neighbours(batch, &part);
        match batch.last_mut() {
            Some(last) if joins => {
                last.range.upper = part.range.upper;
                last.sums.source.merge(&part.sums.source);
                last.sums.against.merge(&part.sums.against);
            }
            _ => batch.push(part),
        }
    }
    batches
}

fn neighbours(batch: &[RangePart], next: &RangePart) -> bool {
    batch.last().is_some_and(|last| last.range.upper.is_some() && last.range.upper == next.range.lower)
}

fn range_scope(batch: &[RangePart], orders: (&KeyOrder, &KeyOrder)) -> (Sides<Scope>, Sides<ContentChecksum>) {
    let mut expected = Sides::<ContentChecksum>::default();
    for part in batch {
        expected.source.merge(&part.sums.source);
        expected.against.merge(&part.sums.against);
    }
    let scope = |order: &KeyOrder| Scope {
        slices: vec![Slice::Where(order.predicate(batch.iter().map(|part| &part.range)))],
        keep: None,
    };
    (Sides { source: scope(orders.0), against: scope(orders.1) }, expected)
}

/// What differs between two sides' rows, each ordered by key and digest. Rows of one key that are equal cancel out; of the
/// rest, those that can be paired are different, the others missing or extra.
fn merge(here: Rows, there: Rows) -> Vec<Found> {
    let (mut mine, mut theirs) = (here.entries.into_iter().peekable(), there.entries.into_iter().peekable());
    let mut found = Vec::new();
    loop {
        let key = match (mine.peek(), theirs.peek()) {
            (None, None) => return found,
            (Some(row), None) | (None, Some(row)) => row.key.clone(),
            (Some(a), Some(b)) => (&a.key).min(&b.key).clone(),
        };
        let mut left = Vec::new();
        let mut right = Vec::new();
        while let Some(row) = mine.next_if(|row| row.key == key) {
            left.push(row);
        }
        while let Some(row) = theirs.next_if(|row| row.key == key) {
            right.push(row);
        }
        one_key(key, left, right, &mut found);
    }
}

fn one_key(key: Box<[u8]>, left: Vec<Entry>, right: Vec<Entry>, found: &mut Vec<Found>) {
    let (mut only_left, mut only_right) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.digest.cmp(&b.digest),
        };
        let (mine, theirs) =
            (if order.is_le() { left.next() } else { None }, if order.is_ge() { right.next() } else { None });
        match (mine, theirs) {
            (Some(row), None) => only_left.push(row.place),
            (None, Some(row)) => only_right.push(row.place),
            _ => {}
        }
    }
    let paired = only_left.len().min(only_right.len());
    for (mine, theirs) in only_left.iter().zip(&only_right) {
        let places = Sides { source: Some(*mine), against: Some(*theirs) };
        found.push(Found { key: key.clone(), kind: RowKind::Different, places, times: 1 });
    }
    // The rows of one key that are left are one row as often as they are: without a common key the key is the row.
    let alone = |rest: &[Place]| rest.first().map(|place| (*place, rest.len() as u64));
    if let Some((place, times)) = alone(&only_left[paired..]) {
        let places = Sides { source: Some(place), against: None };
        found.push(Found { key: key.clone(), kind: RowKind::Missing, places, times });
    }
    if let Some((place, times)) = alone(&only_right[paired..]) {
        found.push(Found { key, kind: RowKind::Extra, places: Sides { source: None, against: Some(place) }, times });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, u128)]) -> Rows {
        let entry = |(key, digest): &(&str, u128)| Entry {
            key: key.as_bytes().into(),
            digest: *digest,
            place: Place::default(),
        };
        let mut entries: Vec<_> = rows.iter().map(entry).collect();
        entries.sort_unstable();
        Rows { entries, ..Rows::default() }
    }

    #[test]
    fn rows_meet_by_key_and_duplicates_are_counted() {
        let here = rows(&[("a", 1), ("b", 1), ("c", 1), ("e", 5), ("e", 5), ("e", 5), ("f", 1)]);
        let there = rows(&[("b", 1), ("c", 2), ("d", 1), ("e", 5), ("f", 1), ("f", 1)]);
        let found: Vec<_> = merge(here, there)
            .into_iter()
            .map(|found| (String::from_utf8(found.key.into()).unwrap(), found.kind, found.times))
            .collect();
        let row = |key: &str, kind, times| (key.to_owned(), kind, times);
        let wanted = [
            row("a", RowKind::Missing, 1),
            row("c", RowKind::Different, 1),
            row("d", RowKind::Extra, 1),
            row("e", RowKind::Missing, 2),
            row("f", RowKind::Extra, 1),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn neighbours_are_read_as_one_range_and_batches_are_bounded() {
        let bounds: Vec<_> = (1..=200).map(|n: u8| Bound::at(vec![n], n.to_string())).collect();
        let part = |index: usize, rows: u64| RangePart {
            range: range(&bounds, index),
            sums: Sides { source: ContentChecksum { rows, sum: 0 }, against: ContentChecksum::default() },
        };
        let joined = batches(vec![part(0, 10), part(1, 10), part(3, 10)]);
        assert_eq!((joined.len(), joined[0].len(), joined[0][0].rows()), (1, 2, 20));
        assert_eq!(joined[0][0].range, KeyRange { lower: None, upper: Some(bounds[1].clone()) });
        let full = batches(vec![part(0, ROWS_AT_ONCE), part(1, 1), part(2, ROWS_AT_ONCE)]);
        assert_eq!(full.len(), 3);
        let many = batches((0..100).map(|index| part(2 * index, 1)).collect());
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [RANGES_AT_ONCE, 100 - RANGES_AT_ONCE]);
    }
}
