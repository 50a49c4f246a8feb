//! The coverage report for people.

use std::collections::BTreeMap;

use super::output::Printed;
use crate::report::{Table, thousands};
use crate::transform::coverage::{CoverageReport, FieldCoverage};

impl Printed for CoverageReport {
    fn to_text(&self) -> String {
        let sections = [
            ("fields that nothing feeds", unfed(self)),
            ("fields that are fed and have no value in any row to load", empty(self)),
            ("attributes that rows hold and no mapping takes", attributes(self, false)),
            ("attributes that a mapping takes and no row holds", attributes(self, true)),
            ("columns that lead to no field", columns(self)),
            ("tables that no query reads", tables(self)),
            ("columns of queries that no later query takes up", idle(self)),
        ];
        let mut text = String::new();
        for (heading, table) in sections {
            match table {
                // Nothing is known of fields, which is not the same as none.
                None if self.fields.is_empty() && heading.starts_with("fields") => {}
                Some(table) => text.push_str(&format!("{heading}\n{table}\n\n")),
                None => text.push_str(&format!("{heading}: none\n\n")),
            }
        }
        self.lacking.iter().for_each(|lacking| text.push_str(&format!("{lacking}\n")));
        self.remarks.iter().for_each(|remark| text.push_str(&format!("warning: {remark}\n")));
        let counted = self.run.as_ref().map_or("no run: nothing is counted".to_owned(), |run| format!("run {run}"));
        format!("{text}{}; {counted}", summary(self))
    }
}

fn summary(report: &CoverageReport) -> String {
    let mut fed: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for field in report.fields.iter().filter(|field| !field.field.contains('.')) {
        let of = fed.entry(&field.definition).or_default();
        of.0 += u64::from(field.fed);
        of.1 += 1;
    }
    let fed: Vec<String> =
        fed.into_iter().map(|(name, (fed, all))| format!("{name} {fed} of {all} fields fed")).collect();
    fed.join(", ")
}

/// A table of the rows, if there are any; the columns from `figures` on are figures.
fn table_of(headings: &[&str], figures: usize, rows: Vec<Vec<String>>) -> Option<Table> {
    use crate::report::Align::{Left, Right};
    let align = |index| if index < figures { Left } else { Right };
    let alignments: Vec<_> = (0..headings.len()).map(align).collect();
    let mut table = Table::aligned(headings, &alignments);
    let some = !rows.is_empty();
    rows.into_iter().for_each(|row| table.row(row));
    some.then_some(table)
}

fn count(count: Option<u64>) -> String {
    count.map(thousands).unwrap_or_default()
}

fn field(field: &FieldCoverage) -> Vec<String> {
    let required = if field.required { "required" } else { "optional" };
    vec![field.definition.clone(), field.field.clone(), field.kind.clone(), required.to_owned()]
}

fn unfed(report: &CoverageReport) -> Option<Table> {
    let rows = report.fields.iter().filter(|field| !field.fed).map(field);
    table_of(&["definition", "field", "type", ""], 4, rows.collect())
}

fn empty(report: &CoverageReport) -> Option<Table> {
    let empty = report.fields.iter().filter(|field| field.fed && field.values == Some(0));
    let rows = empty.map(|of| field(of).into_iter().chain([count(of.rows)]).collect());
    table_of(&["definition", "field", "type", "", "rows to load"], 4, rows.collect())
}

fn attributes(report: &CoverageReport, mapped: bool) -> Option<Table> {
    let chosen = report.attributes.iter().filter(|attribute| attribute.mapped == mapped);
    let rows = chosen.map(|attribute| {
        let label = attribute.label.clone().unwrap_or_default();
        vec![attribute.set.clone(), attribute.key.clone(), label, thousands(attribute.values)]
    });
    table_of(&["set", "key", "name", "rows"], 3, rows.collect())
}

/// Those without a value in any row are in the JSON only.
fn columns(report: &CoverageReport) -> Option<Table> {
    let rows = report.columns.iter().filter(|column| column.values != Some(0)).map(|column| {
        vec![column.table.clone(), column.column.clone(), column.read_by.join(", "), count(column.values)]
    });
    table_of(&["table", "column", "read by", "values"], 3, rows.collect())
}

/// Those without rows are in the JSON only.
fn tables(report: &CoverageReport) -> Option<Table> {
    let rows = report.tables.iter().filter(|table| table.rows != Some(0)).map(|table| {
        let populated = table.columns.values().filter(|values| **values != Some(0)).count();
        vec![table.table.clone(), count(table.rows), thousands(populated as u64)]
    });
    table_of(&["table", "rows", "columns with values"], 1, rows.collect())
}

fn idle(report: &CoverageReport) -> Option<Table> {
    let mut by_query: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    report.idle.iter().for_each(|idle| by_query.entry(&idle.query).or_default().push(&idle.column));
    let rows = by_query.into_iter().map(|(query, columns)| vec![query.to_owned(), columns.join(", ")]);
    table_of(&["query", "columns"], 2, rows.collect())
}
