//! Values of the types that most rows do not have, each with its edge cases.

use super::super::random::Draws;
use super::super::time::{DAY, NOW_MICROS, date_text, push_number, push_time, timestamp_text};
use super::super::{ColumnType, Value};
use super::words;

/// A value of a type that needs neither a name nor a size. With `odd`, floats may be NaN, infinite or -0.
pub(super) fn value(kind: &ColumnType, draws: &mut Draws, odd: bool) -> Value {
    match kind {
        ColumnType::Boolean => Value::Bool(draws.below(3) > 0),
        ColumnType::Enum(labels) => Value::Label(draws.pick(labels)),
        ColumnType::Real | ColumnType::Double => float(draws, odd).into(),
        ColumnType::Numeric(limits) => numeric(draws, *limits).into(),
        ColumnType::Money => {
            draws.pick(&["$1,234.50", "0.00", "-12.99", "92233720368547758.07", "1500", "75000.25"]).into()
        }
        ColumnType::QuotedChar => draws.pick(&["A", "M", "x", ""]).into(),
        ColumnType::Date => date(draws).into(),
        ColumnType::Time => clock(draws).into(),
        ColumnType::TimeTz => format!("{}{}", clock(draws), draws.pick(&["+00", "-07", "+05:30", "-03:30"])).into(),
        ColumnType::Interval => interval(draws),
        ColumnType::Inet => address(draws).into(),
        ColumnType::Cidr => {
            draws.pick(&["10.0.0.0/8", "192.168.4.0/24", "2001:db8::/32", "203.0.113.7/32", "::/0"]).into()
        }
        ColumnType::Macaddr => mac(draws).into(),
        ColumnType::Bit(bits) => bit_string(draws, *bits).into(),
        ColumnType::Varbit => {
            let bits = usize::try_from(draws.below(20)).unwrap_or(0);
            bit_string(draws, bits).into()
        }
        ColumnType::PgLsn => format!("{:X}/{:X}", draws.below(1 << 32), draws.below(1 << 32)).into(),
        ColumnType::Point | ColumnType::Polygon | ColumnType::Box => shape(kind, draws).into(),
        ColumnType::Int4Range | ColumnType::DateRange | ColumnType::TsRange | ColumnType::TstzRange => {
            range(kind, draws).into()
        }
        ColumnType::TcRange => tc_range(draws),
        ColumnType::Array(element) => array(element, draws).into(),
        ColumnType::Email => format!("{}.{}@example.org", words::word(draws), draws.below(1000)).into(),
        ColumnType::Name => draws.pick(&["asset_master", "Mixed Case", "order", "größe"]).into(),
        _ => Value::Null,
    }
}

fn float(draws: &mut Draws, odd: bool) -> String {
    if odd && draws.chance(0.004) {
        return draws.pick(&["NaN", "Infinity", "-Infinity", "-0", "1e-37", "3.4e38"]).to_owned();
    }
    decimal(draws, 4, 4, true)
}

/// `whole` digits at most before the point, exactly `scale` after it.
fn decimal(draws: &mut Draws, whole: u32, scale: u32, negative: bool) -> String {
    let mut text = String::with_capacity(24);
    if negative && draws.below(5) == 0 {
        text.push('-');
    }
    text.push_str(&draws.below(10u64.pow(whole.min(18))).to_string());
    if scale > 0 {
        text.push('.');
        let digits = draws.below(10u64.pow(scale.min(18)));
        push_number(&mut text, i64::try_from(digits).unwrap_or(0), scale.min(18));
    }
    text
}

fn numeric(draws: &mut Draws, limits: Option<(u32, u32)>) -> String {
    if draws.chance(0.0005) {
        return "NaN".to_owned();
    }
    match limits {
        Some((precision, scale)) if draws.below(64) == 0 => {
            // The largest number the column can hold.
            let nines = |count: u32| "9".repeat(usize::try_from(count).unwrap_or(0));
            let whole = if precision > scale { nines(precision - scale) } else { "0".to_owned() };
            if scale > 0 { format!("{whole}.{}", nines(scale)) } else { whole }
        }
        Some((precision, scale)) => decimal(draws, precision.saturating_sub(scale).min(6), scale, false),
        None => match draws.below(100) {
            0 => format!("{}.{}", "1234567890".repeat(4), "00000000000000000001"),
            digits => decimal(draws, 6, u32::try_from(digits % 7).unwrap_or(0), true),
        },
    }
}

fn past_day(draws: &mut Draws) -> i64 {
    let today = NOW_MICROS / DAY;
    today - i64::try_from(draws.below(6_200)).unwrap_or(0)
}

fn date(draws: &mut Draws) -> String {
    match draws.below(400) {
        0 => "infinity".to_owned(),
        1 => "-infinity".to_owned(),
        2 => "0044-03-15 BC".to_owned(),
        3 => "9999-12-31".to_owned(),
        _ => date_text(past_day(draws)),
    }
}

