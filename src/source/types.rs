//! From PostgreSQL's types to the way their binary form is read and the Arrow type that holds them.
//!
//! | PostgreSQL | binary form read | Arrow | Parquet | what it cannot hold, and where that goes |
//! |---|---|---|---|---|
//! | `boolean` | 1 byte | Boolean | BOOLEAN | |
//! | `smallint`, `integer`, `bigint` | big-endian | Int16, Int32, Int64 | INT32, INT32, INT64 | |
//! | `oid` | big-endian | UInt32 | INT32 (unsigned) | |
//! | `real`, `double precision` | IEEE 754 | Float32, Float64 | FLOAT, DOUBLE | NaN, infinities and -0 are kept |
//! | `numeric(p, s)`, p to 38 | `numeric_send` | Decimal128(p, s) | decimal | NaN, or a value wider than the catalog says: NULL and an exception |
//! | `numeric(p, s)`, p to 76 | `numeric_send` | Decimal256(p, s) | decimal | the same |
//! | `numeric`, p over 76 | `numeric_send` | Utf8, all digits | string | |
//! | `text`, `varchar`, `char(n)`, `name`, enums, `json` | the text | Utf8, byte for byte | string | bytes that are no UTF-8: NULL and an exception with the bytes in hex |
//! | `jsonb` | version, text | Utf8 | string | the same |
//! | `uuid` | 16 bytes | Utf8, canonical | string | |
//! | `bytea` | the bytes | Binary | BYTE_ARRAY | |
//! | `date` | days since 2000 | Date32 | date | infinities are the extremes, see below |
//! | `timestamp`, `timestamptz` | microseconds since 2000 | Timestamp(us), with UTC | timestamp(us) | the same; from 294247-01-10 04:00:54.775807 on: NULL and an exception |
//! | `time` | microseconds | Time64(us) | time(us) | 24:00:00: NULL and an exception |
//! | arrays | `array_send` | List | LIST | several dimensions: NULL and an exception; a lower bound other than 1: the elements and an exception |
//! | composites, row types of tables | `record_send` | Struct, a field each | group | |
//! | ranges | `range_send` | Struct{lower, upper, lower_inc, upper_inc, empty} | group | a bound that is not held is NULL, and an exception tells it from an infinite one |
//! | multiranges | `multirange_send` | List of the range's Struct | LIST | the same |
//! | domains | as their base | as their base | as their base | as their base |
//! | `xml`, `"char"` | asked for as `::text` | Utf8, byte for byte | string | as `text` |
//! | every other base type (`interval`, `timetz`, `inet`, `money`, `bit`, geometry, `tsvector`, `reg*`, `hstore`, `citext`, …), whatever has a part of such a type, composites without fields, row types of the system catalogs | asked for as text | Utf8, what the output function prints | string | as `text`; the field's metadata has `pg_text` |
//!
//! **Exceptions.** A value that its column cannot hold, wholly or in a part, is one row of `raw/_exceptions` (table, key,
//! column, text), counted in manifest and report. The text is the *whole* value of the column as PostgreSQL prints it, so
//! that `text::type` is the value again; a part that is not held is NULL in the column, all others are there. A text that
//! is no UTF-8 (only a database without an encoding has such) is `\x` and its bytes in hex; no other exception begins so.
//!
//! **Infinities.** `-infinity` and `infinity` are -2147483647 and 2147483647 in a Date32, -9223372036854775807 and
//! 9223372036854775807 in a Timestamp: what DuckDB too reads as the two infinities, and no finite value of PostgreSQL. The
//! metadata of every field with a date or a timestamp in it says so ([`PG_INFINITY`]); the manifest counts them.
//!
//! Text forms are those under `DateStyle = ISO`, `IntervalStyle = postgres`, `TimeZone = UTC`, `lc_monetary = C`,
//! `search_path` empty: a `reg*` name is qualified unless it is one of `pg_catalog`.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use serde::{Deserialize, Serialize};

/// The binary form of a column's values (PostgreSQL's `*_send` functions), which decides the Arrow type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wire {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int16,
    /// `integer`.
    Int32,
    /// `bigint`.
    Int64,
    /// `oid`.
    Oid,
    /// `real`.
    Float32,
    /// `double precision`.
    Float64,
    /// `numeric(p, s)` with at most 76 digits. Holds no NaN.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// `numeric` without bounds, or with more than 76 digits: its text.
    Numeric,
    /// Text, `varchar`, `char(n)`, `name`, enums, `json`, and every type that the server renders as text for us.
    Text,
    /// `jsonb`: a version byte, then text.
    Jsonb,
    /// `uuid`: 16 bytes, kept as canonical text.
    Uuid,
    /// `bytea`.
    Bytes,
    /// `date`: days since 2000-01-01.
    Date,
    /// `timestamp`, or with `utc` `timestamptz`: microseconds since 2000-01-01.
    Timestamp {
        /// Whether the type is `timestamptz`.
        utc: bool,
    },
    /// `time`: microseconds since midnight. Holds no 24:00:00.
    Time,
    /// An array of at most one dimension.
    List(Box<Wire>),
    /// A composite: its fields by name.
    Struct(Vec<(String, Wire)>),
    /// A range over a type: Struct{lower, upper, lower_inc, upper_inc, empty}.
    Range(Box<Wire>),
    /// A multirange over a type: a List of its ranges.
    Multirange(Box<Wire>),
}

