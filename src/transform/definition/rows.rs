//! Rows against the definition that they feed, batch by batch while they stream. Each rule looks at a column as a whole and
//! touches single values only where one may break it; rows that break none pass as they are.
//!
//! A row that is rejected here keeps its place in what other rows say: a list of members still names it, a row that was
//! merged into it stays merged. Its references are left out by the loader's second pass, which counts them, like those to
//! any row that is not loaded.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, StringArray, StringBuilder};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::VIOLATION;
use crate::dataflow::definition::{Definition, Family, Field};

/// Faults that the details of a row name.
const MOST_NAMED: usize = 8;
/// Characters of a value that is shown.
const SHOWN: usize = 40;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// The rows, with those to load that break a rule of `definition` rejected. The columns are those of a 4_map query.
pub(super) fn validated(definition: &Definition, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let rules = RowRules::of(definition);
    let checked = rows.map(move |batch| rules.reject(&batch?));
    Box::pin(RecordBatchStreamAdapter::new(schema, checked))
}

/// What a definition asks of rows.
#[derive(Debug)]
pub struct RowRules(Vec<Rule>);

impl RowRules {
    /// The rules of a definition, and that a row has a name.
    pub fn of(definition: &Definition) -> Self {
        let name = Field {
            // The asset's own name: no asset can be made without.
            name: "name".into(),
            kind: "string".into(),
            multiplicity: None,
            required: Some(true),
            max_length: None,
            options: None,
            children: None,
            open: false,
        };
        let head = std::iter::once(Rule::of(&name, ""));
        Self(head.chain(definition.fields.iter().map(|field| Rule::of(field, ""))).collect())
    }

    /// What the rows to load of a batch of a 4_map query break, by row: a line a fault, some eight at most.
    pub fn faults(&self, batch: &RecordBatch) -> BTreeMap<usize, Vec<String>> {
        let Some(dispositions) = texts(batch, "disposition") else { return BTreeMap::new() };
        let mut faults = Faults { to_load: dispositions.clone(), found: BTreeMap::new() };
        for rule in &self.0 {
            if let Some(column) = batch.column_by_name(&rule.name) {
                rule.check(column, None, &Place::Rows, &mut faults);
            }
        }
        faults.found
    }

    fn reject(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let faults = self.faults(batch);
        if faults.is_empty() { Ok(batch.clone()) } else { rejected(batch, &faults) }
    }
}

/// What a field asks of values, made ready.
#[derive(Debug)]
struct Rule {
    name: String,
    path: String,
    family: Family,
    required: bool,
    longest: Option<usize>,
    /// `None` where any text may stand.
    options: Option<HashSet<String>>,
    children: Vec<Rule>,
}

impl Rule {
    fn of(field: &Field, prefix: &str) -> Self {
        let path = format!("{prefix}{}", field.name);
        let below = format!("{path}.");
        let options = field.is_closed().then(|| field.option_values().map(str::to_owned).collect());
        let children = if field.family() == Family::Complex { field.fields() } else { &[] };
        Self {
            name: field.name.clone(),
            family: field.family(),
            required: field.is_required(),
            longest: field.longest(),
            options,
            children: children.iter().map(|child| Self::of(child, &below)).collect(),
            path,
        }
    }

    /// Looks at a column. `above`: where the struct that holds it is there.
    fn check(&self, column: &ArrayRef, above: Option<&NullBuffer>, place: &Place<'_>, faults: &mut Faults) {
        let nulls = column.logical_nulls();
        if self.required
            && let Some(own) = &nulls
        {
            let missing = (0..column.len()).filter(|index| own.is_null(*index));
            for index in missing.filter(|index| above.is_none_or(|above| above.is_valid(*index))) {
                faults.add(place, index, || format!("{}: required, but there is no value", self.path));
            }
        }
        let valid = NullBuffer::union(above, nulls.as_ref());
        let Some(list) = column.as_list_opt::<i32>() else {
            return self.check_values(column, valid.as_ref(), place, faults);
        };
        if self.required {
            let empty = (0..list.len()).filter(|index| list.value_length(*index) == 0 && is_valid(&valid, *index));
            for index in empty {
                faults.add(place, index, || format!("{}: required, but the list is empty", self.path));
            }
        }
        let inside = Place::Items { of: place, offsets: list.offsets(), valid: valid.as_ref() };
        // A batch may be a slice of a larger one, whose items are all there.
        let items = &list.values().slice(inside.first(), inside.items());
        if let Some(nulls) = items.logical_nulls() {
            for index in (0..items.len()).filter(|index| nulls.is_null(*index)) {
                faults.add(&inside, index, || format!("{}: an item of the list is NULL", self.path));
            }
        }
        self.check_values(items, items.logical_nulls().as_ref(), &inside, faults);
    }

