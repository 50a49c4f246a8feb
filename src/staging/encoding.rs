//! How the columns of a Parquet file are encoded: decided column by column, by how often values repeat in the file's first
//! batch.
//!
//! A dictionary is small and cheap where values repeat, and wasted work where they do not: every value is looked up in a
//! hash table until the dictionary is full and given up, once a row group. So a column gets one only when its dictionary
//! is likely to stay below [`DICTIONARY_BYTES`]. Integers, dates and timestamps are written as differences
//! (`DELTA_BINARY_PACKED`), which sorted, clustered and small numbers shrink to a few bits by, unless a dictionary is a good
//! deal smaller; all else plain.
//!
//! Every reader of Parquet takes these encodings (Spark from 3.3 on reads differences in its fast reader). The choice
//! changes the bytes of a file, never its rows.

use ::parquet::basic::{Compression as Codec, Encoding, ZstdLevel};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};

use super::Compression;
use crate::dataflow::checksum::row_digests;
use crate::error::{Error, Result};

/// Bytes of a row group at most: what a writer holds in memory before it writes. Eight writers at once stay below
/// 256 MiB.
const ROW_GROUP_BYTES: usize = 16 << 20;
/// Where the writer gives a dictionary up.
const DICTIONARY_BYTES: usize = 1 << 20;
/// Integers are better off as differences, even where a dictionary would hold them, if that costs no more than this many
/// bits a value: there is nothing to look up.
const BITS_MORE: f64 = 8.0;
/// Rows looked at to decide, and encoded at a time.
const SAMPLE: usize = 8192;
/// Rows of a page at most: bytes (1 MiB) end it before, but for columns of a bit or none a value.
const PAGE_ROWS: usize = 1 << 20;
/// Fewer values than this tell nothing: a dictionary of so few costs nothing either.
const FEW: usize = 64;

/// The properties of a file whose first batch this is: statistics a chunk, row groups and pages bounded by bytes.
/// `coerce_types` stays off so that Arrow types come back as they went in.
pub(super) fn writer_properties(compression: Compression, first: Option<&RecordBatch>) -> Result<WriterProperties> {
    let codec = match compression {
        Compression::Zstd => Codec::ZSTD(
            ZstdLevel::try_new(1).map_err(|cause| Error::staging("parquet", "zstd level 1 is not known", cause))?,
        ),
        Compression::Snappy => Codec::SNAPPY,
    };
    let mut properties = WriterProperties::builder()
        .set_compression(codec)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(true)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(SAMPLE)
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_created_by(concat!("telecine ", env!("CARGO_PKG_VERSION")).to_owned());
    for (field, column) in first.iter().flat_map(|first| first.schema_ref().fields().iter().zip(first.columns())) {
        if let Some(encoding) = without_dictionary(field, column)? {
            let path = ColumnPath::from(field.name().as_str());
            properties =
                properties.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
        }
    }
    Ok(properties.build())
}

/// The encoding of a column that is better off without a dictionary; none for one that gets it.
fn without_dictionary(field: &Field, column: &ArrayRef) -> Result<Option<Encoding>> {
    use DataType::{Boolean, Dictionary, List, Struct};
    if matches!(field.data_type(), Boolean | List(_) | Struct(_) | Dictionary(..)) {
        return Ok(None);
    }
    let sample = column.slice(0, column.len().min(SAMPLE));
    let values = sample.len() - sample.logical_null_count();
    if values < FEW {
        return Ok(None);
    }
    let mut digests = row_digests(std::slice::from_ref(&sample))?;
    if let Some(nulls) = sample.logical_nulls().filter(|_| values < sample.len()) {
        let mut valid = nulls.iter();
        digests.retain(|_| valid.next().unwrap_or(true));
    }
    // Neighbours that are equal were not drawn at random: the rows of one thing lie together. They count once.
    digests.dedup();
    let drawn = digests.len() as f64;
    if digests.len() < FEW {
        return Ok(None);
    }
    digests.sort_unstable();
    digests.dedup();
    let in_all = population(digests.len() as f64, drawn);
    let bytes = sample.to_data().get_slice_memory_size().unwrap_or_default();
    let width = (bytes as f64 / values as f64).max(1.0);
    let fits = in_all * (width + 4.0) <= DICTIONARY_BYTES as f64;
    Ok(match difference_bits(&sample) {
        Some(bits) if !fits || bits <= in_all.log2() + BITS_MORE => Some(Encoding::DELTA_BINARY_PACKED),
        _ if fits => None,
        _ => Some(Encoding::PLAIN),
    })
}