/// The metadata key of a field with dates or timestamps in it: which values stand for `-infinity` and `infinity`, as
/// `date: MIN, MAX`, `timestamp: MIN, MAX`, or both with `; ` between them.
pub const PG_INFINITY: &str = "pg_infinity";

/// The day that stands for `-infinity`; [`i32::MAX`] stands for `infinity`.
pub(super) const DATE_MINUS_INFINITY: i32 = -i32::MAX;
/// The microsecond that stands for `-infinity`; [`i64::MAX`] stands for `infinity`.
pub(super) const TIMESTAMP_MINUS_INFINITY: i64 = -i64::MAX;

impl Wire {
    /// The Arrow type that holds the values.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Oid => DataType::UInt32,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } if *precision <= 38 => DataType::Decimal128(*precision, *scale),
            Self::Decimal { precision, scale } => DataType::Decimal256(*precision, *scale),
            Self::Numeric | Self::Text | Self::Jsonb | Self::Uuid => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp { utc: false } => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamp { utc: true } => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::List(item) => DataType::List(Field::new_list_field(item.arrow(), true).into()),
            Self::Struct(fields) => {
                DataType::Struct(fields.iter().map(|(name, wire)| Field::new(name, wire.arrow(), true)).collect())
            }
            Self::Range(bound) => DataType::Struct(range_fields(&bound.arrow())),
            Self::Multirange(bound) => {
                let range = DataType::Struct(range_fields(&bound.arrow()));
                DataType::List(Field::new_list_field(range, true).into())
            }
        }
    }

    /// The value of [`PG_INFINITY`], if there are dates or timestamps in this form.
    pub(super) fn infinities(&self) -> Option<String> {
        let date = self.holds(&|wire| *wire == Self::Date);
        let timestamp = self.holds(&|wire| matches!(wire, Self::Timestamp { .. }));
        let mut said = Vec::new();
        if date {
            said.push(format!("date: {DATE_MINUS_INFINITY}, {}", i32::MAX));
        }
        if timestamp {
            said.push(format!("timestamp: {TIMESTAMP_MINUS_INFINITY}, {}", i64::MAX));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Whether this form or one within it is such a one.
    fn holds(&self, such: &impl Fn(&Self) -> bool) -> bool {
        such(self)
            || match self {
                Self::List(inner) | Self::Range(inner) | Self::Multirange(inner) => inner.holds(such),
                Self::Struct(fields) => fields.iter().any(|(_, wire)| wire.holds(such)),
                _ => false,
            }
    }
}

/// The fields that hold a range, NULL bounds being infinite ones.
pub(super) fn range_fields(bound: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("lower", bound.clone(), true),
        Field::new("upper", bound.clone(), true),
        Field::new("lower_inc", DataType::Boolean, false),
        Field::new("upper_inc", DataType::Boolean, false),
        Field::new("empty", DataType::Boolean, false),
    ])
}

/// How a column is asked for and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The form in which its values arrive.
    pub wire: Wire,
    /// Whether the server is asked for text: by the output function, or by `::text` where that is the value itself.
    pub cast: bool,
    /// Whether that is because no exact Arrow form is known for the type.
    pub fallback: bool,
}

/// A row of `pg_type`. Its kind is `typtype`, or `a` for an array; `range_of` is what a range's or multirange's bounds are.
#[derive(Debug, Clone, Default)]
pub(super) struct PgType {
    pub(super) kind: char,
    pub(super) base: u32,
    pub(super) typmod: i32,
    pub(super) element: u32,
    pub(super) range_of: u32,
    pub(super) relation: u32,
}

/// All types of a database, by OID, and the attributes of its composites, by relation.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) by_oid: HashMap<u32, PgType>,
    pub(super) attributes: HashMap<u32, Vec<(String, u32, i32)>>,
}

/// Composites and arrays nested deeper than this are read as text; a type cannot be that deep by accident.
const DEPTH: usize = 16;

/// `"char"` and `xml`: text in all but their binary form, so the server's cast gives the value itself.
const CAST_ONLY: [u32; 2] = [18, 142];

