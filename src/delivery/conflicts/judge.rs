//! What documents hold, compared: with the target's definition or the declaration, with the other groups, with the delivery before, and within
//! a group. What lies in something that is told is not told as well.

use std::collections::{BTreeMap, BTreeSet};

use super::Conflict;
use super::contract::{Contract, Contracts, Term};
use super::forms::Forms;
use super::proposal::{Column, Wanted};
use super::settings::{Against, Kind};
use super::shapes::{Former, Shape};
use super::survey::{Group, Survey};
use crate::source::json::{Breach, Form, Found, Place, ROOT_PATH, Step, Tally};
use crate::transform::nearest::nearest;

/// A conflict whose severity is not known yet.
pub(super) type Told = (Against, Conflict);

/// What a group holds.
struct View<'s> {
    group: &'s str,
    documents: u64,
    found: Vec<Found<'s>>,
    contract: Option<&'s Contract>,
}

/// All conflicts but documents that cannot be read, by group and path.
pub(super) fn judge(survey: &Survey, contracts: &Contracts, former: Option<&Former>) -> Vec<Told> {
    let mut views = Vec::new();
    for (group, Group { census, .. }) in &survey.groups {
        let contract = contracts.of(group);
        views.push(View { group, documents: census.documents(), found: census.paths(), contract });
    }
    let mut told = Vec::new();
    for view in &views {
        let mut paths = BTreeSet::new();
        if let Some(contract) = view.contract {
            let conflicts = Holding { view, contract, contracts }.conflicts();
            paths
                .extend(conflicts.iter().filter(|(_, told)| told.kind != Kind::New).map(|(_, told)| told.path.clone()));
            told.extend(conflicts);
        }
        told.extend(view.mixed(&paths));
        if let Some(former) = former {
            told.extend(view.since(former));
        }
    }
    told.extend(between(&views));
    told.extend(former.into_iter().flat_map(|former| gone(&views, former)));
    told.sort_by(|(one_against, one), (other_against, other)| {
        (&one.group, &one.path, one.kind, one_against).cmp(&(&other.group, &other.path, other.kind, other_against))
    });
    told
}

