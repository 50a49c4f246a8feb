//! The terms that mappings let queries give option fields, against the options of the definitions. Which mappings these are
//! is a setting (`[vocabularies]`): one says which vocabulary a field has, the other which terms are in a vocabulary. Terms
//! that come from rows of the source are not known here; those are looked at row by row.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, AsArray};

use super::schema::Mismatch;
use crate::dataflow::definition::{Definition, Field};
use crate::error::{Error, Result};
use crate::transform::mapping::MappingTable;
use crate::transform::nearest::did_you_mean;

/// A target in the mapping of fields that stands for every query.
const EVERY: &str = "*";
/// Terms that a message names.
const MOST_NAMED: usize = 5;

/// The mappings that say which terms queries may give option fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabularies {
    /// A mapping with the columns `target` (a query of 4_map, or `*` for each), `field` (`parts.code` is one of a complex
    /// field) and `vocabulary`.
    pub fields: String,
    /// A mapping with the columns `vocabulary` and `canonical`: its terms, one a line.
    pub terms: String,
}

/// Both mappings, read.
#[derive(Debug)]
pub(super) struct Listed {
    fields_name: String,
    /// Target, field, vocabulary.
    fields: Vec<[String; 3]>,
    terms: BTreeMap<String, Vec<String>>,
}

impl Vocabularies {
    /// # Errors
    /// [`Error::Config`] when there is no such mapping, or it lacks a column.
    pub(super) fn read(&self, mappings: &[MappingTable]) -> Result<Listed> {
        let fields = rows(mappings, "fields", &self.fields, ["target", "field", "vocabulary"])?;
        let mut terms: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for [vocabulary, term] in rows(mappings, "terms", &self.terms, ["vocabulary", "canonical"])? {
            terms.entry(vocabulary).or_default().push(term);
        }
        Ok(Listed { fields_name: self.fields.clone(), fields, terms })
    }
}

impl Listed {
    /// The terms that `query` may give closed lists of `definition` and that those do not have, and fields of the mapping
    /// that the definition does not have.
    pub(super) fn mismatches(&self, query: &str, definition: &Definition) -> Vec<Mismatch> {
        let mut found = Vec::new();
        for [target, path, vocabulary] in &self.fields {
            if target != query && target != EVERY {
                continue;
            }
            let gives = match (find(&definition.fields, path), self.terms.get(vocabulary)) {
                (None, _) if target == EVERY => continue,
                (None, _) => format!("terms of `{vocabulary}`, by the mapping {}", self.fields_name),
                (Some(field), Some(terms)) if field.is_closed() => {
                    let options: Vec<&str> = field.option_values().collect();
                    let lacking: Vec<&str> =
                        terms.iter().map(String::as_str).filter(|term| !options.contains(term)).collect();
                    let Some(first) = lacking.first() else { continue };
                    let wants = format!(
                        "{} has no such option{}; add it there, or take it out of the vocabulary",
                        definition.name,
                        did_you_mean(first, options).trim_end_matches('?'),
                    );
                    let gives = format!("{} of the vocabulary `{vocabulary}`", named(&lacking));
                    found.push(Mismatch { field: path.clone(), gives, wants });
                    continue;
                }
                _ => continue,
            };
            let near = did_you_mean(path, definition.fields.iter().map(|field| field.name.as_str()));
            let wants = format!("{} has no such field{near}", definition.name);
            found.push(Mismatch { field: path.clone(), gives, wants });
        }
        found
    }
}

/// `'A', 'B' and 3 more`.
fn named(terms: &[&str]) -> String {
    let shown: Vec<String> = terms.iter().take(MOST_NAMED).map(|term| format!("'{term}'")).collect();
    match terms.len().saturating_sub(MOST_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn find<'a>(fields: &'a [Field], path: &str) -> Option<&'a Field> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let field = fields.iter().find(|field| field.name == name)?;
    match rest {
        Some(rest) => find(field.fields(), rest),
        None => Some(field),
    }
}

