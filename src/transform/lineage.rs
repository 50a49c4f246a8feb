//! Where the columns of a query come from: read from its plan, without running it.
//!
//! Each column is followed down through projections, joins, unions, groups and windows to the columns of the tables that
//! the query scans. A column that decides (the condition of a `case` or a join, a group's key) is no origin of a value,
//! unless nothing else is. Where the rows of a union differ, each of its branches has a course of its own, so that a
//! literal in one column (`'Promo' as class`) tells later which branch a row went through.

use std::collections::{BTreeSet, HashMap};

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, JoinType, TableReference};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, Join, LogicalPlan, Operator, Union, Window};

/// Parts of an expression beyond which it is not followed as one.
const LARGEST: usize = 60;

/// Pairs of branches that a join of unions is read by, at most.
const MOST_PAIRS: usize = 64;

/// What a plan tells of a query's columns. Expressions are over columns of single scans, whose number is their relation.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    /// The tables that are scanned, one entry a scan.
    pub(super) scans: Vec<TableReference>,
    /// The query's columns.
    pub(super) outputs: Vec<Course>,
    /// Expressions that are equal in the rows that come through.
    pub(super) equal: Vec<(Expr, Expr)>,
    /// What a union's branch compares with a scan that all branches share: equal to it, but not to what the others compare.
    pub(super) links: Vec<(Expr, Expr)>,
    /// What holds for the rows of a scan that come through.
    pub(super) predicates: Vec<Expr>,
    /// The conditions that origins name by number.
    pub(super) filters: Vec<Expr>,
}

/// What becomes a column: one branch, or one for each branch of a union.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// Which union the branches are of; 0 of none.
    pub(super) union: usize,
    pub(super) branches: Vec<Branch>,
}

/// What becomes a column on one way.
#[derive(Debug, Clone, Default)]
pub(super) struct Branch {
    /// The value itself, where it is computed from one scan's row alone.
    pub(super) value: Option<Expr>,
    /// The columns that the value is made of.
    pub(super) origins: BTreeSet<Origin>,
}

/// A scan's column that a value is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) scan: usize,
    pub(super) column: String,
    /// The conditions under which a row's value counts, by their number in [`Lineage::filters`].
    pub(super) filters: BTreeSet<usize>,
}

impl Lineage {
    /// Reads a plan that has not been optimised.
    ///
    /// # Errors
    /// When a plan does not fit together.
    pub(super) fn of(plan: &LogicalPlan) -> Result<Self, DataFusionError> {
        let mut reader = Reader::default();
        let outputs = reader.read(plan)?;
        Ok(Self { outputs, ..reader.lineage })
    }
}

impl Course {
    fn one(branch: Branch) -> Self {
        Self { union: 0, branches: vec![branch] }
    }

    fn unknown() -> Self {
        Self::one(Branch::default())
    }

    /// The branch by which the course goes where a union takes its branch number `index` of `width`.
    fn branch(&self, union: usize, width: usize, index: usize) -> Branch {
        match self.branches.as_slice() {
            [only] => only.clone(),
            branches if self.union == union && branches.len() == width => {
                branches.get(index).cloned().unwrap_or_default()
            }
            branches => Branch {
                value: None,
                origins: branches.iter().flat_map(|branch| branch.origins.iter().cloned()).collect(),
            },
        }
    }
}

/// The union that all these courses go through, with its branches; none when they go through different ones.
fn shared<'a>(courses: impl IntoIterator<Item = &'a Course>) -> (usize, usize) {
    let several = courses.into_iter().filter(|course| course.branches.len() > 1);
    let unions: BTreeSet<(usize, usize)> = several.map(|course| (course.union, course.branches.len())).collect();
    match unions.first() {
        Some(only) if unions.len() == 1 => *only,
        _ => (0, 1),
    }
}

