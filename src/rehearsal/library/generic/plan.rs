//! How each column of a table is made, decided once a library, so that making a cell is one match.

use super::super::random::below;
use super::super::time::{DAY, NOW_MICROS, days_from_civil};
use super::super::{ColumnSpec, ColumnType, Library, TableSpec};
use super::keys::KeyPlan;
use super::references::Ids;
use super::words;

/// Header and alignment of a row on a heap page.
const ROW_FRAME: u64 = 36;
/// The mean length of texts that take no part in filling the row up to its width.
const SHORT: usize = 14;
/// Varchars from this length on fill rows up.
const LONG_VARCHAR: usize = 900;
/// How many times shorter a long document of PostgreSQL's own compression is on disk (an assumption of section 2).
const COMPRESSION: f64 = 2.6;
/// From this width on values are compressed (PostgreSQL's TOAST threshold).
const COMPRESSED_FROM: usize = 2_000;

/// Columns with secrets beside those of the core tables: credentials, tokens, keys.
const SECRETS: [(&str, &str); 8] = [
    ("collection_share", "token"),
    ("collection_share", "password_hash"),
    ("security_api_key", "key_hash"),
    ("webhook", "hmac_secret"),
    ("storage_file_system", "credentials"),
    ("workflow_property", "value"),
    ("http_call_log", "request_headers"),
    ("license_key", "key_text"),
];

/// How the columns of one table are made.
#[derive(Debug)]
pub struct TablePlan {
    pub(super) key: KeyPlan,
    columns: Vec<ColumnPlan>,
}

/// How one column is made.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    pub(super) maker: Maker,
    pub(super) nullable: bool,
}

/// What makes a column's values.
#[derive(Debug)]
pub(super) enum Maker {
    /// The database does.
    Nothing,
    /// A digit of the primary key.
    Key(usize),
    /// Any of the ids.
    Reference(Ids),
    /// Any of the ids, low ones more often.
    Popular(Ids),
    Number {
        low: i64,
        span: u64,
        extremes: bool,
    },
    Word(&'static [&'static str]),
    Moment(Moment),
    Text {
        style: Style,
        bytes: usize,
        longest: usize,
    },
    /// By the type alone.
    Typed,
    /// json, jsonb, xml, bytea, tsvector.
    Document {
        bytes: usize,
    },
}

/// A time between two moments, or shortly after another column of the row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    first: i64,
    seconds: u64,
    pub(super) after: Option<usize>,
    /// Whether infinity and the epoch occur.
    pub(super) odd: bool,
}

impl Moment {
    /// The moment of a draw, in microseconds since 1970.
    pub(super) fn at(self, draw: u64) -> i64 {
        let milliseconds = i64::try_from(below(draw, self.seconds * 1000)).unwrap_or(0);
        self.first + milliseconds * 1000
    }
}

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Words,
    FileName,
    Path,
    WindowsPath,
    Url,
    Uuid,
    Hex,
    Email,
    Timecode,
    Date,
    Color,
    Code,
    HouseCode,
    /// The number of an item of the former system.
    Item,
    /// The uuid column of a row of another table, 3 % in upper case without dashes.
    UuidOf(&'static str),
    /// What no export may hold: a text with a marker that tests search for.
    Secret,
}

impl TablePlan {
    pub(in super::super) fn new(library: &Library, table: &TableSpec) -> Self {
        let key = KeyPlan::new(library, table);
        let width = elastic_bytes(table);
        let columns = (0..table.columns.len())
            .map(|index| ColumnPlan {
                maker: maker(library, table, index, &key, width),
                nullable: !table.columns[index].required && key.digit(index).is_none(),
            })
            .collect();
        Self { key, columns }
    }

    pub(super) fn column(&self, index: usize) -> Option<&ColumnPlan> {
        self.columns.get(index)
    }
}

