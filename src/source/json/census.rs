//! What a group of documents holds, value by value: at every path how many values of which form, where the first of each
//! stands, and how many are not what a rule wants. Unlike a shape it forgets no value that is rarer than others.
//!
//! A path is written `title`, `file.bytes`, `keywords[]`, `airings[].at`; `$` is the document itself. A name with other
//! characters than letters, digits and those of `_-@:/~` stands in double quotes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::documents::{Document, Limits};
use super::form::{Form, Place, Tally};
use super::rule::{Breach, Rule};
use super::scan::Visitor;
use super::shape::MOST_NESTED;
use super::text;
use super::token::{Number, Quoted};

/// Fields of one object that are counted by themselves; one with more is a table by its keys, whose further ones are counted
/// together as [`REST`].
const MOST_FIELDS: usize = 2_000;
/// Paths of a census, for the same reason.
const MOST_PATHS: usize = 20_000;
/// The name of all fields that are not counted by themselves.
const REST: &str = "*";
/// The longest example, in characters.
const LONGEST_EXAMPLE: usize = 80;
/// The path of a document itself.
pub const ROOT_PATH: &str = "$";

/// The last step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'c> {
    /// The document itself.
    Root,
    /// A field of an object.
    Field(&'c str),
    /// The items of a list.
    Items,
}

/// What is at a path.
#[derive(Debug, Clone)]
pub struct Found<'c> {
    /// How it is reached from what it lies in.
    pub step: Step<'c>,
    /// The path.
    pub path: String,
    /// The place in the list of what the path lies in; none for the document itself.
    pub parent: Option<usize>,
    /// How many values of each form.
    pub forms: &'c BTreeMap<Form, Tally>,
    /// How many of them are not as the rule wants.
    pub breaches: &'c BTreeMap<Breach, Tally>,
}

/// What is counted of one document before it is known to be whole.
#[derive(Debug, Clone, Copy, Default)]
struct Pending {
    count: u64,
    offset: Option<usize>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Node {
    name: String,
    /// Nodes of fields, in the order in which they first came.
    fields: Vec<usize>,
    items: Option<usize>,
    forms: BTreeMap<Form, Tally>,
    breaches: BTreeMap<Breach, Tally>,
    /// Places in `fields` by name.
    #[serde(skip)]
    places: HashMap<String, usize>,
    #[serde(skip)]
    rule: Option<Arc<Rule>>,
    /// Nodes of required fields.
    #[serde(skip)]
    required: Vec<usize>,
    #[serde(skip)]
    pending: [Pending; Form::ALL.len()],
    #[serde(skip)]
    pending_breaches: BTreeMap<Breach, (Pending, Option<String>)>,
    #[serde(skip)]
    is_touched: bool,
    /// The number of the object that had the field last.
    #[serde(skip)]
    seen_in: u64,
}

/// An object or array that is being read.
#[derive(Debug, Clone, Copy)]
struct Open {
    node: usize,
    /// The place of the field that came last; none in an array.
    last: Option<usize>,
    is_object: bool,
    number: u64,
    /// Where it stands.
    offset: Option<usize>,
}

/// Counts what documents hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Census {
    nodes: Vec<Node>,
    /// Documents that were counted.
    documents: u64,
    #[serde(skip)]
    at: usize,
    #[serde(skip)]
    open: Vec<Open>,
    #[serde(skip)]
    touched: Vec<usize>,
    #[serde(skip)]
    objects: u64,
    /// Addresses of the object's bytes, and the place in it of what was read last.
    #[serde(skip)]
    bytes: Range<usize>,
    #[serde(skip)]
    offset: Option<usize>,
    #[serde(skip)]
    buffer: String,
}

impl Census {
    /// Of documents that are to follow this rule; of any, without one.
    pub fn new(rule: Option<&Arc<Rule>>) -> Self {
        let mut census = Self {
            nodes: Vec::new(),
            documents: 0,
            at: 0,
            open: Vec::new(),
            touched: Vec::new(),
            objects: 0,
            bytes: 0..0,
            offset: None,
            buffer: String::new(),
        };
        census.add(String::new(), rule);
        census
    }

    /// Counts what the documents of an object hold, as far as they can be read, and tells each of them.
    pub fn read(&mut self, object: &str, bytes: &[u8], limit: usize, mut each: impl FnMut(Document)) {
        let begin = bytes.as_ptr().addr();
        self.bytes = begin..begin + bytes.len();
        let limits = Limits { document: limit, held: limit };
        text::read(bytes, limits, self, &mut |census, document| {
            census.end(object, &document);
            each(document);
        });
    }

