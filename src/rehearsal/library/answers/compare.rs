//! Mapped datasets against the answer key, cell by cell.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::TryStreamExt;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::sheet::Sheet;
use crate::staging::{RunFolder, json};
use crate::{Error, Result};

/// Columns of the mapped datasets that are not metadata fields, and those the generator cannot know (the batch's name
/// and the digest of a row).
const NOT_FIELDS: [&str; 6] = ["source_key", "disposition", "reason", "details", "warnings", "migration"];

/// One cell that is not as expected.
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Difference {
    /// The candidate.
    pub source_key: String,
    /// The target field, or `disposition`, `reason`, `warning CODE`, `row`.
    pub field: String,
    /// What was expected, null for nothing.
    pub expected: Json,
    /// What was found, null for nothing.
    pub found: Json,
    /// The kinds of dirt on the way to the field.
    pub dirt: Vec<&'static str>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Comparison {
    /// Candidates compared.
    pub rows: u64,
    /// Cells compared: fields, dispositions, reasons and warnings.
    pub cells: u64,
    /// How many cells differ.
    pub differences: u64,
    /// Differences by target and field.
    pub by_field: BTreeMap<String, u64>,
    /// Differences by kind of dirt; `clean` where none was met.
    pub by_dirt: BTreeMap<String, u64>,
    /// The first differences of each field, at most three.
    pub samples: Vec<Difference>,
}

impl Comparison {
    /// Whether every cell was as expected.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with the number of cells that differ.
    pub fn require_equal(&self) -> Result<()> {
        if self.differences == 0 {
            return Ok(());
        }
        Err(Error::Mismatch {
            what: "mapped datasets and answer key".to_owned(),
            message: format!("{} of {} cells are not as the answer key says", self.differences, self.cells),
        })
    }

    fn cell(&mut self, sheet: &Sheet, field: &str, expected: &Json, found: &Json) {
        self.cells += 1;
        if same(expected, found) {
            return;
        }
        self.differences += 1;
        let count = self.by_field.entry(format!("{}.{field}", sheet.target)).or_default();
        *count += 1;
        let few = *count <= 3;
        let met = sheet.dirt.get(field).or_else(|| sheet.dirt.get(""));
        let dirt: Vec<&'static str> = met.into_iter().flatten().copied().collect();
        if dirt.is_empty() {
            *self.by_dirt.entry("clean".to_owned()).or_default() += 1;
        }
        for kind in &dirt {
            *self.by_dirt.entry((*kind).to_owned()).or_default() += 1;
        }
        if few {
            self.samples.push(Difference {
                source_key: sheet.source_key.clone(),
                field: field.to_owned(),
                expected: expected.clone(),
                found: found.clone(),
                dirt,
            });
        }
    }
}

/// Compares the four mapped datasets of a run with the sheets, every row and every field of those that load.
///
/// # Errors
/// When a dataset is missing or cannot be read; the error names it.
pub async fn compare(sheets: &[Sheet], run: &RunFolder) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    let targets: BTreeSet<&str> = sheets.iter().map(|sheet| sheet.target).collect();
    for target in targets {
        let mut found = mapped(run, target).await?;
        for sheet in sheets.iter().filter(|sheet| sheet.target == target) {
            comparison.rows += 1;
            match found.remove(&sheet.source_key) {
                Some(row) => row_of(&mut comparison, sheet, &row),
                None => comparison.cell(sheet, "row", &Json::from(sheet.disposition()), &Json::Null),
            }
        }
        let mut left: Vec<String> = found.into_keys().collect();
        left.sort();
        for source_key in left {
            comparison.rows += 1;
            let blank =
                Sheet::new(source_key, sheets.iter().find(|s| s.target == target).map_or("", |s| s.target), None);
            comparison.cell(&blank, "row", &Json::Null, &Json::from("unexpected"));
        }
    }
    Ok(comparison)
}

