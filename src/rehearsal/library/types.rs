//! The column types that occur in the library.

use super::schema::SCHEMA;

/// A PostgreSQL type, as far as making values of it needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are PostgreSQL's own names")]
pub enum ColumnType {
    Bigint,
    Integer,
    Smallint,
    Oid,
    Real,
    Double,
    /// Precision and scale; `None` for numeric without limits.
    Numeric(Option<(u32, u32)>),
    Money,
    Boolean,
    Text,
    /// The longest length in characters.
    Varchar(usize),
    /// The length in characters, padded with blanks.
    Char(usize),
    /// The one-byte `"char"`.
    QuotedChar,
    Name,
    /// The domain over varchar(320) that asks for an `@`.
    Email,
    Uuid,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Json,
    Jsonb,
    Xml,
    Bytea,
    Inet,
    Cidr,
    Macaddr,
    /// The number of bits.
    Bit(usize),
    Varbit,
    PgLsn,
    Point,
    Polygon,
    Box,
    TsVector,
    Int4Range,
    DateRange,
    TsRange,
    TstzRange,
    /// The labels.
    Enum(Vec<&'static str>),
    /// The composite (tc_in varchar(16), tc_out varchar(16), frame_rate numeric(7,4)).
    TcRange,
    Array(Box<ColumnType>),
    /// Not a type of the library (a test asserts that no column has it).
    Unknown,
}

impl ColumnType {
    /// The type that the DDL writes as `text`.
    pub fn parse(text: &'static str) -> Self {
        if let Some(element) = text.strip_suffix("[]") {
            return Self::Array(Box::new(Self::parse(element)));
        }
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.trim_end_matches(')')),
            None => (text, ""),
        };
        let length = arguments.parse().unwrap_or(0);
        match name {
            "varchar" => Self::Varchar(length),
            "char" => Self::Char(length),
            "bit" => Self::Bit(length),
            "numeric" => Self::Numeric(
                arguments.split_once(',').and_then(|(p, s)| Some((p.trim().parse().ok()?, s.trim().parse().ok()?))),
            ),
            _ => Self::plain(name),
        }
    }

    fn plain(name: &'static str) -> Self {
        match name {
            "bigint" => Self::Bigint,
            "integer" => Self::Integer,
            "smallint" => Self::Smallint,
            "oid" => Self::Oid,
            "real" => Self::Real,
            "double precision" => Self::Double,
            "money" => Self::Money,
            "boolean" => Self::Boolean,
            "text" => Self::Text,
            "\"char\"" => Self::QuotedChar,
            "name" => Self::Name,
            "email_addr" => Self::Email,
            "uuid" => Self::Uuid,
            "date" => Self::Date,
            "time without time zone" => Self::Time,
            "timetz" => Self::TimeTz,
            "timestamp without time zone" => Self::Timestamp,
            "timestamp with time zone" => Self::TimestampTz,
            "interval" => Self::Interval,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "xml" => Self::Xml,
            "bytea" => Self::Bytea,
            "inet" => Self::Inet,
            "cidr" => Self::Cidr,
            "macaddr" => Self::Macaddr,
            "varbit" => Self::Varbit,
            "pg_lsn" => Self::PgLsn,
            "point" => Self::Point,
            "polygon" => Self::Polygon,
            "box" => Self::Box,
            "tsvector" => Self::TsVector,
            "int4range" => Self::Int4Range,
            "daterange" => Self::DateRange,
            "tsrange" => Self::TsRange,
            "tstzrange" => Self::TstzRange,
            "tc_range" => Self::TcRange,
            _ => labels(name).map_or(Self::Unknown, Self::Enum),
        }
    }
}

/// The labels of an enum type of the schema.
fn labels(name: &str) -> Option<Vec<&'static str>> {
    let line = SCHEMA
        .lines()
        .find_map(|line| line.strip_prefix("CREATE TYPE ")?.strip_prefix(name)?.strip_prefix(" AS ENUM ("))?;
    Some(line.trim_end_matches(");").split(',').map(|label| label.trim().trim_matches('\'')).collect())
}
