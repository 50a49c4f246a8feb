//! `GET /assets;…`: the filters, the order and the page. A list without filters that look into rows costs its page,
//! not the whole store.

use std::cmp::Ordering;

use serde_json::Value;
use uuid::Uuid;

use super::answer::Answer;
use super::behaviour::{LOOK_UPS, Switch};
use super::call::{Call, Page};
use super::fql::Query;
use super::store::{Asset, Store, Stored};

/// What a list asks for.
#[derive(Debug)]
pub struct Selection<'a> {
    /// The page of the result.
    pub page: Page,
    id: Option<u64>,
    /// Canonical; empty, which no asset has, where none was given that is one.
    uuid: Option<String>,
    external_id: Option<&'a str>,
    name: Option<Name<'a>>,
    from: Option<i64>,
    to: Option<i64>,
    deleted: bool,
    variant: Option<&'a str>,
    definition: Option<u64>,
    metadata: Option<(&'a str, &'a str)>,
    fql: Option<Query>,
    origin: Option<&'a str>,
    order: Order,
    descending: bool,
    /// Whether the server finds nothing by what is asked for.
    nothing: bool,
}

#[derive(Debug)]
enum Name<'a> {
    Exact(&'a str),
    /// Lower case.
    Contains(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Id,
    Name,
    Created,
    Modified,
}

impl<'a> Selection<'a> {
    /// Reads the matrix parameters; unknown ones are ignored.
    ///
    /// # Errors
    /// A 400 for a number, date, boolean, order or query that is none, and for a page beyond the result window.
    pub fn read(call: &'a Call<'_>) -> Result<Self, Answer> {
        let mut page = call.page()?;
        let exact = call.flag("exactNameMatch")?;
        let name =
            call.text("name").map(|name| if exact { Name::Exact(name) } else { Name::Contains(name.to_lowercase()) });
        let fql = call.text("fql").map(|text| Query::parse(text).map_err(Answer::bad)).transpose()?;
        let metadata = call.text("metadata").map(|given| {
            let wrong = || Answer::bad(format!("Parameter metadata: \"{given}\" is not field:value"));
            given.split_once(':').ok_or_else(wrong)
        });
        let metadata = metadata.transpose()?;
        if metadata.is_some() || fql.is_some() {
            page = call.within_window(page)?;
        }
        let order = match call.text("sortBy").unwrap_or("id") {
            "id" => Order::Id,
            "name" => Order::Name,
            "created" => Order::Created,
            "lastModified" => Order::Modified,
            other => return Err(Answer::bad(format!("Parameter sortBy: assets cannot be sorted by \"{other}\""))),
        };
        Ok(Self {
            page,
            id: call.number("id")?,
            uuid: call.text("uuid").map(|uuid| Uuid::parse_str(uuid).map(|uuid| uuid.to_string()).unwrap_or_default()),
            external_id: call.text("externalId"),
            name,
            from: call.date("createdFrom")?,
            to: call.date("createdTo")?,
            deleted: call.flag("deleted")?,
            variant: call.text("variant"),
            definition: call.number("metadataDefinitionId")?,
            metadata,
            fql,
            origin: call.text("assetOrigin"),
            order,
            descending: call.descending()?,
            nothing: call.behaviour.has(Switch::NothingFound) && LOOK_UPS.iter().any(|name| call.text(name).is_some()),
        })
    }

    /// The rows of the page and the number of all that match.
    pub fn page<'s>(&self, store: &'s Store) -> (Vec<&'s Stored>, usize) {
        if self.nothing {
            return (Vec::new(), 0);
        }
        let Page { offset, limit, early } = self.page;
        let offset = offset.saturating_sub(early);
        let candidates = self.candidates(store);
        if let (Candidates::Window(window), true) = (&candidates, self.takes_all(store)) {
            let rows = page_of(window.iter(), self.descending, offset, limit);
            return (rows, window.len());
        }
        let mut rows: Vec<_> = match candidates {
            Candidates::Window(window) => window.iter().filter(|stored| self.matches(stored)).collect(),
            Candidates::Few(few) => few.into_iter().filter(|stored| self.matches(stored)).collect(),
        };
        // Rows come by id; a stable sort keeps that order among equals.
        rows.sort_by(|left, right| self.compare(left, right));
        let total = rows.len();
        (page_of(rows.into_iter(), self.descending, offset, limit), total)
    }

    /// The rows among which the others are to be looked for, by ascending id.
    fn candidates<'s>(&self, store: &'s Store) -> Candidates<'s> {
        if let Some(id) = self.id {
            return Candidates::Few(store.asset(id).into_iter().collect());
        }
        // The index knows who has a uuid now; who had it before being deleted is looked for among all.
        if let Some(uuid) = self.uuid.as_ref().filter(|_| !self.deleted) {
            return Candidates::Few(store.asset_by_uuid(uuid).into_iter().collect());
        }
        if let Some(given) = self.external_id {
            return Candidates::Few(by_external_id(store, given));
        }
        // Assets are made in the order of their ids and never before their predecessor.
        let assets = store.assets();
        let before = |time: i64| assets.partition_point(|stored| stored.asset.created < time);
        let start = self.from.map_or(0, before);
        let end = self.to.map_or(assets.len(), before);
        Candidates::Window(assets.get(start..end).unwrap_or_default())
    }

    /// Whether the window of creation is the only filter and holds what is asked for in the order of ids.
    fn takes_all(&self, store: &Store) -> bool {
        let unfiltered = self.name.is_none()
            && self.variant.is_none()
            && self.definition.is_none()
            && self.metadata.is_none()
            && self.fql.is_none()
            && self.origin.is_none();
        unfiltered && self.order == Order::Id && !self.deleted && store.deleted() == 0
    }

    fn matches(&self, stored: &Stored) -> bool {
        let asset = &stored.asset;
        let named = |name: &Name<'_>| match name {
            Name::Exact(name) => asset.name == *name,
            Name::Contains(part) => asset.name.to_lowercase().contains(part),
        };
        asset.deleted == self.deleted
            && self.uuid.as_ref().is_none_or(|uuid| asset.uuid == *uuid)
            && self.name.as_ref().is_none_or(named)
            && self.from.is_none_or(|from| asset.created >= from)
            && self.to.is_none_or(|to| asset.created < to)
            && self.variant.is_none_or(|variant| asset.variant.as_deref() == Some(variant))
            && self.definition.is_none_or(|definition| asset.definition == Some(definition))
            && self.origin.is_none_or(|origin| property(asset, "assetOrigin") == Some(origin))
            && self.fql.as_ref().is_none_or(|query| query.matches(stored))
            && self.metadata.is_none_or(|(field, value)| holds(&stored.instance, field, value))
    }

    fn compare(&self, left: &Stored, right: &Stored) -> Ordering {
        match self.order {
            Order::Id => left.asset.id.cmp(&right.asset.id),
            Order::Name => left.asset.name.cmp(&right.asset.name),
            Order::Created => left.asset.created.cmp(&right.asset.created),
            Order::Modified => left.asset.modified.cmp(&right.asset.modified),
        }
    }
}

