//! What a query may not do, because its rows would differ from run to run or from one number of threads to another.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Volatility, WindowFunctionDefinition};

use super::clock::PRESENT;
use super::position;
use super::query::Query;

/// Aggregates whose result depends on the order of their rows.
const ORDERED_AGGREGATES: [&str; 6] =
    ["any_value", "array_agg", "first_value", "last_value", "nth_value", "string_agg"];

/// Aggregates that estimate or round; the result depends on how rows are shared out among threads.
const ESTIMATES: [&str; 10] = [
    "approx_median",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
    "corr",
    "covar_pop",
    "covar_samp",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
];

/// Aggregates that add up: over floating-point numbers, the rounding depends on the order.
const SUMS: [&str; 2] = ["avg", "sum"];

/// Window functions whose result depends on the order of their rows.
const ORDERED_WINDOWS: [&str; 7] = ["first_value", "lag", "last_value", "lead", "nth_value", "ntile", "row_number"];

/// One line for each use of a volatile function and of an order that is not given. `now_is_fixed`: the session's `now()`
/// gives a set time.
pub(super) fn problems(query: &Query, plan: &LogicalPlan, now_is_fixed: bool) -> Vec<String> {
    let mut found = Vec::new();
    let visited = plan.apply_with_subqueries(|node| {
        if let Some(problem) = unordered_node(node) {
            found.push((position::of_text(&query.sql, problem.0), problem.1));
        }
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Some((name, problem)) = expression_problem(part, node, now_is_fixed) {
                    found.push((place_of_function(query, &name), problem));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    if let Err(cause) = visited {
        found.push((None, cause.strip_backtrace()));
    }
    let mut lines: Vec<String> = found
        .into_iter()
        .map(|(place, problem)| match place {
            Some(place) => format!("{}:{place}: {problem}", query.path.display()),
            None => format!("{}: {problem}", query.path.display()),
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

fn place_of_function(query: &Query, name: &str) -> Option<position::Position> {
    let aliases = PRESENT.iter().find(|(function, _)| *function == name).map_or(&[][..], |(_, aliases)| aliases);
    std::iter::once(&name).chain(aliases).find_map(|name| position::of_name(&query.sql, &[name]))
}

/// The function that is at fault, and why.
fn expression_problem(expression: &Expr, node: &LogicalPlan, now_is_fixed: bool) -> Option<(String, String)> {
    match expression {
        Expr::ScalarFunction(call) => {
            let name = call.func.name();
            let is_present = PRESENT.iter().any(|(function, _)| *function == name);
            if is_present && !now_is_fixed {
                let help = "set [transform] now to a fixed time, or take the time from a table";
                return Some((name.into(), format!("`{name}` differs from run to run; {help}")));
            }
            let volatile = call.func.signature().volatility == Volatility::Volatile;
            volatile.then(|| (name.into(), format!("`{name}` is volatile: the same rows must give the same result")))
        }
        Expr::AggregateFunction(call) => {
            let name = call.func.name();
            let is_float = |value: &Expr| {
                let types = node.inputs().into_iter().filter_map(|input| value.get_type(input.schema()).ok());
                types.into_iter().any(|found| matches!(found, DataType::Float32 | DataType::Float64))
            };
            let problem = if ORDERED_AGGREGATES.contains(&name) && call.params.order_by.is_empty() {
                without_order(name, &format!("{name}(x order by y)"))
            } else if ESTIMATES.contains(&name) {
                format!("`{name}` gives other digits at another number of threads; compute it exactly")
            } else if SUMS.contains(&name) && call.params.args.iter().any(is_float) {
                format!(
                    "`{name}` of floating-point numbers is rounded otherwise at another number of threads; cast them to decimal"
                )
            } else {
                return None;
            };
            Some((name.into(), problem))
        }
        Expr::WindowFunction(call) => {
            let (name, ordered) = match &call.fun {
                WindowFunctionDefinition::AggregateUDF(function) => (function.name(), &ORDERED_AGGREGATES[..]),
                WindowFunctionDefinition::WindowUDF(function) => (function.name(), &ORDERED_WINDOWS[..]),
            };
            let unordered = call.params.order_by.is_empty() && ordered.contains(&name);
            unordered
                .then(|| (name.into(), without_order(name, &format!("{name}(…) over (partition by x order by y)"))))
        }
        _ => None,
    }
}

fn unordered_node(node: &LogicalPlan) -> Option<(&'static str, String)> {
    match node {
        LogicalPlan::Limit(limit) if !is_sorted(&limit.input) => {
            Some(("limit", without_order("limit", "order by x limit n")))
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) if distinct.sort_expr.is_none() => {
            Some(("distinct", without_order("distinct on", "distinct on (x) … order by x, y")))
        }
        _ => None,
    }
}

fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_sorted(&alias.input),
        _ => false,
    }
}

fn without_order(what: &str, example: &str) -> String {
    format!("`{what}` without an order gives other rows at another number of threads; write {example}")
}