fn maker(library: &Library, table: &TableSpec, index: usize, key: &KeyPlan, width: usize) -> Maker {
    let column = &table.columns[index];
    let extremes = table.usage == 'X';
    if column.generated {
        return Maker::Nothing;
    }
    if let Some(digit) = key.digit(index) {
        return Maker::Key(digit);
    }
    match &column.kind {
        ColumnType::Bigint | ColumnType::Integer | ColumnType::Smallint | ColumnType::Oid => {
            integer(library, table, column, extremes)
        }
        ColumnType::Timestamp | ColumnType::TimestampTz => Maker::Moment(moment(table, index)),
        _ if SECRETS.contains(&(table.name, column.name)) => {
            Maker::Text { style: Style::Secret, bytes: SHORT, longest: usize::MAX }
        }
        ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Char(_) => text(column, uncompressed(width)),
        ColumnType::Json | ColumnType::Jsonb | ColumnType::Xml | ColumnType::TsVector => {
            Maker::Document { bytes: uncompressed(width) }
        }
        ColumnType::Bytea if is_elastic(column) => Maker::Document { bytes: width },
        ColumnType::Bytea => Maker::Document { bytes: 20 },
        _ => Maker::Typed,
    }
}

fn integer(library: &Library, table: &TableSpec, column: &ColumnSpec, extremes: bool) -> Maker {
    if let Some(ids) = Ids::of(library, table, column.name) {
        let popular = matches!(column.name, "user_id" | "owner_id" | "keyword_id" | "created_by");
        return if popular { Maker::Popular(ids) } else { Maker::Reference(ids) };
    }
    let plain = |low, span| Maker::Number { low, span, extremes: false };
    match column.name {
        "status" => plain(200, 305),
        "year" => plain(1950, 76),
        "lob" => plain(300_000, library.rows("file_lob_ref").max(1)),
        "width" | "height" => plain(1, 7680),
        "sampling_rate" => plain(44_100, 3_901),
        "depth" => plain(0, 10),
        "creation_time" | "last_access_time" | "expiry_time" | "start_time" | "next_fire_time" | "prev_fire_time"
        | "fired_time" | "sched_time" | "last_checkin_time" | "end_time" => plain(1_600_000_000_000, 140_000_000_000),
        _ => match column.kind {
            ColumnType::Smallint => Maker::Number { low: 0, span: 100, extremes },
            ColumnType::Integer => Maker::Number { low: 0, span: 100_000, extremes },
            ColumnType::Oid => plain(16_384, 1_000_000),
            _ => Maker::Number { low: 0, span: 6_000_000_000, extremes },
        },
    }
}

fn moment(table: &TableSpec, index: usize) -> Moment {
    let is_time = |column: &ColumnSpec| {
        matches!(column.kind, ColumnType::Timestamp | ColumnType::TimestampTz) && !column.generated
    };
    let earlier = table.columns[..index].iter().position(is_time);
    let ends = matches!(table.columns[index].name, "eta" | "expires" | "revoked" | "due_at" | "end" | "valid_to");
    let now = NOW_MICROS / 1_000_000;
    let (first, end) = match table.partition {
        Some(partition) => {
            let start = |year: i32| days_from_civil(i64::from(year), 1, 1) * (DAY / 1_000_000);
            (start(partition.year), start(partition.year + 1).min(now))
        }
        None => (days_from_civil(2008, 1, 1) * (DAY / 1_000_000), now),
    };
    Moment {
        first: first * 1_000_000,
        seconds: u64::try_from(end - first).unwrap_or(1),
        after: earlier,
        // The database cannot subtract infinite times, as the generated columns of some tables do.
        odd: !table.columns[index].required
            && !table.columns.iter().any(|column| column.generated)
            && (ends || table.usage == 'X'),
    }
}