/// Bits that a difference of neighbours may take, for the types that Parquet holds as INT32 or INT64 and every reader knows
/// as differences; none for other types.
fn difference_bits(sample: &ArrayRef) -> Option<f64> {
    use DataType::{Date32, Int8, Int16, Int32, Int64, Time64, Timestamp, UInt8, UInt16, UInt32};
    let integers = matches!(
        sample.data_type(),
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | Date32 | Time64(_) | Timestamp(..)
    );
    let widened = if integers { cast(sample, &Int64).ok()? } else { return None };
    let values: Vec<i64> = widened.as_primitive_opt::<Int64Type>()?.iter().flatten().collect();
    let steps = values.windows(2).map(|pair| i128::from(pair[1]) - i128::from(pair[0]));
    let (low, high) = steps.fold((0, 0), |(low, high), step| (step.min(low), step.max(high)));
    Some(((high - low) as f64 + 1.0).log2())
}

/// How many values there are in all, if `drawn` draws at random have shown `distinct` of them: the D of
/// `distinct = D (1 - e^(-drawn / D))`, by halving.
fn population(distinct: f64, drawn: f64) -> f64 {
    let shown = |all: f64| all * (1.0 - (-drawn / all).exp());
    let (mut low, mut high) = (distinct.max(1.0), 1e9);
    if shown(high) <= distinct {
        return high;
    }
    for _ in 0..48 {
        let middle = f64::midpoint(low, high);
        if shown(middle) < distinct { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn encoding(column: ArrayRef) -> Option<Encoding> {
        without_dictionary(&Field::new("c", column.data_type().clone(), true), &column).unwrap()
    }

    fn numbers(number: impl Fn(i64) -> Option<i64>) -> ArrayRef {
        Arc::new((0..8192).map(number).collect::<Int64Array>())
    }

    fn texts(text: impl Fn(i64) -> String) -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..8192).map(text)))
    }

    #[test]
    fn a_dictionary_is_for_values_that_come_again() {
        assert_eq!(encoding(numbers(Some)), Some(Encoding::DELTA_BINARY_PACKED), "a key");
        assert_eq!(encoding(numbers(|i| Some(i % 100))), Some(Encoding::DELTA_BINARY_PACKED), "a reference");
        assert_eq!(encoding(numbers(|i| Some((i % 100) << 40))), None, "a hundred moments");
        let clustered = numbers(|i| Some((i / 13).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) >> 40));
        assert_eq!(encoding(clustered), Some(Encoding::DELTA_BINARY_PACKED), "thirteen rows of each thing");
        assert_eq!(encoding(numbers(|i| (i % 1000 == 0).then_some(i))), None, "hardly a value");
        assert_eq!(encoding(numbers(|i| (i % 4 == 0).then_some(i))), Some(Encoding::DELTA_BINARY_PACKED));
        assert_eq!(encoding(texts(|_| "the same".into())), None);
        assert_eq!(encoding(texts(|i| format!("part {}", i / 500))), None, "sorted, and many of each");
        assert_eq!(encoding(texts(|i| format!("title {i}"))), Some(Encoding::PLAIN), "no two alike");
        assert_eq!(encoding(texts(|i| format!("{}", i * 2_654_435_761 % 5_000))), None, "a vocabulary");
        assert_eq!(encoding(texts(|i| format!("{:0400}", i % 5_000))), Some(Encoding::PLAIN), "too large a vocabulary");
    }

    #[test]
    fn the_population_is_found_from_a_sample() {
        for all in [10.0, 500.0, 8192.0, 100_000.0] {
            let found = population(all * (1.0 - (-8192.0_f64 / all).exp()), 8192.0);
            assert!((found / all - 1.0).abs() < 0.01, "{found} for {all}");
        }
        assert!(population(8192.0, 8192.0) > 1e8);
    }
}
