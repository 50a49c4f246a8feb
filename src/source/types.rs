//! From PostgreSQL's types to the way their binary form is read and the Arrow type that holds them.

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
    /// An array of one dimension.
    List(Box<Wire>),
    /// A composite: its fields by name.
    Struct(Vec<(String, Wire)>),
    /// A range over a type: Struct{lower, upper, lower_inc, upper_inc, empty}.
    Range(Box<Wire>),
}

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
    /// Whether the server is asked for the text form (`::text`).
    pub cast: bool,
    /// Whether that is because no exact Arrow form is known for the type.
    pub fallback: bool,
}

/// A row of `pg_type`, with the parts of composites and ranges.
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
