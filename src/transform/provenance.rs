//! The rows behind a row: from the rows of a query's dataset to those of the tables that its query scans.
//!
//! A scan's rows are found by what the plan says is equal: a column that comes through unchanged, or a computed one
//! (`concat('Promo:', id)`), and what joins compare. Values go from the query's rows to the scans that they reach, from
//! the rows found there to the next, until nothing new is reached. So more rows may be shown than the value came from
//! (the versions of an asset of which one was taken), and a scan that nothing leads to shows none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DataFusionError, ScalarValue};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::SessionContext;

use super::lineage::{Lineage, Origin, scan_of};
use crate::dataflow::checksum::row_digests;

/// Rows of one scan that are looked at, at most; values that they are looked up by, likewise.
pub(super) const MOST: usize = 200;

/// Rows that values alone may lead to, no key: where there are more, they are of others that have the same value, too.
const VAGUE: usize = 20;

/// One query with the rows behind some of its own.
#[derive(Debug)]
pub(super) struct Traced {
    pub(super) lineage: Lineage,
    /// The rows of the query.
    pub(super) rows: RecordBatch,
    /// The columns that tell its rows apart, where it declares them.
    key: Vec<usize>,
    /// The rows of each scan; `None` where nothing leads to them.
    pub(super) found: Vec<Option<RecordBatch>>,
}

/// Expressions that have the same values, and the query's columns among them.
#[derive(Debug, Default)]
struct Class {
    members: Vec<Expr>,
    outputs: Vec<usize>,
    /// Whether several scans are joined by it, or the query's rows are told apart.
    is_key: bool,
}

impl Class {
    /// Whether a column of the scan is in it.
    fn is_over(&self, scan: usize) -> bool {
        self.members.iter().any(|member| scan_of(member) == Some(scan))
    }
}

/// Classes by number, and which class an expression is in.
#[derive(Debug, Default)]
struct Classes {
    all: BTreeMap<usize, Class>,
    place: HashMap<Expr, usize>,
}

impl Classes {
    /// The number of the class that an expression is in.
    fn of(&mut self, member: &Expr) -> usize {
        if let Some(known) = self.place.get(member) {
            return *known;
        }
        let number = self.place.len();
        self.place.insert(member.clone(), number);
        self.all.insert(number, Class { members: vec![member.clone()], ..Class::default() });
        number
    }

    fn unite(&mut self, one: &Expr, other: &Expr) {
        let (one, other) = (self.of(one), self.of(other));
        if one == other {
            return;
        }
        let moved = self.all.remove(&other).unwrap_or_default();
        for member in &moved.members {
            self.place.insert(member.clone(), one);
        }
        let class = self.all.entry(one).or_default();
        class.members.extend(moved.members);
        class.outputs.extend(moved.outputs);
    }
}

/// How values spread from a query's rows to the scans behind them.
struct Spread {
    classes: Vec<Class>,
    /// The values of each class, once they are known.
    values: Vec<Option<Known>>,
    /// The class of a branch of a union, and that of what all branches are compared with.
    links: Vec<(usize, usize)>,
    /// Scans that need no look: they have had theirs, or nothing of them came through.
    done: BTreeSet<usize>,
}

/// The values of a class.
#[derive(Debug, Clone)]
struct Known {
    values: Vec<ScalarValue>,
    /// Whether some rows have none: those are not found by these values.
    is_partial: bool,
}

impl Known {
    /// The values of arrays; `None` when there are none.
    fn of(arrays: &[ArrayRef]) -> Result<Option<Self>, DataFusionError> {
        let values = distinct(arrays)?;
        let is_partial = arrays.iter().any(|array| array.null_count() > 0);
        Ok((!values.is_empty()).then_some(Self { values, is_partial }))
    }
}

/// A scan, the expressions over it with the values they may have, and whether a key is among them.
type Look = (usize, Vec<(Expr, Vec<ScalarValue>)>, bool);

impl Spread {
    /// Begins with `rows` of the query.
    fn of(traced: &Traced, rows: &RecordBatch) -> Result<Self, DataFusionError> {
        let (classes, links) = traced.classes(rows);
        let mut values = Vec::new();
        for class in &classes {
            let known: Vec<ArrayRef> =
                class.outputs.iter().filter_map(|index| rows.columns().get(*index).cloned()).collect();
            values.push(Known::of(&known)?);
        }
        let mut spread = Self { classes, values, links, done: traced.dead_scans(rows) };
        spread.lead_into_branches();
        Ok(spread)
    }

