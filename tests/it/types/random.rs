//! Random types, random values, and PostgreSQL as the judge. `TELECINE_TYPES_SEED` and `TELECINE_TYPES_ROUNDS` make a
//! longer run; a failure names the seed of its round.

use std::collections::BTreeMap;

use fastrand::Rng;
use telecine::dataflow::Source;

use super::{back, of_schema, run_in, setting};
use crate::source::{config, database};

/// Types a round, and values of each.
const TYPES: usize = 40;
const VALUES: usize = 30;

/// A type of scalars with values that are awkward, in PostgreSQL's order where ranges over it are made; `!` marks a value
/// that no column can hold.
struct Scalar {
    sql: &'static str,
    sorted: bool,
    values: &'static [&'static str],
    random: fn(&mut Rng) -> Option<String>,
}

fn none(_: &mut Rng) -> Option<String> {
    None
}

fn digits(rng: &mut Rng, whole: usize, fraction: usize) -> Option<String> {
    let mut some = |most: usize| (0..rng.usize(..=most)).map(|_| rng.digit(10)).collect::<String>();
    let (whole, fraction) = (some(whole), some(fraction));
    Some(format!("{}{whole}0.{fraction}0", if rng.bool() { "-" } else { "" }))
}

fn words(rng: &mut Rng) -> Option<String> {
    let any = [
        'a', 'N', ' ', '"', '\\', '\'', ',', '(', ')', '{', '}', '[', ']', '\t', '\n', '\u{b}', 'ż', '🎬', '\u{a0}',
        '%',
    ];
    Some((0..rng.usize(..12)).map(|_| any[rng.usize(..any.len())]).collect())
}

fn moment(rng: &mut Rng) -> String {
    // Between 4713 BC and the last year that is held.
    let year = if rng.bool() { rng.i32(1900..2100) } else { rng.i32(-4711..294_246) };
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    let (month, day, hour, minute) = (rng.u8(1..13), rng.u8(1..29), rng.u8(..24), rng.u8(..60));
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}.{:06}{era}", rng.u8(..60), rng.u32(..1_000_000))
}

const TIMESTAMPS: &[&str] = &[
    "-infinity",
    "4713-01-01 00:00:00 BC",
    "0044-03-15 01:02:03.4 BC",
    "0001-12-31 23:59:59.999999 BC",
    "1969-12-31 23:59:59.999999",
    "1970-01-01 00:00:00",
    "2000-01-01 00:00:00.000001",
    "2020-02-29 12:34:56.789012",
    "294246-12-31 23:59:59",
    "294247-01-10 04:00:54.775806",
    "!294247-01-10 04:00:54.775807",
    "!294276-12-31 23:59:59.999999",
    "infinity",
];
const DATES: &[&str] = &[
    "-infinity",
    "4713-01-01 BC",
    "0044-03-15 BC",
    "0001-12-31 BC",
    "0001-01-01",
    "1969-12-31",
    "2000-02-29",
    "9999-12-31",
    "5874897-12-30",
    "infinity",
];
const TEXTS: &[&str] = &[
    "",
    "\t",
    " ",
    "\"",
    "(",
    ",",
    "A",
    "NULL",
    "\\",
    "\\N",
    "\\x00",
    "a b",
    "a\u{b}b",
    "null",
    "x,y",
    "{}",
    "żółć 🎬",
];

