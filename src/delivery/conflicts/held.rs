//! The documents of a group against what they are held to: a definition of the target, or what is declared for queries.

use strsim::normalized_damerau_levenshtein;

use super::Conflict;
use super::contract::{Contract, Contracts, Term};
use super::forms::Forms;
use super::judge::{Told, View, at};
use super::proposal::{self, Column, Wanted};
use super::settings::{Against, Kind};
use crate::source::json::{Breach, Form, Found, Step, Tally};
use crate::transform::nearest::nearest;

/// How alike two names are that are one and a slip (0 to 1).
const ALL_BUT_THE_SAME: f64 = 0.75;

/// A group and what it is held to.
pub(super) struct Holding<'h> {
    pub(super) view: &'h View<'h>,
    pub(super) contract: &'h Contract,
    pub(super) contracts: &'h Contracts,
}

/// What an entry is held to.
#[derive(Clone, Copy)]
enum Look<'t> {
    /// Nothing: its field is not known, or what it lies in is told.
    Skip,
    Value(&'t Term),
    /// An item of a list.
    Item(&'t Term),
}

impl<'h> Holding<'h> {
    pub(super) fn conflicts(&self) -> Vec<Told> {
        let (mut looks, mut conflicts): (Vec<Look<'h>>, _) = (Vec::new(), Vec::new());
        for (place, found) in self.view.found.iter().enumerate() {
            let look = self.look(found, &looks);
            looks.push(look);
            match look {
                Look::Skip => {
                    let parent = found.parent.and_then(|parent| looks.get(parent)).copied();
                    conflicts.extend(parent.and_then(|parent| self.unknown(place, found, parent)));
                }
                Look::Value(term) => {
                    conflicts.extend(self.forms(place, found, term, term.is_list));
                    conflicts.extend(self.breaches(place, found, term));
                    if !term.is_list {
                        conflicts.extend(self.nowhere(place, found, term));
                    }
                }
                Look::Item(term) => {
                    conflicts.extend(self.forms(place, found, term, false));
                    conflicts.extend(self.breaches(place, found, term));
                    conflicts.extend(self.nowhere(place, found, term));
                }
            }
        }
        conflicts.into_iter().map(|conflict| (self.contract.against, conflict)).collect()
    }

    /// Declared fields that none of the objects at an entry has: columns of nothing but NULL.
    fn nowhere(&self, place: usize, found: &Found<'_>, term: &Term) -> Vec<Conflict> {
        let objects = found.forms.get(&Form::Object).filter(|_| self.contract.against == Against::Declared);
        let (Some(objects), Some(fields)) = (objects, term.fields.as_ref()) else { return Vec::new() };
        let is_there = |name: &str| {
            self.view.within(place).any(|found| found.step == Step::Field(name) && !found.forms.is_empty())
        };
        let nowhere = fields.iter().filter(|(name, _)| !is_there(name));
        let conflict = |(name, term): (&String, &Term)| {
            let path = if found.parent.is_none() { name.clone() } else { format!("{}.{name}", found.path) };
            let beside = self.view.within(place).filter_map(|found| match found.step {
                Step::Field(name) if !found.forms.is_empty() => Some(name),
                _ => None,
            });
            let near = nearest(name, beside.filter(|name| !fields.contains_key(*name))).first().copied();
            let detail = near.map_or_else(
                || "is declared and nowhere".to_owned(),
                |near| format!("is declared and nowhere; did you mean {near}?"),
            );
            let conflict = Conflict {
                path,
                before: Some(term.wants.clone()),
                now: Some("absent".to_owned()),
                count: objects.count,
                detail: Some(detail),
                proposal: near.map(|near| Column::at(&[Step::Field(near)]).as_field(name)),
                ..self.view.conflict(place, Kind::Missing, self.against())
            };
            at(Some(&objects.first), conflict)
        };
        nowhere.map(conflict).collect()
    }

    fn look(&self, found: &Found<'_>, looks: &[Look<'h>]) -> Look<'h> {
        let Some(parent) = found.parent.and_then(|parent| looks.get(parent)) else {
            return Look::Value(&self.contract.root);
        };
        let of = |term: &'h Term, name: &str| term.fields.as_ref().and_then(|fields| fields.get(name));
        match (*parent, found.step) {
            (Look::Value(term), Step::Field(name)) if !term.is_list => of(term, name).map_or(Look::Skip, Look::Value),
            (Look::Item(term), Step::Field(name)) => of(term, name).map_or(Look::Skip, Look::Value),
            (Look::Value(term), Step::Items) if term.is_list => Look::Item(term),
            _ => Look::Skip,
        }
    }

    fn against(&self) -> String {
        format!("{} {}", self.contract.against.word(), self.contract.name)
    }

    /// A field that the definition has not, unless the queries of the mapping speak of it.
    fn unknown(&self, place: usize, found: &Found<'_>, parent: Look<'_>) -> Option<Conflict> {
        let (Look::Value(term) | Look::Item(term)) = parent else { return None };
        let (Step::Field(name), Some(fields)) = (found.step, term.fields.as_ref()) else { return None };
        let is_list = matches!(parent, Look::Value(term) if term.is_list);
        if is_list || found.forms.is_empty() || self.contracts.spoken_of.contains(name) {
            return None;
        }
        let near = nearest(name, fields.keys().map(String::as_str)).first().copied();
        let is_there = |near: &str| {
            self.view.found.iter().any(|other| other.parent == found.parent && other.step == Step::Field(near))
        };
        // Where others have the field under its name, only one that is all but the same is meant.
        let near =
            near.filter(|near| !is_there(near) || normalized_damerau_levenshtein(name, near) >= ALL_BUT_THE_SAME);
        let forms = Forms::of_tallies(found.forms);
        let group = self.view.group;
        let proposal = match (near, self.contract.against) {
            (Some(near), _) if is_there(near) => self.view.column(place).filling(near),
            (Some(near), _) => self.view.column(place).as_field(near),
            (None, Against::Declared) if found.parent == Some(0) => {
                let column = proposal::declaration(name, &self.view.declaration(place));
                format!("-- in {}, create table {group} (…):\n{column}", self.contract.name)
            }
            (None, _) => format!("-- leads to no field: [deliver.conflicts.{group}] allow = [{:?}]", found.path),
        };
        let count = found.forms.values().map(|tally| tally.count).sum();
        Some(Conflict {
            now: Some(forms.to_string()),
            detail: near.map(|near| format!("did you mean {near}?")),
            proposal: Some(proposal),
            count,
            ..self.view.about(place, Kind::New, self.against(), &forms)
        })
    }

    /// Values of other forms than are wanted.
    fn forms(&self, place: usize, found: &Found<'_>, term: &Term, is_list: bool) -> Option<Conflict> {
        let forms = Forms::of_tallies(found.forms);
        let foreign = forms.beside(if is_list { &[Form::Array] } else { term.forms });
        if foreign.is_empty() {
            return None;
        }
        let is_nested = is_list || foreign.are_nested() || term.forms == [Form::Object];
        let kind = if is_nested { Kind::Nested } else { Kind::Retyped };
        let first = term.fields.iter().flatten().map(|(name, _)| name.as_str()).next();
        let wanted = match first {
            _ if is_list => Wanted::List(term.sql),
            Some(first) => Wanted::Object(first),
            None => Wanted::One(term.sql),
        };
        let proposal = self.view.column(place).brought_to(wanted, &forms, self.view.text_within(place));
        Some(Conflict {
            before: Some(term.wants.clone()),
            now: Some(forms.to_string()),
            proposal: found.parent.is_some().then_some(proposal),
            ..self.view.about(place, kind, self.against(), &foreign)
        })
    }

    /// Values of the right form that are refused all the same.
    fn breaches(&self, place: usize, found: &Found<'_>, term: &Term) -> Vec<Conflict> {
        let is_spoken_of = |name| self.contracts.spoken_of.contains(name);
        let elsewhere = found.forms.is_empty() && matches!(found.step, Step::Field(name) if is_spoken_of(name));
        let wanted = found.breaches.iter().filter(|(breach, _)| **breach != Breach::Missing || !elsewhere);
        wanted.map(|(breach, tally)| self.breach(place, found, term, *breach, tally)).collect()
    }

    fn breach(&self, place: usize, found: &Found<'_>, term: &Term, breach: Breach, tally: &Tally) -> Conflict {
        let column = self.view.column(place);
        let example = tally.example.as_deref().unwrap_or_default();
        let (kind, detail, proposal) = match breach {
            Breach::Missing => {
                let (detail, proposal) = self.missing(found, term, &column);
                (Kind::Missing, detail, proposal)
            }
            Breach::Option => (Kind::Value, "is not in the closed list".to_owned(), column.replaced(example)),
            Breach::Length => {
                let longest = term.longest.unwrap_or_default();
                (Kind::Value, format!("is longer than {longest} characters"), column.cut(longest))
            }
            Breach::Range => (Kind::Value, "is beyond 32 bits".to_owned(), column.made_up("int")),
            Breach::Date => (Kind::Value, "is no date YYYY-MM-DD".to_owned(), self.as_moment(&column, term)),
            Breach::Moment => (Kind::Value, "is no moment with its zone".to_owned(), self.as_moment(&column, term)),
        };
        let now =
            if kind == Kind::Missing { Forms::of_tallies(found.forms).to_string() } else { format!("{example:?}") };
        let conflict = Conflict {
            before: Some(term.wants.clone()),
            now: Some(now),
            count: tally.count,
            detail: Some(detail),
            proposal: Some(proposal),
            ..self.view.conflict(place, kind, self.against())
        };
        at(Some(&tally.first), conflict)
    }

    fn as_moment(&self, column: &Column, term: &Term) -> String {
        column.brought_to(Wanted::One(term.sql), &Forms::default(), None)
    }

    /// What to do about a required field that is absent: one of like name, or something in its place.
    fn missing(&self, found: &Found<'_>, term: &Term, column: &Column) -> (String, String) {
        if !found.forms.is_empty() {
            return ("is required; absent or null in some".to_owned(), column.filled(term.sql));
        }
        let beside = self.view.found.iter().filter(|other| other.parent == found.parent && !other.forms.is_empty());
        let names = beside.filter_map(|other| if let Step::Field(name) = other.step { Some(name) } else { None });
        let Step::Field(name) = found.step else { return ("is required".to_owned(), String::new()) };
        match nearest(name, names).first() {
            Some(near) => (
                format!("is required and nowhere; did you mean {near}?"),
                Column::at(&[Step::Field(near)]).as_field(name),
            ),
            None => ("is required and nowhere".to_owned(), column.made_up(term.sql)),
        }
    }
}