fn text(column: &ColumnSpec, width: usize) -> Maker {
    let longest = match column.kind {
        ColumnType::Varchar(length) | ColumnType::Char(length) => length,
        _ => usize::MAX,
    };
    if let Some(words) = words::vocabulary(column.name)
        && words.iter().all(|word| word.chars().count() <= longest)
    {
        return Maker::Word(words);
    }
    let bytes = if is_elastic(column) { width } else { SHORT };
    Maker::Text { style: style(column, longest), bytes: bytes.min(longest), longest }
}

fn style(column: &ColumnSpec, longest: usize) -> Style {
    let name = column.name;
    match name {
        "windows_path" | "unc_path" => Style::WindowsPath,
        "item_no" => Style::Item,
        "asset_uuid" => Style::UuidOf("asset_master"),
        "workflow_execution_uuid" => Style::UuidOf("workflow_execution"),
        "original_name" | "expected_file_name" => Style::FileName,
        "color" => Style::Color,
        "house_code" | "HouseCode" => Style::HouseCode,
        "tc" | "tc_in" | "tc_out" | "src_in" | "src_out" | "rec_in" | "rec_out" | "time" => Style::Timecode,
        "published_at" | "created" | "Created On" | "Air Date" | "date" => Style::Date,
        _ if name.contains("uuid") => Style::Uuid,
        _ if name.contains("email") => Style::Email,
        _ if ["md5", "md5sum", "checksum", "etag", "value_hash"].contains(&name) => Style::Hex,
        _ if name.contains("path") || name == "root" || name == "pattern" => Style::Path,
        _ if name == "url" || name == "s3_uri" => Style::Url,
        _ if longest <= 64 => Style::Code,
        _ => Style::Words,
    }
}

/// The columns that fill a row up to its width.
fn is_elastic(column: &ColumnSpec) -> bool {
    match column.kind {
        ColumnType::Text => words::vocabulary(column.name).is_none(),
        ColumnType::Varchar(length) => length >= LONG_VARCHAR && words::vocabulary(column.name).is_none(),
        ColumnType::Json | ColumnType::Jsonb | ColumnType::Xml | ColumnType::TsVector => true,
        ColumnType::Bytea => !matches!(column.name, "digest" | "sha1" | "key_hash" | "password_hash" | "hmac_secret"),
        _ => false,
    }
}

/// What each elastic column has to give so that rows get the table's width.
fn elastic_bytes(table: &TableSpec) -> usize {
    let elastic = table.columns.iter().filter(|column| is_elastic(column)).count();
    if elastic == 0 {
        return SHORT;
    }
    let rigid: u64 = table.columns.iter().filter(|column| !is_elastic(column)).map(width).sum();
    let missing = usize::try_from(table.row_bytes.saturating_sub(ROW_FRAME + rigid)).unwrap_or(0);
    (missing / elastic).max(8)
}

/// The length a text or document has before PostgreSQL compresses it to `bytes`.
fn uncompressed(bytes: usize) -> usize {
    if bytes > COMPRESSED_FROM { (bytes as f64 * COMPRESSION) as usize } else { bytes }
}

/// The bytes of a value on the heap, roughly.
fn width(column: &ColumnSpec) -> u64 {
    match column.kind {
        ColumnType::Boolean | ColumnType::QuotedChar | ColumnType::Bit(_) => 1,
        ColumnType::Smallint => 2,
        ColumnType::Integer | ColumnType::Oid | ColumnType::Real | ColumnType::Date | ColumnType::Enum(_) => 4,
        ColumnType::Uuid | ColumnType::Interval => 16,
        ColumnType::Char(length) => length as u64 + 1,
        ColumnType::Varchar(_) | ColumnType::Text if column.name.contains("uuid") => 37,
        ColumnType::Varchar(length) => (length as u64).min(SHORT as u64) + 1,
        ColumnType::Array(_) => 48,
        ColumnType::Box | ColumnType::Point => 32,
        ColumnType::Polygon | ColumnType::Name => 72,
        ColumnType::TstzRange | ColumnType::TsRange | ColumnType::TcRange | ColumnType::Email => 30,
        ColumnType::Bytea => 21,
        _ => 8,
    }
}
