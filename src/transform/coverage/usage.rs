//! Which columns lead to a field, by the plans of all queries.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DataFusionError};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::IdleColumn;
use crate::error::{Error, Result};
use crate::transform::contract::{CANDIDATES, COLUMNS};
use crate::transform::planning::PlannedQuery;
use crate::transform::query::{Level, Project};
use crate::transform::session::QUERIES;

/// Columns by the table that has them: `schema.table` or a query.
type Columns = BTreeMap<String, BTreeSet<String>>;

/// What queries read, and what of it leads to a field.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// What each query's plan reads, by query.
    read: BTreeMap<String, Columns>,
    /// What leads to a field.
    leads: Columns,
}

impl Usage {
    /// `planned` is in running order.
    ///
    /// # Errors
    /// [`Error::Query`] when a plan cannot be optimised.
    pub(super) fn of(state: &SessionState, planned: &[PlannedQuery], project: &Project) -> Result<Self> {
        let mut usage = Self::default();
        // The balance is drawn against the candidates' keys.
        usage.leads.entry(CANDIDATES.to_owned()).or_default().insert(COLUMNS[0].to_owned());
        for query in planned.iter().rev() {
            let level = project.queries.iter().find(|found| found.name == query.name).map(|found| found.level);
            if level == Some(Level::Check) {
                continue;
            }
            let failed = |cause| Error::query(&query.name, "cannot be looked through for its columns", cause);
            let read = scans(state, &query.plan).map_err(failed)?;
            let of_query = if level == Some(Level::Map) {
                read.clone()
            } else {
                match usage.leads.get(&query.name) {
                    Some(needed) => scans(state, &cut(&query.plan, needed).map_err(failed)?).map_err(failed)?,
                    None => Columns::new(),
                }
            };
            usage.read.insert(query.name.clone(), read);
            for (table, columns) in of_query {
                usage.leads.entry(table).or_default().extend(columns);
            }
        }
        Ok(usage)
    }

    /// Whether any query reads the table.
    pub(super) fn reads_table(&self, table: &str) -> bool {
        self.read.values().any(|read| read.contains_key(table))
    }

    /// Whether the column leads to a field.
    pub(super) fn leads(&self, table: &str, column: &str) -> bool {
        self.leads.get(table).is_some_and(|columns| columns.contains(column))
    }

    /// The queries that read the column.
    pub(super) fn readers(&self, table: &str, column: &str) -> Vec<String> {
        let reads = |read: &Columns| read.get(table).is_some_and(|columns| columns.contains(column));
        self.read.iter().filter(|(_, read)| reads(read)).map(|(query, _)| query.clone()).collect()
    }

    /// The columns of queries that no later query takes up.
    pub(super) fn idle(&self, planned: &[PlannedQuery], project: &Project) -> Vec<IdleColumn> {
        let serves = |query: &&PlannedQuery| {
            let of = project.queries.iter().find(|found| found.name == query.name);
            of.is_some_and(|found| !matches!(found.level, Level::Map | Level::Check))
        };
        let columns = planned.iter().filter(serves).flat_map(|query| {
            let names = query.schema.fields().iter().map(|field| field.name());
            names.filter(|name| !self.leads(&query.name, name)).map(|name| (query.name.clone(), name.clone()))
        });
        columns.map(|(query, column)| IdleColumn { query, column }).collect()
    }
}

/// The plan with these of its columns alone.
fn cut(plan: &LogicalPlan, needed: &BTreeSet<String>) -> Result<LogicalPlan, DataFusionError> {
    let columns = plan.schema().iter().filter(|(_, field)| needed.contains(field.name()));
    let columns: Vec<Expr> = columns.map(|column| Expr::Column(Column::from(column))).collect();
    LogicalPlanBuilder::from(plan.clone()).project(columns)?.build()
}

/// What the scans of the optimised plan read.
fn scans(state: &SessionState, plan: &LogicalPlan) -> Result<Columns, DataFusionError> {
    let mut found = Columns::new();
    state.optimize(plan)?.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let table = match scan.table_name.schema() {
                Some(schema) if schema != QUERIES => format!("{schema}.{}", scan.table_name.table()),
                _ => scan.table_name.table().to_owned(),
            };
            let columns = found.entry(table).or_default();
            columns.extend(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
            let filters = scan.filters.iter().flat_map(Expr::column_refs);
            columns.extend(filters.map(|column| column.name.clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
