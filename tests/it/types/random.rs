//! Random types, random values, and PostgreSQL as the judge. `TELECINE_TYPES_SEED` and `TELECINE_TYPES_ROUNDS` make a
//! longer run; a failure names the seed of its round.

use std::collections::BTreeMap;

use fastrand::Rng;
use telecine::dataflow::Source;

use super::scalars::{SCALARS, Scalar};
use super::{back, of_schema, run_in, setting};
use crate::source::{config, database};

/// Types a round, and values of each.
const TYPES: usize = 40;
const VALUES: usize = 30;

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
