//! What the documents of a group are to hold: the fields of the target's definition, by name; else those that are declared for
//! queries over documents.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field as Column, Fields};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::super::declared;
use super::settings::{Against, ConflictsConfig};
use crate::dataflow::definition::{Definition, Family, Field};
use crate::error::{Error, Result};
use crate::flex::pulled;
use crate::source::json::{self, Form, Rule, Saying};

/// The folder of queries that bring documents into the target's form, below the project.
const MAPPING: &str = "deliver/transform";

/// What the documents of one group are held to.
#[derive(Debug)]
pub(super) struct Contract {
    /// A definition or a declaration.
    pub(super) against: Against,
    /// The definition's name, or the file of declarations.
    pub(super) name: String,
    /// What a document is.
    pub(super) root: Term,
    rule: Arc<Rule>,
}

/// What a value is to be.
#[derive(Debug)]
pub(super) struct Term {
    /// In words.
    pub(super) wants: String,
    /// The SQL type of one value; empty where there is none.
    pub(super) sql: &'static str,
    /// What one value may be; anything where empty.
    pub(super) forms: &'static [Form],
    /// Whether the value is a list of these.
    pub(super) is_list: bool,
    /// The fields of an object; any where `None`.
    pub(super) fields: Option<BTreeMap<String, Term>>,
    /// The most characters.
    pub(super) longest: Option<usize>,
}

/// The contracts of all groups that have one. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Contracts {
    groups: Arc<BTreeMap<String, Contract>>,
    /// Every name that the queries of the mapping speak of.
    pub(super) spoken_of: Arc<HashSet<String>>,
    /// What values are counted by.
    pub(super) rules: String,
    /// What all of it was read from.
    pub(super) hash: String,
}