enum Candidates<'s> {
    /// All assets made in a span of time.
    Window(&'s [Stored]),
    /// What an index gave.
    Few(Vec<&'s Stored>),
}

fn page_of<'s>(
    rows: impl DoubleEndedIterator<Item = &'s Stored>,
    descending: bool,
    offset: usize,
    limit: usize,
) -> Vec<&'s Stored> {
    if descending { rows.rev().skip(offset).take(limit).collect() } else { rows.skip(offset).take(limit).collect() }
}

/// `value` or `key:value`; values hold colons themselves, so both readings are tried.
fn by_external_id<'s>(store: &'s Store, given: &str) -> Vec<&'s Stored> {
    let mut found: Vec<_> = store.assets_by_external_id(given).collect();
    if let Some((key, value)) = given.split_once(':') {
        let keyed = |stored: &&Stored| stored.asset.external_ids.iter().any(|id| id.key == key && id.value == value);
        found.extend(store.assets_by_external_id(value).filter(keyed));
    }
    found.sort_by_key(|stored| stored.asset.id);
    found.dedup_by_key(|stored| stored.asset.id);
    found
}

fn property<'a>(asset: &'a Asset, name: &str) -> Option<&'a str> {
    asset.properties.get(name).and_then(Value::as_str)
}

fn holds(instance: &str, field: &str, value: &str) -> bool {
    let instance: Value = serde_json::from_str(instance).unwrap_or_default();
    let same = |held: &Value| match held {
        Value::String(text) => text == value,
        other => value == format!("{other}"),
    };
    match &instance[field] {
        Value::Null => false,
        Value::Array(values) => values.iter().any(same),
        held => same(held),
    }
}
