//! Constants that a query gives an option field, found in its plan: a misspelt option is seen before a row is read. Values
//! that come from rows are not known here; those are looked at row by row.

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};

use super::schema::Mismatch;
use crate::dataflow::definition::Definition;
use crate::transform::planning::PlannedQuery;
use crate::transform::session::QUERIES;

/// Functions that give one of their arguments, or a list of them.
const PASSING: [&str; 6] = ["array_compact", "coalesce", "greatest", "least", "make_array", "nvl"];

/// The constants that reach option fields of `definition` and are not among their options.
pub(super) fn mismatches(query: &PlannedQuery, planned: &[PlannedQuery], definition: &Definition) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for field in definition.fields.iter().filter(|field| field.is_closed()) {
        let Some(index) = query.plan.schema().fields().iter().position(|column| *column.name() == field.name) else {
            continue;
        };
        let mut texts = Vec::new();
        of_column(&query.plan, index, planned, &mut texts);
        texts.sort_unstable();
        texts.dedup();
        let options: Vec<&str> = field.option_values().collect();
        let wants = format!("{} wants one of {}", definition.name, options.join(", "));
        let unknown = texts.into_iter().filter(|text| !options.contains(&text.as_str()));
        found.extend(unknown.map(|text| {
            let gives = format!("the constant '{text}'");
            Mismatch { field: field.name.clone(), gives, wants: wants.clone() }
        }));
    }
    found
}

/// The constants that column `index` of `plan` may hold.
fn of_column(plan: &LogicalPlan, index: usize, planned: &[PlannedQuery], texts: &mut Vec<String>) {
    match plan {
        LogicalPlan::Projection(node) => {
            node.expr.get(index).into_iter().for_each(|value| of_value(value, &node.input, planned, texts));
        }
        LogicalPlan::SubqueryAlias(node) => of_column(&node.input, index, planned, texts),
        LogicalPlan::Filter(node) => of_column(&node.input, index, planned, texts),
        LogicalPlan::Sort(node) => of_column(&node.input, index, planned, texts),
        LogicalPlan::Limit(node) => of_column(&node.input, index, planned, texts),
        LogicalPlan::Distinct(Distinct::All(input)) => of_column(input, index, planned, texts),
        LogicalPlan::Union(node) => node.inputs.iter().for_each(|input| of_column(input, index, planned, texts)),
        LogicalPlan::Join(node) => {
            let left = node.left.schema().fields().len();
            match node.join_type {
                JoinType::RightSemi | JoinType::RightAnti => of_column(&node.right, index, planned, texts),
                _ if index < left => of_column(&node.left, index, planned, texts),
                _ => of_column(&node.right, index - left, planned, texts),
            }
        }
        LogicalPlan::Window(node) if index < node.input.schema().fields().len() => {
            of_column(&node.input, index, planned, texts);
        }
        LogicalPlan::Aggregate(node) => {
            node.group_expr.get(index).into_iter().for_each(|value| of_value(value, &node.input, planned, texts));
        }
        LogicalPlan::TableScan(scan) if scan.table_name.schema().is_none_or(|schema| schema == QUERIES) => {
            let name = scan.table_name.table();
            let read = planned.iter().find(|query| query.name == name);
            read.into_iter().for_each(|query| of_column(&query.plan, index, planned, texts));
        }
        _ => {}
    }
}

fn of_value(value: &Expr, input: &LogicalPlan, planned: &[PlannedQuery], texts: &mut Vec<String>) {
    let mut follow = |value: &Expr| of_value(value, input, planned, texts);
    match value {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => texts.push(text.clone()),
        Expr::Alias(alias) => follow(&alias.expr),
        Expr::Cast(cast) => follow(&cast.expr),
        Expr::TryCast(cast) => follow(&cast.expr),
        Expr::Case(case) => {
            case.when_then_expr.iter().for_each(|(_, then)| follow(then));
            case.else_expr.iter().for_each(|value| follow(value));
        }
        Expr::ScalarFunction(call) if PASSING.contains(&call.func.name()) => call.args.iter().for_each(follow),
        Expr::Column(column) => {
            position(input, column).into_iter().for_each(|index| of_column(input, index, planned, texts));
        }
        _ => {}
    }
}

fn position(input: &LogicalPlan, column: &Column) -> Option<usize> {
    input.schema().index_of_column(column).ok()
}
