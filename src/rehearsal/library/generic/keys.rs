//! Primary keys: different for different rows, by construction.

use super::super::random::mix;
use super::super::{Cell, ColumnType, Library, TableSpec, Value, first_id};
use super::references::Ids;
use super::words;

/// Room of a key column that counts on for ever.
const OPEN: u64 = 1 << 40;
/// How many rows share a value of a leading key column, where the rest of the key has the room.
const SPREAD: u64 = 8;

/// How the primary key of a table follows from the row's number: one digit a key column, in a mixed radix.
#[derive(Debug, Default)]
pub(super) struct KeyPlan {
    digits: Vec<Digit>,
    /// Where the ids of a partition start (its siblings' ids come before).
    first: u64,
}

#[derive(Debug)]
struct Digit {
    column: usize,
    radix: u64,
    room: u64,
    form: Form,
}

/// What a digit is written as.
#[derive(Debug)]
enum Form {
    /// An id counted on from the plan's first.
    Count,
    /// An id of another table.
    Reference(Ids),
    /// A number from 1.
    Number,
    Word(&'static [&'static str]),
    /// `prefix` and a number.
    Name(&'static str),
    /// A random UUID that holds the digit.
    Uuid,
}

impl KeyPlan {
    pub(super) fn new(library: &Library, table: &TableSpec) -> Self {
        let mut columns: Vec<usize> = table.key().collect();
        if table.partition.is_some() {
            // (id, time): the id alone is unique, the time stays free.
            columns.truncate(1);
        }
        if columns.is_empty() && table.columns.first().is_some_and(|column| column.name == "id") {
            columns.push(0);
        }
        let alone = columns.len() == 1;
        let digits = columns.into_iter().map(|column| Digit::new(library, table, column, alone)).collect();
        let mut plan = Self { digits, first: first_id(table.name) + rows_of_earlier_siblings(library, table) };
        plan.share_rows(library.rows_of(table));
        plan
    }

    /// Which digit a column is.
    pub(super) fn digit(&self, column: usize) -> Option<usize> {
        self.digits.iter().position(|digit| digit.column == column)
    }

    /// Gives each digit its radix: leading columns take as many values as needed for SPREAD rows each, within
    /// their room and so that the rest of the key can tell those rows apart.
    fn share_rows(&mut self, rows: u64) {
        let mut rows = rows.max(1);
        for index in 0..self.digits.len() {
            let rest = self.digits[index + 1..].iter().fold(1u64, |room, digit| room.saturating_mul(digit.room));
            let spread = SPREAD.min((rest / 2).max(1));
            let digit = &mut self.digits[index];
            digit.radix = rows.div_ceil(spread).clamp(1, digit.room).max(rows.div_ceil(rest).min(digit.room));
            rows = rows.div_ceil(digit.radix);
        }
    }

    /// The value of a key column.
    pub(super) fn value(&self, cell: &Cell<'_>, wanted: usize) -> Value {
        let (mut rest, mut former) = (cell.row, 0);
        for (index, digit) in self.digits.iter().enumerate() {
            let last = index + 1 == self.digits.len();
            let number = if last { rest } else { rest % digit.radix };
            rest /= digit.radix;
            // A shift that depends on the former digits keeps them apart and spreads the values.
            let shifted = if digit.room == OPEN { number } else { (number + former) % digit.room };
            if index == wanted {
                return self.write(cell, digit, shifted);
            }
            former = mix(former ^ (shifted + 1)) >> 24;
        }
        Value::Null
    }

    fn write(&self, cell: &Cell<'_>, digit: &Digit, number: u64) -> Value {
        match &digit.form {
            Form::Count => Value::id(self.first + number),
            Form::Reference(ids) => Value::id(ids.at(number)),
            Form::Number => Value::id(number + 1),
            Form::Word(words) => {
                Value::Label(usize::try_from(number).ok().and_then(|at| words.get(at)).copied().unwrap_or_default())
            }
            Form::Name(prefix) => Value::Text(format!("{prefix}{:06}", 100_000 + number)),
            Form::Uuid => Value::Text(uuid(mix(cell.library.seed), number)),
        }
    }
}

impl Digit {
    fn new(library: &Library, table: &TableSpec, index: usize, alone: bool) -> Self {
        let column = &table.columns[index];
        let form = match column.kind {
            ColumnType::Uuid | ColumnType::Char(36) => Form::Uuid,
            ColumnType::Bigint | ColumnType::Integer | ColumnType::Smallint => {
                match Ids::of(library, table, column.name) {
                    Some(ids) => Form::Reference(ids),
                    None if alone => Form::Count,
                    None => Form::Number,
                }
            }
            _ => match words::vocabulary(column.name) {
                Some(words) if !alone => Form::Word(words),
                _ => Form::Name(prefix(table.name, column.name)),
            },
        };
        let room = match &form {
            // Alone, a reference may go on beyond the rows that are there: orphans, but no duplicates.
            Form::Reference(ids) if !alone => ids.count(),
            Form::Word(words) => words.len() as u64,
            Form::Uuid if column.name == "session_primary_id" => library.rows("spring_session").max(1),
            _ => OPEN,
        };
        Self { column: index, radix: 1, room, form }
    }
}

fn rows_of_earlier_siblings(library: &Library, table: &TableSpec) -> u64 {
    let Some(partition) = table.partition else { return 0 };
    let sibling = |other: &&TableSpec| {
        other.partition.is_some_and(|other| other.parent == partition.parent && other.year < partition.year)
    };
    library.tables().iter().filter(sibling).map(|other| library.rows_of(other)).sum()
}

/// What names that count begin with.
fn prefix(table: &str, column: &str) -> &'static str {
    match (table, column) {
        ("mam1_item", _) => "M",
        ("metabase_title_cache", _) => "HC",
        ("dynamic_property", _) => "studio.setting.",
        ("workflow_property", _) => "workflow.property.",
        ("feature_flag", _) => "feature-",
        ("s3_object", "key") => "media/originals/2019/Title + Wörter %20 #",
        ("s3_object", _) => "v",
        ("label_translation", _) => "label.form.field.",
        ("spring_session_attributes", _) => "SPRING_SECURITY_CONTEXT.",
        (_, "grid") => "grid-",
        (_, "job_name" | "trigger_name" | "entry_id" | "instance_name") => "studio.job.",
        _ => "key-",
    }
}

/// A version 4 UUID that holds `number`, so that different numbers give different UUIDs.
pub(super) fn uuid(salt: u64, number: u64) -> String {
    let random = mix(salt ^ mix(number));
    // An odd factor permutes the numbers below 2^48, so the node part looks random and still differs.
    let node = (number.wrapping_mul(0x9E37_79B9_7F4B) ^ salt) & 0xffff_ffff_ffff;
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        random >> 32,
        (random >> 16) & 0xffff,
        (random >> 4) & 0xfff,
        0x8000 | (random & 0x3fff),
        node
    )
}