fn row_of(comparison: &mut Comparison, sheet: &Sheet, row: &Map<String, Json>) {
    let get = |name: &str| row.get(name).cloned().unwrap_or(Json::Null);
    comparison.cell(sheet, "disposition", &Json::from(sheet.disposition()), &get("disposition"));
    comparison.cell(sheet, "reason", &Json::from(sheet.reason()), &get("reason"));
    if let Some(winner) = sheet.winner() {
        comparison.cell(sheet, "details", &Json::from(winner), &get("details"));
    }
    if sheet.disposition() != "load" || get("disposition") != "load" {
        return;
    }
    warnings(comparison, sheet, row);
    let fields: BTreeSet<&str> = row.keys().map(String::as_str).chain(sheet.fields.keys().copied()).collect();
    for field in fields.into_iter().filter(|field| !NOT_FIELDS.contains(field) && *field != "name") {
        comparison.cell(sheet, field, &sheet.get(field), &get(field));
    }
}

/// Each expected code of a field is there, and no other; where the key gives a raw text it is the same.
fn warnings(comparison: &mut Comparison, sheet: &Sheet, row: &Map<String, Json>) {
    let text = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let mut found: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for item in row.get("warnings").and_then(Json::as_array).into_iter().flatten() {
        found.entry((text(item, "code"), text(item, "field"))).or_default().push(text(item, "raw"));
    }
    let mut wanted: BTreeMap<(String, String), Vec<&String>> = BTreeMap::new();
    for warning in &sheet.warnings {
        wanted.entry((warning.code.clone(), warning.field.clone())).or_default().extend(&warning.raw);
    }
    let keys: BTreeSet<&(String, String)> = found.keys().chain(wanted.keys()).collect();
    for key in keys {
        let (code, field) = key;
        let name = format!("warning {code} {field}");
        let name = name.trim_end();
        match (wanted.get(key), found.get(key)) {
            (Some(raws), Some(told)) => {
                let missing = raws.iter().find(|raw| !told.contains(raw));
                comparison.cell(
                    sheet,
                    name,
                    &Json::from(missing.map(|raw| raw.as_str())),
                    &match missing {
                        Some(_) => Json::from(told.clone()),
                        None => Json::Null,
                    },
                );
            }
            (Some(raws), None) => {
                comparison.cell(sheet, name, &Json::from(raws.first().map_or("", |raw| raw.as_str())), &Json::Null);
            }
            (None, told) => comparison.cell(sheet, name, &Json::Null, &Json::from(told.cloned().unwrap_or_default())),
        }
    }
}

/// The rows of a mapped dataset by source key, in their JSON form.
async fn mapped(run: &RunFolder, target: &str) -> Result<HashMap<String, Map<String, Json>>> {
    let dataset = run.query(target);
    let manifest = dataset.manifest().await?.ok_or_else(|| Error::Staging {
        path: dataset.url(),
        message: "is missing; run telecine transform first".to_owned(),
        cause: None,
    })?;
    let mut rows = HashMap::new();
    for file in &manifest.files {
        let mut batches = dataset.read_part(file).await?;
        while let Some(batch) =
            batches.try_next().await.map_err(|cause| Error::staging(dataset.url(), "cannot be read", cause))?
        {
            for index in 0..batch.num_rows() {
                let row = json::row(&batch, index)?;
                let key = row.get("source_key").and_then(Json::as_str).unwrap_or_default().to_owned();
                rows.insert(key, row);
            }
        }
    }
    Ok(rows)
}

/// Equal as JSON values: objects without regard to order or to keys that hold null, numbers by their exact text or as
/// integers and decimals of the same value.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || decimal(&a.to_string()) == decimal(&b.to_string()),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().all(|key| same(a.get(key).unwrap_or(&Json::Null), b.get(key).unwrap_or(&Json::Null)))
        }
        _ => a == b,
    }
}

/// A decimal's text without needless zeros.
fn decimal(text: &str) -> String {
    if text.contains('.') && !text.contains(['e', 'E']) {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text.to_owned()
}
