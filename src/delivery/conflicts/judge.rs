//! What documents hold, compared: with the target's definition or the declaration, with the other groups, with the delivery before, and within
//! a group. What lies in something that is told is not told as well.

use std::collections::{BTreeMap, BTreeSet};

use super::Conflict;
use super::contract::{Contract, Contracts};
use super::forms::Forms;
use super::held::Holding;
use super::proposal::{self, Column, Wanted};
use super::settings::{Against, Kind};
use super::shapes::{Former, Shape};
use super::survey::{Group, Survey};
use crate::source::json::{Form, Found, Place, ROOT_PATH, Step, Tally};

/// Fields of an object that is proposed as a declared column.
const MOST_DECLARED: usize = 40;

/// A conflict whose severity is not known yet.
pub(super) type Told = (Against, Conflict);

/// What a group holds.
pub(super) struct View<'s> {
    pub(super) group: &'s str,
    documents: u64,
    pub(super) found: Vec<Found<'s>>,
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

    pub(super) fn column(&self, place: usize) -> Column {
        let way = self.way(place);
        let column = Column::at(&way);
        match (self.contract, way.get(1)) {
            (Some(contract), Some(Step::Field(name))) if contract.declares(name) => column.declared(&way),
            _ => column,
        }
    }

    /// What lies in an entry.
    pub(super) fn within(&self, place: usize) -> impl Iterator<Item = &Found<'_>> {
        self.found.iter().filter(move |found| found.parent == Some(place))
    }

    /// The type of a declared column that holds what is at an entry; text holds all.
    pub(super) fn declaration(&self, place: usize) -> String {
        let forms = Forms::of_tallies(self.found[place].forms);
        let within: Vec<usize> =
            (place + 1..self.found.len()).filter(|at| self.found[*at].parent == Some(place)).collect();
        let column = |at: &usize| match self.found[*at].step {
            Step::Field(name) => Some(proposal::declaration(name, &self.declaration(*at))),
            _ => None,
        };
        match within.as_slice() {
            [items] if !forms.are_mixed() && self.found[*items].step == Step::Items => {
                format!("{}[]", self.declaration(*items))
            }
            fields if !forms.are_mixed() && forms.has_objects() && (1..=MOST_DECLARED).contains(&fields.len()) => {
                format!("struct<{}>", fields.iter().filter_map(column).collect::<Vec<_>>().join(", "))
            }
            _ if forms.sql().is_empty() => "varchar".to_owned(),
            _ => forms.sql().to_owned(),
        }
    }

    /// The first field of the objects at an entry that holds texts.
    pub(super) fn text_within(&self, place: usize) -> Option<&str> {
        self.within(place).find_map(|found| match found.step {
            Step::Field(name) if found.forms.contains_key(&Form::String) => Some(name),
            _ => None,
        })
    }

    pub(super) fn conflict(&self, place: usize, kind: Kind, against: String) -> Conflict {
        let path = self.found.get(place).map_or_else(|| ROOT_PATH.to_owned(), |found| found.path.clone());
        Conflict { group: self.group.to_owned(), path, kind, against, ..Conflict::default() }
    }

    /// A conflict about values of these forms, with the first of the rarest.
    pub(super) fn about(&self, place: usize, kind: Kind, against: String, forms: &Forms) -> Conflict {
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
                    before: Some(forms.main().to_string()),
                    now: Some(rarer.to_string()),
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

pub(super) fn at(place: Option<&Place>, conflict: Conflict) -> Conflict {
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