    /// Documents that were counted.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Every path at which something was, what lies in it after it.
    pub fn paths(&self) -> Vec<Found<'_>> {
        let mut found = Vec::new();
        self.list(0, (Step::Root, ROOT_PATH.to_owned()), None, &mut found);
        found
    }

    fn list<'c>(
        &'c self,
        node: usize,
        (step, path): (Step<'c>, String),
        parent: Option<usize>,
        found: &mut Vec<Found<'c>>,
    ) {
        let Some(this) = self.nodes.get(node) else { return };
        if this.forms.is_empty() && this.breaches.is_empty() {
            return;
        }
        let place = found.len();
        found.push(Found { step, path: path.clone(), parent, forms: &this.forms, breaches: &this.breaches });
        for field in &this.fields {
            let name = self.nodes.get(*field).map_or("", |node| &node.name);
            let path = if node == 0 { written(name) } else { format!("{path}.{}", written(name)) };
            self.list(*field, (Step::Field(name), path), Some(place), found);
        }
        if let Some(items) = this.items {
            self.list(items, (Step::Items, format!("{path}[]")), Some(place), found);
        }
    }

    /// Takes up what was counted elsewhere, of documents that follow.
    pub fn merge(&mut self, other: Self) {
        self.documents += other.documents;
        let mut nodes: Vec<Option<Node>> = other.nodes.into_iter().map(Some).collect();
        self.merge_node(0, 0, &mut nodes);
    }

    fn merge_node(&mut self, node: usize, from: usize, nodes: &mut [Option<Node>]) {
        let Some(other) = nodes.get_mut(from).and_then(Option::take) else { return };
        for (form, tally) in other.forms {
            self.nodes[node].forms.entry(form).or_default().merge(tally);
        }
        for (breach, tally) in other.breaches {
            self.nodes[node].breaches.entry(breach).or_default().merge(tally);
        }
        for (guess, field) in other.fields.into_iter().enumerate() {
            let Some(name) = nodes.get(field).and_then(Option::as_ref).map(|node| node.name.clone()) else { continue };
            let place = self.field(node, &name, guess);
            self.merge_node(self.nodes[node].fields[place], field, nodes);
        }
        if let Some(items) = other.items {
            let own = self.items(node);
            self.merge_node(own, items, nodes);
        }
    }

    fn add(&mut self, name: String, rule: Option<&Arc<Rule>>) -> usize {
        let number = self.nodes.len();
        self.nodes.push(Node { name, rule: rule.cloned(), ..Node::default() });
        for (name, _) in rule.iter().flat_map(|rule| &rule.fields).filter(|(_, rule)| rule.required) {
            let place = self.field(number, name, usize::MAX);
            let field = self.nodes[number].fields[place];
            self.nodes[number].required.push(field);
        }
        number
    }

    /// The place of a field; `guess` is where it is if it follows the one before as it did first.
    fn field(&mut self, node: usize, name: &str, guess: usize) -> usize {
        let this = &mut self.nodes[node];
        if this.places.len() < this.fields.len() {
            // It was kept in a file.
            let fields: Vec<(usize, usize)> = this.fields.iter().copied().enumerate().collect();
            let places = fields.into_iter().map(|(place, field)| (self.nodes[field].name.clone(), place)).collect();
            self.nodes[node].places = places;
        }
        let this = &self.nodes[node];
        if this.fields.get(guess).is_some_and(|field| self.nodes[*field].name == name) {
            return guess;
        }
        if let Some(place) = this.places.get(name) {
            return *place;
        }
        let is_full = this.fields.len() >= MOST_FIELDS || self.nodes.len() >= MOST_PATHS;
        if is_full && name != REST {
            return self.field(node, REST, usize::MAX);
        }
        let rule = this.rule.as_ref().and_then(|rule| rule.fields.get(name)).cloned();
        let place = this.fields.len();
        let field = self.add(name.to_owned(), rule.as_ref());
        let this = &mut self.nodes[node];
        this.fields.push(field);
        this.places.insert(name.to_owned(), place);
        place
    }

    fn items(&mut self, node: usize) -> usize {
        if let Some(items) = self.nodes[node].items {
            return items;
        }
        let rule = self.nodes[node].rule.as_ref().and_then(|rule| rule.item.clone());
        let items = self.add(String::new(), rule.as_ref());
        self.nodes[node].items = Some(items);
        items
    }

    /// Counts the document that was seen last, or forgets it where it is broken.
    fn end(&mut self, object: &str, document: &Document) {
        let place = |offset: Option<usize>| Place {
            object: object.to_owned(),
            document: document.number,
            offset: offset.unwrap_or(document.offset) as u64,
        };
        let is_whole = document.fault.is_none();
        self.documents += u64::from(is_whole);
        for node in std::mem::take(&mut self.touched) {
            let node = &mut self.nodes[node];
            node.is_touched = false;
            node.seen_in = 0;
            let pending = std::mem::take(&mut node.pending);
            let breaches = std::mem::take(&mut node.pending_breaches);
            if !is_whole {
                continue;
            }
            for (form, pending) in Form::ALL.into_iter().zip(pending).filter(|(_, pending)| pending.count > 0) {
                add_to(node.forms.entry(form).or_default(), pending, None, place);
            }
            for (breach, (pending, example)) in breaches {
                add_to(node.breaches.entry(breach).or_default(), pending, example, place);
            }
        }
        (self.at, self.offset) = (0, None);
        self.open.clear();
    }

    fn touch(&mut self, node: usize) -> &mut Node {
        if !self.nodes[node].is_touched {
            self.nodes[node].is_touched = true;
            self.touched.push(node);
        }
        &mut self.nodes[node]
    }

    fn count(&mut self, form: Form) {
        let (at, offset) = (self.at, self.offset);
        if let Some(pending) = self.touch(at).pending.get_mut(form as usize) {
            pending.count += 1;
            pending.offset = if pending.count == 1 { offset } else { pending.offset };
        }
        if form == Form::Null && self.nodes[at].rule.as_ref().is_some_and(|rule| rule.required) {
            self.breach(at, Breach::Missing, None);
        }
    }

    fn breach(&mut self, node: usize, breach: Breach, example: Option<&str>) {
        let offset = self.offset;
        let (pending, kept) = self.touch(node).pending_breaches.entry(breach).or_default();
        pending.count += 1;
        if pending.count == 1 {
            pending.offset = offset;
            *kept = example.map(shortened);
        }
    }

    /// Where a token stands whose text begins at `text`, `before` bytes before it.
    fn place_of(&self, text: &str, before: usize) -> Option<usize> {
        let address = text.as_ptr().addr();
        let place = self.bytes.contains(&address).then(|| address - self.bytes.start)?;
        place.checked_sub(before)
    }

    /// The place of a value that follows no key.
    fn at_item(&mut self, text: &str, before: usize) {
        if !self.open.last().is_some_and(|open| open.is_object) {
            self.offset = self.place_of(text, before);
        }
    }
}

