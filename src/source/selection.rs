//! Which tables are read, and the reason for every one that is not.

use globset::{Glob, GlobMatcher};

use super::catalog::CatalogTable;
use crate::error::{Error, Result};

/// Names that are proposed for a glob that matches none.
const NEAREST: usize = 3;
/// The likeness (Jaro-Winkler, 0 to 1) from which a name may be meant.
const ALIKE: f64 = 0.75;

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
    /// Whether a glob may select nothing: what it selects may be missing from the other database of a comparison.
    lenient: bool,
    exclude: Vec<(Pattern, String)>,
    materialised_views: bool,
}

#[derive(Debug)]
struct Pattern {
    glob: String,
    matcher: GlobMatcher,
    qualified: bool,
}

impl Pattern {
    fn new(glob: &str) -> Result<Self> {
        let compiled = Glob::new(glob).map_err(|cause| Error::config(format!("source: the glob {glob:?}: {cause}")))?;
        Ok(Self { glob: glob.into(), matcher: compiled.compile_matcher(), qualified: glob.contains('.') })
    }

    /// The names most like this glob, the most alike first.
    fn nearest<'a>(&self, tables: impl Iterator<Item = &'a CatalogTable>) -> Vec<String> {
        let wanted = self.glob.replace(['*', '?'], "").to_lowercase();
        let alike = |table: &CatalogTable| {
            let name = if self.qualified { table.table.to_string() } else { table.table.name.clone() };
            (strsim::jaro_winkler(&wanted, &name.to_lowercase()), table.table.to_string())
        };
        let mut names: Vec<_> = tables.map(alike).collect();
        names.retain(|(likeness, _)| *likeness >= ALIKE);
        names.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        names.into_iter().take(NEAREST).map(|(_, name)| name).collect()
    }

    /// The schema that the glob names in so many letters, if nothing is in it.
    fn missing_schema(&self, tables: &[CatalogTable]) -> Option<&str> {
        let (schema, _) = self.glob.split_once('.')?;
        let plain = !schema.contains(['*', '?', '[', '{', '\\']);
        (plain && !tables.iter().any(|table| table.table.schema == schema)).then_some(schema)
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
    pub(super) fn new(include: &[String], exclude: &[Exclusion], materialised_views: bool) -> Result<Self> {
        let include = include.iter().map(|glob| Pattern::new(glob)).collect::<Result<_>>()?;
        let pair = |exclusion: &Exclusion| Ok((Pattern::new(&exclusion.glob)?, exclusion.reason.clone()));
        Ok(Self {
            include,
            lenient: false,
            exclude: exclude.iter().map(pair).collect::<Result<_>>()?,
            materialised_views,
        })
    }

    /// The same where what a glob selects may be missing.
    pub(super) fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }

    /// A line for each include glob that selects nothing, with the names that may be meant: a table that is misspelt would
    /// not be missed by anybody.
    pub(super) fn idle_includes(&self, tables: &[CatalogTable]) -> Vec<String> {
        let problem = |pattern: &Pattern| {
            if self.lenient {
                return None;
            }
            let matched: Vec<_> = tables.iter().filter(|table| pattern.matches(table)).collect();
            if matched.iter().any(|table| self.is_table(table)) {
                return None;
            }
            let nearest = pattern.nearest(tables.iter().filter(|table| self.is_table(table)));
            let hint = match matched.first() {
                Some(other) => format!("only {} ({})", other.table, self.skips(other).unwrap_or_default()),
                None if nearest.is_empty() => "and no name is like it (telecine discover lists the tables)".into(),
                None => format!("the nearest names are {}", nearest.join(", ")),
            };
            let schema =
                pattern.missing_schema(tables).map(|schema| format!("there is no schema {schema} with tables, "));
            Some(format!("source.include: {:?} matches no table; {}{hint}", pattern.glob, schema.unwrap_or_default()))
        };
        self.include.iter().filter_map(problem).collect()
    }

    /// Nothing, if every include glob selects a table.
    ///
    /// # Errors
    /// [`Error::Preflight`] with all lines of [`Selection::idle_includes`].
    pub(super) fn require_matches(&self, tables: &[CatalogTable]) -> Result<()> {
        let problems = self.idle_includes(tables);
        if problems.is_empty() { Ok(()) } else { Err(Error::preflight(problems.join("\n  "))) }
    }

    /// The exclude globs that leave nothing out.
    pub(super) fn idle_excludes<'a>(&'a self, tables: &'a [CatalogTable]) -> impl Iterator<Item = &'a str> {
        let idle = |(pattern, _): &&(Pattern, String)| !tables.iter().any(|table| pattern.matches(table));
        self.exclude.iter().filter(idle).map(|(pattern, _)| pattern.glob.as_str())
    }

    /// Why a relation is not read; none if it is.
    pub(super) fn skips(&self, table: &CatalogTable) -> Option<String> {
        match (table.relkind, &table.parent) {
            ('v', _) => return Some("a view: its rows are those of other tables".into()),
            ('m', _) if !self.materialised_views => {
                let reason = "a materialised view: its rows are made from other tables (source.materialised_views = true \
                              reads it)";
                return Some(reason.into());
            }
            ('m', _) if !table.populated => {
                return Some("a materialised view that holds nothing yet (REFRESH MATERIALIZED VIEW fills it)".into());
            }
            ('f', Some(parent)) => {
                return Some(format!(
                    "a foreign table: its rows are in another system. It is a partition of {parent}, whose rows there \
                     are MISSING from what is read: read that system, too"
                ));
            }
            ('f', None) => return Some("a foreign table: its rows are in another system".into()),
            _ => {}
        }
        if !self.include.is_empty() && !self.include.iter().any(|pattern| pattern.matches(table)) {
            return Some("not selected".into());
        }
        self.exclude.iter().find(|(pattern, _)| pattern.matches(table)).map(|(_, reason)| reason.clone())
    }

    /// Whether a relation has rows of its own or in its partitions: no view or foreign table.
    fn is_table(&self, table: &CatalogTable) -> bool {
        matches!(table.relkind, 'r' | 'p') || (table.relkind == 'm' && self.materialised_views && table.populated)
    }
}