impl Contracts {
    /// The contracts of these groups, by the definitions in files and by what the project declares.
    ///
    /// # Errors
    /// [`Error::Config`] with all that is wrong with them.
    pub(super) async fn read(config: &ConflictsConfig, project: &Path, groups: &BTreeSet<String>) -> Result<Self> {
        let (declared, text) = declared::read(project).await?;
        let declared = declared.iter().map(|(group, fields)| (group.clone(), Contract::declared(fields)));
        let (mut contracts, mut problems) = (BTreeMap::from_iter(declared), Vec::new());
        let mut hasher = blake3::Hasher::new();
        for group in groups {
            let definition = match definition(config, group) {
                Ok(Some(definition)) => definition,
                Ok(None) => continue,
                Err(Error::Config { problems: more }) => {
                    problems.extend(more);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let fields = serde_json::to_string(&(group, &definition.name, &definition.fields)).unwrap_or_default();
            hasher.update(fields.as_bytes());
            contracts.insert(group.clone(), Contract::of(&definition));
        }
        if !problems.is_empty() {
            return Err(Error::Config { problems });
        }
        let rules = hasher.finalize().to_hex().to_string();
        hasher.update(text.as_bytes());
        let mut spoken_of = HashSet::new();
        let mapping = project.join(MAPPING);
        if !contracts.is_empty() && mapping.is_dir() {
            names_in(&mapping, &mut spoken_of)?;
            let sorted: BTreeSet<&String> = spoken_of.iter().collect();
            for name in sorted {
                hasher.update(name.as_bytes()).update(b"\n");
            }
        }
        let hash = hasher.finalize().to_hex().to_string();
        Ok(Self { groups: Arc::new(contracts), spoken_of: Arc::new(spoken_of), rules, hash })
    }

    pub(super) fn of(&self, group: &str) -> Option<&Contract> {
        self.groups.get(group)
    }

    pub(super) fn rule(&self, group: &str) -> Option<&Arc<Rule>> {
        self.groups.get(group).map(|contract| &contract.rule)
    }
}

/// The definition that a group is held to, its open lists marked: the one that is set, else that of its own name.
pub(super) fn definition(config: &ConflictsConfig, group: &str) -> Result<Option<Definition>> {
    let set = config.groups.get(group).and_then(|own| own.definition.as_deref());
    let name = set.unwrap_or(group);
    let Some(mut definition) = pulled::read(&config.definitions, name)? else {
        return match set {
            None => Ok(None),
            Some(name) => Err(Error::config(format!(
                "deliver.conflicts.{group}.definition: there is no file of the definition {name} in {}; `telecine flex pull` \
                 writes them",
                config.definitions.display()
            ))),
        };
    };
    let problem = |name: &str| format!("definitions: {} has no field {name} to leave open", definition.name);
    let open = config.open.get(&definition.name).map(Vec::as_slice).unwrap_or_default();
    let problems: Vec<String> = definition.clone().open(open).into_iter().map(problem).collect();
    if !problems.is_empty() {
        return Err(Error::Config { problems });
    }
    definition.open(open);
    Ok(Some(definition))
}

/// All words of the queries below a folder, as they are meant: in quotes as they stand, else in lower case.
fn names_in(folder: &Path, names: &mut HashSet<String>) -> Result<()> {
    let unread = |cause: std::io::Error| Error::config(format!("{}: {cause}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.is_dir() {
            names_in(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            let sql = std::fs::read_to_string(&path).map_err(unread)?;
            // What is no SQL is told by the step that runs it.
            let tokens = Tokenizer::new(&GenericDialect {}, &sql).tokenize().unwrap_or_default();
            names.extend(tokens.into_iter().filter_map(|token| match token {
                Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
                Token::Word(word) => Some(word.value),
                Token::SingleQuotedString(text) => Some(text),
                _ => None,
            }));
        }
    }
    Ok(())
}

impl Contract {
    fn of(definition: &Definition) -> Self {
        let rule = Rule { fields: rules(&definition.fields), ..Rule::default() };
        Self {
            against: Against::Definition,
            name: definition.name.clone(),
            root: root(terms(&definition.fields)),
            rule: Arc::new(rule),
        }
    }

    fn declared(columns: &Fields) -> Self {
        Self {
            against: Against::Declared,
            name: declared::FILE.to_owned(),
            root: root(declared_terms(columns)),
            rule: Arc::default(),
        }
    }

    /// Whether a field of documents has a declared column: values of other types are beside it.
    pub(super) fn declares(&self, field: &str) -> bool {
        self.against == Against::Declared && self.root.fields.as_ref().is_some_and(|fields| fields.contains_key(field))
    }
}

fn root(fields: BTreeMap<String, Term>) -> Term {
    Term {
        wants: "an object".to_owned(),
        sql: "",
        forms: &[Form::Object],
        is_list: false,
        fields: Some(fields),
        longest: None,
    }
}

/// What columns hold, by the table of `declared`.
fn declared_terms(columns: &Fields) -> BTreeMap<String, Term> {
    columns.iter().map(|column| (column.name().clone(), declared_term(column))).collect()
}

fn declared_term(column: &Column) -> Term {
    let (item, is_list) = match column.data_type() {
        DataType::List(item) => (item.as_ref(), true),
        _ => (column, false),
    };
    let is_number = item.metadata().contains_key(json::JSON);
    let (forms, sql, wants): (&[Form], _, _) = match item.data_type() {
        DataType::Boolean => (&[Form::Boolean], "boolean", "boolean"),
        DataType::Int64 => (&[Form::Integer], "bigint", "bigint"),
        DataType::Float64 => (&[Form::Integer, Form::Number], "double", "double"),
        DataType::List(_) => (&[Form::Array], "", "a list"),
        DataType::Struct(_) => (&[Form::Object], "", "struct"),
        _ if is_number => (&[Form::Integer, Form::Number], "", "decimal"),
        _ => (&[Form::String], "varchar", "varchar"),
    };
    let fields = match item.data_type() {
        DataType::Struct(fields) => Some(declared_terms(fields)),
        _ => None,
    };
    let wants = format!("{wants}{}", if is_list { "[]" } else { "" });
    Term { wants, sql, forms, is_list, fields, longest: None }
}

fn terms(fields: &[Field]) -> BTreeMap<String, Term> {
    fields.iter().map(|field| (field.name.clone(), term(field))).collect()
}

fn term(field: &Field) -> Term {
    let (forms, sql): (&[Form], _) = match field.family() {
        Family::Text | Family::Option => (&[Form::String], "varchar"),
        Family::Integer => (&[Form::Integer], "int"),
        Family::Long => (&[Form::Integer], "bigint"),
        Family::Number => (&[Form::Integer, Form::Number], "double"),
        Family::Boolean => (&[Form::Boolean], "boolean"),
        Family::Date => (&[Form::String], "date"),
        Family::Time => (&[Form::String], "timestamp"),
        Family::Complex => (&[Form::Object], ""),
        Family::Reference | Family::Other => (&[], ""),
    };
    let is_list = field.is_multiple();
    let list = if is_list { "list of " } else { "" };
    let required = if field.is_required() { ", required" } else { "" };
    Term {
        wants: format!("{list}{}{required}", field.kind),
        sql,
        forms,
        is_list,
        fields: (field.family() == Family::Complex).then(|| terms(field.fields())),
        longest: field.longest(),
    }
}

fn rules(fields: &[Field]) -> BTreeMap<String, Arc<Rule>> {
    fields.iter().map(|field| (field.name.clone(), Arc::new(rule(field)))).collect()
}

fn rule(field: &Field) -> Rule {
    let one = Rule {
        required: false,
        options: field.is_closed().then(|| field.option_values().map(str::to_owned).collect()),
        longest: field.longest(),
        is_short: field.family() == Family::Integer,
        says: match field.family() {
            Family::Date => Saying::Date,
            Family::Time => Saying::Moment,
            _ => Saying::Anything,
        },
        fields: rules(field.fields()),
        item: None,
    };
    let required = field.is_required();
    match field.is_multiple() {
        true => Rule { required, item: Some(Arc::new(one)), ..Rule::default() },
        false => Rule { required, ..one },
    }
}
