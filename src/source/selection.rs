//! Which tables are read, and the reason for every one that is not.

use globset::{Glob, GlobMatcher};

use super::catalog::CatalogTable;
use crate::error::{Error, Result};

/// A glob of tables to leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// The glob, on the name, or on `schema.name` when it holds a dot.
    pub glob: String,
    /// Why, for people.
    pub reason: String,
}

/// The globs, compiled.
#[derive(Debug)]
pub(super) struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<(Pattern, String)>,
}

#[derive(Debug)]
struct Pattern {
    matcher: GlobMatcher,
    qualified: bool,
}

impl Pattern {
    fn new(glob: &str) -> Result<Self> {
        let compiled = Glob::new(glob).map_err(|cause| Error::config(format!("source: the glob {glob:?}: {cause}")))?;
        Ok(Self { matcher: compiled.compile_matcher(), qualified: glob.contains('.') })
    }

    fn matches(&self, table: &CatalogTable) -> bool {
        if self.qualified {
            self.matcher.is_match(table.table.to_string())
        } else {
            self.matcher.is_match(&table.table.name)
        }
    }
}

impl Selection {
    pub(super) fn new(include: &[String], exclude: &[Exclusion]) -> Result<Self> {
        let include = include.iter().map(|glob| Pattern::new(glob)).collect::<Result<_>>()?;
        let pair = |exclusion: &Exclusion| Ok((Pattern::new(&exclusion.glob)?, exclusion.reason.clone()));
        Ok(Self { include, exclude: exclude.iter().map(pair).collect::<Result<_>>()? })
    }

    /// Why a relation is not read; none if it is.
    pub(super) fn skips(&self, table: &CatalogTable) -> Option<String> {
        match table.relkind {
            'v' => return Some("a view: its rows are those of other tables".into()),
            'm' => return Some("a materialised view: its rows are those of other tables".into()),
            'f' => return Some("a foreign table: its rows are in another system".into()),
            _ => {}
        }
        if !self.include.is_empty() && !self.include.iter().any(|pattern| pattern.matches(table)) {
            return Some("not selected".into());
        }
        self.exclude.iter().find(|(pattern, _)| pattern.matches(table)).map(|(_, reason)| reason.clone())
    }
}