/// The rows of a mapping, those left out that have an empty field among `columns`.
fn rows<const N: usize>(
    mappings: &[MappingTable],
    setting: &str,
    name: &str,
    columns: [&str; N],
) -> Result<Vec<[String; N]>> {
    let Some(mapping) = mappings.iter().find(|mapping| mapping.name == name) else {
        let near = did_you_mean(name, mappings.iter().map(|mapping| mapping.name.as_str()));
        return Err(Error::config(format!("vocabularies.{setting}: there is no mapping {name}{near}")));
    };
    let mut arrays = Vec::with_capacity(N);
    for column in columns {
        let array = mapping.rows.column_by_name(column).and_then(|array| array.as_string_opt::<i32>());
        arrays.push(array.ok_or_else(|| {
            Error::config(format!("vocabularies.{setting}: the mapping {name} has no column {column}"))
        })?);
    }
    let row = |index: usize| {
        let valid = arrays.iter().filter(|array| array.is_valid(index));
        <[String; N]>::try_from(valid.map(|array| array.value(index).to_owned()).collect::<Vec<_>>()).ok()
    };
    Ok((0..mapping.rows.num_rows()).filter_map(row).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
    use serde_json::json;

    use super::*;

    fn mapping(name: &str, columns: &[(&str, &[&str])]) -> MappingTable {
        let column = |texts: &[&str]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        let rows = RecordBatch::try_from_iter(columns.iter().map(|(name, texts)| (*name, column(texts)))).unwrap();
        MappingTable { name: name.to_owned(), hash: String::new(), rows, lines: Vec::new() }
    }

    #[test]
    fn terms_that_a_closed_list_lacks_and_fields_that_are_none_are_told() {
        let mappings = [
            mapping(
                "field",
                &[
                    ("target", &["promo", "*", "promo", "promo", "project", "*"]),
                    ("field", &["kind", "parts.code", "open", "knid", "kind", "nowhere"]),
                    ("vocabulary", &["kinds", "codes", "kinds", "kinds", "codes", "kinds"]),
                ],
            ),
            mapping(
                "term",
                &[
                    ("vocabulary", &["kinds", "kinds", "kinds", "codes", "codes"]),
                    ("canonical", &["Film", "Filn", "Zebra", "x", "y"]),
                ],
            ),
        ];
        let options = json!([{"value": "Film"}, {"value": "Short"}]);
        let fields = json!([
            {"name": "kind", "type": "single-option", "options": options},
            {"name": "open", "type": "single-option"},
            {"name": "parts", "type": "complex", "multiplicity": "0..*", "children": [
                {"name": "code", "type": "single-option", "options": [{"value": "x"}]}]},
        ]);
        let fields = serde_json::from_value(fields).unwrap();
        let definition = Definition { id: 1, name: "D".into(), enabled: true, fields };
        let named = Vocabularies { fields: "field".into(), terms: "term".into() };
        let found = named.read(&mappings).unwrap().mismatches("promo", &definition);
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "field `kind`: the query gives 'Filn', 'Zebra' of the vocabulary `kinds`; D has no such option; did you \
                 mean Film; add it there, or take it out of the vocabulary",
                "field `parts.code`: the query gives 'y' of the vocabulary `codes`; D has no such option; add it there, \
                 or take it out of the vocabulary",
                "field `knid`: the query gives terms of `kinds`, by the mapping field; D has no such field; did you mean \
                 kind?",
            ]
        );
        for (fields, terms, problem) in [
            ("feild", "term", "vocabularies.fields: there is no mapping feild; did you mean field?"),
            ("field", "field", "vocabularies.terms: the mapping field has no column canonical"),
        ] {
            let named = Vocabularies { fields: fields.into(), terms: terms.into() };
            assert!(named.read(&mappings).unwrap_err().to_string().contains(problem), "{problem}");
        }
    }
}
