//! How many values of each form there are, without those that are null.

use std::collections::BTreeMap;

use crate::source::json::{Form, Tally};

/// How many values of each form, null left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Forms(BTreeMap<Form, u64>);

/// Forms between which SQL makes no difference that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Boolean,
    Number,
    Text,
    Object,
    Array,
}

fn sort(form: Form) -> Option<Sort> {
    match form {
        Form::Null => None,
        Form::Boolean => Some(Sort::Boolean),
        Form::Integer | Form::Number => Some(Sort::Number),
        Form::String => Some(Sort::Text),
        Form::Object => Some(Sort::Object),
        Form::Array | Form::Deep => Some(Sort::Array),
    }
}

impl Forms {
    pub(super) fn of(counts: &BTreeMap<Form, u64>) -> Self {
        Self(counts.iter().filter(|(form, _)| **form != Form::Null).map(|(form, count)| (*form, *count)).collect())
    }

    pub(super) fn of_tallies(tallies: &BTreeMap<Form, Tally>) -> Self {
        Self::of(&tallies.iter().map(|(form, tally)| (*form, tally.count)).collect())
    }

    pub(super) fn count(&self) -> u64 {
        self.0.values().sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sorts(&self) -> BTreeMap<Sort, u64> {
        let mut sorts = BTreeMap::new();
        for (form, count) in &self.0 {
            if let Some(sort) = sort(*form) {
                *sorts.entry(sort).or_default() += count;
            }
        }
        sorts
    }

    /// Whether they are of several sorts; all numbers are one.
    pub(super) fn are_mixed(&self) -> bool {
        self.sorts().len() > 1
    }

    pub(super) fn are_texts(&self) -> bool {
        self.0.keys().all(|form| *form == Form::String)
    }

    pub(super) fn has_objects(&self) -> bool {
        self.0.contains_key(&Form::Object)
    }

    pub(super) fn has_arrays(&self) -> bool {
        self.0.keys().any(|form| sort(*form) == Some(Sort::Array))
    }

    /// Whether objects or lists are among them.
    pub(super) fn are_nested(&self) -> bool {
        self.has_objects() || self.has_arrays()
    }

    /// Those that are of none of these forms; all where there are none.
    pub(super) fn beside(&self, right: &[Form]) -> Self {
        if right.is_empty() {
            return Self::default();
        }
        Self(self.0.iter().filter(|(form, _)| !right.contains(form)).map(|(form, count)| (*form, *count)).collect())
    }

    /// Those for which others have none of their sort. Where `exact`, a number is not of the sort of integers.
    pub(super) fn unknown_to(&self, others: &Self, exact: bool) -> Self {
        let sorts = others.sorts();
        let is_wider = |form: Form| exact && form == Form::Number && !others.0.contains_key(&Form::Number);
        let is_known = |form: Form| sort(form).is_none_or(|sort| sorts.contains_key(&sort)) && !is_wider(form);
        Self(self.0.iter().filter(|(form, _)| !is_known(**form)).map(|(form, count)| (*form, *count)).collect())
    }

    /// Those of the sorts that are not the most frequent one.
    pub(super) fn rarer(&self) -> Self {
        let main = self.sorts().into_iter().max_by_key(|(sort, count)| (*count, std::cmp::Reverse(*sort)));
        let is_main = |form: Form| sort(form) == main.map(|(main, _)| main);
        Self(self.0.iter().filter(|(form, _)| !is_main(**form)).map(|(form, count)| (*form, *count)).collect())
    }

    /// Those of the most frequent sort.
    pub(super) fn main(&self) -> Self {
        let rarer = self.rarer();
        Self(
            self.0
                .iter()
                .filter(|(form, _)| !rarer.0.contains_key(form))
                .map(|(form, count)| (*form, *count))
                .collect(),
        )
    }

    /// Those of the most frequent sort, or of all sorts that are as frequent.
    pub(super) fn most(&self) -> Self {
        let sorts = self.sorts();
        let most = sorts.values().max();
        let is_most = |form: Form| sort(form).and_then(|sort| sorts.get(&sort)) == most;
        Self(self.0.iter().filter(|(form, _)| is_most(**form)).map(|(form, count)| (*form, *count)).collect())
    }

    /// The rarest form.
    pub(super) fn rarest(&self) -> Option<Form> {
        self.0.iter().min_by_key(|(_, count)| **count).map(|(form, _)| *form)
    }

    /// The SQL type of a column of them.
    pub(super) fn sql(&self) -> &'static str {
        match self.sorts().into_keys().collect::<Vec<_>>().as_slice() {
            [Sort::Boolean] => "boolean",
            [Sort::Number] if !self.0.contains_key(&Form::Number) => "bigint",
            [Sort::Number] => "double",
            [Sort::Text] => "varchar",
            _ => "",
        }
    }

    fn ordered(&self) -> Vec<(Form, u64)> {
        let mut ordered: Vec<(Form, u64)> = self.0.iter().map(|(form, count)| (*form, *count)).collect();
        ordered.sort_by_key(|(form, count)| (std::cmp::Reverse(*count), *form));
        ordered
    }
}

/// `string 98, integer 2`, the most frequent first; `absent` for none.
impl std::fmt::Display for Forms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            return f.write_str("absent");
        }
        let words: Vec<String> =
            self.ordered().into_iter().map(|(form, count)| format!("{} {count}", form.word())).collect();
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_compared_by_what_sql_makes_of_them() {
        let of = |forms: &[(Form, u64)]| Forms::of(&BTreeMap::from_iter(forms.iter().copied()));
        let integers = of(&[(Form::Integer, 5), (Form::Null, 2)]);
        let numbers = of(&[(Form::Integer, 5), (Form::Number, 1)]);
        assert!(!numbers.are_mixed() && numbers.unknown_to(&integers, false).is_empty());
        assert_eq!(numbers.unknown_to(&integers, true).to_string(), "number 1");
        assert!(integers.unknown_to(&numbers, true).is_empty());
        let several = of(&[(Form::String, 2), (Form::Integer, 7), (Form::Object, 1)]);
        assert!(several.are_mixed());
        assert_eq!(several.to_string(), "integer 7, string 2, object 1");
        assert_eq!((several.rarer().to_string(), several.rarest()), ("string 2, object 1".into(), Some(Form::Object)));
        assert_eq!((several.main().sql(), several.rarer().count()), ("bigint", 3));
        assert_eq!(several.most().to_string(), "integer 7");
        assert_eq!(of(&[(Form::String, 2), (Form::Object, 2)]).most().to_string(), "string 2, object 2");
        assert_eq!(several.beside(&[Form::Integer, Form::Number]).to_string(), "string 2, object 1");
        assert_eq!(Forms::default().to_string(), "absent");
    }
}