/// The scan whose columns an expression is of, if it is of one.
pub(super) fn scan_of(expression: &Expr) -> Option<usize> {
    let columns = expression.column_refs();
    let scans: BTreeSet<&str> = columns.iter().filter_map(|column| Some(column.relation.as_ref()?.table())).collect();
    match scans.first() {
        Some(scan) if scans.len() == 1 => scan.parse().ok(),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct Reader {
    lineage: Lineage,
    unions: usize,
    /// The tables that recursive queries read themselves by.
    working: Vec<String>,
}

impl Reader {
    fn read(&mut self, plan: &LogicalPlan) -> Result<Vec<Course>, DataFusionError> {
        match plan {
            LogicalPlan::TableScan(scan) if self.working.iter().any(|name| name == scan.table_name.table()) => {
                Ok(scan.projected_schema.fields().iter().map(|_| Course::unknown()).collect())
            }
            LogicalPlan::TableScan(scan) => match scan.source.get_logical_plan() {
                Some(view) => self.read(&view),
                None => Ok(self.scan(&scan.table_name, &scan.projected_schema)),
            },
            LogicalPlan::Projection(projection) => {
                let inputs = self.read(&projection.input)?;
                projection.expr.iter().map(|expr| self.course(expr, &inputs, projection.input.schema())).collect()
            }
            LogicalPlan::Filter(filter) => {
                let inputs = self.read(&filter.input)?;
                self.condition(&filter.predicate, &inputs, filter.input.schema(), &|_| true)?;
                Ok(inputs)
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                let inputs = self.read(&distinct.input)?;
                distinct.select_expr.iter().map(|expr| self.course(expr, &inputs, distinct.input.schema())).collect()
            }
            LogicalPlan::RecursiveQuery(query) => {
                let first = self.read(&query.static_term)?;
                self.working.push(query.name.clone());
                let next = self.read(&query.recursive_term);
                self.working.pop();
                Ok(self.united(vec![first, next?], query.schema.fields().len()))
            }
            LogicalPlan::Unnest(unnest) => {
                let inputs = self.read(&unnest.input)?;
                let is_list = |index: usize| unnest.list_type_columns.iter().any(|(list, _)| *list == index);
                let course = |index: &usize| {
                    let mut course = inputs.get(*index).cloned().unwrap_or_else(Course::unknown);
                    if is_list(*index) || unnest.struct_type_columns.contains(index) {
                        course.branches.iter_mut().for_each(|branch| branch.value = None);
                    }
                    course
                };
                Ok(unnest.dependency_indices.iter().map(course).collect())
            }
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::Distinct(Distinct::All(_)) => match plan.inputs().first() {
                Some(input) => self.read(input),
                None => Ok(Vec::new()),
            },
            other => Ok(other.schema().fields().iter().map(|_| Course::unknown()).collect()),
        }
    }

    fn scan(&mut self, table: &TableReference, schema: &DFSchema) -> Vec<Course> {
        let scan = self.lineage.scans.len();
        self.lineage.scans.push(table.clone());
        let column = |name: &String| {
            let value = Expr::Column(Column::new(Some(TableReference::bare(scan.to_string())), name));
            let origin = Origin { scan, column: name.clone(), filters: BTreeSet::new() };
            Course::one(Branch { value: Some(value), origins: BTreeSet::from([origin]) })
        };
        schema.fields().iter().map(|field| column(field.name())).collect()
    }

    /// What becomes an expression over columns whose courses are known.
    fn course(&mut self, expression: &Expr, inputs: &[Course], schema: &DFSchema) -> Result<Course, DataFusionError> {
        let input = |column: &Column| schema.maybe_index_of_column(column).and_then(|index| inputs.get(index));
        match expression {
            Expr::Alias(alias) => return self.course(&alias.expr, inputs, schema),
            Expr::Column(column) => return Ok(input(column).cloned().unwrap_or_else(Course::unknown)),
            _ => {}
        }
        let all: Vec<&Column> = expression.column_refs().into_iter().collect();
        let mut of_value = Vec::new();
        value_columns(expression, &mut of_value);
        if of_value.is_empty() {
            of_value.clone_from(&all);
        }
        let mut inner = BTreeSet::new();
        for plan in subqueries(expression)? {
            let courses = self.read(&plan)?;
            inner.extend(courses.into_iter().flat_map(|course| course.branches).flat_map(|branch| branch.origins));
        }
        let (union, width) = shared(all.iter().filter_map(|column| input(column)));
        let computed = is_computed(expression);
        let mut branches = Vec::new();
        for index in 0..width {
            let at = |column: &Column| Some(input(column)?.branch(union, width, index));
            let values = all.iter().filter_map(|column| Some((*column, at(column)?.value?)));
            let values: HashMap<&Column, Expr> = values.collect();
            let value =
                (computed && values.len() == all.len()).then(|| substituted(expression, &values)).transpose()?;
            let origins = of_value.iter().filter_map(|column| at(column)).flat_map(|branch| branch.origins);
            branches.push(Branch { value: value.flatten(), origins: origins.chain(inner.iter().cloned()).collect() });
        }
        Ok(Course { union, branches })
    }

    /// Notes what a condition tells of scans, and which of their values are equal. `holds`: of which scans it restricts
    /// the rows.
    fn condition(
        &mut self,
        condition: &Expr,
        inputs: &[Course],
        schema: &DFSchema,
        holds: &dyn Fn(usize) -> bool,
    ) -> Result<(), DataFusionError> {
        for part in split_conjunction(condition) {
            if let Expr::BinaryExpr(binary) = part
                && binary.op == Operator::Eq
            {
                let left = self.course(&binary.left, inputs, schema)?;
                let right = self.course(&binary.right, inputs, schema)?;
                self.equality(&left, &right);
            }
            let course = self.course(part, inputs, schema)?;
            let values: Vec<Expr> = course.branches.into_iter().filter_map(|branch| branch.value).collect();
            for value in &values {
                // A scan that several branches are compared with is restricted by none of them alone.
                let is_shared = values.iter().filter(|other| scan_of(other) == scan_of(value)).count() > 1;
                if !is_shared && scan_of(value).is_some_and(holds) {
                    self.lineage.predicates.push(value.clone());
                }
            }
        }
        Ok(())
    }

    fn equality(&mut self, left: &Course, right: &Course) {
        let comparable = |left: &Option<Expr>, right: &Option<Expr>| {
            let (left, right) = (left.clone()?, right.clone()?);
            (scan_of(&left)? != scan_of(&right)?).then_some((left, right))
        };
        let (union, width) = shared([left, right]);
        match (left.branches.as_slice(), right.branches.as_slice()) {
            ([one], several) | (several, [one]) if several.len() > 1 => {
                let pairs = several.iter().filter_map(|branch| comparable(&branch.value, &one.value));
                self.lineage.links.extend(pairs);
            }
            (lefts, rights) if union == 0 && lefts.len() * rights.len() > 1 => {
                let pairs =
                    lefts.iter().flat_map(|left| rights.iter().map(move |right| (left, right))).take(MOST_PAIRS);
                self.lineage.links.extend(pairs.filter_map(|(left, right)| comparable(&left.value, &right.value)));
            }
            _ => {
                let at = |index: usize| {
                    let (left, right) = (left.branch(union, width, index), right.branch(union, width, index));
                    comparable(&left.value, &right.value)
                };
                self.lineage.equal.extend((0..width).filter_map(at));
            }
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Vec<Course>, DataFusionError> {
        let (inputs, schema) = (self.read(&aggregate.input)?, aggregate.input.schema());
        let mut courses = Vec::new();
        for group in &aggregate.group_expr {
            courses.push(self.course(group, &inputs, schema)?);
        }
        for expression in &aggregate.aggr_expr {
            let mut course = self.course(expression, &inputs, schema)?;
            if let Expr::AggregateFunction(call) = expression.clone().unalias()
                && let Some(filter) = &call.params.filter
            {
                let filter = self.course(filter, &inputs, schema)?;
                self.restrict(&mut course, &filter);
            }
            courses.push(course);
        }
        Ok(courses)
    }

    /// Lets a filter's condition stand by the origins whose rows it picks.
    fn restrict(&mut self, course: &mut Course, filter: &Course) {
        let (union, width) = shared([&*course, filter]);
        let mut branches = Vec::new();
        for index in 0..width {
            let mut branch = course.branch(union, width, index);
            match filter.branch(union, width, index).value {
                Some(condition) if never_holds(&condition) => branch.origins.clear(),
                Some(condition) if scan_of(&condition).is_some() => {
                    let (scan, number) = (scan_of(&condition), self.lineage.filters.len());
                    self.lineage.filters.push(condition);
                    let restricted = branch.origins.into_iter().map(|mut origin| {
                        if Some(origin.scan) == scan {
                            origin.filters.insert(number);
                        }
                        origin
                    });
                    branch.origins = restricted.collect();
                }
                _ => {}
            }
            branches.push(branch);
        }
        *course = Course { union, branches };
    }

    fn window(&mut self, window: &Window) -> Result<Vec<Course>, DataFusionError> {
        let inputs = self.read(&window.input)?;
        let mut courses = inputs.clone();
        for expression in &window.window_expr {
            courses.push(self.course(expression, &inputs, window.input.schema())?);
        }
        Ok(courses)
    }

    fn join(&mut self, join: &Join) -> Result<Vec<Course>, DataFusionError> {
        let left = self.read(&join.left)?;
        let middle = self.lineage.scans.len();
        let right = self.read(&join.right)?;
        let is_anti = matches!(join.join_type, JoinType::LeftAnti | JoinType::RightAnti);
        if !is_anti {
            for (one, other) in &join.on {
                let one = self.course(one, &left, join.left.schema())?;
                let other = self.course(other, &right, join.right.schema())?;
                self.equality(&one, &other);
            }
        }
        if let Some(filter) = join.filter.as_ref().filter(|_| !is_anti) {
            let schema = join.left.schema().join(join.right.schema())?;
            let both: Vec<Course> = left.iter().chain(&right).cloned().collect();
            // Of the side whose rows are all kept, a condition of the join restricts none.
            let join_type = join.join_type;
            let holds = move |scan: usize| match join_type {
                JoinType::Left | JoinType::LeftMark => scan >= middle,
                JoinType::Right | JoinType::RightMark => scan < middle,
                JoinType::Full => false,
                _ => true,
            };
            self.condition(filter, &both, &schema, &holds)?;
        }
        let mut courses = match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left,
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right,
            _ => left.into_iter().chain(right).collect(),
        };
        courses.resize(join.schema.fields().len(), Course::unknown());
        Ok(courses)
    }

    fn union(&mut self, union: &Union) -> Result<Vec<Course>, DataFusionError> {
        let inputs: Vec<Vec<Course>> = union.inputs.iter().map(|input| self.read(input)).collect::<Result<_, _>>()?;
        Ok(self.united(inputs, union.schema.fields().len()))
    }

    /// The courses of a union: the branches of its inputs one after the other.
    fn united(&mut self, inputs: Vec<Vec<Course>>, columns: usize) -> Vec<Course> {
        self.unions += 1;
        let mut courses = vec![Course { union: self.unions, branches: Vec::new() }; columns];
        for input in inputs {
            let (union, width) = shared(&input);
            for (course, own) in courses.iter_mut().zip(&input) {
                course.branches.extend((0..width).map(|index| own.branch(union, width, index)));
            }
        }
        courses
    }
}

/// The columns that an expression's value is made of, conditions left out.
fn value_columns<'a>(expression: &'a Expr, found: &mut Vec<&'a Column>) {
    match expression {
        Expr::Column(column) => found.push(column),
        Expr::Case(case) => {
            case.when_then_expr.iter().for_each(|(_, then)| value_columns(then, found));
            case.else_expr.iter().for_each(|other| value_columns(other, found));
        }
        Expr::AggregateFunction(call) => call.params.args.iter().for_each(|part| value_columns(part, found)),
        Expr::WindowFunction(call) => call.params.args.iter().for_each(|part| value_columns(part, found)),
        other => {
            // The visitor never fails.
            let _ = other.apply_children(|child| {
                value_columns(child, found);
                Ok(TreeNodeRecursion::Continue)
            });
        }
    }
}

fn subqueries(expression: &Expr) -> Result<Vec<LogicalPlan>, DataFusionError> {
    let mut found = Vec::new();
    expression.apply(|part| {
        if let Expr::ScalarSubquery(subquery) = part {
            found.push(subquery.subquery.as_ref().clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Whether a value follows from the columns of one row, by nothing but expressions.
fn is_computed(expression: &Expr) -> bool {
    let is_other = |part: &Expr| {
        Ok(matches!(
            part,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::Unnest(_)
                | Expr::OuterReferenceColumn(..)
        ))
    };
    !expression.exists(is_other).unwrap_or(true)
}

/// The expression over the scan's columns, if it is over one scan's (or none) and not too large.
fn substituted(expression: &Expr, values: &HashMap<&Column, Expr>) -> Result<Option<Expr>, DataFusionError> {
    let replaced = expression.clone().transform(|part| match &part {
        Expr::Column(column) => Ok(values.get(column).cloned().map_or(Transformed::no(part), Transformed::yes)),
        Expr::Alias(alias) => Ok(Transformed::yes(alias.expr.as_ref().clone())),
        _ => Ok(Transformed::no(part)),
    })?;
    let mut parts = 0;
    replaced.data.apply(|_| {
        parts += 1;
        Ok(TreeNodeRecursion::Continue)
    })?;
    let is_single = scan_of(&replaced.data).is_some() || replaced.data.column_refs().is_empty();
    Ok((is_single && parts <= LARGEST).then_some(replaced.data))
}

/// Whether a condition compares two literals that differ.
fn never_holds(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryExpr(binary) if binary.op == Operator::Eq => match (&*binary.left, &*binary.right) {
            (Expr::Literal(left, _), Expr::Literal(right, _)) => left != right,
            _ => false,
        },
        _ => false,
    }
}
