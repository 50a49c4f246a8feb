//! How a Rust function over one row becomes a SQL function over Arrow arrays.
//!
//! A row's texts are borrowed from the input arrays and its result is written straight into the builders of the output, so
//! that a text which is in its one form already mostly costs a copy and no allocation (what is read as numbers or in parts,
//! such as rates, amounts and tags, is put together first). A constant argument is one value, not a column of them, and a
//! call on constants alone is worked out once. A batch's texts of one column are at most 2 GiB, the offsets of Arrow's
//! `Utf8`: longer ones are refused by the cast.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Int64Builder, ListBuilder, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::DataType::{Boolean, Utf8};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// What a normaliser found: the value in its one form, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome<T> {
    /// The value, if there is one.
    pub(super) value: Option<T>,
    /// Warning codes separated by blanks.
    pub(super) warning: Option<&'static str>,
}

impl<T> Outcome<T> {
    /// No value and nothing to say: the input held none.
    pub(super) const ABSENT: Self = Self { value: None, warning: None };

    pub(super) fn of(value: T) -> Self {
        Self { value: Some(value), warning: None }
    }

    /// A value that could not be used.
    pub(super) fn dropped(code: &'static str) -> Self {
        Self { value: None, warning: Some(code) }
    }

    /// A value that is kept although there is something to say about it.
    pub(super) fn noted(value: T, code: &'static str) -> Self {
        Self { value: Some(value), warning: Some(code) }
    }
}

/// A text that is the input's own where nothing changed.
pub(super) type Text<'a> = Cow<'a, str>;

/// An argument: a column of texts, or one text for all rows.
struct Argument {
    texts: StringArray,
    constant: bool,
}

/// The texts of one row's arguments.
pub(super) struct Row<'a> {
    arguments: &'a [Argument],
    index: usize,
}

impl<'a> Row<'a> {
    /// The argument's text; None for NULL.
    pub(super) fn text(&self, argument: usize) -> Option<&'a str> {
        let Argument { texts, constant } = self.arguments.get(argument)?;
        let index = if *constant { 0 } else { self.index };
        texts.is_valid(index).then(|| texts.value(index))
    }

    /// The text of an argument without its outer blanks; None for NULL and for blanks only.
    pub(super) fn trimmed(&self, argument: usize) -> Option<&'a str> {
        self.text(argument).map(super::text::trim).filter(|text| !text.is_empty())
    }

    /// The outcome of a trimmed first argument: blanks are no value, a placeholder is dropped (dirt D03).
    pub(super) fn stated<T>(&self, read: impl FnOnce(&'a str) -> Outcome<T>) -> Outcome<T> {
        match self.trimmed(0) {
            None => Outcome::ABSENT,
            Some(text) if super::text::is_placeholder(text) => Outcome::dropped("PLACEHOLDER_DROPPED"),
            Some(text) => read(text),
        }
    }
}

/// A type of values a function may give, and how an array of them is built.
pub(super) trait Value: Sized {
    type Builder: Send;
    fn data_type() -> DataType;
    fn builder(rows: usize) -> Self::Builder;
    fn append(value: Option<Self>, builder: &mut Self::Builder);
    fn finish(builder: Self::Builder) -> ArrayRef;
}

