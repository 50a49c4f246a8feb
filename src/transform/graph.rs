//! Which query reads what, and the order in which they run. Both come from the SQL alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use datafusion::common::TableReference;
use datafusion::sql::resolve::resolve_table_references;

use super::nearest::did_you_mean;
use super::position;
use super::query::{Level, Mapping, Project, Query};
use crate::dataflow::TableName;
use crate::error::{Error, Result};

/// Something a query reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Input {
    /// A table of the source, written `schema.table`.
    Table(TableName),
    /// Another query.
    Query(String),
    /// A mapping.
    Mapping(String),
    /// A name that is none of these.
    Unknown(String),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => write!(f, "{table}"),
            Self::Query(name) | Self::Mapping(name) | Self::Unknown(name) => f.write_str(name),
        }
    }
}

/// What each query reads, and the order in which they can run.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    inputs: BTreeMap<String, BTreeSet<Input>>,
    order: Vec<usize>,
}

impl Graph {
    /// Finds the inputs of every query of `project`.
    ///
    /// # Errors
    /// [`Error::Config`] with every read of a higher level and the queries of a cycle.
    pub(super) fn build(project: &Project) -> Result<Self> {
        let mut problems = Vec::new();
        let mut inputs = BTreeMap::new();
        for query in &project.queries {
            let found = inputs_of(query, project)?;
            problems.extend(found.iter().filter_map(|input| level_problem(query, input, project)));
            inputs.insert(query.name.clone(), found);
        }
        let (order, rest) = sort(project, &inputs);
        if !rest.is_empty() {
            problems.push(format!("these queries read each other in a circle: {}", cycle(&rest, &inputs).join(" -> ")));
        }
        if problems.is_empty() { Ok(Self { inputs, order }) } else { Err(Error::Config { problems }) }
    }

    /// The queries so that each follows what it reads; among the free ones by level and name.
    pub(super) fn order<'a>(&'a self, project: &'a Project) -> impl Iterator<Item = &'a Query> {
        self.order.iter().filter_map(|index| project.queries.get(*index))
    }

    /// What a query reads, in order.
    pub(super) fn inputs(&self, query: &str) -> impl Iterator<Item = &Input> {
        self.inputs.get(query).into_iter().flatten()
    }

    /// All tables of the source that queries read, in order.
    pub(super) fn tables(&self) -> BTreeSet<&TableName> {
        let all = self.inputs.values().flatten();
        all.filter_map(|input| if let Input::Table(table) = input { Some(table) } else { None }).collect()
    }

    /// One line for each name that is neither a query, a mapping nor one of `tables`: place, name, nearest names.
    pub(super) fn unknown_names(&self, query: &Query, project: &Project, tables: &BTreeSet<&TableName>) -> Vec<String> {
        let unknown = self.inputs(&query.name).filter(|input| match input {
            Input::Table(table) => !tables.contains(table),
            Input::Unknown(_) => true,
            Input::Query(_) | Input::Mapping(_) => false,
        });
        let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let queries = project.queries.iter().filter(|query| query.level != Level::Check).map(|query| &query.name);
        let known: Vec<&str> =
            queries.chain(project.mappings.iter().map(|m| &m.name)).chain(&tables).map(String::as_str).collect();
        unknown
            .map(|input| {
                let name = input.to_string();
                format!("{}: no table `{name}`{}", place(query, input), did_you_mean(&name, known.iter().copied()))
            })
            .collect()
    }
}

/// `file:line:column` of the first mention of `input`.
fn place(query: &Query, input: &Input) -> String {
    let found = match input {
        Input::Table(table) => position::of_name(&query.sql, &[&table.schema, &table.name]),
        Input::Query(name) | Input::Mapping(name) => position::of_name(&query.sql, &[name]),
        Input::Unknown(name) => position::of_name(&query.sql, &name.split('.').collect::<Vec<_>>()),
    };
    match found {
        Some(position) => format!("{}:{position}", query.path.display()),
        None => query.path.display().to_string(),
    }
}

fn inputs_of(query: &Query, project: &Project) -> Result<BTreeSet<Input>> {
    let (references, _) = resolve_table_references(&query.statement, true)
        .map_err(|cause| Error::config(format!("{}: {}", query.path.display(), cause.strip_backtrace())))?;
    Ok(references.into_iter().map(|reference| input_of(reference, project)).collect())
}

fn input_of(reference: TableReference, project: &Project) -> Input {
    match reference {
        TableReference::Bare { table } if project.queries.iter().any(|query| query.name == *table) => {
            Input::Query(table.to_string())
        }
        TableReference::Bare { table } if project.mappings.iter().any(|Mapping { name, .. }| *name == *table) => {
            Input::Mapping(table.to_string())
        }
        TableReference::Partial { schema, table } => Input::Table(TableName::new(schema.as_ref(), table.as_ref())),
        TableReference::Bare { table } => Input::Unknown(table.to_string()),
        full @ TableReference::Full { .. } => Input::Unknown(full.to_string()),
    }
}

fn level_problem(query: &Query, input: &Input, project: &Project) -> Option<String> {
    let Input::Query(name) = input else { return None };
    let read = project.queries.iter().find(|other| other.name == *name)?;
    let why = if read.level == Level::Check {
        format!("reads `{name}`, which is a check: a check has no rows to read")
    } else if read.level > query.level {
        let (own, higher) = (query.level.folder(), read.level.folder());
        format!("reads `{name}` of {higher}: a query of {own} may read its own or a lower folder")
    } else {
        return None;
    };
    Some(format!("{}: {why}", place(query, input)))
}

/// The indexes of the queries in running order, and the names of those that a cycle holds back.
fn sort(project: &Project, inputs: &BTreeMap<String, BTreeSet<Input>>) -> (Vec<usize>, BTreeSet<String>) {
    let mut waiting: BTreeSet<(Level, &str, usize)> =
        project.queries.iter().enumerate().map(|(index, query)| (query.level, query.name.as_str(), index)).collect();
    let mut names: BTreeSet<String> = project.queries.iter().map(|query| query.name.clone()).collect();
    let mut order = Vec::new();
    let is_free = |name: &str, waiting: &BTreeSet<String>| {
        !inputs.get(name).into_iter().flatten().any(|i| matches!(i, Input::Query(read) if waiting.contains(read)))
    };
    while let Some(next) = waiting.iter().find(|(_, name, _)| is_free(name, &names)).copied() {
        waiting.remove(&next);
        names.remove(next.1);
        order.push(next.2);
    }
    (order, names)
}

/// The names of one cycle among `rest`, the first repeated at the end.
fn cycle(rest: &BTreeSet<String>, inputs: &BTreeMap<String, BTreeSet<Input>>) -> Vec<String> {
    let mut path: Vec<String> = rest.first().cloned().into_iter().collect();
    while let Some(last) = path.last() {
        let next = inputs.get(last).into_iter().flatten().find_map(|input| match input {
            Input::Query(name) if rest.contains(name) => Some(name.clone()),
            _ => None,
        });
        let Some(next) = next else { return path };
        if let Some(start) = path.iter().position(|name| *name == next) {
            path.push(next);
            return path.split_off(start);
        }
        path.push(next);
    }
    path
}