    /// What is known of a scan that all branches of a union are compared with leads into each branch.
    fn lead_into_branches(&mut self) {
        for (branch, shared) in &self.links {
            let known = self.values.get(*shared).cloned().flatten();
            if let Some(place) = self.values.get_mut(*branch).filter(|place| place.is_none()) {
                *place = known;
            }
        }
    }

    /// What is known of the branches leads to the scan that they are compared with; whether any did. It comes last, when no
    /// branch can be reached any more, for it must not lead from one branch into another.
    fn lead_out_of_branches(&mut self) -> bool {
        let mut led = BTreeMap::new();
        for (branch, shared) in &self.links {
            let is_open = self.values.get(*shared).is_some_and(Option::is_none);
            if let (true, Some(known)) = (is_open, self.values.get(*branch).cloned().flatten()) {
                led.entry(*shared).or_insert_with(Vec::new).extend(known.values);
            }
        }
        self.links.retain(|(_, shared)| !led.contains_key(shared));
        for (shared, values) in &mut led {
            if let Some(place) = self.values.get_mut(*shared) {
                *place = Some(Known { values: std::mem::take(values), is_partial: false });
            }
        }
        !led.is_empty()
    }

    /// The scans that the known values lead to and that have had no look yet. What is joined or declared a key leads before
    /// what merely comes through: a promo is found by its id, not by its network. Of those, scans with the fewest keys
    /// that are still to be known come first: a row of a vertical table is found by its owner too, once that is known, and
    /// not by its attribute alone.
    fn next(&mut self, scans: usize) -> Vec<Look> {
        for by_key in [true, false] {
            let (mut looks, mut fewest) = (Vec::new(), usize::MAX);
            for scan in (0..scans).filter(|scan| !self.done.contains(scan)) {
                let (mut whole, mut partial, mut leads, mut open) = (Vec::new(), Vec::new(), false, 0);
                for (class, known) in self.classes.iter().zip(&self.values) {
                    let Some(known) = known else {
                        open += usize::from(by_key && class.is_key && class.is_over(scan));
                        continue;
                    };
                    let conditions = if known.is_partial { &mut partial } else { &mut whole };
                    for member in class.members.iter().filter(|member| scan_of(member) == Some(scan)) {
                        leads |= class.is_key || !by_key;
                        conditions.push((member.clone(), known.values.clone()));
                    }
                }
                if !leads || open > fewest {
                    continue;
                }
                if open < fewest {
                    (looks, fewest) = (Vec::new(), open);
                }
                looks.push((scan, if whole.is_empty() { partial } else { whole }, by_key));
            }
            if !looks.is_empty() {
                self.done.extend(looks.iter().map(|(scan, ..)| *scan));
                return looks;
            }
        }
        if self.lead_out_of_branches() { self.next(scans) } else { Vec::new() }
    }

    /// Takes up what the rows found tell of the classes whose values are not known.
    fn learn(&mut self, context: &SessionContext, found: &[Option<RecordBatch>]) -> Result<(), DataFusionError> {
        for (class, known) in self.classes.iter().zip(&mut self.values).filter(|(_, known)| known.is_none()) {
            let mut arrays = Vec::new();
            for member in &class.members {
                let rows = scan_of(member).and_then(|scan| found.get(scan)?.as_ref());
                if let Some(rows) = rows {
                    arrays.push(evaluated(context, member, rows)?);
                }
            }
            *known = Known::of(&arrays)?;
        }
        self.lead_into_branches();
        Ok(())
    }
}

impl Traced {
    /// Finds the rows behind `rows`, whose columns `key` tell them apart.
    pub(super) async fn find(
        context: &SessionContext,
        lineage: Lineage,
        rows: RecordBatch,
        key: &[String],
    ) -> Result<Self, DataFusionError> {
        let found = vec![None; lineage.scans.len()];
        let key = key.iter().filter_map(|name| rows.schema().index_of(name).ok()).collect();
        let mut traced = Self { lineage, rows, key, found };
        let mut spread = Spread::of(&traced, &traced.rows)?;
        loop {
            let looks = spread.next(traced.found.len());
            if looks.is_empty() {
                return Ok(traced);
            }
            for (scan, conditions, by_key) in looks {
                let conditions = conditions.into_iter().map(|(member, values)| one_of(member, values)).collect();
                let rows = traced.fetch(context, scan, conditions).await?;
                let is_vague = !by_key && rows.num_rows() > VAGUE;
                if let Some(found) = traced.found.get_mut(scan).filter(|_| !is_vague) {
                    *found = Some(rows);
                }
            }
            spread.learn(context, &traced.found)?;
        }
    }

