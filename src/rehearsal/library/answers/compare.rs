//! Mapped datasets against the answer key, cell by cell: of every candidate, whatever becomes of it, disposition, reason,
//! details and warnings; of those that load every field.

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
    /// The target field, or `disposition`, `reason`, `details`, `warning CODE FIELD`, `row`.
    pub field: String,
    /// What was expected, null for nothing; of a warning the raw values, one for each time it is given.
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
    /// Cells compared: fields, dispositions, reasons, details and warnings (by code and field).
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

    /// A field of a row that loads.
    fn field(&mut self, sheet: &Sheet, field: &str, expected: &Json, found: &Json) {
        self.cell(sheet, (field, field), expected, found);
    }

    /// What is told of a row as a whole.
    fn verdict(&mut self, sheet: &Sheet, name: &str, expected: &Json, found: &Json) {
        self.cell(sheet, (name, ""), expected, found);
    }

    /// A cell by its name and the field whose dirt it may suffer from.
    fn cell(&mut self, sheet: &Sheet, (name, field): (&str, &str), expected: &Json, found: &Json) {
        self.cells += 1;
        if same(expected, found) {
            return;
        }
        self.differences += 1;
        let count = self.by_field.entry(format!("{}.{name}", sheet.target)).or_default();
        *count += 1;
        let few = *count <= 3;
        let dirt: Vec<&'static str> = sheet.dirt_of(field).into_iter().collect();
        if dirt.is_empty() {
            *self.by_dirt.entry("clean".to_owned()).or_default() += 1;
        }
        for kind in &dirt {
            *self.by_dirt.entry((*kind).to_owned()).or_default() += 1;
        }
        if few {
            self.samples.push(Difference {
                source_key: sheet.source_key.clone(),
                field: name.to_owned(),
                expected: expected.clone(),
                found: found.clone(),
                dirt,
            });
        }
    }
}

/// Compares the four mapped datasets of a run with the sheets, every row.
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
                None => comparison.verdict(sheet, "row", &Json::from(sheet.disposition()), &Json::Null),
            }
        }
        let mut left: Vec<String> = found.into_keys().collect();
        left.sort();
        for source_key in left {
            comparison.rows += 1;
            let blank =
                Sheet::new(source_key, sheets.iter().find(|s| s.target == target).map_or("", |s| s.target), None);
            comparison.verdict(&blank, "row", &Json::Null, &Json::from("unexpected"));
        }
    }
    Ok(comparison)
}

fn row_of(comparison: &mut Comparison, sheet: &Sheet, row: &Map<String, Json>) {
    let get = |name: &str| row.get(name).cloned().unwrap_or(Json::Null);
    comparison.verdict(sheet, "disposition", &Json::from(sheet.disposition()), &get("disposition"));
    comparison.verdict(sheet, "reason", &Json::from(sheet.reason()), &get("reason"));
    comparison.verdict(sheet, "details", &Json::from(sheet.details()), &get("details"));
    warnings(comparison, sheet, row);
    if sheet.disposition() != "load" || get("disposition") != "load" {
        return;
    }
    let fields: BTreeSet<&str> = row.keys().map(String::as_str).chain(sheet.fields.keys().copied()).collect();
    for field in fields.into_iter().filter(|field| !NOT_FIELDS.contains(field) && *field != "name") {
        comparison.field(sheet, field, &sheet.get(field), &get(field));
    }
}

/// The raw values of a row's warnings, by code and field.
type Raws = BTreeMap<(String, String), Vec<Option<String>>>;

/// Each code of a field is there as often as expected and with the same raw values, and no other.
fn warnings(comparison: &mut Comparison, sheet: &Sheet, row: &Map<String, Json>) {
    let text = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).map(ToOwned::to_owned);
    let mut found = Raws::new();
    for item in row.get("warnings").and_then(Json::as_array).into_iter().flatten() {
        let key = (text(item, "code").unwrap_or_default(), text(item, "field").unwrap_or_default());
        found.entry(key).or_default().push(text(item, "raw"));
    }
    let mut expected = Raws::new();
    for warning in &sheet.warnings {
        expected.entry((warning.code.clone(), warning.field.clone())).or_default().push(warning.raw.clone());
    }
    let keys: BTreeSet<(String, String)> = found.keys().chain(expected.keys()).cloned().collect();
    let sorted = |raws: Option<Vec<Option<String>>>| {
        raws.map_or(Json::Null, |mut raws| {
            raws.sort();
            Json::from(raws)
        })
    };
    for key in keys {
        let (expected, found) = (sorted(expected.remove(&key)), sorted(found.remove(&key)));
        let (code, field) = &key;
        let name = format!("warning {code} {field}");
        comparison.cell(sheet, (name.trim_end(), field), &expected, &found);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compared(sheet: &Sheet, row: &Json) -> Vec<String> {
        let mut comparison = Comparison::default();
        row_of(&mut comparison, sheet, row.as_object().unwrap());
        comparison.samples.into_iter().map(|found| found.field).collect()
    }

    #[test]
    fn reasons_are_in_the_order_of_the_list_and_details_are_compared() {
        let mut sheet = Sheet::new("Promo:1".to_owned(), "promo", None);
        sheet.reject("VOCAB_UNMAPPED", Some("network".to_owned()));
        sheet.reject("MISSING_MANDATORY", Some("fileFormat".to_owned()));
        sheet.reject("MISSING_MANDATORY", Some("promoCode".to_owned()));
        sheet.reject("MISSING_TITLE", Some("placeholder".to_owned()));
        let details = "placeholder; MISSING_MANDATORY:promoCode; MISSING_MANDATORY:fileFormat; VOCAB_UNMAPPED:network";
        let row = |details| json!({"disposition": "reject", "reason": "MISSING_TITLE", "details": details});
        assert_eq!(compared(&sheet, &row(details)), Vec::<String>::new());
        assert_eq!(compared(&sheet, &row("placeholder")), ["details"]);
    }

    #[test]
    fn warnings_are_compared_by_code_field_raw_value_and_number() {
        let warning = |code: &str, raw: Option<&str>| json!({"code": code, "field": "members", "raw": raw});
        let row =
            |warnings: &[Json]| json!({"disposition": "out_of_scope", "reason": "SOFT_DELETED", "warnings": warnings});
        let mut sheet = Sheet::new("AssetCollection:1".to_owned(), "collection", None);
        sheet.out_of_scope = Some("SOFT_DELETED");
        sheet.warn_of("SELF_LINK", "members", Some("AssetCollection.1".to_owned()));
        sheet.warn_of("SELF_LINK", "members", Some("AssetCollection.1".to_owned()));
        let (right, raw) = (warning("SELF_LINK", Some("AssetCollection.1")), warning("SELF_LINK", None));
        let other = warning("DUPLICATE_LINK", Some("AssetCollection.1"));
        assert_eq!(compared(&sheet, &row(&[right.clone(), right.clone()])), Vec::<String>::new());
        assert_eq!(compared(&sheet, &row(std::slice::from_ref(&right))), ["warning SELF_LINK members"]);
        assert_eq!(compared(&sheet, &row(&[right.clone(), raw])), ["warning SELF_LINK members"]);
        assert_eq!(compared(&sheet, &row(&[right.clone(), right, other])), ["warning DUPLICATE_LINK members"]);
    }
}
