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

use super::scan::{Number, Quoted, Visitor};

/// Levels of objects and arrays that become columns. Parquet's readers and SQL engines recurse over them.
pub(super) const MOST_NESTED: usize = 24;
/// Fields of one object that become columns; one with more is a table by its keys.
const MOST_FIELDS: usize = 2_000;
/// The metadata key that says what a text column holds.
pub const JSON: &str = "json";

/// A column of numbers as they are written, all their digits kept.
pub fn number_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true).with_metadata([(JSON.to_owned(), "number".to_owned())].into())
}

/// Integers up to this are floats of 64 bits, too.
const EXACT: u64 = 1 << 53;

/// What the values of one field are.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    booleans: bool,
    strings: bool,
    numbers: Option<Numbers>,
    object: Option<Object>,
    array: Option<Box<Shape>>,
    /// Nested too deep to be looked at.
    deeper: bool,
}

/// What all numbers of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    integers: bool,
    floats: bool,
}

/// The fields of an object, in the order in which they first came.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    names: Vec<String>,
    shapes: Vec<Shape>,
    places: HashMap<String, usize>,
}

impl Object {
    /// The place of a field; `guess` is where it is if it follows the one before as it did first.
    fn place(&mut self, name: &str, guess: usize) -> usize {
        if self.names.get(guess).is_some_and(|expected| expected == name) {
            return guess;
        }
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len();
        self.places.insert(name.to_owned(), place);
        self.names.push(name.to_owned());
        self.shapes.push(Shape::default());
        place
    }

    fn merge(&mut self, other: Self) {
        for (name, shape) in other.names.iter().zip(other.shapes) {
            let place = self.place(name, self.names.len());
            self.shapes[place].merge(shape);
        }
    }

    /// The fields as columns; `None` where they are none or too many.
    pub(super) fn fields(&self) -> Option<Fields> {
        if self.names.is_empty() || self.names.len() > MOST_FIELDS {
            return None;
        }
        Some(self.names.iter().zip(&self.shapes).map(|(name, shape)| shape.field(name)).collect())
    }

    /// The fields that were found, in their order, each as declared where it is; then those that were declared and not found.
    pub(super) fn declared_as(&self, declared: &Fields) -> Vec<FieldRef> {
        let known = self.names.iter().zip(&self.shapes).map(|(name, shape)| match declared.find(name) {
            Some((_, declared)) => shape.declared_as(declared),
            None => shape.field(name),
        });
        let missing = declared.iter().filter(|field| !self.places.contains_key(field.name()));
        known.chain(missing.cloned()).collect()
    }

    /// Whether columns of these fields hold all that was found, exactly.
    pub(super) fn fit(&self, fields: &[FieldRef]) -> bool {
        self.names.iter().zip(&self.shapes).all(|(name, shape)| {
            fields.iter().find(|field| field.name() == name).is_some_and(|field| shape.fits(field))
        })
    }
}

impl Shape {
    /// Takes up what other documents of the group hold. Field order is then that of these, then of those.
    pub(super) fn merge(&mut self, other: Self) {
        self.booleans |= other.booleans;
        self.strings |= other.strings;
        self.deeper |= other.deeper;
        self.numbers = match (self.numbers, other.numbers) {
            (Some(one), Some(two)) => {
                Some(Numbers { integers: one.integers && two.integers, floats: one.floats && two.floats })
            }
            (one, two) => one.or(two),
        };
        match (&mut self.object, other.object) {
            (Some(object), Some(more)) => object.merge(more),
            (object @ None, more) => *object = more,
            (Some(_), None) => {}
        }
        match (&mut self.array, other.array) {
            (Some(array), Some(more)) => array.merge(*more),
            (array @ None, more) => *array = more,
            (Some(_), None) => {}
        }
    }

    /// The objects among the values.
    pub(super) fn object(&self) -> Option<&Object> {
        self.object.as_ref()
    }

    fn is_nothing(&self) -> bool {
        !self.booleans
            && !self.strings
            && !self.deeper
            && self.numbers.is_none()
            && self.object.is_none()
            && self.array.is_none()
    }

    /// The declared field, with what was found within its structs and is not declared.
    fn declared_as(&self, declared: &FieldRef) -> FieldRef {
        let field = |data_type| Arc::new(Field::new(declared.name(), data_type, true));
        match (declared.data_type(), &self.object, &self.array) {
            (DataType::Struct(fields), Some(object), _) => field(DataType::Struct(object.declared_as(fields).into())),
            (DataType::List(item), _, Some(items)) => field(DataType::List(items.declared_as(item))),
            _ => Arc::clone(declared),
        }
    }

    /// Whether a column of this field holds all that was found, exactly.
    fn fits(&self, field: &Field) -> bool {
        if field.metadata().get(JSON).is_some_and(|what| what == "value") || self.is_nothing() {
            return true;
        }
        let only = |shape: Self| Self { deeper: false, ..shape }.is_nothing() && !self.deeper;
        let rest = self.clone();
        match field.data_type() {
            DataType::Boolean => only(Self { booleans: false, ..rest }),
            DataType::Int64 => only(Self { numbers: rest.numbers.filter(|numbers| !numbers.integers), ..rest }),
            DataType::Float64 => only(Self { numbers: rest.numbers.filter(|numbers| !numbers.floats), ..rest }),
            DataType::Struct(fields) => {
                let fit = rest.object.as_ref().is_some_and(|object| object.fit(fields));
                fit && only(Self { object: None, ..rest })
            }
            DataType::List(item) => {
                let fit = rest.array.as_ref().is_some_and(|items| items.fits(item));
                fit && only(Self { array: None, ..rest })
            }
            _ if field.metadata().contains_key(JSON) => only(Self { numbers: None, ..rest }),
            _ => only(Self { strings: false, ..rest }),
        }
    }

