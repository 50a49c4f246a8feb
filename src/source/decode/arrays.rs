//! Batches from another reader's arrays: columns that are right as they come, and columns that come as binary forms.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, LargeBinaryArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::{Layout, Malformed, Noted, Rows, TupleDecoder};
use crate::error::Result;
use crate::source::failure::malformed;

/// How a column's values have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Form {
    /// As values of the column's Arrow type.
    Values,
    /// As the binary form of each value (`*_send`), in an array of bytes.
    Sent,
}

/// Makes batches of arrays, with the notes that a [`TupleDecoder`] would have made of the same rows. Free of I/O.
pub(in crate::source) struct ArrayDecoder {
    rows: Rows,
    forms: Vec<Form>,
}

impl ArrayDecoder {
    /// A decoder for columns that come in these forms, in the layout's order.
    pub(in crate::source) fn new(layout: Layout, forms: Vec<Form>) -> Self {
        Self { rows: TupleDecoder::new(layout).rows, forms }
    }

    /// Rows decoded.
    pub(in crate::source) fn rows(&self) -> u64 {
        self.rows.before
    }

    /// Appends the batches of so many rows to `out`: one, or several where what is decoded takes up more bytes than a batch
    /// may have.
    ///
    /// # Errors
    /// When an array is not of its column's type, or holds what is no value of it.
    pub(in crate::source) fn push(
        &mut self,
        count: usize,
        arrays: &[ArrayRef],
        out: &mut Vec<RecordBatch>,
    ) -> Result<()> {
        let rows = &mut self.rows;
        let mut sent = Vec::new();
        for (index, (_, array)) in
            self.forms.iter().zip(arrays).enumerate().filter(|(_, (form, _))| **form == Form::Sent)
        {
            sent.push((index, array.as_binary_opt::<i64>().ok_or_else(|| rows.wrong(index, "no bytes"))?));
        }
        let mut begin = 0;
        for row in 0..count {
            for (index, values) in &sent {
                rows.notes.column = *index;
                let value = (!values.is_null(row)).then(|| values.value(row));
                if let Err(what) = rows.columns[*index].push(value, &mut rows.notes) {
                    return Err(rows.wrong(*index, what));
                }
                if !rows.notes.unheld.is_empty() {
                    rows.notes.unheld.clear();
                    rows.keep(*index, value.unwrap_or_default());
                }
            }
            rows.in_batch += 1;
            rows.bytes += std::mem::take(&mut rows.notes.grown);
            if row + 1 == count || rows.bytes >= rows.layout.batch_bytes {
                let arrays: Vec<_> = arrays.iter().map(|array| array.slice(begin, row + 1 - begin)).collect();
                out.push(cut(rows, &self.forms, &arrays)?);
                begin = row + 1;
            }
        }
        Ok(())
    }

    /// What was noted about all rows.
    pub(in crate::source) fn finish(self) -> Noted {
        self.rows.noted
    }
}

/// The batch of these rows, whose binary forms have been decoded.
fn cut(rows: &mut Rows, forms: &[Form], arrays: &[ArrayRef]) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(arrays.len());
    for (index, (form, array)) in forms.iter().zip(arrays).enumerate() {
        rows.notes.column = index;
        let column = match (form, array.as_binary_opt::<i64>()) {
            (Form::Sent, _) => rows.columns[index].finish(&mut rows.notes),
            (Form::Values, Some(bytes)) if *rows.layout.schema.field(index).data_type() == DataType::Binary => {
                narrow(bytes)
            }
            (Form::Values, _) => Ok(array.clone()),
        };
        columns.push(column.map_err(|what| rows.wrong(index, what))?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.in_batch));
    let batch = RecordBatch::try_new_with_options(rows.layout.schema.clone(), columns, &options)
        .map_err(|cause| malformed(&rows.layout.table, format!("the values do not make a batch: {cause}")))?;
    rows.settle(&batch);
    rows.before += rows.in_batch as u64;
    (rows.in_batch, rows.bytes) = (0, 0);
    Ok(batch)
}

/// The same bytes behind offsets of 32 bits; the bytes stay where they are.
fn narrow(array: &LargeBinaryArray) -> Result<ArrayRef, Malformed> {
    let (offsets, values, nulls) = array.clone().into_parts();
    let short = offsets.iter().map(|offset| i32::try_from(*offset)).collect::<Result<Vec<_>, _>>();
    let short = OffsetBuffer::new(ScalarBuffer::from(short.map_err(|_| "more than 2 GiB in one batch")?));
    Ok(Arc::new(BinaryArray::try_new(short, values, nulls).map_err(|_| "uneven lengths")?))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::source::Wire;

    fn decoder() -> ArrayDecoder {
        let wires = vec![Wire::Int32, Wire::Date, Wire::Bytes];
        let field = |(index, wire): (usize, &Wire)| Field::new(format!("c{index}"), wire.arrow(), true);
        let layout = Layout {
            table: "public.t".into(),
            schema: Arc::new(Schema::new(wires.iter().enumerate().map(field).collect::<Vec<_>>())),
            wires,
            key: vec![0],
            partition: 0,
            batch_rows: 1,
            batch_bytes: 1,
        };
        ArrayDecoder::new(layout, vec![Form::Values, Form::Sent, Form::Values])
    }

    #[test]
    fn values_stay_where_they_are_and_binary_forms_are_decoded() {
        let bytes = LargeBinaryArray::from_opt_vec(vec![Some(b"ab".as_slice()), None, Some(b"c")]);
        let at = bytes.values().as_ptr();
        let day = 1_i32.to_be_bytes();
        let infinite = i32::MAX.to_be_bytes();
        let days = LargeBinaryArray::from_opt_vec(vec![Some(day.as_slice()), Some(infinite.as_slice()), None]);
        let arrays: [ArrayRef; 3] = [Arc::new(Int32Array::from(vec![1, 2, 3])), Arc::new(days), Arc::new(bytes)];
        let (mut decoder, mut batches) = (decoder(), Vec::new());
        decoder.push(3, &arrays, &mut batches).unwrap();
        let [batch] = batches.as_slice() else { panic!("{} batches", batches.len()) };
        assert_eq!(batch.column(1).as_primitive::<arrow::datatypes::Date32Type>().value(0), 10_958);
        assert_eq!(batch.column(2).as_binary::<i32>().values().as_ptr(), at, "the bytes were not copied");
        assert_eq!(batch.column(2).as_binary::<i32>().iter().collect::<Vec<_>>(), [Some(&b"ab"[..]), None, Some(b"c")]);
        assert_eq!(decoder.rows(), 3);
        assert_eq!(decoder.finish().infinite["c1"], 1);
    }

    #[test]
    fn arrays_of_another_kind_are_refused_by_name() {
        let int: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let short: ArrayRef = Arc::new(LargeBinaryArray::from_opt_vec(vec![Some(b"x".as_slice())]));
        for (arrays, wanted) in [
            ([int.clone(), int.clone(), short.clone()], "column c1 of row 0"),
            ([int.clone(), short.clone(), short.clone()], "wrong width"),
            ([text, Arc::new(LargeBinaryArray::from_opt_vec(vec![None])), short], "do not make a batch"),
        ] {
            let error = decoder().push(1, &arrays, &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}
