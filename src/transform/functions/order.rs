//! `in_order`: values gathered into a list and ordered by keys. DataFusion's `array_agg` with an `order by` holds each value
//! as a row of its own and cannot spill; without one it holds batches and can. This gathers by the latter and orders last.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StructArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

pub(super) fn aggregates() -> Vec<AggregateUDF> {
    let signature = Signature::any(1, Volatility::Immutable);
    vec![AggregateUDF::from(InOrder { signature, gathers: array_agg_udaf() })]
}

/// `in_order(named_struct('key', key, ..., 'value', value))`: the values of a group by ascending keys, NULL keys last, then
/// by value; NULL for no rows. All fields but the last are keys.
#[derive(Debug, PartialEq, Eq, Hash)]
struct InOrder {
    signature: Signature,
    gathers: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for InOrder {
    fn name(&self) -> &str {
        "in_order"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        if let [DataType::Struct(fields)] = arguments
            && fields.len() > 1
            && let Some(value) = fields.last()
        {
            return Ok(DataType::List(Arc::new(Field::new_list_field(value.data_type().clone(), true))));
        }
        plan_err!("in_order takes a struct whose last field is the value and whose others are keys, not {arguments:?}")
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.gathers.inner().state_fields(arguments)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup { gathered: self.gathers.inner().accumulator(arguments)? }))
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        self.gathers.inner().groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(ManyGroups { gathered: self.gathers.inner().create_groups_accumulator(arguments)? }))
    }
}

/// The values of one group.
#[derive(Debug)]
struct OneGroup {
    gathered: Box<dyn Accumulator>,
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.gathered.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let list = self.gathered.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&in_order(list.as_list::<i32>())?, 0)
    }

    fn size(&self) -> usize {
        self.gathered.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.gathered.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.gathered.merge_batch(states)
    }
}

/// The values of many groups.
struct ManyGroups {
    gathered: Box<dyn GroupsAccumulator>,
}

impl GroupsAccumulator for ManyGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.gathered.update_batch(values, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        in_order(self.gathered.evaluate(emit_to)?.as_list::<i32>())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.gathered.state(emit_to)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.gathered.merge_batch(values, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.gathered.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.gathered.size()
    }
}

fn in_order(lists: &ListArray) -> Result<ArrayRef> {
    // where each item lies, and which list it belongs to
    let (mut places, mut owners, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(lists.len()));
    let offsets = lists.value_offsets();
    for (row, pair) in offsets.windows(2).enumerate() {
        let (start, end) = match pair {
            [start, end] if lists.is_valid(row) => (*start, *end),
            _ => (0, 0),
        };
        lengths.push(usize::try_from(end - start).unwrap_or(0));
        places.extend((start..end).map(i32::unsigned_abs));
        owners.extend((start..end).map(|_| row));
    }
    let items = take(lists.values(), &UInt32Array::from(places), None)?;
    let items: &StructArray = items.as_struct();
    let Some(values) = items.columns().last() else { return exec_err!("in_order takes keys and a value") };
    // NULL sorts last: rows of the converter compare as their bytes
    let options = arrow::compute::SortOptions { descending: false, nulls_first: false };
    let fields = items.columns().iter().map(|column| SortField::new_with_options(column.data_type().clone(), options));
    let rows = RowConverter::new(fields.collect())?.convert_columns(items.columns())?;
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_unstable_by(|left, right| {
        owners.get(*left).cmp(&owners.get(*right)).then_with(|| rows.row(*left).cmp(&rows.row(*right)))
    });
    let order: UInt32Array = order.iter().map(|place| u32::try_from(*place).ok()).collect();
    let values = take(values, &order, None)?;
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, lists.nulls().cloned())?))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringArray};
    use arrow::buffer::{NullBuffer, ScalarBuffer};
    use arrow::datatypes::DataType::{Int32, Utf8};
    use arrow::datatypes::Fields;

    use super::*;

    #[test]
    fn each_list_is_ordered_by_its_keys() {
        let fields = Fields::from(vec![Field::new("place", Int32, true), Field::new("value", Utf8, true)]);
        let keys = Int32Array::from(vec![Some(9), Some(2), None, Some(1), Some(7), Some(3)]);
        let values = StringArray::from(vec!["skipped", "two", "last", "one", "seven", "three"]);
        let items = StructArray::new(fields.clone(), vec![Arc::new(keys), Arc::new(values)], None);
        // a list that starts behind unused items, a NULL with items behind it, an empty one, another
        let lists = ListArray::new(
            Arc::new(Field::new_list_field(DataType::Struct(fields), true)),
            OffsetBuffer::new(ScalarBuffer::from(vec![1, 4, 4, 4, 6])),
            Arc::new(items),
            Some(NullBuffer::from(vec![true, false, true, true])),
        );
        let ordered = in_order(&lists).unwrap();
        let ordered = ordered.as_list::<i32>();
        let texts =
            |row: usize| ordered.value(row).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(texts(0), ["one", "two", "last"]);
        assert!(ordered.is_null(1));
        assert!(ordered.is_valid(2) && texts(2).is_empty());
        assert_eq!(texts(3), ["three", "seven"]);
    }
}
