//! Every table that is not a core table: plausible values by the columns' types and names, with the edge cases of
//! each type, and rows about as wide as in the system the library is shaped like.

mod documents;
mod keys;
mod plan;
mod rare;
mod references;
mod words;

use super::random::{self, Draws};
use super::time::{DAY, NOW_MICROS, date_text, timestamp_text};
use super::{Cell, ColumnType, Value};
pub(super) use plan::TablePlan;
use plan::{Maker, Moment, Style};

/// The share of NULLs in columns that may be NULL and are no key.
const NULLS: f64 = 0.05;
/// The share of empty strings in running text.
const EMPTY: f64 = 0.02;
/// How file names end.
const EXTENSIONS: [&str; 6] = [".mov", ".mp4", ".MXF", ".jpg", ".tif", ""];
/// The draw of a cell that decides whether it is NULL.
const NULL_DRAW: u64 = 7;

/// The value of a cell. Generated columns give NULL.
pub(super) fn value(cell: &Cell<'_>) -> Value {
    let Some(column) = cell.library.plan(cell.table).column(cell.column) else { return Value::Null };
    if column.nullable && cell.chance(NULL_DRAW, NULLS) {
        return Value::Null;
    }
    match &column.maker {
        Maker::Nothing => Value::Null,
        Maker::Key(digit) => cell.library.plan(cell.table).key.value(cell, *digit),
        Maker::Reference(ids) => Value::id(ids.at(cell.below(0, ids.count()))),
        Maker::Popular(ids) => Value::id(ids.at(cell.zipf(0, ids.count()))),
        Maker::Number { low, span, extremes } => number(cell, *low, *span, *extremes),
        Maker::Word(words) => Value::Label(cell.pick(0, words)),
        Maker::Moment(moment) => time(cell, *moment),
        Maker::Text { style, bytes, longest } => text(cell, *style, *bytes, *longest),
        Maker::Typed => rare::value(&cell.spec().kind, &mut cell.draws(0), cell.library.dirt > 0.0),
        Maker::Document { bytes } => document(cell, *bytes),
    }
}

