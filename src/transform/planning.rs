//! Every query planned and typed from schemas alone, before a row is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::graph::Input;
use super::query::{Level, Query};
use super::{Transform, contract, deep, determinism, diagnose, session, shape, tables};
use crate::dataflow::TableName;
use crate::error::{Error, Result};

/// A query that can run.
#[derive(Debug, Clone)]
pub struct PlannedQuery {
    /// The query's name.
    pub name: String,
    /// The columns its rows will have.
    pub schema: SchemaRef,
    /// What it reads, by name: queries, mappings, `schema.table`.
    pub inputs: Vec<String>,
    /// As DataFusion reads it, not yet optimised; its queries are tables.
    pub(super) plan: LogicalPlan,
}

/// How far a query is planned.
#[derive(Debug, Clone, Copy)]
pub(super) enum Depth {
    /// Until its names and types are known.
    Types,
    /// Until it could run.
    Execution,
}

impl Transform {
    /// Plans and types every query and check, in running order, given the tables of the source and their columns.
    /// Reads no rows.
    ///
    /// # Errors
    /// [`Error::Preflight`] with all problems of all queries, each with its file and line: unknown tables, columns and
    /// functions with the nearest names, types that do not fit, volatile functions, broken contracts; and with what the
    /// checks of mappings find, each with its line. A query that reads
    /// one that could not be planned is passed over.
    pub async fn check(&self, tables: &[(TableName, SchemaRef)]) -> Result<Vec<PlannedQuery>> {
        let (transform, tables) = (self.clone(), tables.to_vec());
        deep::run("queries", async move { transform.plan_all(&tables, Depth::Execution).await }).await
    }

    /// [`Transform::check`] to a depth, on the thread it is called from.
    pub(super) async fn plan_all(&self, tables: &[(TableName, SchemaRef)], depth: Depth) -> Result<Vec<PlannedQuery>> {
        let context = session(&self.config)?;
        for (table, schema) in tables {
            tables::register_source(&context, table, Arc::new(EmptyTable::new(shape::kept_schema(schema))))?;
        }
        tables::register_mappings(&context, &self.mappings)?;
        let known: BTreeSet<&TableName> = tables.iter().map(|(table, _)| table).collect();
        let mut planned: Vec<PlannedQuery> = Vec::new();
        let mut problems = self.mapping_problems().await?;
        problems.extend(self.project_problems());
        for query in self.graph.order(&self.project) {
            let unknown = self.graph.unknown_names(query, &self.project, &known);
            if !unknown.is_empty() {
                problems.extend(unknown);
                continue;
            }
            let is_planned = |input: &Input| match input {
                Input::Query(name) => planned.iter().any(|other| other.name == *name),
                _ => true,
            };
            if !self.graph.inputs(&query.name).all(is_planned) {
                continue;
            }
            match self.plan(&context, query, depth).await {
                Ok((plan, schema, found)) => {
                    problems.extend(found);
                    tables::register(&context, &query.name, Arc::new(EmptyTable::new(Arc::clone(&schema))))?;
                    let inputs = self.graph.inputs(&query.name).map(ToString::to_string).collect();
                    planned.push(PlannedQuery { name: query.name.clone(), schema, inputs, plan });
                }
                Err(cause) => problems.extend(diagnose::plan_problems(query, &cause)),
            }
        }
        if problems.is_empty() { Ok(planned) } else { Err(preflight(&problems)) }
    }

    /// The query's plan and columns, and in what it breaks the rules.
    async fn plan(
        &self,
        context: &SessionContext,
        query: &Query,
        depth: Depth,
    ) -> Result<(LogicalPlan, SchemaRef, Vec<String>), DataFusionError> {
        let plan = logical_plan(context, query).await?;
        let mut problems = determinism::problems(query, &plan, self.config.now.is_some());
        let schema = typed(context, plan.clone(), depth).await?;
        problems.extend(contract::problems(query, &schema));
        Ok((plan, schema, problems))
    }

    fn project_problems(&self) -> Vec<String> {
        let maps = self.project.queries.iter().any(|query| query.level == Level::Map);
        let candidates = self.project.queries.iter().any(|query| query.name == contract::CANDIDATES);
        if maps && !candidates {
            let folder = Level::Select.folder();
            let name = contract::CANDIDATES;
            return vec![format!(
                "{}: {folder}/{name}.sql is missing: the balance is drawn against its column source_key, every candidate once",
                self.config.project.display()
            )];
        }
        Vec::new()
    }
}

/// The query as DataFusion reads it, not yet optimised.
pub(super) async fn logical_plan(context: &SessionContext, query: &Query) -> Result<LogicalPlan, DataFusionError> {
    context.state().statement_to_plan(query.statement.clone()).await
}

/// The columns that the finished plan gives: types are coerced only on the way there.
async fn typed(context: &SessionContext, plan: LogicalPlan, depth: Depth) -> Result<SchemaRef, DataFusionError> {
    let state = context.state();
    match depth {
        Depth::Types => {
            let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
            Ok(shape::kept_schema(plan.schema().as_arrow()))
        }
        Depth::Execution => Ok(shape::kept_schema(&state.create_physical_plan(&plan).await?.schema())),
    }
}

fn preflight(problems: &[String]) -> Error {
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    Error::preflight(format!("{count} in queries and mappings\n  {}", problems.join("\n  ")))
}