impl View<'_> {
    /// The way to an entry from the document.
    fn way(&self, place: usize) -> Vec<Step<'_>> {
        let mut way = Vec::new();
        let mut at = self.found.get(place);
        while let Some(found) = at {
            way.push(found.step);
            at = found.parent.and_then(|parent| self.found.get(parent));
        }
        way.reverse();
        way
    }

    fn column(&self, place: usize) -> Column {
        let way = self.way(place);
        let column = Column::at(&way);
        match (self.contract, way.get(1)) {
            (Some(contract), Some(Step::Field(name))) if contract.declares(name) => column.declared(&way),
            _ => column,
        }
    }

    /// What lies in an entry.
    fn within(&self, place: usize) -> impl Iterator<Item = &Found<'_>> {
        self.found.iter().filter(move |found| found.parent == Some(place))
    }

    /// The first field of the objects at an entry that holds texts.
    fn text_within(&self, place: usize) -> Option<&str> {
        self.within(place).find_map(|found| match found.step {
            Step::Field(name) if found.forms.contains_key(&Form::String) => Some(name),
            _ => None,
        })
    }

    fn conflict(&self, place: usize, kind: Kind, against: String) -> Conflict {
        let path = self.found.get(place).map_or_else(|| ROOT_PATH.to_owned(), |found| found.path.clone());
        Conflict { group: self.group.to_owned(), path, kind, against, ..Conflict::default() }
    }

    /// A conflict about values of these forms, with the first of the rarest.
    fn about(&self, place: usize, kind: Kind, against: String, forms: &Forms) -> Conflict {
        let tallies = self.found.get(place).map(|found| found.forms);
        let first = forms.rarest().and_then(|form| tallies?.get(&form)).map(|tally| &tally.first);
        Conflict { count: forms.count(), ..at(first, self.conflict(place, kind, against)) }
    }

    /// Values of several forms where nothing else was told.
    fn mixed(&self, told: &BTreeSet<String>) -> Vec<Told> {
        let mut conflicts = Vec::new();
        for (place, found) in self.found.iter().enumerate().filter(|(_, found)| !told.contains(&found.path)) {
            let forms = Forms::of_tallies(found.forms);
            if !forms.are_mixed() {
                continue;
            }
            let rarer = forms.rarer();
            let wanted = match forms.main() {
                main if main.has_objects() => self.within(place).find_map(|found| match found.step {
                    Step::Field(name) => Some(Wanted::Object(name)),
                    _ => None,
                }),
                main if main.has_arrays() => Some(Wanted::List("")),
                main => Some(Wanted::One(main.sql())),
            };
            let column = self.column(place);
            let is_root = found.parent.is_none();
            let propose = |wanted| column.brought_to(wanted, &forms, self.text_within(place));
            conflicts.push((
                Against::Itself,
                Conflict {
                    before: Some(forms.main().names()),
                    now: Some(rarer.names()),
                    detail: Some(forms.to_string()),
                    proposal: wanted.filter(|_| !is_root).map(propose),
                    ..self.about(place, Kind::Mixed, Against::Itself.word().to_owned(), &rarer)
                },
            ));
        }
        conflicts
    }

    /// What differs from the delivery before.
    fn since(&self, former: &Former) -> Vec<Told> {
        let against = || format!("{} {}", Against::Former.word(), former.delivery);
        let Some(old) = former.groups.get(self.group) else {
            let detail = Some("the delivery before had no such group".to_owned());
            let new = Conflict { detail, count: self.documents, ..self.conflict(0, Kind::New, against()) };
            return vec![(Against::Former, new)];
        };
        let mut conflicts = Vec::new();
        let mut skipped = vec![false; self.found.len()];
        for (place, found) in self.found.iter().enumerate() {
            let forms = Forms::of_tallies(found.forms);
            if found.parent.is_some_and(|parent| skipped[parent]) || forms.is_empty() {
                skipped[place] = true;
                continue;
            }
            let before = old.get(&found.path).map(|shape| Forms::of(&shape.forms()));
            let foreign = match &before {
                None => forms.clone(),
                Some(before) if before.is_empty() => continue,
                Some(before) => forms.unknown_to(before, true),
            };
            if foreign.is_empty() {
                continue;
            }
            skipped[place] = true;
            let kind = match &before {
                None if found.step == Step::Items => continue,
                None => Kind::New,
                Some(before) => kind_of(&foreign, before),
            };
            let column = self.column(place);
            let proposal = match &before {
                None => column.brought_to(Wanted::One(""), &Forms::default(), None),
                Some(before) => column.brought_to(wanted(before, &[]), &forms, self.text_within(place)),
            };
            conflicts.push((
                Against::Former,
                Conflict {
                    before: Some(before.map_or_else(|| "absent".to_owned(), |before| before.to_string())),
                    now: Some(forms.to_string()),
                    proposal: Some(proposal),
                    ..self.about(place, kind, against(), &foreign)
                },
            ));
        }
        conflicts.extend(self.vanished(old, &against()));
        conflicts
    }

    /// Fields of the delivery before whose objects are still there without them.
    fn vanished(&self, old: &BTreeMap<String, Shape>, against: &str) -> Vec<Told> {
        let now: BTreeMap<&str, &Found<'_>> = self.found.iter().map(|found| (found.path.as_str(), found)).collect();
        let holds = |path: &str| now.get(path).is_some_and(|found| !found.forms.is_empty());
        let gone = old.values().filter(|shape| !shape.path.ends_with("[]") && !holds(&shape.path));
        let within = gone.filter_map(|shape| {
            let objects = now.get(shape.parent.as_deref()?)?.forms.get(&Form::Object)?;
            Some((shape, objects))
        });
        let conflict = |(shape, objects): (&Shape, &Tally)| {
            let forms = Forms::of(&shape.forms());
            let conflict = Conflict {
                path: shape.path.clone(),
                before: Some(forms.to_string()),
                now: Some("absent".to_owned()),
                count: objects.count,
                detail: Some("the delivery before had it".to_owned()),
                ..self.conflict(usize::MAX, Kind::Missing, against.to_owned())
            };
            (Against::Former, at(Some(&objects.first), conflict))
        };
        within.map(conflict).collect()
    }
}

