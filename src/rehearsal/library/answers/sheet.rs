//! The expected outcome of one entity, as it is filled in field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::super::Value;

/// The reasons for which a row is rejected, in the order in which the first one counts (section 8).
pub const REJECT_REASONS: [&str; 9] = [
    "ORPHAN_ASSET_REF",
    "WRONG_ASSET_CLASS",
    "MISSING_SUBCLASS",
    "AMBIGUOUS_TYPE",
    "NO_VERSION",
    "MISSING_TITLE",
    "MISSING_MANDATORY",
    "VOCAB_UNMAPPED",
    "DUPLICATE_EXTERNAL_ID",
];

/// The fields that a row is rejected without, in the order of section 9: that in which its details name several.
const REQUIRED: [&str; 12] = [
    "projectCode",
    "projectType",
    "status",
    "promoCode",
    "promoType",
    "network",
    "promoLength",
    "collectionKind",
    "endpointImageDetail",
    "houseCode",
    "resolution",
    "fileFormat",
];

/// A warning: code, target field, raw value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The code.
    pub code: String,
    /// The target field; empty for the row as a whole.
    pub field: String,
    /// The raw value; none where there is nothing to show (a promo without a row of its own, a moment of two cells).
    pub raw: Option<String>,
}

/// What is expected of one candidate.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// `Promo:1234`.
    pub source_key: String,
    /// The query of `4_map` that it belongs to: project, promo, collection, deliverable_image.
    pub target: &'static str,
    /// The asset it stands on.
    pub asset_id: Option<i64>,
    /// The first scope reason.
    pub out_of_scope: Option<&'static str>,
    /// Reject reasons with their details (a field, `placeholder`, the winner's key), in any order.
    pub reasons: BTreeSet<(usize, &'static str, Option<String>)>,
    /// The winner's key, for a duplicate that is merged.
    pub merged_into: Option<String>,
    /// The warnings, one for each cell or link that gives it (rulings A04), in any order.
    pub warnings: Vec<Warning>,
    /// Values that a field could not take and that no warning tells of: field, value, reason (rulings A47).
    pub put_aside: BTreeSet<(String, String, String)>,
    /// The HTML that became a field's plain text, by field (D40).
    pub html: BTreeMap<&'static str, String>,
    /// The target fields that have a value, in the target's JSON form.
    pub fields: BTreeMap<&'static str, Json>,
    /// The kinds of dirt that were met on the way to each field ("" for the row as a whole).
    pub dirt: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl Sheet {
    /// A blank sheet.
    pub fn new(source_key: String, target: &'static str, asset_id: Option<i64>) -> Self {
        Self {
            source_key,
            target,
            asset_id,
            out_of_scope: None,
            reasons: BTreeSet::new(),
            merged_into: None,
            warnings: Vec::new(),
            put_aside: BTreeSet::new(),
            html: BTreeMap::new(),
            fields: BTreeMap::new(),
            dirt: BTreeMap::new(),
        }
    }

    /// `load`, `reject`, `out_of_scope` or `merged`.
    pub fn disposition(&self) -> &'static str {
        if self.out_of_scope.is_some() {
            "out_of_scope"
        } else if !self.reasons.is_empty() {
            "reject"
        } else if self.merged_into.is_some() {
            "merged"
        } else {
            "load"
        }
    }

    /// The reason that counts, if the row is not loaded.
    pub fn reason(&self) -> Option<&'static str> {
        match self.disposition() {
            "out_of_scope" => self.out_of_scope,
            "reject" => self.reasons.first().map(|reason| reason.1),
            "merged" => Some("DUPLICATE_MERGED"),
            _ => None,
        }
    }

    /// What is told beside the reason. Of a rejected row what the first reason is about (a field, `placeholder`, the
    /// winner's key), then the other reasons that apply, in the order of the closed list, each with what it is about
    /// (`REASON:field`); of a merged one its winner's key (rulings A28). The scope filter comes before all reasons and
    /// knows one only, so a row out of scope has no details (section 8).
    pub fn details(&self) -> Option<String> {
        match self.disposition() {
            "merged" => self.merged_into.clone(),
            "reject" => {
                let mut reasons = self.all_reasons().into_iter();
                let first = reasons.next().and_then(|(_, about)| about);
                let others = reasons.map(|(reason, about)| match about {
                    Some(about) => format!("{reason}:{about}"),
                    None => reason.to_owned(),
                });
                let told: Vec<String> = first.into_iter().chain(others).collect();
                (!told.is_empty()).then(|| told.join("; "))
            }
            _ => None,
        }
    }

    /// The reasons with what they are about, in the order of the closed list, then of the fields.
    pub fn all_reasons(&self) -> Vec<(&'static str, Option<String>)> {
        let place = |about: &Option<String>| REQUIRED.iter().position(|field| about.as_deref() == Some(*field));
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(rank, _, about)| (*rank, place(about)));
        reasons.into_iter().map(|(_, reason, about)| (*reason, about.clone())).collect()
    }

    /// The kinds of dirt on the way to a field; to the row's disposition for the empty name.
    pub fn dirt_of(&self, field: &str) -> BTreeSet<&'static str> {
        let of = |field: &str| self.dirt.get(field).into_iter().flatten().copied();
        let mut found: BTreeSet<&'static str> = of(field).collect();
        if field.is_empty() {
            for (reason, about) in self.all_reasons() {
                found.extend(of(if reason == "MISSING_TITLE" {
                    "title"
                } else {
                    about.as_deref().unwrap_or_default()
                }));
            }
        }
        if found.is_empty() { of("").collect() } else { found }
    }

    /// Sets a field; null leaves it absent.
    pub fn put(&mut self, field: &'static str, value: impl Into<Json>) {
        let value = value.into();
        match value {
            Json::Null => drop(self.fields.remove(field)),
            Json::Array(list) if list.is_empty() => drop(self.fields.remove(field)),
            value => drop(self.fields.insert(field, value)),
        }
    }

    /// A field's value as far as it is known; null if absent.
    pub fn get(&self, field: &str) -> Json {
        self.fields.get(field).cloned().unwrap_or(Json::Null)
    }

    /// A warning without a raw value.
    pub fn warn(&mut self, code: &str, field: &str) {
        self.warn_of(code, field, None);
    }

    /// A warning with its raw value.
    pub fn warn_of(&mut self, code: &str, field: &str, raw: Option<String>) {
        self.warnings.push(Warning { code: code.to_owned(), field: field.to_owned(), raw });
    }

    /// One more reason for which the row would be rejected.
    pub fn reject(&mut self, reason: &'static str, detail: Option<String>) {
        let rank = REJECT_REASONS.iter().position(|known| *known == reason).unwrap_or(REJECT_REASONS.len());
        self.reasons.insert((rank, reason, detail));
    }

    /// Takes note of a cell that is read for a field: its dirt, and its warnings.
    pub fn read(&mut self, field: &'static str, cell: &Value) -> Json {
        self.touch(field, cell);
        for code in cell.codes() {
            self.warn_of(code, field, cell.text());
        }
        cell.means()
    }

    /// Takes note of a cell's dirt alone.
    pub fn touch(&mut self, field: &'static str, cell: &Value) {
        if let Some(dirt) = cell.dirt() {
            self.dirt.entry(field).or_default().insert(dirt);
        }
    }

    /// The first of the cells that means something, which becomes the field's value (section 10: typed media data,
    /// content text, subclass text, descriptive fields; cells that mean nothing fall through and warn, those behind
    /// the first good one are not asked).
    pub fn choose<'v>(&mut self, field: &'static str, cells: impl IntoIterator<Item = &'v Value>) -> Json {
        for cell in cells {
            let means = self.read(field, cell);
            if !means.is_null() {
                self.put(field, means.clone());
                self.keep_html(field, cell);
                return means;
            }
        }
        Json::Null
    }

    /// Keeps the raw text of a cell that becomes a field's value, if it is HTML and reads otherwise as plain text (D40).
    pub fn keep_html(&mut self, field: &'static str, cell: &Value) {
        if let (Some("D40"), Some(raw)) = (cell.dirt(), cell.text())
            && cell.means() != raw
        {
            self.html.insert(field, raw);
        }
    }

    /// As [`Sheet::choose`] for a field without which the row is rejected.
    pub fn require<'v>(&mut self, field: &'static str, cells: impl IntoIterator<Item = &'v Value>) -> Json {
        let cells: Vec<&Value> = cells.into_iter().collect();
        let found = self.choose(field, cells.iter().copied());
        if found.is_null() {
            let unknown = cells.iter().any(|cell| {
                cell.codes().iter().any(|code| matches!(*code, "VOCAB_UNKNOWN" | "PICKLIST_VALUE_MISSING"))
            });
            let reason = if unknown { "VOCAB_UNMAPPED" } else { "MISSING_MANDATORY" };
            self.reject(reason, Some(field.to_owned()));
        }
        found
    }
}