    fn check_values(&self, values: &ArrayRef, valid: Option<&NullBuffer>, place: &Place<'_>, faults: &mut Faults) {
        match values.data_type() {
            DataType::Utf8 => self.check_texts(values.as_string::<i32>(), valid, place, faults),
            DataType::Struct(columns) if self.family == Family::Reference => {
                for (column, _) in values.as_struct().columns().iter().zip(columns) {
                    let keyless = column.logical_nulls();
                    let keyless = |index: &usize| keyless.as_ref().is_some_and(|nulls| nulls.is_null(*index));
                    for index in (0..values.len()).filter(keyless).filter(|index| is_valid(&valid, *index)) {
                        faults.add(place, index, || format!("{}: a reference without a key", self.path));
                    }
                }
            }
            DataType::Struct(columns) => {
                for (column, field) in values.as_struct().columns().iter().zip(columns) {
                    if let Some(child) = self.children.iter().find(|child| child.name == *field.name()) {
                        child.check(column, valid, place, faults);
                    }
                }
            }
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => self.check_range(values, valid, place, faults),
            DataType::Float32 => self.forbid::<Float32Type>(values, valid, place, faults, |x| !x.is_finite()),
            DataType::Float64 => self.forbid::<Float64Type>(values, valid, place, faults, |x| !x.is_finite()),
            DataType::Date32 => {
                let (first, last) = days();
                self.forbid::<Date32Type>(values, valid, place, faults, |day| !(first..=last).contains(&day));
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let (first, last) = days();
                let (first, last) = (i64::from(first) * MICROS_A_DAY, (i64::from(last) + 1) * MICROS_A_DAY);
                let outside = |at| !(first..last).contains(&at);
                self.forbid::<TimestampMicrosecondType>(values, valid, place, faults, outside);
            }
            _ => {}
        }
    }

    fn check_texts(&self, texts: &StringArray, valid: Option<&NullBuffer>, place: &Place<'_>, faults: &mut Faults) {
        if let Some(longest) = self.longest {
            // No text has more characters than bytes: only those of too many bytes are counted.
            let lengths = texts.offsets().lengths().enumerate().filter(|(_, bytes)| *bytes > longest);
            for (index, _) in lengths.filter(|(index, _)| is_valid(&valid, *index)) {
                let characters = texts.value(index).chars().count();
                if characters > longest {
                    let text = || {
                        let shown = shown(texts.value(index));
                        format!("{}: {characters} characters, {longest} at most: {shown}", self.path)
                    };
                    faults.add(place, index, text);
                }
            }
        }
        let Some(options) = &self.options else { return };
        for index in (0..texts.len()).filter(|index| is_valid(&valid, *index)) {
            if !options.contains(texts.value(index)) {
                let text = || format!("{}: {} is not among the options", self.path, shown(texts.value(index)));
                faults.add(place, index, text);
            }
        }
    }

    /// Whole numbers that the field's type cannot hold.
    fn check_range(&self, values: &ArrayRef, valid: Option<&NullBuffer>, place: &Place<'_>, faults: &mut Faults) {
        let (wanted, bits) = match self.family {
            Family::Integer => (DataType::Int32, 32),
            Family::Long => (DataType::Int64, 64),
            _ => return,
        };
        let narrow = cast_with_options(values, &wanted, &CastOptions { safe: true, ..CastOptions::default() });
        let Some(lost) = narrow.ok().and_then(|narrow| narrow.logical_nulls()) else { return };
        for index in (0..values.len()).filter(|index| lost.is_null(*index) && is_valid(&valid, *index)) {
            faults.add(place, index, || format!("{}: not a whole number of {bits} bits", self.path));
        }
    }

