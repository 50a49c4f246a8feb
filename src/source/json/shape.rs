//! The shape of a group of documents: which fields there are and what they hold, found from all documents and not from a
//! sample. A type is taken where every value of the field is exactly one of it; otherwise the field holds the JSON text of
//! its values, byte for byte.
//!
//! | values | column |
//! |---|---|
//! | `true`, `false` | Boolean |
//! | integers of 64 bits | Int64 |
//! | numbers that a float of 64 bits holds exactly as they are written | Float64 |
//! | other numbers (`1e400`, 40 digits) | Utf8, the number as it is written |
//! | strings | Utf8 |
//! | objects | Struct, fields in the order in which they first come |
//! | arrays | List |
//! | several of these; objects of no field; arrays that are all empty; what is nested deeper than [`MOST_NESTED`]; objects of more than [`MOST_FIELDS`] fields | Utf8, JSON |
//! | nothing but null | Utf8 |
//!
//! A Utf8 column of JSON text has the metadata `json = value`, one of numbers `json = number`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::token::written_key;

/// Levels of objects and arrays that become columns. Parquet's readers and SQL engines recurse over them.
pub(super) const MOST_NESTED: usize = 24;
/// Fields of one object that become columns; one with more is a table by its keys.
pub(super) const MOST_FIELDS: usize = 2_000;
/// The metadata key that says what a text column holds.
pub const JSON: &str = "json";

/// A column of numbers as they are written, all their digits kept.
pub fn number_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true).with_metadata([(JSON.to_owned(), "number".to_owned())].into())
}

/// What values are, a bit each.
pub(super) mod kinds {
    pub(in super::super) const BOOLEAN: u8 = 1;
    pub(in super::super) const STRING: u8 = 2;
    pub(in super::super) const NUMBER: u8 = 4;
    pub(in super::super) const OBJECT: u8 = 8;
    pub(in super::super) const ARRAY: u8 = 16;
    /// Not looked into: the field is JSON text, whatever else comes.
    pub(in super::super) const TEXT: u8 = 32;
}

/// What all numbers of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) integers: bool,
    pub(super) floats: bool,
}

/// What the values of one field are.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kinds: u8,
    pub(super) numbers: Numbers,
    pub(super) object: Object,
    /// The node of the items of arrays.
    pub(super) items: Option<usize>,
}

impl Default for Node {
    fn default() -> Self {
        let numbers = Numbers { integers: true, floats: true };
        Self { kinds: 0, numbers, object: Object::default(), items: None }
    }
}

/// The fields of objects, in the order in which they first came.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    pub(super) fields: Vec<Named>,
    places: HashMap<String, usize>,
}

/// A field.
#[derive(Debug, Clone)]
pub(super) struct Named {
    name: String,
    /// As [`written_key`] has it.
    pub(super) written: Vec<u8>,
    pub(super) node: usize,
}

impl Object {
    /// The place of a field; `guess` is where it is if it follows the one before as it did first.
    pub(super) fn place(&self, name: &str, guess: usize) -> Option<usize> {
        match self.fields.get(guess) {
            Some(field) if field.name == name => Some(guess),
            _ => self.places.get(name).copied(),
        }
    }

    /// Adds a field.
    pub(super) fn add(&mut self, name: &str, node: usize) -> usize {
        let place = self.fields.len();
        self.places.insert(name.to_owned(), place);
        self.fields.push(Named { name: name.to_owned(), written: written_key(name), node });
        place
    }

    /// Takes the field back that was added last.
    pub(super) fn pop(&mut self) {
        if let Some(field) = self.fields.pop() {
            self.places.remove(&field.name);
        }
    }
}