/// Sorted by what ranges are made over; see [`Scalar`].
const SCALARS: &[Scalar] = &[
    Scalar { sql: "bool", sorted: true, values: &["f", "t"], random: none },
    Scalar {
        sql: "int2",
        sorted: true,
        values: &["-32768", "0", "32767"],
        random: |rng| Some(rng.i16(..).to_string()),
    },
    Scalar {
        sql: "int4",
        sorted: true,
        values: &["-2147483648", "-1", "0", "7", "2147483647"],
        random: |rng| Some(rng.i32(..).to_string()),
    },
    Scalar {
        sql: "int8",
        sorted: true,
        values: &["-9223372036854775808", "0", "9223372036854775807"],
        random: |rng| Some(rng.i64(..).to_string()),
    },
    Scalar { sql: "oid", sorted: true, values: &["0", "4294967295"], random: |rng| Some(rng.u32(..).to_string()) },
    Scalar {
        sql: "float4",
        sorted: true,
        values: &["-Infinity", "-1e-45", "-0", "1e-45", "0.1", "3.4028235e38", "Infinity", "NaN"],
        random: |rng| Some(format!("{:e}", f32::from_bits(rng.u32(..)))),
    },
    Scalar {
        sql: "float8",
        sorted: true,
        values: &["-Infinity", "-1.5e-7", "-0", "5e-324", "0.1", "123456789012345680", "1e308", "Infinity", "NaN"],
        random: |rng| Some(format!("{:e}", f64::from_bits(rng.u64(..)))),
    },
    Scalar {
        sql: "numeric",
        sorted: true,
        values: &["-Infinity", "-1e200", "-0.10", "0", "0.000", "1e-30", "1.50", "1e20", "1e130000", "Infinity", "NaN"],
        random: |rng| digits(rng, 60, 40),
    },
    Scalar {
        sql: "numeric(12,3)",
        sorted: true,
        values: &["-999999999.999", "-0.001", "0", "1.5", "999999999.999", "!NaN"],
        random: |rng| digits(rng, 8, 5),
    },
    Scalar {
        sql: "numeric(38,10)",
        sorted: true,
        values: &["-9999999999999999999999999999.9999999999", "0", "0.0000000001", "!NaN"],
        random: |rng| digits(rng, 27, 12),
    },
    Scalar {
        sql: "numeric(60,5)",
        sorted: true,
        values: &["-1", "0.00001", "9999999999999999999999999999999999999999999999999999999.99999", "!NaN"],
        random: |rng| digits(rng, 54, 6),
    },
    Scalar { sql: "numeric(80,2)", sorted: true, values: &["-0.01", "1", "NaN"], random: |rng| digits(rng, 77, 3) },
    Scalar { sql: "numeric(5,-2)", sorted: true, values: &["-9999900", "0", "100", "!NaN"], random: none },
    Scalar { sql: "numeric(3,5)", sorted: true, values: &["-0.00999", "0", "0.00001", "!NaN"], random: none },
    Scalar { sql: "money", sorted: true, values: &["-92233720368547758.08", "1.23"], random: none },
    Scalar { sql: "text", sorted: true, values: TEXTS, random: words },
    Scalar { sql: "varchar(20)", sorted: true, values: TEXTS, random: words },
    Scalar { sql: "char(5)", sorted: false, values: &["", "a", " b", "żó\""], random: none },
    Scalar { sql: "name", sorted: false, values: &["", "a b", "Q\"x"], random: none },
    Scalar { sql: "\"char\"", sorted: false, values: &["", "A", " ", "\""], random: none },
    Scalar {
        sql: "bytea",
        sorted: true,
        values: &["\\x", "\\x00", "\\x5c22", "\\xff80"],
        random: |rng| Some(format!("\\x{:016x}", rng.u64(..))),
    },
    Scalar {
        sql: "uuid",
        sorted: true,
        values: &["00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
        random: |rng| Some(format!("{:032x}", rng.u128(..))),
    },
    Scalar {
        sql: "json",
        sorted: false,
        values: &["null", " {\"a\" : [1, 2.50],\"a\":\"\\u0000\"}", "1e400"],
        random: none,
    },
    Scalar { sql: "jsonb", sorted: false, values: &["null", "{\"a\": [1, 2.50]}", "\"ż\"", "[]"], random: none },
    Scalar {
        sql: "date",
        sorted: true,
        values: DATES,
        random: |rng| moment(rng).split_once(' ').map(|(day, clock)| format!("{day}{}", &clock[15..])),
    },
    Scalar {
        sql: "time",
        sorted: true,
        values: &["00:00:00", "12:34:56.789012", "23:59:59.999999", "!24:00:00"],
        random: |rng| moment(rng).split(' ').nth(1).map(str::to_owned),
    },
    Scalar { sql: "timestamp", sorted: true, values: TIMESTAMPS, random: |rng| Some(moment(rng)) },
    Scalar { sql: "timestamptz", sorted: true, values: TIMESTAMPS, random: |rng| Some(moment(rng)) },
    Scalar { sql: "timetz", sorted: false, values: &["12:34:56.789012+05:30", "24:00:00-15:59"], random: none },
    Scalar {
        sql: "interval",
        sorted: false,
        values: &["1 year -2 mons 3 days -04:05:06.789", "00:00:00"],
        random: none,
    },
    Scalar { sql: "inet", sorted: true, values: &["10.0.0.1", "192.168.0.1/24", "::1"], random: none },
    Scalar { sql: "cidr", sorted: false, values: &["10.0.0.0/8"], random: none },
    Scalar { sql: "macaddr", sorted: false, values: &["08:00:2b:01:02:03"], random: none },
    Scalar { sql: "bit(5)", sorted: false, values: &["10101"], random: none },
    Scalar { sql: "varbit", sorted: false, values: &["", "101"], random: none },
    Scalar { sql: "point", sorted: false, values: &["(1,2.5)", "(NaN,-0)"], random: none },
    Scalar { sql: "box", sorted: false, values: &["(1,1),(0,0)"], random: none },
    Scalar { sql: "tsvector", sorted: false, values: &["'a':1 'b c':2A", ""], random: none },
    Scalar { sql: "pg_lsn", sorted: true, values: &["0/0", "16/B374D848"], random: none },
    Scalar { sql: "hstore", sorted: false, values: &["", "a=>1,\"b \\\"c\"=>NULL"], random: none },
    Scalar { sql: "citext", sorted: false, values: &["", "FooBar"], random: none },
];

/// A type that was made, and what it is made of.
struct Type {
    sql: String,
    kind: Kind,
}

enum Kind {
    Scalar(&'static Scalar),
    Enum(Vec<&'static str>),
    Array(Box<Type>),
    Composite(Vec<Type>),
    Range(Box<Type>),
    Multirange(Box<Type>),
    Domain(Box<Type>),
}

/// Whether a column holds a value: wholly, not wholly, or that depends on what PostgreSQL makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Wholly,
    Perhaps,
    NotWholly,
}

/// Makes types in a schema.
struct Maker {
    rng: Rng,
    schema: String,
    made: usize,
    statements: String,
}

impl Maker {
    fn name(&mut self) -> String {
        self.made += 1;
        format!("{}.\"t {}\"", self.schema, self.made)
    }

    fn scalar(&mut self, sorted: bool) -> Type {
        let all: Vec<_> = SCALARS.iter().filter(|scalar| scalar.sorted || !sorted).collect();
        let scalar = all[self.rng.usize(..all.len())];
        Type { sql: scalar.sql.to_owned(), kind: Kind::Scalar(scalar) }
    }

    fn enumeration(&mut self) -> Type {
        let labels = vec!["sad", "o\"k", "ha,p\\py", "NULL", "with space", "", "{}()[]"];
        let sql = self.name();
        let list: Vec<_> = labels.iter().map(|label| format!("'{label}'")).collect();
        self.statements += &format!("create type {sql} as enum ({});\n", list.join(", "));
        Type { sql, kind: Kind::Enum(labels) }
    }

    /// A type of at most this depth; one that has an order, if it is to be ranged over.
    fn make(&mut self, depth: usize, sorted: bool) -> Type {
        if depth == 0 {
            return if self.rng.u8(..8) == 0 { self.enumeration() } else { self.scalar(sorted) };
        }
        match self.rng.u8(..6) {
            0 => {
                let item = self.make(depth - 1, sorted);
                // An array's element is no array, a domain over one is.
                let item = if matches!(item.kind, Kind::Array(_)) { self.domain(item) } else { item };
                Type { sql: format!("{}[]", item.sql), kind: Kind::Array(Box::new(item)) }
            }
            1 | 2 => {
                let count = self.rng.usize(1..5);
                let fields: Vec<_> = (0..count).map(|_| self.make(depth - 1, sorted)).collect();
                let sql = self.name();
                let field = |(index, field): (usize, &Type)| format!("\"f \"\"{index}\"\"\" {}", field.sql);
                let list: Vec<_> = fields.iter().enumerate().map(field).collect();
                self.statements += &format!("create type {sql} as ({});\n", list.join(", "));
                Type { sql, kind: Kind::Composite(fields) }
            }
            3 => self.range(depth, false),
            4 => self.range(depth, true),
            _ => {
                let base = self.make(depth - 1, sorted);
                self.domain(base)
            }
        }
    }

    fn domain(&mut self, base: Type) -> Type {
        let sql = self.name();
        self.statements += &format!("create domain {sql} as {};\n", base.sql);
        Type { sql, kind: Kind::Domain(Box::new(base)) }
    }

    fn range(&mut self, depth: usize, multi: bool) -> Type {
        let depth = self.rng.usize(..depth);
        let bound = self.make(depth, true);
        let built_in =
            [("int4", "int4"), ("int8", "int8"), ("numeric", "num"), ("timestamp", "ts"), ("timestamptz", "tstz")];
        let built_in = built_in.iter().chain(&[("date", "date")]).find(|(sql, _)| *sql == bound.sql);
        let (range, multirange) = match built_in {
            Some((_, name)) => (format!("{name}range"), format!("{name}multirange")),
            None => (self.name(), self.name()),
        };
        if built_in.is_none() {
            let of = format!("subtype = {}, multirange_type_name = {multirange}", bound.sql);
            self.statements += &format!("create type {range} as range ({of});\n");
        }
        match multi {
            false => Type { sql: range, kind: Kind::Range(Box::new(bound)) },
            true => Type { sql: multirange, kind: Kind::Multirange(Box::new(bound)) },
        }
    }
}

fn escaped(text: &str, quote: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', quote))
}

/// A random value as text that PostgreSQL reads.
fn value(of: &Type, rng: &mut Rng) -> (String, Held) {
    match &of.kind {
        Kind::Scalar(scalar) => match if rng.u8(..3) == 0 { (scalar.random)(rng) } else { None } {
            Some(text) => (text, Held::Wholly),
            None => edge(scalar, rng.usize(..scalar.values.len())),
        },
        Kind::Enum(labels) => (labels[rng.usize(..labels.len())].to_owned(), Held::Wholly),
        Kind::Domain(base) => value(base, rng),
        Kind::Array(item) => array(item, rng),
        Kind::Composite(fields) => {
            let mut held = Held::Wholly;
            let mut field = |field| match rng.u8(..6) {
                0 => String::new(),
                _ => {
                    let (text, part) = value(field, rng);
                    held = held.max(part);
                    escaped(&text, "\"\"")
                }
            };
            let list: Vec<_> = fields.iter().map(&mut field).collect();
            (format!("({})", list.join(",")), held)
        }
        Kind::Range(bound) => range(bound, rng),
        Kind::Multirange(bound) => {
            let ranges: Vec<_> = (0..rng.usize(..4)).map(|_| range(bound, rng)).collect();
            let held = ranges.iter().map(|(_, held)| *held).max().unwrap_or(Held::Wholly);
            (format!("{{{}}}", ranges.into_iter().map(|(text, _)| text).collect::<Vec<_>>().join(",")), held)
        }
    }
}

fn edge(scalar: &Scalar, index: usize) -> (String, Held) {
    match scalar.values[index].strip_prefix('!') {
        Some(text) => (text.to_owned(), Held::NotWholly),
        None => (scalar.values[index].to_owned(), Held::Wholly),
    }
}

fn array(item: &Type, rng: &mut Rng) -> (String, Held) {
    let mut items = |count: usize| {
        let mut held = Held::Wholly;
        let mut one = |_| match rng.u8(..6) {
            0 => "NULL".to_owned(),
            _ => {
                let (text, part) = value(item, rng);
                held = held.max(part);
                escaped(&text, "\\\"")
            }
        };
        let list: Vec<_> = (0..count).map(&mut one).collect();
        (format!("{{{}}}", list.join(",")), held)
    };
    let ((one, held), (two, both), (three, _)) = (items(1), items(2), items(2));
    match rng.u8(..10) {
        0 => ("{}".into(), Held::Wholly),
        1 => (format!("[0:0]={one}"), Held::NotWholly),
        2 => (format!("[-2:-1]={two}"), Held::NotWholly),
        3 => (format!("{{{two},{three}}}"), Held::NotWholly),
        4 => (format!("[2:2][-1:0]={{{two}}}"), Held::NotWholly),
        5 => (one, held),
        _ => (two, both),
    }
}

fn range(bound: &Type, rng: &mut Rng) -> (String, Held) {
    let mut base = bound;
    while let Kind::Domain(inner) = &base.kind {
        base = inner;
    }
    let ((lower, first), (upper, second)) = match &base.kind {
        Kind::Scalar(scalar) => {
            let mut ends = [rng.usize(..scalar.values.len()), rng.usize(..scalar.values.len())];
            ends.sort_unstable();
            (edge(scalar, ends[0]), edge(scalar, ends[1]))
        }
        Kind::Enum(labels) => {
            let mut ends = [rng.usize(..labels.len()), rng.usize(..labels.len())];
            ends.sort_unstable();
            ((labels[ends[0]].to_owned(), Held::Wholly), (labels[ends[1]].to_owned(), Held::Wholly))
        }
        _ => {
            let same = value(base, rng);
            (same.clone(), same)
        }
    };
    let (mut lower, mut upper) = (escaped(&lower, "\"\""), escaped(&upper, "\"\""));
    match rng.u8(..10) {
        0 => return ("empty".into(), Held::Wholly),
        1 => lower.clear(),
        2 => upper.clear(),
        3 => drop((lower.clear(), upper.clear())),
        _ => {}
    }
    let (open, close) = (if rng.bool() { '[' } else { '(' }, if rng.bool() { ']' } else { ')' });
    // An absent bound, an empty range and one that others swallow take their bounds with them.
    let held = if first.max(second) == Held::Wholly { Held::Wholly } else { Held::Perhaps };
    (format!("{open}{lower},{upper}{close}"), held)
}

/// Inserts what the type takes (a range may be the wrong way round) and says which that were.
const INSERT: &str = "
    create extension hstore; create extension citext;
    create function try_insert(place text, name text, texts text[]) returns int[] language plpgsql as $$
    declare taken int[] := '{}';
    begin
      for id in 1 .. cardinality(texts) loop
        begin
          execute format('insert into %s values ($1, $2::%s)', place, name) using id, texts[id];
          taken := taken || id;
        exception when others then null;
        end;
      end loop;
      return taken;
    end $$";

#[tokio::test(flavor = "multi_thread")]
async fn random_values_of_random_types_come_back() {
    let (first, rounds) = (setting("TELECINE_TYPES_SEED", 20_260), setting("TELECINE_TYPES_ROUNDS", 1));
    let (server, url, client) = database(INSERT).await;
    client.batch_execute(back::SETTINGS).await.unwrap();
    let (mut values, mut filled, mut exceptions) = (0, 0, 0);
    for seed in first..first + rounds {
        eprintln!("TELECINE_TYPES_SEED={seed} TELECINE_TYPES_ROUNDS=1 repeats this round");
        let schema = format!("r{seed}");
        client.batch_execute(&format!("create schema {schema}")).await.unwrap();
        let rng = Rng::with_seed(seed);
        let mut maker = Maker { rng, schema: schema.clone(), made: 0, statements: String::new() };
        let mut expected = BTreeMap::new();
        for number in 0..TYPES {
            let depth = maker.rng.usize(..4);
            let made = maker.make(depth, false);
            let place = format!("{schema}.v{number}");
            let statements = std::mem::take(&mut maker.statements);
            let create = format!("{statements}create table {place} (id int primary key, v {})", made.sql);
            client.batch_execute(&create).await.unwrap_or_else(|cause| panic!("{create}: {cause:?}"));
            let (mut texts, mut helds) = (vec![None], vec![Held::Wholly]);
            for _ in 0..VALUES {
                let (text, held) = value(&made, &mut maker.rng);
                texts.push(Some(text));
                helds.push(held);
            }
            let taken = client.query_one("select try_insert($1, $2, $3)", &[&place, &made.sql, &texts]).await.unwrap();
            let taken: Vec<i32> = taken.get(0);
            for id in taken {
                expected.insert((place.clone(), id.to_string()), helds[usize::try_from(id).unwrap() - 1]);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&url);
        config.batch_rows = maker.rng.usize(1..40);
        let source = of_schema(&config, &schema).await;
        let judged = back::judge(&client, &source, &run_in(folder.path(), &schema)).await;
        assert_eq!(judged.values, expected.len());
        // Nothing is set aside that the column could hold, and nothing that it cannot is missing there.
        let texts: Vec<_> = source.tables().await.unwrap();
        let as_text = |place: &str| {
            let table = texts.iter().find(|table| table.table.to_string() == place).unwrap();
            table.arrow.field(1).metadata().contains_key("pg_text")
        };
        for (table, id, _, text) in &judged.exceptions {
            let held = expected.remove(&(table.clone(), id.clone())).unwrap();
            assert_ne!(held, Held::Wholly, "{table} {id}: {text}");
        }
        for ((table, id), held) in expected {
            assert!(held != Held::NotWholly || as_text(&table), "{table} {id}");
        }
        values += judged.values;
        filled += judged.filled;
        exceptions += judged.exceptions.len();
        // Its locks would hold the next statement back.
        source.release().await;
        client.batch_execute(&format!("drop schema {schema} cascade")).await.unwrap();
    }
    eprintln!("{values} values compared, {filled} not NULL, {exceptions} of them in raw/_exceptions");
    assert!(values > 600, "{values}");
    server.stop().await.unwrap();
}