    async fn fetch(
        &self,
        context: &SessionContext,
        scan: usize,
        by: Vec<Expr>,
    ) -> Result<RecordBatch, DataFusionError> {
        let table = self.lineage.scans.get(scan).cloned().unwrap_or_else(|| "".into());
        let own = self.lineage.predicates.iter().filter(|predicate| scan_of(predicate) == Some(scan)).cloned();
        let mut frame = context.table(table).await?;
        let schema = Arc::clone(frame.schema().inner());
        for condition in by.into_iter().chain(own) {
            frame = frame.filter(unqualified(condition)?)?;
        }
        let batches = frame.limit(0, Some(MOST))?.collect().await?;
        let typed: Vec<RecordBatch> =
            batches.into_iter().map(|batch| batch.with_schema(Arc::clone(&schema))).collect::<Result<_, _>>()?;
        Ok(concat_batches(&schema, &typed)?)
    }

    /// Of the rows found, those behind `rows`, some of the query's own; nothing is read.
    pub(super) fn behind(
        &self,
        context: &SessionContext,
        rows: &RecordBatch,
    ) -> Result<Vec<Option<RecordBatch>>, DataFusionError> {
        let mut found: Vec<Option<RecordBatch>> = vec![None; self.found.len()];
        let mut spread = Spread::of(self, rows)?;
        loop {
            let looks = spread.next(found.len());
            if looks.is_empty() {
                return Ok(found);
            }
            for (scan, conditions, _) in looks {
                let Some(mut kept) = self.found.get(scan).and_then(Clone::clone) else { continue };
                for (member, values) in conditions {
                    kept = holding(context, &kept, &member, &values)?;
                }
                if let Some(place) = found.get_mut(scan) {
                    *place = Some(kept);
                }
            }
            spread.learn(context, &found)?;
        }
    }

    /// Of the rows behind some of the query's, those that an origin's value is of.
    pub(super) fn counting(
        &self,
        context: &SessionContext,
        origin: &Origin,
        behind: &[Option<RecordBatch>],
    ) -> Result<Option<RecordBatch>, DataFusionError> {
        let Some(mut found) = behind.get(origin.scan).and_then(Clone::clone) else { return Ok(None) };
        for filter in origin.filters.iter().filter_map(|number| self.lineage.filters.get(*number)) {
            let kept = evaluated(context, filter, &found)?;
            found = filter_record_batch(&found, kept.as_boolean())?;
        }
        Ok(Some(found))
    }

    /// The branches of unions that none of `rows` went through: a literal of theirs is in none of them.
    pub(super) fn dead(&self, rows: &RecordBatch) -> BTreeSet<(usize, usize)> {
        let mut dead = BTreeSet::new();
        for (course, column) in self.lineage.outputs.iter().zip(rows.columns()).filter(|(course, _)| course.union > 0) {
            let Ok(values) = distinct(std::slice::from_ref(column)) else { continue };
            for (index, branch) in course.branches.iter().enumerate() {
                if let Some(Expr::Literal(value, _)) = &branch.value
                    && !value.is_null()
                    && !values.iter().any(|known| known.to_string() == value.to_string())
                {
                    dead.insert((course.union, index));
                }
            }
        }
        dead
    }

