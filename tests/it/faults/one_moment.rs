//! Writers that keep invariants in every transaction, and others that truncate, alter, drop and rewrite, all the while:
//! each extraction holds what was true at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use futures::TryStreamExt;
use secrecy::SecretString;
use telecine::dataflow::TableName;
use telecine::source::{Exclusion, PostgresSource, SourceConfig};
use telecine::staging::RunFolder;

use crate::source::{client, config, database};
use crate::support::{area, extract, verify};

/// Extractions while others write.
const ROUNDS: usize = 6;
/// Accounts whose balances sum to nothing, on both sides together.
const ACCOUNTS: i32 = 400;

/// `credit` and `debit` sum to nothing together; a parent says how many children it has; `turn` is emptied and filled
/// within one transaction, so that it is never empty; `shape` changes its columns; the others come and go.
const TABLES: &str = "
    create table credit (id int primary key, balance bigint not null, fill text);
    create table debit (id int primary key, balance bigint not null, fill text);
    insert into credit select i, 0, repeat(md5(i::text), 150) from generate_series(1, 400) i;
    insert into debit select i, 0, repeat(md5(i::text), 150) from generate_series(1, 400) i;
    create table parent (id int primary key, children int not null, fill text);
    create table child (id bigint generated always as identity primary key, parent int not null references parent, fill text);
    insert into parent select i, 1, repeat('p', 2000) from generate_series(1, 200) i;
    insert into child (parent, fill) select i, repeat('c', 2000) from generate_series(1, 200) i;
    create table turn (id int primary key, round int not null);
    insert into turn select i, 0 from generate_series(1, 50) i;
    create table shape (id int primary key, v int);
    insert into shape select i, i from generate_series(1, 1000) i;
    analyze";

/// What a writer does in one transaction. All but the last keep to tables in the same order, so that they do not wait for
/// each other in a circle.
fn transaction(kind: usize, number: usize) -> String {
    let (one, other) = (number * 7 % 400 + 1, number * 13 % 400 + 1);
    match kind {
        0 => format!(
            "begin; update credit set balance = balance + {number} where id = {one};
             update debit set balance = balance - {number} where id = {other}; commit"
        ),
        1 => format!(
            "begin; update parent set children = children + 1 where id = {0};
             insert into child (parent, fill) values ({0}, 'new'); commit;
             begin; update parent p set children = (select count(*) from child c where c.parent = p.id) - 1
                    where id = {1} and children > 0;
             delete from child where id = (select max(id) from child where parent = {1}); commit",
            number % 200 + 1,
            number * 3 % 200 + 1
        ),
        2 => format!("begin; truncate turn; insert into turn select i, {number} from generate_series(1, 50) i; commit"),
        3 => match number % 4 {
            0 => "alter table shape add extra text default 'x'".to_owned(),
            1 => "alter table shape alter v type bigint".to_owned(),
            2 => "alter table shape drop extra".to_owned(),
            _ => "alter table shape alter v type int".to_owned(),
        },
        _ => match number % 3 {
            0 => "vacuum full credit".to_owned(),
            1 => "create table passing (id int); insert into passing values (1)".to_owned(),
            _ => "drop table passing".to_owned(),
        },
    }
}