    fn field(&self, name: &str) -> FieldRef {
        let field = |data_type| Field::new(name, data_type, true);
        let text = |what: &str| field(DataType::Utf8).with_metadata([(JSON.to_owned(), what.to_owned())].into());
        let kinds = [self.booleans, self.strings, self.numbers.is_some(), self.object.is_some(), self.array.is_some()];
        let kinds = kinds.into_iter().filter(|kind| *kind).count();
        Arc::new(match self {
            _ if kinds > 1 || self.deeper => text("value"),
            Self { booleans: true, .. } => field(DataType::Boolean),
            Self { strings: true, .. } => field(DataType::Utf8),
            Self { numbers: Some(Numbers { integers: true, .. }), .. } => field(DataType::Int64),
            Self { numbers: Some(Numbers { floats: true, .. }), .. } => field(DataType::Float64),
            Self { numbers: Some(_), .. } => text("number"),
            Self { object: Some(object), .. } => match object.fields() {
                Some(fields) => field(DataType::Struct(fields)),
                None => text("value"),
            },
            Self { array: Some(items), .. } if items.is_nothing() => text("value"),
            Self { array: Some(items), .. } => field(DataType::List(items.field("item"))),
            _ => field(DataType::Utf8),
        })
    }
}

/// Whether a number is exactly a float of 64 bits: the shortest text of that float says the same number.
pub(super) fn is_exact_float(number: Number<'_>) -> bool {
    if number.is_integer {
        let digits = number.text.strip_prefix('-').unwrap_or(number.text);
        return digits.parse::<u64>().is_ok_and(|value| value <= EXACT);
    }
    let Ok(float) = number.text.parse::<f64>() else { return false };
    float.is_finite() && decimal(&float.to_string()) == decimal(number.text)
}

/// A number as its digits without zeros around them, the power of ten of the last one, and its sign.
fn decimal(text: &str) -> Option<(String, i64, bool)> {
    let (rest, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    let mut power = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    while digits.ends_with('0') && digits.len() > 1 {
        digits.pop();
        power += 1;
    }
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() { Some((digits, 0, negative)) } else { Some((digits, power, negative)) }
}

/// Finds the shape of the documents that it visits.
#[derive(Debug, Default)]
pub(super) struct Finder {
    root: Shape,
    /// The way to the value at hand: the place in each object, none in an array.
    way: Vec<Option<usize>>,
    /// The number of the field that came last in each open object.
    last: Vec<usize>,
    buffer: String,
}

impl Finder {
    /// The shape of what was visited since it was last taken.
    pub(super) fn take(&mut self) -> Shape {
        self.way.clear();
        self.last.clear();
        std::mem::take(&mut self.root)
    }

    /// The shape of the value at hand.
    fn at(&mut self) -> &mut Shape {
        let mut shape = &mut self.root;
        for step in &self.way {
            shape = match step {
                Some(place) => &mut shape.object.get_or_insert_default().shapes[*place],
                None => shape.array.get_or_insert_default(),
            };
        }
        shape
    }
}

impl Visitor for Finder {
    fn wants_text(&self) -> bool {
        self.way.len() > MOST_NESTED
    }

    fn text(&mut self, _text: &str) {
        self.at().deeper = true;
    }

    fn boolean(&mut self, _value: bool) {
        self.at().booleans = true;
    }

    fn number(&mut self, number: Number<'_>) {
        let is_integer = number.is_integer && number.text != "-0" && number.text.parse::<i64>().is_ok();
        let numbers = self.at().numbers.get_or_insert(Numbers { integers: true, floats: true });
        numbers.integers &= is_integer;
        numbers.floats = numbers.floats && is_exact_float(number);
    }

    fn string(&mut self, _string: Quoted<'_>) {
        self.at().strings = true;
    }

    fn begin_object(&mut self) {
        self.at().object.get_or_insert_default();
        self.last.push(usize::MAX);
        self.way.push(Some(0));
    }

    fn key(&mut self, key: Quoted<'_>) {
        self.way.pop();
        let mut buffer = std::mem::take(&mut self.buffer);
        let guess = self.last.last().map_or(0, |last| last.wrapping_add(1));
        let place = self.at().object.get_or_insert_default().place(key.decoded(&mut buffer), guess);
        self.buffer = buffer;
        if let Some(last) = self.last.last_mut() {
            *last = place;
        }
        self.way.push(Some(place));
    }

    fn end_object(&mut self) {
        self.way.pop();
        self.last.pop();
    }

    fn begin_array(&mut self) {
        self.at().array.get_or_insert_default();
        self.way.push(None);
    }

    fn end_array(&mut self) {
        self.way.pop();
    }
}