fn add_to(tally: &mut Tally, pending: Pending, example: Option<String>, place: impl Fn(Option<usize>) -> Place) {
    if tally.count == 0 {
        (tally.first, tally.example) = (place(pending.offset), example);
    }
    tally.count += pending.count;
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_EXAMPLE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A name within a path.
fn written(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-@:/~*".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) { name.to_owned() } else { format!("{name:?}") }
}

impl Visitor for Census {
    fn wants_text(&self) -> bool {
        self.open.len() > MOST_NESTED
    }

    fn text(&mut self, _text: &str) {
        self.count(Form::Deep);
    }

    fn null(&mut self) {
        self.count(Form::Null);
    }

    fn boolean(&mut self, _value: bool) {
        self.count(Form::Boolean);
    }

    fn number(&mut self, number: Number<'_>) {
        self.at_item(number.text, 0);
        let whole = if number.is_integer { number.text.parse::<i64>().ok() } else { None };
        self.count(if whole.is_some() { Form::Integer } else { Form::Number });
        let at = self.at;
        let Some(rule) = self.nodes[at].rule.clone() else { return };
        if let Some(breach) = whole.and_then(|whole| rule.breach_of_integer(whole)) {
            self.breach(at, breach, Some(number.text));
        }
    }

    fn string(&mut self, string: Quoted<'_>) {
        self.at_item(string.raw, 1);
        self.count(Form::String);
        let at = self.at;
        let Some(rule) = self.nodes[at].rule.clone() else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        let text = string.decoded(&mut buffer);
        if let Some(breach) = rule.breach_of_text(text) {
            self.breach(at, breach, Some(text));
        }
        self.buffer = buffer;
    }

    fn begin_object(&mut self) {
        self.count(Form::Object);
        self.objects += 1;
        let (node, offset) = (self.at, self.offset);
        self.open.push(Open { node, last: None, is_object: true, number: self.objects, offset });
    }

    fn key(&mut self, key: Quoted<'_>) -> Option<usize> {
        self.offset = self.place_of(key.raw, 1);
        let open = self.open.last().copied()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let guess = open.last.map_or(0, |last| last + 1);
        let place = self.field(open.node, key.decoded(&mut buffer), guess);
        self.buffer = buffer;
        if let Some(open) = self.open.last_mut() {
            open.last = Some(place);
        }
        self.at = self.nodes[open.node].fields[place];
        let at = self.at;
        self.touch(at).seen_in = open.number;
        // Several fields may share a place.
        None
    }

    fn end_object(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.offset = open.offset;
        for number in 0..self.nodes[open.node].required.len() {
            let field = self.nodes[open.node].required[number];
            if self.nodes[field].seen_in != open.number {
                self.breach(field, Breach::Missing, None);
            }
        }
        self.at = open.node;
    }

    fn begin_array(&mut self) {
        self.count(Form::Array);
        let (node, offset) = (self.at, self.offset);
        self.open.push(Open { node, last: None, is_object: false, number: 0, offset });
        self.at = self.items(self.at);
    }

    fn end_array(&mut self) {
        let Some(open) = self.open.pop() else { return };
        (self.at, self.offset) = (open.node, open.offset);
    }
}

#[cfg(test)]
mod tests;
