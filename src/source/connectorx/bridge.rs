//! The only unsafe code there is: an array of arrow 56 (connectorx' own) becomes one of ours over Arrow's C data
//! interface, its buffers staying where they are.
//!
//! The interface (<https://arrow.apache.org/docs/format/CDataInterface.html>) is a C ABI that does not change: `ArrowArray`
//! and `ArrowSchema` are the same structs in every version and language, and whoever holds an `ArrowArray` whose `release`
//! is set owns it and calls that function once. So a struct that one version of the crate has filled may be read by the
//! other; that both lay it out alike is checked below when this is compiled.

#![allow(unsafe_code, reason = "the C data interface is made of raw pointers; no other module may")]

use arrow::array::{ArrayRef, make_array};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};

const _: () = {
    use arrow56::ffi as theirs;
    assert!(size_of::<FFI_ArrowArray>() == size_of::<theirs::FFI_ArrowArray>());
    assert!(align_of::<FFI_ArrowArray>() == align_of::<theirs::FFI_ArrowArray>());
    assert!(size_of::<FFI_ArrowSchema>() == size_of::<theirs::FFI_ArrowSchema>());
    assert!(align_of::<FFI_ArrowSchema>() == align_of::<theirs::FFI_ArrowSchema>());
};

/// The same array for our version of arrow; the buffers are shared and freed with the last array of either side.
///
/// # Errors
/// When the array is of a type that the interface does not know.
pub(super) fn hand_over(array: &dyn arrow56::array::Array) -> Result<ArrayRef, ArrowError> {
    let failed = |cause: arrow56::error::ArrowError| ArrowError::CDataInterface(cause.to_string());
    let (mut array, schema) = arrow56::ffi::to_ffi(&array.to_data()).map_err(failed)?;
    // SAFETY: the pointer is to a live, initialised local of the same C struct (asserted above), which nobody else holds.
    // The call moves the struct out and leaves an empty one without `release` behind, so that `array` is not freed twice.
    let array = unsafe { FFI_ArrowArray::from_raw((&raw mut array).cast()) };
    // SAFETY: as above; it is only read, and `schema` outlives the borrow and frees itself.
    let schema = unsafe { &*(&raw const schema).cast::<FFI_ArrowSchema>() };
    // SAFETY: array and schema were made for one another by `to_ffi` from an array that was valid.
    let data = unsafe { from_ffi(array, schema) }?;
    Ok(make_array(data))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};
    use arrow56::array as theirs;
    use arrow56::buffer::{Buffer, OffsetBuffer, ScalarBuffer};

    use super::*;

    #[test]
    fn every_kind_of_array_in_use_has_its_buffers_where_they_were() {
        let ints = theirs::Int64Array::from(vec![Some(1), None, Some(i64::MIN)]);
        let ours = hand_over(&ints).unwrap();
        assert_eq!(ours.as_primitive::<Int64Type>().values().as_ptr(), ints.values().as_ptr());
        assert_eq!(ours.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None, Some(i64::MIN)]);
        let nulls = ours.nulls().unwrap().buffer().as_ptr();
        assert_eq!(nulls, theirs::Array::nulls(&ints).unwrap().buffer().as_ptr());

        let texts = theirs::StringArray::from(vec![Some("a"), None, Some(""), Some("grün")]);
        let ours = hand_over(&texts).unwrap();
        assert_eq!(ours.as_string::<i32>().values().as_ptr(), texts.values().as_ptr());
        assert_eq!(ours.as_string::<i32>().value_offsets().as_ptr(), texts.value_offsets().as_ptr());
        assert_eq!(ours.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), None, Some(""), Some("grün")]);

        let bytes = theirs::LargeBinaryArray::from_opt_vec(vec![Some(b"\0\xff".as_slice()), None]);
        let ours = hand_over(&bytes).unwrap();
        assert_eq!(ours.as_binary::<i64>().values().as_ptr(), bytes.values().as_ptr());

        let bools = theirs::BooleanArray::from(vec![Some(true), None, Some(false)]);
        let ours = hand_over(&bools).unwrap();
        assert_eq!(ours.as_boolean().values().values().as_ptr(), bools.values().values().as_ptr());
        assert_eq!(ours.as_boolean().iter().collect::<Vec<_>>(), [Some(true), None, Some(false)]);

        // A slice keeps its offset, and an empty array is one.
        let slice = theirs::Array::slice(&theirs::Float64Array::from(vec![0.5, f64::NAN, 2.5]), 2, 1);
        assert_eq!(hand_over(slice.as_ref()).unwrap().as_primitive::<Float64Type>().values(), &[2.5]);
        assert!(hand_over(&theirs::StringArray::from(Vec::<&str>::new())).unwrap().is_empty());
    }

    /// Bytes that count how often they are freed.
    struct Counted(Vec<u8>, Arc<AtomicUsize>);

    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counted(freed: &Arc<AtomicUsize>) -> theirs::StringArray {
        let owner = Counted(b"onetwo".to_vec(), freed.clone());
        let values = Buffer::from(bytes::Bytes::from_owner(owner));
        theirs::StringArray::new(OffsetBuffer::new(ScalarBuffer::from(vec![0, 3, 6])), values, None)
    }

    #[test]
    fn buffers_are_freed_once_whichever_side_is_dropped_last() {
        for theirs_first in [true, false] {
            let freed = Arc::new(AtomicUsize::new(0));
            let theirs = counted(&freed);
            let ours = hand_over(&theirs).unwrap();
            let slice = ours.slice(1, 1);
            if theirs_first {
                drop(theirs);
                drop(ours);
                assert_eq!((freed.load(Ordering::SeqCst), slice.as_string::<i32>().value(0)), (0, "two"));
                drop(slice);
            } else {
                drop((ours, slice));
                assert_eq!((freed.load(Ordering::SeqCst), theirs.value(0)), (0, "one"));
                drop(theirs);
            }
            assert_eq!(freed.load(Ordering::SeqCst), 1);
        }
    }

    #[test]
    fn an_array_may_be_freed_by_another_thread() {
        let freed = Arc::new(AtomicUsize::new(0));
        let ours = hand_over(&counted(&freed)).unwrap();
        std::thread::spawn(move || assert_eq!(ours.as_string::<i32>().value(1), "two")).join().unwrap();
        assert_eq!(freed.load(Ordering::SeqCst), 1);
    }
}
