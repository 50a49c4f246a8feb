//! The names nearest to one that is not known, for messages that help.

use strsim::{jaro_winkler, normalized_damerau_levenshtein};

/// How alike two names must be (0 to 1) to be worth a suggestion.
const ALIKE: f64 = 0.6;

/// Up to three of `known` that are most like `name`, the most alike first.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|candidate| (likeness(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    scored.dedup_by(|(_, left), (_, right)| left == right);
    scored.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// `; did you mean X, Y?` with the nearest names, or nothing when no name is near.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, known).as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(", ")),
    }
}

/// The better of two measures: edits (a typing slip) and a common beginning (a forgotten ending); a table named without
/// its schema is as good as named.
fn likeness(wanted: &str, candidate: &str) -> f64 {
    let unqualified = candidate.rsplit_once('.').map_or(candidate, |(_, name)| name);
    if unqualified == wanted {
        return 1.0;
    }
    let edits =
        normalized_damerau_levenshtein(wanted, unqualified).max(normalized_damerau_levenshtein(wanted, candidate));
    let prefix = jaro_winkler(wanted, unqualified);
    edits.max(if prefix >= 0.9 { prefix } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_comes_first_and_far_names_not_at_all() {
        let known = ["title", "titles", "description", "created_at"];
        assert_eq!(nearest("titel", known), ["title", "titles"]);
        assert_eq!(did_you_mean("zzz", known), "");
        assert_eq!(did_you_mean("asset_master", ["public.asset_master"]), "; did you mean public.asset_master?");
    }
}
