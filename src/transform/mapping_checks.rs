//! Checks of mappings, which run before a row of the source is read: a SQL file beside the mappings (`mappings/NAME.sql`)
//! selects what is wrong with them, one row a mistake, in two columns of text: `file_line` and `problem`.
//!
//! Such a check reads mappings and nothing else. Each has here one column more, `file_line`: file and line of its row. The
//! table `words` holds what the queries say, so that a mapping can be held to the SQL that reads it without a second list
//! of its names: `folder` (`3_normalise`), `query`, `word` (a name or a string literal), `is_text` (it is a literal).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DataFusionError;
use datafusion::datasource::MemTable;
use datafusion::prelude::{DataFrame, SessionContext};

use super::planning::logical_plan;
use super::query::Query;
use super::{Transform, diagnose, position, session, tables};
use crate::error::{Error, Result};

/// The column of file and line, in mappings and in what a check gives.
const PLACE: &str = "file_line";
/// The column in which a check says what is wrong.
const PROBLEM: &str = "problem";
/// The table of what queries say.
const WORDS: &str = "words";

impl Transform {
    /// What the checks of mappings find, one line each: file and line of the mapping, and what is wrong there. A check that
    /// cannot run is a problem too.
    ///
    /// # Errors
    /// When no session can be had.
    pub(super) async fn mapping_problems(&self) -> Result<Vec<String>> {
        if self.project.mapping_checks.is_empty() {
            return Ok(Vec::new());
        }
        let context = session(&self.config)?;
        self.register_placed(&context).map_err(|cause| Error::query("mappings", "are no tables", cause))?;
        tables::register(&context, WORDS, Arc::new(self.words()?))?;
        let mut problems = Vec::new();
        for check in &self.project.mapping_checks {
            match found(&context, check).await {
                Ok(lines) => problems.extend(lines),
                Err(cause) => problems.extend(diagnose::plan_problems(check, &cause)),
            }
        }
        Ok(problems)
    }

    /// The mappings as tables, each row with its file and line.
    fn register_placed(&self, context: &SessionContext) -> Result<(), DataFusionError> {
        for (table, mapping) in self.mappings.iter().zip(&self.project.mappings) {
            let path = mapping.path.display();
            let places: StringArray = table.lines.iter().map(|line| Some(format!("{path}:{line}"))).collect();
            let place = Arc::new(Field::new(PLACE, DataType::Utf8, false));
            let fields = table.rows.schema().fields().iter().cloned().chain([place]).collect::<Vec<_>>();
            let columns = table.rows.columns().iter().cloned().chain([Arc::new(places) as ArrayRef]).collect();
            let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
            let placed = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
            context.register_table(table.name.as_str(), Arc::new(placed))?;
        }
        Ok(())
    }

    fn words(&self) -> Result<MemTable> {
        let (mut folders, mut queries, mut words, mut texts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for query in &self.project.queries {
            for (word, is_text) in position::words_and_literals(&query.sql) {
                folders.push(query.level.folder());
                queries.push(query.name.as_str());
                words.push(word);
                texts.push(is_text);
            }
        }
        let rows = RecordBatch::try_from_iter([
            ("folder", Arc::new(StringArray::from(folders)) as ArrayRef),
            ("query", Arc::new(StringArray::from(queries))),
            ("word", Arc::new(StringArray::from(words))),
            ("is_text", Arc::new(BooleanArray::from(texts))),
        ]);
        let table =
            rows.map_err(DataFusionError::from).and_then(|rows| MemTable::try_new(rows.schema(), vec![vec![rows]]));
        table.map_err(|cause| Error::query(WORDS, "is no table", cause))
    }
}

/// The lines that one check gives, in the order of its rows.
async fn found(context: &SessionContext, check: &Query) -> Result<Vec<String>, DataFusionError> {
    let plan = logical_plan(context, check).await?;
    let batches = DataFrame::new(context.state(), plan).collect().await?;
    let mut lines = Vec::new();
    for batch in &batches {
        let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let (Some(places), Some(problems)) = (text(PLACE), text(PROBLEM)) else {
            return Err(DataFusionError::Plan(format!("a check of mappings gives two texts, {PLACE} and {PROBLEM}")));
        };
        let pairs = places.iter().zip(problems);
        lines.extend(
            pairs.map(|(place, problem)| format!("{}: {}", place.unwrap_or("?"), problem.unwrap_or("is wrong"))),
        );
    }
    Ok(lines)
}
