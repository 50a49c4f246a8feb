//! Warnings as data, and the digest that tells whether a row's values changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, ListArray, ListBuilder, StringArray, StringBuilder, StructBuilder,
};
use arrow::datatypes::DataType::Utf8;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, create_udf,
};

use super::kernel::texts;
use crate::dataflow::checksum::row_digests;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        create_udf(
            "warn",
            vec![Utf8, Utf8, Utf8],
            warnings_type(),
            Volatility::Immutable,
            Arc::new(|arguments| Ok(ColumnarValue::Array(warn(&texts(arguments)?)))),
        ),
        create_udf(
            "warning_codes",
            vec![warnings_type()],
            DataType::List(Arc::new(Field::new_list_field(Utf8, true))),
            Volatility::Immutable,
            Arc::new(|arguments| {
                let arrays = ColumnarValue::values_to_arrays(arguments)?;
                let Some(lists) = arrays.first() else { return exec_err!("warning_codes takes warnings") };
                Ok(ColumnarValue::Array(codes(lists.as_list::<i32>())))
            }),
        ),
        ScalarUDF::from(RowDigest { signature: Signature::variadic_any(Volatility::Immutable) }),
    ]
}

fn warning_fields() -> Fields {
    Fields::from(["code", "field", "raw"].map(|name| Field::new(name, Utf8, true)).to_vec())
}

fn warnings_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Struct(warning_fields()), true)))
}

/// `warn(field, raw, codes)`: a list of one `{code, field, raw}` a code; NULL where there is no code.
fn warn(columns: &[StringArray]) -> ArrayRef {
    let mut out = ListBuilder::new(StructBuilder::from_fields(warning_fields(), 0));
    let rows = columns.first().map_or(0, Array::len);
    let text = |column: usize, row: usize| {
        columns.get(column).filter(|column| column.is_valid(row)).map(|column| column.value(row).to_owned())
    };
    for row in 0..rows {
        let codes = text(2, row).unwrap_or_default();
        let mut any = false;
        for code in codes.split_whitespace() {
            any = true;
            let values = [Some(code.to_owned()), text(0, row), text(1, row)];
            let item = out.values();
            for (field, value) in item.field_builders_mut().iter_mut().zip(values) {
                if let Some(field) = field.as_any_mut().downcast_mut::<StringBuilder>() {
                    field.append_option(value);
                }
            }
            item.append(true);
        }
        out.append(any);
    }
    Arc::new(out.finish())
}

/// The codes of each row's warnings with their fields, `CODE field`, each once and sorted; NULL where there are none.
fn codes(lists: &ListArray) -> ArrayRef {
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..lists.len() {
        let mut found = BTreeSet::new();
        if lists.is_valid(row) {
            let items = lists.value(row);
            let items = items.as_struct();
            let (codes, fields) = (items.column(0).as_string::<i32>(), items.column(1).as_string::<i32>());
            for item in (0..items.len()).filter(|item| codes.is_valid(*item)) {
                let field = if fields.is_valid(item) { fields.value(item) } else { "" };
                found.insert(format!("{} {field}", codes.value(item)).trim_end().to_owned());
            }
        }
        let any = !found.is_empty();
        for text in found {
            out.values().append_value(text);
        }
        out.append(any);
    }
    Arc::new(out.finish())
}

/// `row_digest(value, ...)`: 32 hexadecimal digits that depend on the values alone, by the canonical bytes of
/// [`crate::dataflow::checksum`].
#[derive(Debug, PartialEq, Eq, Hash)]
struct RowDigest {
    signature: Signature,
}

impl ScalarUDFImpl for RowDigest {
    fn name(&self) -> &str {
        "row_digest"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let digests = row_digests(&arrays).map_err(|cause| DataFusionError::External(Box::new(cause)))?;
        let digests: StringArray = digests.iter().map(|digest| Some(format!("{digest:032x}"))).collect();
        Ok(ColumnarValue::Array(Arc::new(digests)))
    }
}
