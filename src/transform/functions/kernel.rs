//! How a Rust function over one row becomes a SQL function over Arrow arrays.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, StringArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// What a normaliser found: the value in its one form, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome<T> {
    /// The value, if there is one.
    pub(super) value: Option<T>,
    /// Warning codes separated by blanks.
    pub(super) warning: Option<Cow<'static, str>>,
}

impl<T> Outcome<T> {
    /// No value and nothing to say: the input held none.
    pub(super) const ABSENT: Self = Self { value: None, warning: None };

    pub(super) fn of(value: T) -> Self {
        Self { value: Some(value), warning: None }
    }

    /// A value that could not be used.
    pub(super) fn dropped(code: &'static str) -> Self {
        Self { value: None, warning: Some(Cow::Borrowed(code)) }
    }

    /// A value that is kept although there is something to say about it.
    pub(super) fn noted(value: T, code: &'static str) -> Self {
        Self { value: Some(value), warning: Some(Cow::Borrowed(code)) }
    }
}

/// The texts of one row's arguments.
pub(super) struct Row<'a> {
    columns: &'a [StringArray],
    index: usize,
}

impl<'a> Row<'a> {
    /// The argument's text; None for NULL.
    pub(super) fn text(&self, argument: usize) -> Option<&'a str> {
        let column = self.columns.get(argument)?;
        column.is_valid(self.index).then(|| column.value(self.index))
    }

    /// The text of an argument without its outer blanks; None for NULL and for blanks only.
    pub(super) fn trimmed(&self, argument: usize) -> Option<&'a str> {
        self.text(argument).map(super::text::trim).filter(|text| !text.is_empty())
    }
}

/// A type of values a function may give, and how an array of it is made.
pub(super) trait Value: Sized + Send {
    fn data_type() -> DataType;
    fn array(values: Vec<Option<Self>>) -> ArrayRef;
}

impl Value for String {
    fn data_type() -> DataType {
        DataType::Utf8
    }
    fn array(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(StringArray::from(values))
    }
}

impl Value for i64 {
    fn data_type() -> DataType {
        DataType::Int64
    }
    fn array(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(Int64Array::from(values))
    }
}

impl Value for bool {
    fn data_type() -> DataType {
        DataType::Boolean
    }
    fn array(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(BooleanArray::from(values))
    }
}

/// Days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days(pub(super) i32);

impl Value for Days {
    fn data_type() -> DataType {
        DataType::Date32
    }
    fn array(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(Date32Array::from_iter(values.into_iter().map(|days| days.map(|days| days.0))))
    }
}

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant(pub(super) i64);

impl Value for Instant {
    fn data_type() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    }
    fn array(values: Vec<Option<Self>>) -> ArrayRef {
        let values = values.into_iter().map(|instant| instant.map(|instant| instant.0));
        Arc::new(TimestampMicrosecondArray::from_iter(values).with_timezone("UTC"))
    }
}

/// The arguments as text columns of one length.
pub(super) fn texts(arguments: &[ColumnarValue]) -> Result<Vec<StringArray>> {
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    arrays.iter().map(|array| Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())).collect()
}

fn rows<T>(columns: &[StringArray], row: impl Fn(&Row) -> T) -> Vec<T> {
    let length = columns.first().map_or(0, Array::len);
    (0..length).map(|index| row(&Row { columns, index })).collect()
}

/// A function of texts that gives a value, or NULL.
pub(super) fn plain<T: Value + 'static>(
    name: &str,
    inputs: &[DataType],
    row: impl Fn(&Row) -> Option<T> + Send + Sync + 'static,
) -> ScalarUDF {
    create_udf(
        name,
        inputs.to_vec(),
        T::data_type(),
        Volatility::Immutable,
        Arc::new(move |arguments| Ok(ColumnarValue::Array(T::array(rows(&texts(arguments)?, &row))))),
    )
}

/// A function of texts that gives `{value, warning}`.
pub(super) fn outcome<T: Value + 'static>(
    name: &str,
    inputs: &[DataType],
    row: impl Fn(&Row) -> Outcome<T> + Send + Sync + 'static,
) -> ScalarUDF {
    create_udf(
        name,
        inputs.to_vec(),
        DataType::Struct(outcome_fields(T::data_type())),
        Volatility::Immutable,
        Arc::new(move |arguments| Ok(ColumnarValue::Array(outcomes(rows(&texts(arguments)?, &row))))),
    )
}

/// The fields of `{value, warning}`.
pub(super) fn outcome_fields(value: DataType) -> Fields {
    Fields::from(vec![Field::new("value", value, true), Field::new("warning", DataType::Utf8, true)])
}

/// An array of `{value, warning}`.
pub(super) fn outcomes<T: Value>(found: Vec<Outcome<T>>) -> ArrayRef {
    let mut values = Vec::with_capacity(found.len());
    let mut warnings = Vec::with_capacity(found.len());
    for outcome in found {
        values.push(outcome.value);
        warnings.push(outcome.warning);
    }
    let warnings: StringArray = warnings.iter().map(|warning| warning.as_deref()).collect();
    let columns: Vec<ArrayRef> = vec![T::array(values), Arc::new(warnings)];
    Arc::new(StructArray::new(outcome_fields(T::data_type()), columns, None))
}