fn number(cell: &Cell<'_>, low: i64, span: u64, extremes: bool) -> Value {
    if extremes && cell.chance(1, 0.001) {
        let (least, greatest) = match cell.spec().kind {
            ColumnType::Smallint => (i64::from(i16::MIN), i64::from(i16::MAX)),
            ColumnType::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        return Value::Int(cell.pick(2, &[least, greatest, 0, -1]));
    }
    Value::Int(low + i64::try_from(cell.below(0, span)).unwrap_or(0))
}

fn time(cell: &Cell<'_>, moment: Moment) -> Value {
    let start = moment.after.unwrap_or(cell.column);
    // Each time of a row follows the one before it within two hours.
    let later: i64 = (start + 1..=cell.column)
        .filter(|column| matches!(cell.table.columns[*column].kind, ColumnType::Timestamp | ColumnType::TimestampTz))
        .map(|column| i64::try_from(random::below(cell.draw_of(column, 0), 7_200_000)).unwrap_or(0) * 1000)
        .sum();
    let micros = moment.at(cell.draw_of(start, 0)) + later;
    if moment.odd && cell.chance(1, 0.003) {
        return Value::Label(cell.pick(2, &["infinity", "-infinity", "1970-01-01 00:00:00", "4713-01-01 00:00:00 BC"]));
    }
    let mut text = timestamp_text(micros);
    if matches!(cell.spec().kind, ColumnType::TimestampTz) {
        text.push_str("+00");
    }
    Value::Text(text)
}

/// A length around `bytes`: a quarter to seven quarters, one in 500 eight times as long.
fn length(draws: &mut Draws, bytes: usize) -> usize {
    if draws.below(500) == 0 {
        return bytes * 8;
    }
    bytes / 4 + usize::try_from(draws.below(bytes as u64 * 3 / 2 + 1)).unwrap_or(0)
}

fn text(cell: &Cell<'_>, style: Style, bytes: usize, longest: usize) -> Value {
    let mut draws = cell.draws(0);
    let made = match style {
        Style::Words => {
            if draws.chance(EMPTY) {
                return Value::Label("");
            }
            let wanted = if draws.below(1000) == 0 { longest.min(bytes * 16) } else { length(&mut draws, bytes) };
            words::text(&mut draws, wanted)
        }
        Style::FileName => file_name(&mut draws),
        Style::Path => path(&mut draws, bytes, '/'),
        Style::WindowsPath => format!("\\\\studio{}", path(&mut draws, bytes, '\\')),
        Style::Url => format!("https://studio.example.org/api{}?q=a%20b&page=2", path(&mut draws, bytes, '/')),
        Style::Uuid => keys::uuid(draws.number(), cell.row),
        Style::Hex => hex(&mut draws, longest.min(64)),
        Style::Email => format!("{}.{}@example.org", words::word(&mut draws), draws.below(1000)),
        Style::Timecode => timecode(&mut draws),
        Style::Date => text_date(&mut draws),
        Style::Color => format!("#{:06X}", draws.below(1 << 24)),
        Style::Code => format!("{}-{}", words::word(&mut draws), draws.below(100_000)),
        Style::Item => format!("M{:06}", 100_000 + draws.below(cell.library.rows("mam1_item").max(1))),
        Style::UuidOf(table) => return uuid_of(cell, table),
        Style::Secret => secret(cell, &mut draws),
        Style::HouseCode => format!("HC{:06}", 100_000 + draws.below(cell.library.rows("title").max(1))),
    };
    Value::Text(words::clip(made, longest))
}

/// The uuid of a row of another table, whoever makes it.
fn uuid_of(cell: &Cell<'_>, table: &str) -> Value {
    let library = cell.library;
    let Some((table, column)) = library.table(table).and_then(|table| Some((table, table.column("uuid")?))) else {
        return Value::Null;
    };
    let row = cell.below(0, library.rows_of(table));
    match library.value(&Cell::new(library, table, row, column)) {
        Value::Text(uuid) if cell.chance(1, 0.03) => Value::Text(uuid.replace('-', "").to_uppercase()),
        uuid => uuid,
    }
}

fn secret(cell: &Cell<'_>, draws: &mut Draws) -> String {
    let text = format!("SECRET-FIXTURE-{}-{}", cell.table.name, hex(draws, 16));
    match cell.spec().kind {
        ColumnType::Jsonb => format!("{{\"authorization\": \"Bearer {text}\"}}"),
        ColumnType::Bytea => format!("\\x{}", bytes_of(&text)),
        // sixteen bytes: the marker and one more
        ColumnType::Uuid => bytes_of(&text).chars().take(32).collect(),
        _ => text,
    }
}

/// The bytes of a text in hexadecimal.
fn bytes_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn path(draws: &mut Draws, bytes: usize, separator: char) -> String {
    let mut text = String::with_capacity(bytes + 32);
    while text.len() + 12 < bytes || text.is_empty() {
        text.push(separator);
        text.push_str(words::word(draws));
        text.push_str(draws.pick(&["", " ", "_", "-ä", "%20", "+"]));
        text.push_str(&draws.below(10_000).to_string());
    }
    text.push_str(draws.pick(&EXTENSIONS));
    text
}

/// The last part of a path, always with an extension or none (the library derives a varchar(32) from it).
fn file_name(draws: &mut Draws) -> String {
    let number = draws.below(10_000);
    let signs = draws.pick(&["", " ", "_", ": ", "%20", "\"", "?", "👍", "\n", "'"]);
    format!("{}{signs}{} {number}{}", words::word(draws), words::word(draws), draws.pick(&EXTENSIONS))
}

fn hex(draws: &mut Draws, digits: usize) -> String {
    let mut text = String::with_capacity(digits + 16);
    while text.len() < digits {
        text.push_str(&format!("{:016x}", draws.number()));
    }
    text.truncate(digits);
    text
}

fn timecode(draws: &mut Draws) -> String {
    let (minute, second, frame) = (draws.below(60), draws.below(60), draws.below(25));
    format!("{:02}:{minute:02}:{second:02}{}{frame:02}", draws.below(3), draws.pick(&[":", ":", ":", ";"]))
}

fn text_date(draws: &mut Draws) -> String {
    let date = date_text(NOW_MICROS / DAY - i64::try_from(draws.below(6_000)).unwrap_or(0));
    match draws.below(6) {
        0 => format!("{date}T09:30:00Z"),
        1 => format!("{}/{}/{}", &date[5..7], &date[8..], &date[..4]),
        2 => format!("{date} 10:48:41"),
        3 => date.replace('-', ""),
        _ => date,
    }
}

fn document(cell: &Cell<'_>, bytes: usize) -> Value {
    let mut draws = cell.draws(0);
    let bytes = length(&mut draws, bytes);
    match cell.spec().kind {
        ColumnType::Json => documents::json(&mut draws, bytes, cell.dirt(1, 0.003)),
        ColumnType::Jsonb => documents::json(&mut draws, bytes, false),
        ColumnType::Xml => documents::xml(&mut draws, bytes),
        ColumnType::TsVector => documents::tsvector(&mut draws, bytes),
        _ => {
            let digits = if cell.chance(1, EMPTY) { 0 } else { bytes.max(4) * 2 };
            format!("\\x{}", hex(&mut draws, digits))
        }
    }
    .into()
}
