//! What a group of documents holds, value by value: at every path how many values of which form, where the first of each
//! stands, and how many are not what a rule wants. Unlike a shape it forgets no value that is rarer than others.
//!
//! A path is written `title`, `file.bytes`, `keywords[]`, `airings[].at`; `$` is the document itself. A name with other
//! characters than letters, digits and those of `_-@:/~` stands in double quotes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::documents::{self, Document};
use super::rule::{Breach, Rule};
use super::scan::{Number, Quoted, Visitor};
use super::shape::MOST_NESTED;

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

/// What a value is. Integers are of 64 bits; other numbers are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 64 bits.
    Integer,
    /// Any other number.
    Number,
    /// A text.
    String,
    /// An object.
    Object,
    /// A list.
    Array,
    /// Nested so deep that it is not looked at.
    Deep,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Null,
        Self::Boolean,
        Self::Integer,
        Self::Number,
        Self::String,
        Self::Object,
        Self::Array,
        Self::Deep,
    ];

    /// The word of reports and datasets.
    pub fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Object => "object",
            Self::Array => "array",
            Self::Deep => "deep",
        }
    }
}

/// Where a value stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The object, as it was named to [`Census::read`].
    pub object: String,
    /// The document's number in it.
    pub document: u64,
    /// Bytes of the object's text before the value's field, or before the value in a list; before the document where the text
    /// is not the object's bytes (gzip, UTF-16).
    pub offset: u64,
}

/// How often something is, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// Where first, in the order of reading.
    pub first: Place,
    /// The first value, shortened, where it is told.
    pub example: Option<String>,
}

impl Tally {
    fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        if self.count == 0 {
            *self = other;
        }
        self.count = count;
    }
}