/// Writes until told to stop; counts what was done.
async fn write(url: SecretString, kind: usize, stop: Arc<AtomicBool>, done: Arc<[AtomicUsize; 5]>) {
    let client = client(&url).await;
    client.batch_execute("set lock_timeout = '60s'").await.unwrap();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let statements = transaction(kind, number);
        client.batch_execute(&statements).await.unwrap_or_else(|cause| panic!("{statements}: {cause:?}"));
        done[kind].fetch_add(1, Ordering::SeqCst);
        // Between two exclusive locks there is time for others, as in life.
        let pause = if kind < 2 { 1 } else { fastrand::u64(20..120) };
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_invariant_holds_whatever_others_write_truncate_and_alter() {
    let (server, url, admin) = database(TABLES).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new([const { AtomicUsize::new(0) }; 5]));
    let kinds = 0..5;
    let writers: Vec<_> =
        kinds.map(|kind| tokio::spawn(write(url.clone(), kind, stop.clone(), done.clone()))).collect();
    let folder = tempfile::tempdir().unwrap();
    let exclude = vec![Exclusion { glob: "passing".into(), reason: "comes and goes".into() }];
    let settings = SourceConfig { exclude, partition_bytes: 256 << 10, ..config(&url) };
    let mut moments = Vec::new();
    for round in 0..ROUNDS {
        let before: Vec<usize> = done.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        let (source, run) = begin(&settings, &area(folder.path()).run(&format!("r{round}"))).await;
        let report = extract(&source, &run).await.unwrap();
        assert_eq!((report.tables.len(), report.snapshots.len(), report.one_moment), (6, 1, true));
        let verified = verify(&source, &run).await;
        assert!(verified.same_snapshot);
        verified.require_equal().unwrap();
        source.release().await;
        moments.push(invariants(&run).await);
        // Each kind of writer gets its turn between the rounds, those too that our locks hold back.
        while done.iter().zip(&before).any(|(count, before)| count.load(Ordering::SeqCst) < before + 2) {
            assert!(writers.iter().all(|writer| !writer.is_finished()));
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    // The moments were different ones, so that the writers had a chance to show.
    moments.dedup();
    assert_eq!(moments.len(), ROUNDS, "{moments:?}");
    let deadlocks: i64 =
        admin.query_one("select sum(deadlocks)::bigint from pg_stat_database", &[]).await.unwrap().get(0);
    assert_eq!(deadlocks, 0);
    server.stop().await.unwrap();
}

/// A source with its snapshot. A table altered between the look at the catalog and the locks is a reason to begin again.
async fn begin(settings: &SourceConfig, run: &RunFolder) -> (PostgresSource, RunFolder) {
    for _ in 0..50 {
        let source = PostgresSource::connect(settings).await.unwrap();
        match source.snapshot().await {
            Ok(_) => return (source, run.clone()),
            Err(error) => assert!(error.exit_code() == 2 && error.to_string().contains("start it again"), "{error}"),
        }
    }
    panic!("the tables are altered all the time");
}

/// Checks what must be true at any moment; gives what tells moments apart.
async fn invariants(run: &RunFolder) -> (i64, usize, i32) {
    let credit: i64 = numbers(run, "credit", 1).await.iter().sum();
    let debit: i64 = numbers(run, "debit", 1).await.iter().sum();
    assert_eq!(credit + debit, 0, "a transaction was read in part");
    assert_eq!(numbers(run, "credit", 0).await.len(), usize::try_from(ACCOUNTS).unwrap());
    let mut counted: BTreeMap<i64, i64> = BTreeMap::new();
    let children = numbers(run, "child", 1).await;
    children.iter().for_each(|parent| *counted.entry(*parent).or_default() += 1);
    let parents = numbers(run, "parent", 0).await;
    for (parent, children) in parents.iter().zip(numbers(run, "parent", 1).await) {
        assert_eq!(children, counted.get(parent).copied().unwrap_or(0), "children of {parent}");
    }
    let turns = numbers(run, "turn", 1).await;
    assert!(turns.len() == 50 && turns.iter().all(|turn| turn == &turns[0]), "{turns:?}");
    assert_eq!(numbers(run, "shape", 0).await.len(), 1000);
    (credit, children.len(), i32::try_from(turns[0]).unwrap())
}

/// An integer column of a table in the staging area.
async fn numbers(run: &RunFolder, table: &str, column: usize) -> Vec<i64> {
    let dataset = run.raw(&TableName::new("public", table));
    let mut numbers = Vec::new();
    for file in dataset.manifest().await.unwrap().unwrap().files {
        let mut batches = dataset.read_part(&file).await.unwrap();
        while let Some(batch) = batches.try_next().await.unwrap() {
            let values = batch.column(column);
            match values.as_primitive_opt::<Int64Type>() {
                Some(values) => numbers.extend(values.values().iter().copied()),
                None => numbers.extend(values.as_primitive::<Int32Type>().values().iter().copied().map(i64::from)),
            }
        }
    }
    numbers
}
