//! Projects.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::eav;
use super::entity::Candidate;
use super::tables::Tables;

/// Properties that stand in for a column: producers and the budget.
const PRODUCERS: i64 = 35;
const BUDGET: i64 = 50;

/// Fills in the fields.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    code(candidate);
    producer(tables, candidate);
    let department = candidate.own("department");
    candidate.sheet.choose("department", [department]);
    budget(tables, candidate);
    let start = candidate.own("start_date");
    candidate.sheet.choose("startDate", [start]);
    for (field, column) in [("dueDate", "due_date"), ("airDate", "air_date")] {
        let cell = candidate.own(column);
        candidate.sheet.touch(field, cell);
        for code in cell.codes() {
            candidate.sheet.warn(code, field);
        }
        // A project has no flag for what has no end.
        let means = cell.means();
        candidate.sheet.put(field, if means == "infinity" { Json::Null } else { means });
    }
    let locked = candidate.own("locked").means() == true || !candidate.own("checked_out_by").is_null();
    candidate.sheet.put("locked", locked);
}

/// The code in its one form; one of another form stays as it is (rulings A44); without one the project is rejected.
fn code(candidate: &mut Candidate<'_>) {
    let cell = candidate.own("project_code");
    candidate.sheet.require("projectCode", [cell]);
}

/// The project's own, else the first of its descriptive field; the others are kept among the legacy values (A47).
fn producer(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let own = candidate.own("producer");
    let means = candidate.sheet.choose("producer", [own]);
    if !means.is_null() {
        return;
    }
    let cells = eav::many(tables, candidate.metadata_id, PRODUCERS);
    let mut seen = HashSet::new();
    let names = cells.iter().flat_map(|cell| match cell.means() {
        Json::Array(names) => names,
        name => vec![name],
    });
    let names: Vec<String> = names.filter_map(|name| name.as_str().map(ToOwned::to_owned)).collect();
    let mut names = names.into_iter().filter(|name| seen.insert(name.to_lowercase()));
    let first = names.next();
    for name in names {
        candidate.sheet.put_aside.insert(("producer".to_owned(), name, "NOT_FIRST".to_owned()));
    }
    // Every cell is read, for the names of all are kept; so all are warned of.
    for cell in &cells {
        candidate.sheet.read("producer", cell);
    }
    candidate.sheet.put("producer", first.map_or(Json::Null, Json::from));
}

/// The amount as a decimal (D55, rulings A49).
fn budget(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let own = candidate.own("budget_amount");
    let described = eav::one(tables, candidate.metadata_id, BUDGET);
    if own.means().is_null() {
        eav::tell_several(&mut candidate.sheet, "budgetAmount", tables, candidate.metadata_id, BUDGET);
    }
    for cell in [own, &described] {
        let means = candidate.sheet.read("budgetAmount", cell);
        if !means.is_null() {
            candidate.sheet.put("budgetAmount", decimal(&means));
            return;
        }
    }
}

/// A decimal's text as a JSON number.
fn decimal(means: &Json) -> Json {
    means.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| means.clone())
}
