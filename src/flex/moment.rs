//! Dates and moments by their value: a server may show `2019-04-12` as `2019-04-12T00:00:00Z` or `12 Apr 2019`.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::Value;

use super::definition::{Family, Field};
use super::instance::same;

/// Forms with a zone, beside RFC 3339 (contract, section 0: dates out).
const ZONED: [&str; 3] = ["%d %b %Y %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"];
/// Forms without one, which are UTC (contract, section 0: dates in, dates in FQL).
const BARE: [&str; 3] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%d %b %Y %H:%M:%S"];
/// Forms of a day alone, which stand for its first moment.
const DAYS: [&str; 2] = ["%Y-%m-%d", "%d %b %Y"];

/// Whether two values are the same as values of this field: dates and moments by what they mean, all else by the rule.
pub(super) fn same_of(field: &Field, expected: &Value, found: &Value) -> bool {
    match (field.family(), expected, found) {
        (_, Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same_of(field, a, b))
        }
        (Family::Date | Family::Time, Value::String(ours), Value::String(theirs)) => {
            ours == theirs || moment(ours).is_some_and(|at| moment(theirs) == Some(at))
        }
        (Family::Complex, Value::Object(ours), Value::Object(theirs)) => {
            let of = |name: &String| field.fields().iter().find(|child| child.name == *name);
            let mut names = ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
            names.all(|name| {
                let value = |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or_default();
                let (ours, theirs) = (value(ours), value(theirs));
                of(name).map_or_else(|| same(&ours, &theirs), |child| same_of(child, &ours, &theirs))
            })
        }
        _ => same(expected, found),
    }
}

/// The moment that a text names; `None` for one that names none.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    let zoned = ZONED.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()).map(|at| at.to_utc());
    let bare = || BARE.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || DAYS.iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok());
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN);
    zoned.or_else(|| bare().or_else(|| day().map(midnight)).map(|naive| naive.and_utc()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(value: Value) -> Field {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn moments_are_the_same_however_they_are_written() {
        for (kind, ours, theirs, expected) in [
            ("date", "2019-04-12", "2019-04-12T00:00:00Z", true),
            ("date", "2019-04-12", "12 Apr 2019", true),
            ("date", "2019-04-12", "12 Apr 2019 00:00:00 +0000", true),
            ("date", "2019-04-12", "2019-04-11", false),
            ("date", "2019-04-12", "2019-04-12T02:00:00Z", false),
            ("date-time", "2019-04-12T09:30:00.000Z", "2019-04-12 09:30:00", true),
            ("date-time", "2019-04-12T09:30:00.000Z", "2019-04-12T11:30:00+0200", true),
            ("date-time", "2019-04-12T09:30:00.123Z", "2019-04-12T09:30:00Z", false),
            ("date", "soon", "later", false),
            // A text is a text.
            ("text", "2019-04-12", "2019-04-12T00:00:00Z", false),
        ] {
            let field = field(json!({"name": "f", "type": kind}));
            assert_eq!(same_of(&field, &json!(ours), &json!(theirs)), expected, "{kind} {ours} {theirs}");
            assert_eq!(same_of(&field, &json!([ours]), &json!([theirs])), expected, "{kind} [{ours}] [{theirs}]");
        }
    }

    #[test]
    fn dates_within_a_complex_field_count_too() {
        let field = field(json!({"name": "rights", "type": "complex", "children": [
            {"name": "from", "type": "date"}, {"name": "note", "type": "text"},
        ]}));
        let ours = json!({"from": "2019-04-12", "note": "n"});
        assert!(same_of(&field, &ours, &json!({"from": "12 Apr 2019", "note": "n", "more": null})));
        assert!(!same_of(&field, &ours, &json!({"from": "12 Apr 2019", "note": "m"})));
        assert!(!same_of(&field, &ours, &json!({"from": "12 Apr 2019"})));
        assert!(!same_of(&field, &ours, &json!({"from": "12 Apr 2019", "note": "n", "more": 1})));
    }
}
