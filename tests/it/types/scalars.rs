//! Types that are made of no others, with values of each.

use fastrand::Rng;

/// A type of scalars with values that are awkward, in PostgreSQL's order where ranges over it are made; `!` marks a value
/// that no column can hold.
pub struct Scalar {
    pub sql: &'static str,
    pub sorted: bool,
    pub values: &'static [&'static str],
    pub random: fn(&mut Rng) -> Option<String>,
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
pub const SCALARS: &[Scalar] = &[
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
