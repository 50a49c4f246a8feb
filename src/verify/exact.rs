//! The bytes of a value that two databases are compared by: straight from PostgreSQL's binary form, and of every value,
//! also of those that no Arrow type can hold (NaN in a `numeric(p, s)`, 24:00:00, arrays of two dimensions).
//!
//! They are the bytes as sent, but for what differs between two databases though the value is one: every NaN of a float
//! is the quiet NaN (-0 stays -0), integers of every width are eight bytes, and the OIDs and flags inside of arrays and
//! composites are left out. So a `numeric` keeps the digits that are printed after its point, and a `char(n)` its blanks.

use crate::dataflow::checksum::{canonical_f32, canonical_f64, push_member};
use crate::source::Wire;

/// The form that two columns must share for their values to be compared.
pub(super) fn form(wire: &Wire) -> Wire {
    match wire {
        Wire::Int16 | Wire::Int32 | Wire::Int64 => Wire::Int64,
        // All its digits after the point are sent: those of another scale would all differ.
        Wire::Decimal { scale, .. } => Wire::Decimal { precision: 0, scale: *scale },
        Wire::List(item) => Wire::List(Box::new(form(item))),
        Wire::Struct(fields) => Wire::Struct(fields.iter().map(|(name, wire)| (name.clone(), form(wire))).collect()),
        Wire::Range(bound) => Wire::Range(Box::new(form(bound))),
        Wire::Multirange(bound) => Wire::Multirange(Box::new(form(bound))),
        other => other.clone(),
    }
}

/// The bytes that stand for a value; `buffer` is used where they are not those that were sent.
///
/// # Errors
/// When the bytes are no value of this form.
pub(super) fn bytes<'a>(wire: &Wire, value: &'a [u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8], &'static str> {
    match wire {
        Wire::Int16
        | Wire::Int32
        | Wire::Float32
        | Wire::Float64
        | Wire::List(_)
        | Wire::Struct(_)
        | Wire::Range(_)
        | Wire::Multirange(_) => {
            buffer.clear();
            append(wire, value, buffer)?;
            Ok(buffer)
        }
        _ => Ok(value),
    }
}

fn append(wire: &Wire, value: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    match wire {
        Wire::Int16 => out.extend_from_slice(&i64::from(i16::from_be_bytes(array(value)?)).to_be_bytes()),
        Wire::Int32 => out.extend_from_slice(&i64::from(i32::from_be_bytes(array(value)?)).to_be_bytes()),
        Wire::Float32 => out.extend_from_slice(&canonical_f32(f32::from_be_bytes(array(value)?))),
        Wire::Float64 => out.extend_from_slice(&canonical_f64(f64::from_be_bytes(array(value)?))),
        Wire::List(item) => list(item, value, out)?,
        Wire::Struct(fields) => composite(fields, value, out)?,
        Wire::Range(bound) => range(bound, value, out)?,
        Wire::Multirange(bound) => multirange(bound, value, out)?,
        _ => out.extend_from_slice(value),
    }
    Ok(())
}

fn array<const N: usize>(value: &[u8]) -> Result<[u8; N], &'static str> {
    <[u8; N]>::try_from(value).map_err(|_| "a value of another width")
}

/// Takes a big-endian word off the front.
fn word(rest: &mut &[u8]) -> Result<i32, &'static str> {
    let (head, tail) = rest.split_first_chunk::<4>().ok_or("a nested value cut short")?;
    *rest = tail;
    Ok(i32::from_be_bytes(*head))
}

/// Takes a value with its length off the front and appends it as a member.
fn member(wire: &Wire, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let Ok(length) = usize::try_from(word(rest)?) else {
        push_member(out, None);
        return Ok(());
    };
    let (value, tail) = rest.split_at_checked(length).ok_or("a nested value cut short")?;
    *rest = tail;
    let mut bytes = Vec::new();
    append(wire, value, &mut bytes)?;
    push_member(out, Some(&bytes));
    Ok(())
}

/// Dimensions, each with its length and lower bound, then the elements.
fn list(item: &Wire, mut rest: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let dimensions = word(&mut rest)?;
    let _has_nulls = word(&mut rest)?;
    let _element_type = word(&mut rest)?;
    out.extend_from_slice(&dimensions.to_be_bytes());
    for _ in 0..dimensions {
        let (length, lower) = (word(&mut rest)?, word(&mut rest)?);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&lower.to_be_bytes());
    }
    while !rest.is_empty() {
        member(item, &mut rest, out)?;
    }
    Ok(())
}

fn composite(fields: &[(String, Wire)], mut rest: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let _count = word(&mut rest)?;
    for (_, wire) in fields {
        let _type = word(&mut rest)?;
        member(wire, &mut rest, out)?;
    }
    Ok(())
}

/// The flags say which bounds follow.
fn range(bound: &Wire, value: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (flags, mut rest) = value.split_first().ok_or("a range without flags")?;
    out.push(*flags);
    while !rest.is_empty() {
        member(bound, &mut rest, out)?;
    }
    Ok(())
}

/// A count, then the ranges.
fn multirange(bound: &Wire, mut rest: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let count = word(&mut rest)?;
    out.extend_from_slice(&count.to_be_bytes());
    let range = Wire::Range(Box::new(bound.clone()));
    while !rest.is_empty() {
        member(&range, &mut rest, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wire: &Wire, value: &[u8]) -> Vec<u8> {
        bytes(wire, value, &mut Vec::new()).unwrap().to_vec()
    }

    #[test]
    fn widths_and_oids_make_no_difference_and_everything_else_does() {
        assert_eq!(of(&Wire::Int16, &(-7_i16).to_be_bytes()), of(&Wire::Int64, &(-7_i64).to_be_bytes()));
        assert_ne!(of(&Wire::Float64, &0_f64.to_be_bytes()), of(&Wire::Float64, &(-0_f64).to_be_bytes()));
        assert_eq!(of(&Wire::Float64, &f64::NAN.to_be_bytes()), of(&Wire::Float64, &(-f64::NAN).to_be_bytes()));
        let list = |words: &[i32]| {
            let sent: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            of(&Wire::List(Box::new(Wire::Int32)), &sent)
        };
        // Two elements, of another element type; then as two rows of one, then from 0 on, then one of them NULL.
        let plain = list(&[1, 0, 23, 2, 1, 4, 7, 4, 8]);
        assert_eq!(list(&[1, 0, 99, 2, 1, 4, 7, 4, 8]), plain);
        let others = [
            list(&[2, 0, 23, 2, 1, 1, 1, 4, 7, 4, 8]),
            list(&[1, 0, 23, 2, 0, 4, 7, 4, 8]),
            list(&[1, 1, 23, 2, 1, 4, 7, -1]),
        ];
        assert!(others.iter().all(|other| *other != plain));
        let form = |precision, scale| form(&Wire::Decimal { precision, scale });
        assert!(form(10, 2) == form(12, 2) && form(10, 2) != form(10, 3) && form(10, 2) != Wire::Numeric);
    }
}