fn clock(draws: &mut Draws) -> String {
    if draws.below(200) == 0 {
        return "24:00:00".to_owned();
    }
    let mut text = String::with_capacity(15);
    let micros = i64::try_from(draws.below(86_400_000)).unwrap_or(0) * 1000;
    push_time(&mut text, micros);
    text
}

fn interval(draws: &mut Draws) -> Value {
    match draws.below(24) {
        0 => Value::Label("-1 days -02:03:04.000001"),
        1 => Value::Label("2 mons 3 days"),
        2 => Value::Label("1 year -1 days +04:05:06"),
        3 => Value::Label("00:00:00"),
        4 => Value::Label("100:00:00"),
        _ => Value::Text(clock(draws)),
    }
}

/// An IPv4 or IPv6 address, with or without a network.
pub(super) fn address(draws: &mut Draws) -> String {
    match draws.below(20) {
        0 => format!("2001:db8::{:x}", draws.below(65_536)),
        1 => "::1".to_owned(),
        2 => format!("10.0.{}.0/24", draws.below(256)),
        3 => "fe80::1/64".to_owned(),
        _ => format!("10.{}.{}.{}", draws.below(8), draws.below(256), draws.below(256)),
    }
}

fn mac(draws: &mut Draws) -> String {
    let bytes = draws.number().to_be_bytes();
    let pairs: Vec<String> = bytes.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

fn bit_string(draws: &mut Draws, bits: usize) -> String {
    let random = draws.number();
    (0..bits).map(|bit| if random >> (bit % 64) & 1 == 1 { '1' } else { '0' }).collect()
}

fn shape(kind: &ColumnType, draws: &mut Draws) -> String {
    let (x, y) = (draws.below(1920), draws.below(1080));
    let (right, top) = (x + 1 + draws.below(400), y + 1 + draws.below(300));
    match kind {
        ColumnType::Point => format!("({x}.5,-{y})"),
        ColumnType::Box => format!("({right},{top}),({x},{y})"),
        _ => format!("(({x},{y}),({right},{y}),({right},{top}.25))"),
    }
}

fn range(kind: &ColumnType, draws: &mut Draws) -> String {
    let form = draws.below(12);
    if form == 0 {
        return "empty".to_owned();
    }
    let (low, high) = bounds(kind, draws);
    match form {
        1 => "(,)".to_owned(),
        2 => format!("[{low},)"),
        3 => format!("(,{high}]"),
        4 => format!("({low},{high}]"),
        5 => format!("[{low},{high}]"),
        6 if !matches!(kind, ColumnType::Int4Range) => format!("[{low},infinity)"),
        _ => format!("[{low},{high})"),
    }
}

fn bounds(kind: &ColumnType, draws: &mut Draws) -> (String, String) {
    let day = past_day(draws);
    let days = i64::try_from(draws.below(700)).unwrap_or(0) + 2;
    match kind {
        ColumnType::Int4Range => (day.to_string(), (day + days).to_string()),
        ColumnType::DateRange => (date_text(day), date_text(day + days)),
        // Bounds with blanks are quoted in a range's text.
        ColumnType::TstzRange => {
            (format!("\"{}+00\"", timestamp_text(day * DAY)), format!("\"{}+00\"", timestamp_text((day + days) * DAY)))
        }
        _ => (format!("\"{}\"", timestamp_text(day * DAY)), format!("\"{}\"", timestamp_text((day + days) * DAY))),
    }
}

fn tc_range(draws: &mut Draws) -> Value {
    Value::Label(draws.pick(&[
        "(01:00:00:00,01:00:10:00,29.9700)",
        "(00:59:50;00,,)",
        "(,,)",
        "(,,25.0000)",
        "(\"01:00:00:00 \",01:00:30:12,)",
    ]))
}

fn array(element: &ColumnType, draws: &mut Draws) -> String {
    let form = draws.below(16);
    if form == 0 {
        return "{}".to_owned();
    }
    let count = 1 + draws.below(4);
    let mut text = String::from("{");
    for index in 0..count {
        if index > 0 {
            text.push(',');
        }
        if form == 1 && index == 0 {
            text.push_str("NULL");
            continue;
        }
        match element {
            ColumnType::Bigint => text.push_str(&(200 + draws.below(5_000)).to_string()),
            ColumnType::Real => text.push_str(&float(draws, false)),
            ColumnType::Int4Range => text.push_str("\"[1,5)\""),
            _ => text.push_str(draws.pick(&[
                "promo",
                "\"two words\"",
                "\"with, comma\"",
                "\"say \\\"hi\\\"\"",
                "\"back\\\\slash\"",
                "\"\"",
                "\"NULL\"",
                "größe",
                "\"{brace}\"",
                "👍",
            ])),
        }
    }
    text.push('}');
    text
}