impl Value for Text<'_> {
    type Builder = StringBuilder;
    fn data_type() -> DataType {
        Utf8
    }
    fn builder(rows: usize) -> StringBuilder {
        StringBuilder::with_capacity(rows, rows * 16)
    }
    fn append(value: Option<Self>, builder: &mut StringBuilder) {
        builder.append_option(value);
    }
    fn finish(mut builder: StringBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// A list without items is NULL.
impl Value for Vec<String> {
    type Builder = ListBuilder<StringBuilder>;
    fn data_type() -> DataType {
        DataType::new_list(Utf8, true)
    }
    fn builder(rows: usize) -> Self::Builder {
        ListBuilder::with_capacity(StringBuilder::new(), rows)
    }
    fn append(value: Option<Self>, builder: &mut Self::Builder) {
        let items = value.unwrap_or_default();
        builder.append_option((!items.is_empty()).then(|| items.into_iter().map(Some)));
    }
    fn finish(mut builder: Self::Builder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// Days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days(pub(super) i32);

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant(pub(super) i64);

/// Values of a fixed size: the type, its Arrow builder and data type, and what of the type the builder takes.
macro_rules! fixed_size {
    ($($value:ty, $builder:ident, $data_type:expr, $raw:expr;)*) => {$(
        impl Value for $value {
            type Builder = $builder;
            fn data_type() -> DataType {
                $data_type
            }
            fn builder(rows: usize) -> $builder {
                $builder::with_capacity(rows)
            }
            fn append(value: Option<Self>, builder: &mut $builder) {
                builder.append_option(value.map($raw));
            }
            fn finish(mut builder: $builder) -> ArrayRef {
                Arc::new(builder.finish())
            }
        }
    )*};
}

fixed_size! {
    i64, Int64Builder, DataType::Int64, |value| value;
    bool, BooleanBuilder, Boolean, |value| value;
    Days, Date32Builder, DataType::Date32, |days: Days| days.0;
}

impl Value for Instant {
    type Builder = TimestampMicrosecondBuilder;
    fn data_type() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    }
    fn builder(rows: usize) -> TimestampMicrosecondBuilder {
        TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")
    }
    fn append(value: Option<Self>, builder: &mut TimestampMicrosecondBuilder) {
        builder.append_option(value.map(|instant| instant.0));
    }
    fn finish(mut builder: TimestampMicrosecondBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// What a function gives for one row, and how a column of it is built.
pub(super) trait Output: Sized {
    type Builder: Send;
    fn data_type() -> DataType;
    fn builder(rows: usize) -> Self::Builder;
    fn append(self, builder: &mut Self::Builder);
    fn finish(builder: Self::Builder) -> ArrayRef;
}

impl<T: Value> Output for Option<T> {
    type Builder = T::Builder;
    fn data_type() -> DataType {
        T::data_type()
    }
    fn builder(rows: usize) -> T::Builder {
        T::builder(rows)
    }
    fn append(self, builder: &mut T::Builder) {
        T::append(self, builder);
    }
    fn finish(builder: T::Builder) -> ArrayRef {
        T::finish(builder)
    }
}

/// The fields of `{value, warning}`.
fn outcome_fields(value: DataType) -> Vec<Field> {
    vec![Field::new("value", value, true), Field::new("warning", Utf8, true)]
}

impl<T: Value> Output for Outcome<T> {
    type Builder = (T::Builder, StringBuilder);
    fn data_type() -> DataType {
        DataType::Struct(outcome_fields(T::data_type()).into())
    }
    fn builder(rows: usize) -> Self::Builder {
        (T::builder(rows), StringBuilder::with_capacity(rows, 0))
    }
    fn append(self, (values, warnings): &mut Self::Builder) {
        T::append(self.value, values);
        warnings.append_option(self.warning);
    }
    fn finish((values, mut warnings): Self::Builder) -> ArrayRef {
        struct_array(outcome_fields(T::data_type()), vec![T::finish(values), Arc::new(warnings.finish())])
    }
}

/// The name of a flag beside `{value, warning}`.
pub(super) trait Flag {
    const NAME: &'static str;
}

/// An outcome with a flag: true, false, or NULL where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flagged<T, F> {
    pub(super) outcome: Outcome<T>,
    pub(super) flag: Option<bool>,
    pub(super) name: F,
}

impl<T: Value, F: Flag> Flagged<T, F> {
    fn fields() -> Vec<Field> {
        let mut fields = outcome_fields(T::data_type());
        fields.push(Field::new(F::NAME, Boolean, true));
        fields
    }
}

impl<T: Value, F: Flag> Output for Flagged<T, F> {
    type Builder = (T::Builder, StringBuilder, BooleanBuilder);
    fn data_type() -> DataType {
        DataType::Struct(Self::fields().into())
    }
    fn builder(rows: usize) -> Self::Builder {
        (T::builder(rows), StringBuilder::with_capacity(rows, 0), BooleanBuilder::with_capacity(rows))
    }
    fn append(self, (values, warnings, flags): &mut Self::Builder) {
        T::append(self.outcome.value, values);
        warnings.append_option(self.outcome.warning);
        flags.append_option(self.flag);
    }
    fn finish((values, mut warnings, mut flags): Self::Builder) -> ArrayRef {
        struct_array(Self::fields(), vec![T::finish(values), Arc::new(warnings.finish()), Arc::new(flags.finish())])
    }
}

/// Rows of a struct none of which is NULL itself.
pub(super) fn struct_array(fields: impl Into<Fields>, columns: Vec<ArrayRef>) -> ArrayRef {
    Arc::new(StructArray::new(fields.into(), columns, None))
}

/// Rows given as whole columns of outputs, for functions whose input is no text.
pub(super) fn column<T: Output>(rows: impl ExactSizeIterator<Item = T>) -> ArrayRef {
    let mut builder = T::builder(rows.len());
    for row in rows {
        row.append(&mut builder);
    }
    T::finish(builder)
}

/// The arguments as text columns of one length.
pub(super) fn texts(arguments: &[ColumnarValue]) -> Result<Vec<StringArray>> {
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    arrays.iter().map(as_text).collect()
}

fn as_text(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &Utf8)?.as_string::<i32>().clone())
}

/// Applies a function to each row; a call on constants alone gives a constant.
fn over_rows(arguments: &[ColumnarValue], build: impl Fn(&[Argument], usize) -> ArrayRef) -> Result<ColumnarValue> {
    let mut rows = None;
    let mut columns = Vec::with_capacity(arguments.len());
    for argument in arguments {
        columns.push(match argument {
            ColumnarValue::Array(array) => {
                rows = Some(array.len());
                Argument { texts: as_text(array)?, constant: false }
            }
            ColumnarValue::Scalar(value) => Argument { texts: as_text(&value.to_array()?)?, constant: true },
        });
    }
    let built = build(&columns, rows.unwrap_or(1));
    match rows {
        Some(_) => Ok(ColumnarValue::Array(built)),
        None => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&built, 0)?)),
    }
}

