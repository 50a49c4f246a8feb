//! Lists: joined, split and freed of repetitions. A list without items is NULL, so that no field is sent empty.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, ListBuilder, StringBuilder, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{cast, interleave};
use arrow::datatypes::DataType::Utf8;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, create_udf,
};

use super::kernel::texts;
use super::split::{Separators, distinct, split, uses};

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::from(Gather { signature: Signature::user_defined(Volatility::Immutable) }),
        ScalarUDF::from(TextList::new("distinct_folded", 1, Work::Distinct)),
        ScalarUDF::from(TextList::new("split_list", 2, Work::Split)),
        list_of("content_uses", uses),
    ]
}

/// A function from a text to a list of texts.
fn list_of<T: AsRef<str>>(name: &str, items: impl Fn(&str) -> Vec<T> + Send + Sync + 'static) -> ScalarUDF {
    let invoke = move |arguments: &[ColumnarValue]| {
        let columns = texts(arguments)?;
        let mut out = ListBuilder::new(StringBuilder::new());
        for text in columns.iter().take(1).flatten() {
            append(&mut out, text.map(&items).unwrap_or_default());
        }
        let list: ArrayRef = Arc::new(out.finish());
        Ok(ColumnarValue::Array(list))
    };
    create_udf(name, vec![Utf8], text_list(), Volatility::Immutable, Arc::new(invoke))
}

fn text_list() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(Utf8, true)))
}

fn append<T: AsRef<str>>(out: &mut ListBuilder<StringBuilder>, items: Vec<T>) {
    let any = !items.is_empty();
    for item in items {
        out.values().append_value(item);
    }
    out.append(any);
}

/// What is done with the items of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Work {
    /// Items that differ by more than case and blanks at their ends.
    Distinct,
    /// The values each item holds, by the separators that the second argument names.
    Split,
}

impl Work {
    fn of(self, items: Vec<&str>, option: Option<&str>) -> Vec<String> {
        match self {
            Self::Distinct => distinct(items.into_iter()).into_iter().map(str::to_owned).collect(),
            Self::Split => items.into_iter().flat_map(|cell| split(cell, Separators::named(option))).collect(),
        }
    }
}

/// A function from a list of texts to a list of texts.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TextList {
    name: &'static str,
    signature: Signature,
    work: Work,
}

impl TextList {
    fn new(name: &'static str, arguments: usize, work: Work) -> Self {
        Self { name, signature: Signature::any(arguments, Volatility::Immutable), work }
    }
}

impl ScalarUDFImpl for TextList {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.first() {
            Some(DataType::List(_) | DataType::Null) => Ok(text_list()),
            other => plan_err!("{} takes a list of texts, not {other:?}", self.name),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let Some(first) = arrays.first() else { return exec_err!("{} takes a list", self.name) };
        let lists = cast(first, &text_list())?;
        let lists = lists.as_list::<i32>();
        let options = arrays.get(1).map(|option| cast(option, &Utf8)).transpose()?;
        let mut out = ListBuilder::new(StringBuilder::new());
        for row in 0..lists.len() {
            if lists.is_null(row) {
                out.append(false);
                continue;
            }
            let values = lists.value(row);
            let items = values.as_string::<i32>().iter().flatten().collect();
            let option = options.as_ref().map(|option| option.as_string::<i32>());
            append(
                &mut out,
                self.work.of(items, option.filter(|option| option.is_valid(row)).map(|option| option.value(row))),
            );
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// `gather(list, ...)`: the items of all lists in order, without NULL items; NULL where none is left.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Gather {
    signature: Signature,
}

impl ScalarUDFImpl for Gather {
    fn name(&self) -> &str {
        "gather"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments.iter().find(|argument| matches!(argument, DataType::List(_))) {
            Some(list) => Ok(vec![list.clone(); arguments.len()]),
            None => plan_err!("gather takes lists, not {arguments:?}"),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.first() {
            Some(DataType::List(item)) => {
                Ok(DataType::List(Arc::new(Field::new_list_field(item.data_type().clone(), true))))
            }
            other => plan_err!("gather takes lists, not {other:?}"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let lists: Vec<&ListArray> = arrays.iter().map(|array| array.as_list::<i32>()).collect();
        Ok(ColumnarValue::Array(gather(&lists)?))
    }
}

fn gather(lists: &[&ListArray]) -> Result<ArrayRef> {
    let Some(first) = lists.first() else { return exec_err!("gather takes lists") };
    let item = Arc::new(Field::new_list_field(first.value_type(), true));
    let mut taken = Vec::new();
    let mut ends: Vec<i32> = Vec::with_capacity(first.len() + 1);
    let mut valid = Vec::with_capacity(first.len());
    ends.push(0);
    for row in 0..first.len() {
        let before = taken.len();
        for (which, list) in lists.iter().enumerate().filter(|(_, list)| list.is_valid(row)) {
            let offsets = list.value_offsets();
            let (Some(start), Some(end)) = (offsets.get(row), offsets.get(row + 1)) else { continue };
            let places = usize::try_from(*start).unwrap_or(0)..usize::try_from(*end).unwrap_or(0);
            taken.extend(places.filter(|place| list.values().is_valid(*place)).map(|place| (which, place)));
        }
        valid.push(taken.len() > before);
        match i32::try_from(taken.len()) {
            Ok(end) => ends.push(end),
            Err(_) => return exec_err!("gather: more than 2^31 items in one batch; lower the batch size"),
        }
    }
    if taken.is_empty() {
        return Ok(new_null_array(&DataType::List(item), first.len()));
    }
    let values: Vec<&dyn Array> = lists.iter().map(|list| list.values().as_ref()).collect();
    let values = interleave(&values, &taken)?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    Ok(Arc::new(ListArray::try_new(item, offsets, values, Some(NullBuffer::from(valid)))?))
}