    fn forbid<T: ArrowPrimitiveType>(
        &self,
        values: &ArrayRef,
        valid: Option<&NullBuffer>,
        place: &Place<'_>,
        faults: &mut Faults,
        forbidden: impl Fn(T::Native) -> bool,
    ) {
        let values: &PrimitiveArray<T> = values.as_primitive();
        let found = values.values().iter().enumerate().filter(|(_, value)| forbidden(**value));
        for (index, _) in found.filter(|(index, _)| is_valid(&valid, *index)) {
            faults.add(place, index, || format!("{}: a value that has no JSON form", self.path));
        }
    }
}

fn is_valid(valid: &Option<impl std::borrow::Borrow<NullBuffer>>, index: usize) -> bool {
    valid.as_ref().is_none_or(|valid| valid.borrow().is_valid(index))
}

/// The days of the years 0000 to 9999, which JSON's form of dates can write.
fn days() -> (i32, i32) {
    let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).map_or(0, |date| date.to_epoch_days());
    (day(0, 1, 1), day(9999, 12, 31))
}

/// A value as details show it: quoted and cut.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{:?}…", text.get(..cut).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// To which row the values of an array belong.
enum Place<'a> {
    /// One value a row.
    Rows,
    /// The items of lists, which are themselves somewhere.
    Items { of: &'a Place<'a>, offsets: &'a OffsetBuffer<i32>, valid: Option<&'a NullBuffer> },
}

impl Place<'_> {
    /// Where the items that belong here begin.
    fn first(&self) -> usize {
        match self {
            Self::Rows => 0,
            Self::Items { offsets, .. } => offsets.first().map_or(0, |first| first.as_usize()),
        }
    }

    /// How many items belong here.
    fn items(&self) -> usize {
        match self {
            Self::Rows => 0,
            Self::Items { offsets, .. } => offsets.last().map_or(0, |last| last.as_usize() - self.first()),
        }
    }

    /// The row of a value; `None` for an item that no list shows.
    fn row(&self, index: usize) -> Option<usize> {
        match self {
            Self::Rows => Some(index),
            Self::Items { of, offsets, valid } => {
                let index = self.first() + index;
                let after = offsets.partition_point(|offset| offset.as_usize() <= index);
                let list = after.checked_sub(1).filter(|list| list + 1 < offsets.len())?;
                if is_valid(valid, list) { of.row(list) } else { None }
            }
        }
    }
}

/// What is wrong with rows to load, by row.
struct Faults {
    to_load: StringArray,
    found: BTreeMap<usize, Vec<String>>,
}

impl Faults {
    fn add(&mut self, place: &Place<'_>, index: usize, text: impl FnOnce() -> String) {
        let Some(row) = place.row(index) else { return };
        if self.to_load.is_null(row) || self.to_load.value(row) != "load" {
            return;
        }
        let of_row = self.found.entry(row).or_default();
        match of_row.len() {
            MOST_NAMED => of_row.push("…".into()),
            n if n < MOST_NAMED => of_row.push(text()),
            _ => {}
        }
    }
}

/// The batch with the named rows rejected; what their details said comes first.
fn rejected(batch: &RecordBatch, faults: &BTreeMap<usize, Vec<String>>) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    for name in ["disposition", "reason", "details"] {
        let (Ok(index), Some(old)) = (batch.schema_ref().index_of(name), texts(batch, name)) else { continue };
        let mut new = StringBuilder::new();
        for row in 0..batch.num_rows() {
            let before = old.is_valid(row).then(|| old.value(row));
            match (faults.get(&row), name) {
                (None, _) => new.append_option(before),
                (Some(_), "disposition") => new.append_value("reject"),
                (Some(_), "reason") => new.append_value(VIOLATION),
                (Some(found), _) => {
                    let all: Vec<&str> = before.into_iter().chain(found.iter().map(String::as_str)).collect();
                    new.append_value(all.join("; "));
                }
            }
        }
        if let Some(column) = columns.get_mut(index) {
            *column = Arc::new(new.finish());
        }
    }
    RecordBatch::try_new(batch.schema(), columns).map_err(DataFusionError::from)
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

#[cfg(test)]
mod tests;