fn at(place: Option<&Place>, conflict: Conflict) -> Conflict {
    match place {
        Some(place) => Conflict {
            object: Some(place.object.clone()),
            document: Some(place.document),
            offset: Some(place.offset),
            ..conflict
        },
        None => conflict,
    }
}

fn kind_of(foreign: &Forms, right: &Forms) -> Kind {
    if foreign.are_nested() || right.are_nested() { Kind::Nested } else { Kind::Retyped }
}

/// What other forms are to become, if they are to be like these.
fn wanted<'a>(right: &Forms, fields: &[&'a str]) -> Wanted<'a> {
    match fields.first() {
        Some(first) if right.has_objects() => Wanted::Object(first),
        _ if right.has_arrays() => Wanted::List(""),
        _ => Wanted::One(right.main().sql()),
    }
}

/// Groups that the delivery before had and this one has not.
fn gone(views: &[View<'_>], former: &Former) -> Vec<Told> {
    let gone = former.groups.iter().filter(|(name, _)| !views.iter().any(|view| view.group == *name));
    let conflict = |(name, shapes): (&String, &BTreeMap<String, Shape>)| {
        let conflict = Conflict {
            group: name.clone(),
            path: ROOT_PATH.to_owned(),
            kind: Kind::Missing,
            against: format!("{} {}", Against::Former.word(), former.delivery),
            before: shapes.get(ROOT_PATH).map(|root| Forms::of(&root.forms()).to_string()),
            now: Some("absent".to_owned()),
            detail: Some("the group has no documents any more".to_owned()),
            ..Conflict::default()
        };
        (Against::Former, conflict)
    };
    gone.map(conflict).collect()
}

/// The same path with other forms in two groups: most values of each are compared with most of the group that has most there.
fn between(views: &[View<'_>]) -> Vec<Told> {
    let mut paths: BTreeMap<&str, Vec<(&View<'_>, usize, Forms)>> = BTreeMap::new();
    for view in views {
        for (place, found) in view.found.iter().enumerate().filter(|(_, found)| found.parent.is_some()) {
            paths.entry(&found.path).or_default().push((view, place, Forms::of_tallies(found.forms)));
        }
    }
    let mut conflicts = Vec::new();
    let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (path, holders) in &paths {
        let most = holders.iter().max_by_key(|(view, _, forms)| (forms.count(), std::cmp::Reverse(view.group)));
        let Some((model, _, right)) = most.filter(|(_, _, forms)| !forms.is_empty()) else { continue };
        for (view, place, forms) in holders.iter().filter(|(view, _, _)| view.group != model.group) {
            let foreign = forms.most().unknown_to(&right.most(), false);
            let parent = view.found[*place].parent.map_or("", |parent| view.found[parent].path.as_str());
            let is_within = told.contains(&(view.group, parent)) || told.contains(&(model.group, parent));
            if is_within || foreign.is_empty() {
                if is_within {
                    told.insert((view.group, path));
                }
                continue;
            }
            told.insert((view.group, path));
            let proposal = view.column(*place).brought_to(wanted(right, &[]), forms, view.text_within(*place));
            let against = format!("{} {}", Against::Group.word(), model.group);
            conflicts.push((
                Against::Group,
                Conflict {
                    before: Some(right.to_string()),
                    now: Some(forms.to_string()),
                    proposal: Some(proposal),
                    ..view.about(*place, kind_of(&foreign, right), against, &foreign)
                },
            ));
        }
    }
    conflicts
}

/// A group and what it is held to.
struct Holding<'h> {
    view: &'h View<'h>,
    contract: &'h Contract,
    contracts: &'h Contracts,
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
    fn conflicts(&self) -> Vec<Told> {
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
        let forms = Forms::of_tallies(found.forms);
        let allow = format!("-- leads to no field; [deliver.conflicts.{}] allow = [{:?}]", self.view.group, found.path);
        let proposal = near.map_or(allow, |near| self.view.column(place).as_field(near));
        let count = found.forms.values().map(|tally| tally.count).sum();
        Some(Conflict {
            now: Some(forms.to_string()),
            detail: Some(near.map_or_else(
                || format!("{} has no such field", self.contract.name),
                |near| format!("{} has no such field; did you mean {near}?", self.contract.name),
            )),
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
