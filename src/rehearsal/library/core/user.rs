//! Users, and the settings of the deployment.

use super::dice::{Dice, NOW, instant, local};
use super::dirt::date::ZONE;
use super::layout::FIRST_ID;
use super::{Value, label, text, words};

/// The table of users.
pub const USERS: &str = "security_user";

/// The user name of a user's row: different for each.
pub fn name(row: u64) -> String {
    let person = words::person(row).to_lowercase().replace(' ', ".");
    deaccent(&person)
}

/// The e-mail address of a user's row.
pub fn email(row: u64) -> String {
    format!("{}@studio.example", name(row))
}

fn deaccent(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.replace('ø', "o").nfd().filter(char::is_ascii).collect()
}

/// A row of `security_user`. The password hash and the photo are there to be left alone.
pub fn row(row: u64, dice: Dice, out: &mut Vec<Value>) {
    out.extend([
        Value::id(FIRST_ID + row),
        text(dice.uuid(0)),
        text(name(row)),
        text(words::person(row)),
        text(email(row)),
        Value::Bool(!dice.chance(2, 120_000)),
        label(dice.pick(3, &["en_US", "en_GB", "de_DE", "es_MX"])),
        label("America/Denver"),
        text(format!("SECRET-FIXTURE-$2a$10${:016x}{:016x}", dice.draw(4), dice.draw(5))),
        text(instant(dice.past(6))),
        text(local(dice.past(8))),
        if dice.chance(10, 100_000) { text(format!("\\xffd8ffe0{:016x}", dice.draw(11))) } else { Value::Null },
    ]);
}

/// A row of `dynamic_property`: the settings rules look at, then others.
pub fn setting(row: u64, dice: Dice, out: &mut Vec<Value>) {
    const KNOWN: [(&str, &str); 5] = [
        ("deployment.timezone", ZONE),
        ("deployment.default_frame_rate", "29.97"),
        ("deployment.default_owner", "ada.abbott"),
        ("deployment.name", "studio"),
        ("media.proxy.enabled", "true"),
    ];
    let (name, value) = match KNOWN.get(super::dice::index(row)) {
        Some((name, value)) => ((*name).to_owned(), (*value).to_owned()),
        None => (format!("ui.setting.{row:03}"), dice.below(0, 1000).to_string()),
    };
    out.extend([text(name), text(value), text(local(NOW - 1 - dice.below(1, 200_000_000)))]);
}

#[cfg(test)]
mod tests {
    #[test]
    fn user_names_differ() {
        let names: std::collections::HashSet<_> = (0..2460).map(super::name).collect();
        assert_eq!(names.len(), 2460);
        assert_eq!(super::name(0), "ada.abbott");
    }
}
