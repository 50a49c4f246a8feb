//! Finds the shape of documents while they are read.

use super::scan::Visitor;
use super::shape::{MOST_FIELDS, MOST_NESTED, Numbers, Shape, kinds};
use super::token::{Number, Quoted, is_exact_float, is_integer};

/// Finds the shape of the documents that it visits. What a document adds stays once it is [kept](Finder::keep); a broken
/// one leaves no trace.
#[derive(Debug, Default)]
pub(super) struct Finder {
    shape: Shape,
    /// The node of the value at hand.
    at: usize,
    open: Vec<Open>,
    /// What the document at hand has changed, newest last.
    changed: Vec<Change>,
    /// Nodes before the document at hand.
    nodes: usize,
    buffer: String,
}

/// An open object or array.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// The object's node; of an array that of its items.
    node: usize,
    /// The place of the field that is likely to come next.
    next: usize,
}

/// What was before a change.
#[derive(Debug, Clone, Copy)]
enum Change {
    Kinds(usize, u8),
    Numbers(usize, Numbers),
    Items(usize),
    Field(usize),
}

impl Finder {
    /// The shape of what was visited since it was last taken.
    pub(super) fn take(&mut self) -> Shape {
        let shape = std::mem::take(&mut self.shape);
        self.keep();
        shape
    }

    /// The shape of what was kept.
    pub(super) fn into_shape(mut self) -> Shape {
        self.drop_document();
        self.shape
    }

    /// Keeps what the document at hand has added.
    pub(super) fn keep(&mut self) {
        self.changed.clear();
        self.begin();
    }

    /// Takes back what the document at hand has added.
    pub(super) fn drop_document(&mut self) {
        for change in std::mem::take(&mut self.changed).into_iter().rev() {
            match change {
                Change::Kinds(node, kinds) => self.shape.nodes[node].kinds = kinds,
                Change::Numbers(node, numbers) => self.shape.nodes[node].numbers = numbers,
                Change::Items(node) => self.shape.nodes[node].items = None,
                Change::Field(node) => self.shape.nodes[node].object.pop(),
            }
        }
        self.shape.nodes.truncate(self.nodes.max(1));
        self.begin();
    }

    fn begin(&mut self) {
        self.at = 0;
        self.open.clear();
        self.nodes = self.shape.nodes.len();
    }

    /// The value at hand is of this kind.
    #[inline]
    fn see(&mut self, kind: u8) {
        let node = &mut self.shape.nodes[self.at];
        if node.kinds & kind == 0 {
            self.changed.push(Change::Kinds(self.at, node.kinds));
            node.kinds |= kind;
        }
    }

    fn end(&mut self) {
        self.open.pop();
        self.at = self.open.last().map_or(0, |open| open.node);
    }
}

impl Visitor for Finder {
    #[inline]
    fn wants_text(&self) -> bool {
        self.shape.nodes[self.at].kinds & kinds::TEXT != 0 || self.open.len() > MOST_NESTED
    }

    fn text(&mut self, _text: &str) {
        self.see(kinds::TEXT);
    }

    fn boolean(&mut self, _value: bool) {
        self.see(kinds::BOOLEAN);
    }

    #[inline]
    fn number(&mut self, number: Number<'_>) {
        self.see(kinds::NUMBER);
        let node = &mut self.shape.nodes[self.at];
        let before = node.numbers;
        let after = Numbers {
            integers: before.integers && is_integer(number),
            floats: before.floats && is_exact_float(number),
        };
        if after != before {
            self.changed.push(Change::Numbers(self.at, before));
            node.numbers = after;
        }
    }

    #[inline]
    fn string(&mut self, _string: Quoted<'_>) {
        self.see(kinds::STRING);
    }

    fn begin_object(&mut self) {
        self.see(kinds::OBJECT);
        self.open.push(Open { node: self.at, next: 0 });
    }

    #[inline]
    fn likely_key(&self) -> Option<&[u8]> {
        let open = self.open.last()?;
        let field = self.shape.nodes[open.node].object.fields.get(open.next)?;
        Some(field.written.as_slice()).filter(|written| !written.is_empty())
    }

    #[inline]
    fn take_likely_key(&mut self) -> usize {
        let Some(open) = self.open.last_mut() else { return 0 };
        let place = open.next;
        open.next += 1;
        self.at = self.shape.nodes[open.node].object.fields[place].node;
        place
    }

    fn key(&mut self, key: Quoted<'_>) -> Option<usize> {
        let open = self.open.last_mut()?;
        let name = key.decoded(&mut self.buffer);
        let place = match self.shape.nodes[open.node].object.place(name, open.next) {
            Some(place) => place,
            None => {
                let added = self.shape.add();
                self.changed.push(Change::Field(open.node));
                self.shape.nodes[open.node].object.add(name, added)
            }
        };
        open.next = place + 1;
        self.at = self.shape.nodes[open.node].object.fields[place].node;
        Some(place)
    }

    fn end_object(&mut self) {
        self.end_of_many();
        self.end();
    }

    fn begin_array(&mut self) {
        self.see(kinds::ARRAY);
        let items = match self.shape.nodes[self.at].items {
            Some(items) => items,
            None => {
                let added = self.shape.add();
                self.changed.push(Change::Items(self.at));
                self.shape.nodes[self.at].items = Some(added);
                added
            }
        };
        self.open.push(Open { node: items, next: 0 });
        self.at = items;
    }

    fn end_array(&mut self) {
        self.end();
    }
}

impl Finder {
    /// Objects of too many fields are not looked into any more: what they hold is text, and their keys may never end.
    fn end_of_many(&mut self) {
        let Some(node) = self.open.last().map(|open| open.node) else { return };
        if self.shape.nodes[node].object.fields.len() > MOST_FIELDS {
            self.at = node;
            self.see(kinds::TEXT);
        }
    }
}
