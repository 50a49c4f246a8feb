//! A cross join with a table of one row, such as the settings of a project, gets that table as its left side.
//!
//! DataFusion holds the left side of a cross join in memory, on one thread, and gives a batch for each of its rows. It
//! changes the sides itself where it knows how many rows both have; after a join it does not, and half a million rows
//! beside one setting become half a million batches.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule; the rows and columns of a plan stay what they are.
#[derive(Debug)]
pub(super) struct OneRowFirst;

impl OptimizerRule for OneRowFirst {
    fn name(&self) -> &'static str {
        "one_row_first"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
        let is_cross = join.join_type == JoinType::Inner && join.on.is_empty() && join.filter.is_none();
        let is_one_row = |side: &LogicalPlan| side.max_rows().is_some_and(|rows| rows <= 1);
        if !is_cross || !is_one_row(&join.right) || is_one_row(&join.left) {
            return Ok(Transformed::no(plan));
        }
        let columns = join.schema.iter().map(|field| Expr::Column(Column::from(field)));
        let swapped = LogicalPlanBuilder::from(join.right.as_ref().clone())
            .cross_join(join.left.as_ref().clone())?
            .project(columns)?
            .build()?;
        Ok(Transformed::yes(swapped))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::super::{TransformConfig, session};

    /// The plan of a statement, a node a line.
    async fn plan(context: &SessionContext, sql: &str) -> String {
        let frame = context.sql(sql).await.unwrap();
        frame.into_optimized_plan().unwrap().display_indent().to_string()
    }

    #[tokio::test]
    async fn the_side_of_one_row_is_the_left_one() {
        let config = TransformConfig { project: "queries".into(), memory: 1 << 24, threads: 2, spill: None, now: None };
        let context = session(&config).unwrap();
        let sql = "select v.n, s.m from (select n, n as k from unnest([1, 2, 3]) as t(n)) v \
                   cross join (select max(x) as m from unnest([4, 5]) as u(x)) s";
        let text = plan(&context, sql).await;
        let (one, many) = (text.find("Aggregate").unwrap(), text.rfind("Unnest").unwrap());
        assert!(text.contains("Cross Join") && one < many, "{text}");
        let rows = context.sql(&format!("{sql} order by n")).await.unwrap().collect().await.unwrap();
        let shown = arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string();
        assert_eq!(shown.lines().skip(3).take(3).collect::<Vec<_>>(), ["| 1 | 5 |", "| 2 | 5 |", "| 3 | 5 |"]);
    }
}