    /// The scans that only dead branches read.
    fn dead_scans(&self, rows: &RecordBatch) -> BTreeSet<usize> {
        let dead = self.dead(rows);
        let (mut living, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for course in &self.lineage.outputs {
            for (index, branch) in course.branches.iter().enumerate() {
                let scans =
                    branch.origins.iter().map(|origin| origin.scan).chain(branch.value.iter().filter_map(scan_of));
                let side = if dead.contains(&(course.union, index)) { &mut gone } else { &mut living };
                side.extend(scans);
            }
        }
        gone.difference(&living).copied().collect()
    }

    /// What is equal in the rows that come through.
    fn classes(&self, rows: &RecordBatch) -> (Vec<Class>, Vec<(usize, usize)>) {
        let mut classes = Classes::default();
        for (one, other) in &self.lineage.equal {
            classes.unite(one, other);
        }
        let dead = self.dead(rows);
        for (index, course) in self.lineage.outputs.iter().enumerate() {
            let living = course.branches.iter().enumerate().filter(|(at, _)| !dead.contains(&(course.union, *at)));
            let values = living.filter_map(|(_, branch)| branch.value.as_ref());
            for value in values.filter(|value| scan_of(value).is_some()) {
                let class = classes.of(value);
                classes.all.entry(class).or_default().outputs.push(index);
            }
        }
        let links: Vec<(usize, usize)> =
            self.lineage.links.iter().map(|(branch, one)| (classes.of(branch), classes.of(one))).collect();
        let places: BTreeMap<usize, usize> =
            classes.all.keys().enumerate().map(|(place, number)| (*number, place)).collect();
        let placed = |(branch, one): &(usize, usize)| Some((*places.get(branch)?, *places.get(one)?));
        let links: Vec<(usize, usize)> = links.iter().filter_map(placed).collect();
        let mut classes: Vec<Class> = classes.all.into_values().collect();
        for (branch, one) in &links {
            for linked in [branch, one] {
                classes.get_mut(*linked).into_iter().for_each(|class| class.is_key = true);
            }
        }
        for class in &mut classes {
            let scans: BTreeSet<_> = class.members.iter().filter_map(scan_of).collect();
            class.is_key |= scans.len() > 1 || class.outputs.iter().any(|output| self.key.contains(output));
        }
        (classes, links)
    }
}

/// All rows of these, each once, [`MOST`] at most.
pub(super) fn each_once(batches: &[RecordBatch]) -> Result<Option<RecordBatch>, DataFusionError> {
    let Some(first) = batches.first() else { return Ok(None) };
    let all = concat_batches(&first.schema(), batches)?;
    let digests = row_digests(all.columns()).map_err(crate::error::Error::into_datafusion)?;
    let mut seen = BTreeSet::new();
    let kept = digests.iter().enumerate().filter(|(_, digest)| seen.insert(**digest));
    let kept = kept.take(MOST).filter_map(|(index, _)| u32::try_from(index).ok()).collect::<Vec<u32>>();
    Ok(Some(take_record_batch(&all, &UInt32Array::from(kept))?))
}

fn one_of(member: Expr, values: Vec<ScalarValue>) -> Expr {
    if values.is_empty() { lit(false) } else { member.in_list(values.into_iter().map(lit).collect(), false) }
}

/// The rows in which the expression has one of the values.
fn holding(
    context: &SessionContext,
    rows: &RecordBatch,
    member: &Expr,
    values: &[ScalarValue],
) -> Result<RecordBatch, DataFusionError> {
    // By their text, for types may differ where values do not: an int joined to a bigint.
    let known: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
    let array = evaluated(context, member, rows)?;
    let mut kept = Vec::with_capacity(array.len());
    for index in 0..array.len() {
        let value = ScalarValue::try_from_array(&array, index)?;
        kept.push(!value.is_null() && known.contains(&value.to_string()));
    }
    Ok(filter_record_batch(rows, &BooleanArray::from(kept))?)
}

/// The values that are not NULL, each once, [`MOST`] at most; none of those that no literal can be.
fn distinct(arrays: &[ArrayRef]) -> Result<Vec<ScalarValue>, DataFusionError> {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for array in arrays.iter().filter(|array| !array.data_type().is_nested()) {
        for index in 0..array.len() {
            let value = ScalarValue::try_from_array(array, index)?;
            if !value.is_null() && found.len() < MOST && seen.insert(value.to_string()) {
                found.push(value);
            }
        }
    }
    Ok(found)
}

fn evaluated(context: &SessionContext, expression: &Expr, rows: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
    let schema = Arc::new(DFSchema::try_from(rows.schema())?);
    // Some functions can only be computed in the form that the optimiser gives them.
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::clone(&schema)).build());
    let typed = simplifier.coerce(unqualified(expression.clone())?, &schema)?;
    let computed = context.create_physical_expr(simplifier.simplify(typed)?, &schema)?;
    computed.evaluate(rows)?.into_array(rows.num_rows())
}

fn unqualified(expression: Expr) -> Result<Expr, DataFusionError> {
    let bare = expression.transform(|part| match part {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(bare.data)
}
