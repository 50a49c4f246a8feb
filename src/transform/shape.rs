//! The shape in which a query's rows are kept: plain layouts of each type, every column nullable, no metadata. It depends
//! on the query's types alone, so that a plan made from empty tables foretells it.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

/// The schema in which rows of `schema` are kept.
pub(super) fn kept_schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(kept_fields(schema.fields())))
}

/// The same rows in the shape in which they are kept.
pub(super) fn kept(batches: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = kept_schema(&batches.schema());
    let to = Arc::clone(&schema);
    let rows = batches.map(move |batch| reshape(&batch?, &to));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

fn reshape(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn kept_fields(fields: &Fields) -> Fields {
    fields.iter().map(kept_field).collect()
}

fn kept_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), kept_type(field.data_type()), true))
}

fn kept_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => kept_type(values),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(kept_field(item)),
        DataType::Struct(fields) => DataType::Struct(kept_fields(fields)),
        other => other.clone(),
    }
}
