//! Ways of misspelling a term, and how near a misspelling is to the terms of its vocabulary (D33, rulings A08, A26).

/// The first letter in full width, which NFKC folds.
pub fn full_width(term: &str) -> Option<String> {
    let first = term.chars().next()?;
    let wide = first.is_ascii_graphic().then(|| char::from_u32(u32::from(first) + 0xFEE0)).flatten()?;
    Some(format!("{wide}{}", term.get(1..)?))
}

/// Upper case, or lower case where it is in upper case already; none for figures.
pub fn other_case(term: &str) -> Option<String> {
    [term.to_uppercase(), term.to_lowercase()].into_iter().find(|other| other != term)
}

/// Two blanks for the first one.
pub fn double_blank(term: &str) -> Option<String> {
    term.contains(' ').then(|| term.replacen(' ', "  ", 1))
}

/// A letter in the middle written twice: `Appproved`.
pub fn doubled(term: &str) -> Option<String> {
    let letters: Vec<char> = term.chars().collect();
    let middle = letters.len() / 2;
    let letter = *letters.get(middle)?;
    let (before, behind) = (letters.get(..middle)?, letters.get(middle..)?);
    letter.is_alphabetic().then(|| before.iter().chain([&letter]).chain(behind).collect())
}

/// The third and fourth letters changed over: `Epsiode`.
pub fn swapped(term: &str) -> Option<String> {
    let mut letters: Vec<char> = term.chars().collect();
    let differ = letters.get(2)?.is_alphabetic() && letters.get(3)?.is_alphabetic() && letters.get(2) != letters.get(3);
    if !differ {
        return None;
    }
    letters.swap(2, 3);
    Some(letters.into_iter().collect())
}

/// The first letter that has a twin in Cyrillic replaced by it.
pub fn look_alike(term: &str) -> Option<String> {
    const TWINS: [(char, char); 12] = [
        ('A', 'А'),
        ('C', 'С'),
        ('E', 'Е'),
        ('H', 'Н'),
        ('M', 'М'),
        ('P', 'Р'),
        ('S', 'Ѕ'),
        ('T', 'Т'),
        ('a', 'а'),
        ('e', 'е'),
        ('i', 'і'),
        ('o', 'о'),
    ];
    let (place, twin) = term
        .char_indices()
        .find_map(|(place, letter)| TWINS.iter().find(|twins| twins.0 == letter).map(|twins| (place, twins.1)))?;
    Some(format!("{}{twin}{}", term.get(..place)?, term.get(place + 1..)?))
}

/// The only term that is one edit away (a letter more, less, another, or two neighbours changed over), for texts of six
/// characters and more.
pub fn in_reach(raw: &str, terms: &[&'static str]) -> Option<&'static str> {
    if raw.chars().count() < 6 {
        return None;
    }
    let mut near = terms.iter().filter(|term| one_edit(&raw.to_lowercase(), &term.to_lowercase()));
    let first = near.next()?;
    near.next().is_none().then_some(first)
}

/// Whether one edit makes one text of the other.
fn one_edit(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let rest = |letters: &[char], from: usize| letters.get(from..).map(<[char]>::to_vec).unwrap_or_default();
    match long.len() - short.len() {
        0 => {
            let changed = rest(short, same + 1) == rest(long, same + 1);
            let turned = rest(short, same + 2) == rest(long, same + 2)
                && short.get(same) == long.get(same + 1)
                && short.get(same + 1) == long.get(same);
            same < long.len() && (changed || turned)
        }
        1 => rest(short, same) == rest(long, same + 1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings() {
        assert_eq!(doubled("Approved").as_deref(), Some("Approoved"));
        assert_eq!(swapped("Episode").as_deref(), Some("Epsiode"));
        assert_eq!(swapped("NLC"), None);
        assert_eq!(look_alike("Promo").as_deref(), Some("Рromo"));
        assert_eq!(full_width("Film").as_deref(), Some("Ｆilm"));
        assert_eq!(other_case("NLC").as_deref(), Some("nlc"));
        assert_eq!(other_case("1:1"), None);
        assert_eq!(double_blank("In Review").as_deref(), Some("In  Review"));
    }

    #[test]
    fn one_edit_of_any_kind() {
        for (a, b, near) in [
            ("epsiode", "episode", true),
            ("appproved", "approved", true),
            ("approvd", "approved", true),
            ("approwed", "approved", true),
            ("approved", "approved", false),
            ("aproofed", "approved", false),
            ("peisode", "episode", true),
            ("episdoe", "episode", true),
            ("episodes1", "episode", false),
        ] {
            assert_eq!(one_edit(a, b), near, "{a} {b}");
        }
    }

    #[test]
    fn only_one_term_may_be_near_and_short_texts_are_not_compared() {
        assert_eq!(in_reach("Promo.", &["Promo", "Trailer"]), Some("Promo"));
        assert_eq!(in_reach("Film.", &["Film"]), None);
        assert_eq!(in_reach("Option 3", &["Option 1", "Option 2"]), None);
    }
}