impl Types {
    /// How a column of this type is read.
    pub(super) fn reading(&self, oid: u32, typmod: i32) -> Reading {
        match self.wire(oid, typmod, 0) {
            Some(wire) => Reading { wire, cast: false, fallback: false },
            None => {
                let base = self.base(oid);
                Reading { wire: Wire::Text, cast: true, fallback: !CAST_ONLY.contains(&base) }
            }
        }
    }

    fn base(&self, mut oid: u32) -> u32 {
        for _ in 0..DEPTH {
            match self.by_oid.get(&oid) {
                Some(found) if found.kind == 'd' => oid = found.base,
                _ => break,
            }
        }
        oid
    }

    /// The binary form of a type, or none where only its text form is understood. OIDs: `pg_type.dat`.
    fn wire(&self, oid: u32, typmod: i32, depth: usize) -> Option<Wire> {
        if depth > DEPTH {
            return None;
        }
        Some(match oid {
            16 => Wire::Bool,
            17 => Wire::Bytes,
            20 => Wire::Int64,
            21 => Wire::Int16,
            23 => Wire::Int32,
            26 => Wire::Oid,
            19 | 25 | 114 | 1042 | 1043 => Wire::Text,
            700 => Wire::Float32,
            701 => Wire::Float64,
            1082 => Wire::Date,
            1083 => Wire::Time,
            1114 => Wire::Timestamp { utc: false },
            1184 => Wire::Timestamp { utc: true },
            1700 => numeric(typmod),
            2950 => Wire::Uuid,
            3802 => Wire::Jsonb,
            _ => return self.compound(self.by_oid.get(&oid)?, typmod, depth + 1),
        })
    }

    fn compound(&self, found: &PgType, typmod: i32, depth: usize) -> Option<Wire> {
        Some(match found.kind {
            'e' => Wire::Text,
            'd' => self.wire(found.base, if typmod >= 0 { typmod } else { found.typmod }, depth)?,
            'a' => Wire::List(Box::new(self.wire(found.element, typmod, depth)?)),
            'r' => Wire::Range(Box::new(self.wire(found.range_of, -1, depth)?)),
            'm' => Wire::Multirange(Box::new(self.wire(found.range_of, -1, depth)?)),
            'c' => {
                let attributes = self.attributes.get(&found.relation).filter(|all| !all.is_empty())?;
                let field =
                    |(name, oid, typmod): &(String, u32, i32)| Some((name.clone(), self.wire(*oid, *typmod, depth)?));
                Wire::Struct(attributes.iter().map(field).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

/// A numeric's bounds from its typmod: precision in the high half, scale as eleven signed bits (since PostgreSQL 15 a
/// scale may be negative or larger than the precision; both are brought to an Arrow decimal that holds the same values).
fn numeric(typmod: i32) -> Wire {
    if typmod < 4 {
        return Wire::Numeric;
    }
    let precision = ((typmod - 4) >> 16) & 0xffff;
    let scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
    let (precision, scale) = (precision.max(scale) - scale.min(0), scale.max(0));
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) if precision <= 76 => Wire::Decimal { precision, scale },
        _ => Wire::Numeric,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_bounds_come_from_the_typmod() {
        let typmod = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(numeric(-1), Wire::Numeric);
        assert_eq!(numeric(typmod(12, 3)), Wire::Decimal { precision: 12, scale: 3 });
        assert_eq!(numeric(typmod(76, 0)), Wire::Decimal { precision: 76, scale: 0 });
        assert_eq!(numeric(typmod(77, 0)), Wire::Numeric);
        assert_eq!(numeric(typmod(5, -2)), Wire::Decimal { precision: 7, scale: 0 });
        assert_eq!(numeric(typmod(3, 5)), Wire::Decimal { precision: 5, scale: 5 });
    }

    #[test]
    fn domains_hand_their_typmod_on_and_unknown_parts_make_the_whole_text() {
        let mut types = Types::default();
        let domain = PgType { kind: 'd', base: 1700, typmod: ((9 << 16) | 2) + 4, ..PgType::default() };
        types.by_oid.insert(90_001, domain);
        types.by_oid.insert(90_002, PgType { kind: 'c', relation: 7, ..PgType::default() });
        types.attributes.insert(7, vec![("a".into(), 23, -1), ("at".into(), 1186, -1)]);
        assert_eq!(types.reading(90_001, -1).wire, Wire::Decimal { precision: 9, scale: 2 });
        let composite = types.reading(90_002, -1);
        assert_eq!((composite.wire, composite.cast, composite.fallback), (Wire::Text, true, true));
        assert!(!types.reading(142, -1).fallback, "xml is text already");
    }
}