/// Registers a function of texts by its result's type and by how a column of it is made.
fn function(
    name: &str,
    inputs: &[DataType],
    output: DataType,
    build: impl Fn(&[Argument], usize) -> ArrayRef + Send + Sync + 'static,
) -> ScalarUDF {
    let invoke = Arc::new(move |arguments: &[ColumnarValue]| over_rows(arguments, &build));
    create_udf(name, inputs.to_vec(), output, Volatility::Immutable, invoke)
}

/// A function of texts whose result borrows nothing from them.
pub(super) fn of_texts<T: Output + 'static>(
    name: &str,
    inputs: &[DataType],
    row: impl Fn(&Row<'_>) -> T + Send + Sync + 'static,
) -> ScalarUDF {
    function(name, inputs, T::data_type(), move |arguments, rows| {
        column((0..rows).map(|index| row(&Row { arguments, index })))
    })
}

/// A function of texts that gives a text, often its input's own.
pub(super) fn text(
    name: &str,
    inputs: &[DataType],
    row: impl for<'a> Fn(&Row<'a>) -> Option<Text<'a>> + Send + Sync + 'static,
) -> ScalarUDF {
    function(name, inputs, Utf8, move |arguments, rows| column((0..rows).map(|index| row(&Row { arguments, index }))))
}

/// A function of texts that gives `{value, warning}` of a text, often its input's own.
pub(super) fn text_outcome(
    name: &str,
    inputs: &[DataType],
    row: impl for<'a> Fn(&Row<'a>) -> Outcome<Text<'a>> + Send + Sync + 'static,
) -> ScalarUDF {
    function(name, inputs, Outcome::<Text>::data_type(), move |arguments, rows| {
        column((0..rows).map(|index| row(&Row { arguments, index })))
    })
}

/// A function of texts that writes a text, for one that seldom is its input's own: all rows share one buffer. What is left
/// empty is NULL.
pub(super) fn written(
    name: &str,
    inputs: &[DataType],
    row: impl Fn(&Row<'_>, &mut String) + Send + Sync + 'static,
) -> ScalarUDF {
    function(name, inputs, Utf8, move |arguments, rows| {
        let mut buffer = String::new();
        let mut out = <Text as Value>::builder(rows);
        for index in 0..rows {
            buffer.clear();
            row(&Row { arguments, index }, &mut buffer);
            out.append_option(Some(buffer.as_str()).filter(|text| !text.is_empty()));
        }
        Text::finish(out)
    })
}