/// What the documents of a group hold, as a tree of nodes.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// The first is the root.
    pub(super) nodes: Vec<Node>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Shape {
    /// Adds a node of nothing.
    pub(super) fn add(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// Takes up what other documents of the group hold. Field order is then that of these, then of those.
    pub(super) fn merge(&mut self, other: &Self) {
        // What is deeper than columns go is no node, so this recurses no deeper.
        self.merge_node(0, other, 0);
    }

    fn merge_node(&mut self, own: usize, other: &Self, theirs: usize) {
        let (node, more) = (&mut self.nodes[own], &other.nodes[theirs]);
        node.kinds |= more.kinds;
        node.numbers.integers &= more.numbers.integers;
        node.numbers.floats &= more.numbers.floats;
        if let Some(items) = more.items {
            let own = self.nodes[own].items.unwrap_or_else(|| {
                let added = self.add();
                self.nodes[own].items = Some(added);
                added
            });
            self.merge_node(own, other, items);
        }
        for (guess, field) in more.object.fields.iter().enumerate() {
            let child = match self.nodes[own].object.place(&field.name, guess) {
                Some(place) => self.nodes[own].object.fields[place].node,
                None => {
                    let added = self.add();
                    self.nodes[own].object.add(&field.name, added);
                    added
                }
            };
            self.merge_node(child, other, field.node);
        }
    }

    /// The fields of the documents as columns; `None` where they are none or too many.
    pub(super) fn fields(&self) -> Option<Fields> {
        self.fields_of(&self.nodes[0])
    }

    fn fields_of(&self, node: &Node) -> Option<Fields> {
        let fields = &node.object.fields;
        if fields.is_empty() || fields.len() > MOST_FIELDS {
            return None;
        }
        Some(fields.iter().map(|field| self.field(&field.name, &self.nodes[field.node])).collect())
    }

    /// The fields that were found, in their order, each as declared where it is; then those that were declared and not found.
    pub(super) fn declared_as(&self, declared: &Fields) -> Vec<FieldRef> {
        self.object_as(&self.nodes[0].object, declared)
    }

    fn object_as(&self, object: &Object, declared: &Fields) -> Vec<FieldRef> {
        let known = object.fields.iter().map(|field| match declared.find(&field.name) {
            Some((_, declared)) => self.node_as(&self.nodes[field.node], declared),
            None => self.field(&field.name, &self.nodes[field.node]),
        });
        let missing = declared.iter().filter(|field| !object.places.contains_key(field.name()));
        known.chain(missing.cloned()).collect()
    }

    /// The declared field, with what was found within its structs and is not declared.
    fn node_as(&self, node: &Node, declared: &FieldRef) -> FieldRef {
        let field = |data_type| Arc::new(Field::new(declared.name(), data_type, true));
        let is = |kind| node.kinds & kind != 0;
        match (declared.data_type(), node.items) {
            (DataType::Struct(fields), _) if is(kinds::OBJECT) => {
                field(DataType::Struct(self.object_as(&node.object, fields).into()))
            }
            (DataType::List(item), Some(items)) if is(kinds::ARRAY) => {
                field(DataType::List(self.node_as(&self.nodes[items], item)))
            }
            _ => Arc::clone(declared),
        }
    }

    /// Whether columns of these fields hold all that was found, exactly.
    pub(super) fn fit(&self, fields: &[FieldRef]) -> bool {
        self.object_fits(&self.nodes[0].object, fields)
    }

    fn object_fits(&self, object: &Object, fields: &[FieldRef]) -> bool {
        object.fields.iter().all(|found| {
            let field = fields.iter().find(|field| *field.name() == found.name);
            field.is_some_and(|field| self.node_fits(&self.nodes[found.node], field))
        })
    }

    fn node_fits(&self, node: &Node, field: &Field) -> bool {
        let what = field.metadata().get(JSON);
        if node.kinds == 0 || what.is_some_and(|what| what == "value") {
            return true;
        }
        match (field.data_type(), node.kinds) {
            (DataType::Boolean, kinds::BOOLEAN) => true,
            (DataType::Int64, kinds::NUMBER) => node.numbers.integers,
            (DataType::Float64, kinds::NUMBER) => node.numbers.floats,
            (DataType::Struct(fields), kinds::OBJECT) => self.object_fits(&node.object, fields),
            (DataType::List(item), kinds::ARRAY) => {
                node.items.is_none_or(|items| self.node_fits(&self.nodes[items], item))
            }
            (DataType::Utf8, kinds::NUMBER) => what.is_some(),
            (DataType::Utf8, kinds::STRING) => what.is_none(),
            _ => false,
        }
    }

    fn field(&self, name: &str, node: &Node) -> FieldRef {
        let field = |data_type| Field::new(name, data_type, true);
        let text = |what: &str| field(DataType::Utf8).with_metadata([(JSON.to_owned(), what.to_owned())].into());
        Arc::new(match node.kinds {
            0 | kinds::STRING => field(DataType::Utf8),
            kinds::BOOLEAN => field(DataType::Boolean),
            kinds::NUMBER if node.numbers.integers => field(DataType::Int64),
            kinds::NUMBER if node.numbers.floats => field(DataType::Float64),
            kinds::NUMBER => text("number"),
            kinds::OBJECT => match self.fields_of(node) {
                Some(fields) => field(DataType::Struct(fields)),
                None => text("value"),
            },
            kinds::ARRAY => match node.items.map(|items| &self.nodes[items]) {
                Some(items) if items.kinds != 0 => field(DataType::List(self.field("item", items))),
                _ => text("value"),
            },
            _ => text("value"),
        })
    }
}