/// What is at a path.
#[derive(Debug, Clone)]
pub struct Found<'c> {
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
        documents::read(bytes, limit, self, |census, document| {
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
        self.list(0, ROOT_PATH.to_owned(), None, &mut found);
        found
    }

    fn list<'c>(&'c self, node: usize, path: String, parent: Option<usize>, found: &mut Vec<Found<'c>>) {
        let Some(this) = self.nodes.get(node) else { return };
        if this.forms.is_empty() && this.breaches.is_empty() {
            return;
        }
        let place = found.len();
        found.push(Found { path: path.clone(), parent, forms: &this.forms, breaches: &this.breaches });
        for field in &this.fields {
            let name = self.nodes.get(*field).map_or("", |node| &node.name);
            let path = if node == 0 { written(name) } else { format!("{path}.{}", written(name)) };
            self.list(*field, path, Some(place), found);
        }
        if let Some(items) = this.items {
            self.list(items, format!("{path}[]"), Some(place), found);
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
        self.open.push(Open { node: self.at, last: None, is_object: true, number: self.objects });
    }

    fn key(&mut self, key: Quoted<'_>) {
        self.offset = self.place_of(key.raw, 1);
        let Some(open) = self.open.last().copied() else { return };
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
    }

    fn end_object(&mut self) {
        let Some(open) = self.open.pop() else { return };
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
        self.open.push(Open { node: self.at, last: None, is_object: false, number: 0 });
        self.at = self.items(self.at);
    }

    fn end_array(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.at = open.node;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(census: &Census) -> Vec<String> {
        let line = |found: Found<'_>| {
            let forms = found.forms.iter().map(|(form, tally)| format!(" {} {}", form.word(), tally.count));
            let breaches = found.breaches.iter().map(|(breach, tally)| format!(" !{} {}", breach.word(), tally.count));
            format!("{}:{}{}", found.path, forms.collect::<String>(), breaches.collect::<String>())
        };
        census.paths().into_iter().map(line).collect()
    }

    fn of(rule: Option<&Arc<Rule>>, texts: &[&str]) -> Census {
        let mut census = Census::new(rule);
        texts.iter().enumerate().for_each(|(number, text)| {
            census.read(&format!("o{number}"), text.as_bytes(), 1 << 20, |_| {});
        });
        census
    }

    const TEXTS: [&str; 4] = [
        r#"{"id": 1, "a.b": {"c": [1, 2.5, "x"]}, "tags": []}"#,
        "{\"id\": \"2\", \"tags\": [\"t\"], \"n\": null}\n{\"id\": 3, \"broken\": 1,}\n{\"id\": 4, \"tags\": [null, {\"k\": true}]}",
        "[1]",
        r#"{"id": {"en": "x"}}"#,
    ];

    #[test]
    fn values_are_counted_by_path_and_form_and_broken_documents_are_not() {
        let census = of(None, &TEXTS);
        let expected = [
            "$: object 4 array 1",
            "id: integer 2 string 1 object 1",
            "id.en: string 1",
            "\"a.b\": object 1",
            "\"a.b\".c: array 1",
            "\"a.b\".c[]: integer 1 number 1 string 1",
            "tags: array 3",
            "tags[]: null 1 string 1 object 1",
            "tags[].k: boolean 1",
            "n: null 1",
            "$[]: integer 1",
        ];
        assert_eq!(told(&census), expected);
        assert_eq!(census.documents(), 5);
        let paths = census.paths();
        let first = |path: &str, form: Form| {
            let found = paths.iter().find(|found| found.path == path).unwrap();
            let place = &found.forms[&form].first;
            let number: usize = place.object[1..].parse().unwrap();
            (place.document, TEXTS[number][usize::try_from(place.offset).unwrap()..].to_owned())
        };
        assert!(first("id", Form::String).1.starts_with("\"id\": \"2\""));
        assert!(first("id", Form::Object).1.starts_with("\"id\": {"));
        assert!(first("\"a.b\".c[]", Form::Number).1.starts_with("2.5"));
        assert!(first("\"a.b\".c[]", Form::String).1.starts_with("\"x\""));
        let (document, text) = first("tags[].k", Form::Boolean);
        assert!(document == 2 && text.starts_with("\"k\""), "{document} {text}");
    }

    #[test]
    fn parts_that_are_put_together_are_the_whole_also_by_way_of_a_file() {
        let whole = of(None, &TEXTS);
        let mut parts = of(None, &TEXTS[..1]);
        let mut census: Census = serde_json::from_str(&serde_json::to_string(&parts).unwrap()).unwrap();
        for (number, text) in TEXTS.iter().enumerate().skip(1) {
            let mut part = Census::new(None);
            part.read(&format!("o{number}"), text.as_bytes(), 1 << 20, |_| {});
            parts.merge(part.clone());
            census.merge(part);
        }
        for census in [&parts, &census] {
            assert_eq!(told(census), told(&whole));
            let firsts = |census: &Census| -> Vec<Tally> {
                census.paths().iter().flat_map(|found| found.forms.values().cloned().collect::<Vec<_>>()).collect()
            };
            assert_eq!(firsts(census), firsts(&whole));
        }
    }

    #[test]
    fn tables_by_their_keys_and_what_is_deep_have_bounds() {
        let keys: String = (0..5_000).map(|number| format!("\"k{number}\": 1,")).collect();
        let census = of(None, &[&format!("{{{keys} \"z\": \"\"}}")]);
        let lines = told(&census);
        assert_eq!(lines.len(), 2 + MOST_FIELDS);
        assert_eq!(lines.last().unwrap(), "*: integer 3000 string 1");
        let deep = of(None, &[&format!("{}{}", "[".repeat(100), "]".repeat(100))]);
        assert_eq!(told(&deep).last().unwrap().split_once(": ").unwrap().1, "deep 1");
        assert_eq!(deep.paths().len(), MOST_NESTED + 2);
    }

    #[test]
    fn what_a_rule_forbids_is_counted_with_an_example() {
        let text = |longest| Arc::new(Rule { longest: Some(longest), required: true, ..Rule::default() });
        let options = Arc::new(Rule { options: Some(["a".to_owned()].into()), ..Rule::default() });
        let list = Arc::new(Rule { item: Some(options), ..Rule::default() });
        let rule = Arc::new(Rule { fields: [("t".into(), text(2)), ("l".into(), list)].into(), ..Rule::default() });
        let census = of(Some(&rule), &[r#"{"t": "abc", "l": ["a", "b"]}"#, "{\"t\": null}\n{}\n{\"t\": ", "{\"t\": \"x\"}"]);
        let expected = ["$: object 4", "t: null 1 string 2 !missing 2 !length 1", "l: array 1", "l[]: string 2 !option 1"];
        assert_eq!(told(&census), expected);
        let example = census.paths()[3].breaches[&Breach::Option].example.clone();
        assert_eq!(example.as_deref(), Some("b"));
    }
}
