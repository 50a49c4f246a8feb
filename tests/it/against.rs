//! Two databases side by side: a difference of any kind is found and named, and rows are read again only where parts of a
//! table differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use telecine::dataflow::Progress;
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::source::{PostgresSource, SourceConfig};
use telecine::verify;
use telecine::verify::against::{AgainstReport, ComparedTable, RowKind};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::source::{client, config};
use crate::support::{Workplace, run};

/// A private server with two databases, `left` and `right`.
struct Two {
    server: PrivateServer,
    left: SecretString,
    right: SecretString,
}

impl Two {
    /// Both filled alike, then the right one changed.
    async fn of_sql(both: &str, change: &str) -> Self {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        for name in ["left", "right"] {
            server.create_database(name).await.unwrap();
            client(&server.url(name)).await.batch_execute(both).await.unwrap();
        }
        let two = Self { left: server.url("left"), right: server.url("right"), server };
        two.change(change).await;
        two
    }

    async fn change(&self, statements: &str) {
        self.right_client().await.batch_execute(statements).await.unwrap();
    }

    async fn right_client(&self) -> Client {
        client(&self.right).await
    }

    async fn compare(&self) -> AgainstReport {
        self.compare_as(|_| {}).await
    }

    async fn compare_as(&self, adapt: impl Fn(&mut SourceConfig)) -> AgainstReport {
        let open = async |url: &SecretString| {
            let mut settings = config(url);
            adapt(&mut settings);
            PostgresSource::connect(&settings).await.unwrap()
        };
        let (left, right) = (open(&self.left).await, open(&self.right).await);
        verify::against(&left, &right, &Progress::default(), &CancellationToken::new()).await.unwrap()
    }
}

#[track_caller]
fn table<'a>(report: &'a AgainstReport, name: &str) -> &'a ComparedTable {
    let found = report.tables.iter().find(|table| table.table.name == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", report.tables))
}

fn counts(table: &ComparedTable) -> [u64; 3] {
    [RowKind::Missing, RowKind::Extra, RowKind::Different].map(|kind| table.counts.get(&kind).copied().unwrap_or(0))
}

/// The rows that differ as `key kind column:here>there`, without quotes and names of single key columns.
fn lines(table: &ComparedTable) -> Vec<String> {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".into());
    let line = |row: &telecine::verify::against::RowDifference| {
        let key: Vec<_> = row.key.values().map(shown).collect();
        let column = |column: &telecine::verify::against::ValueDifference| {
            format!(" {}:{}>{}", column.name, shown(&column.values.source), shown(&column.values.against))
        };
        let times = if row.times > 1 { format!(" x{}", row.times) } else { String::new() };
        let columns: String = row.columns.iter().map(column).collect();
        format!("{} {:?}{times}{columns}", key.join(","), row.kind)
    };
    table.differences.iter().map(line).collect()
}

const MILLION: &str = "
    create table big (id bigint primary key, name text, at timestamptz);
    insert into big select i, 'row ' || i, timestamptz '2020-01-01 00:00:00+00' + i * interval '1 second'
        from generate_series(1, 1000000) i;
    analyze";

#[tokio::test(flavor = "multi_thread")]
async fn one_row_of_a_million_is_found_and_little_is_read_twice() {
    let two = Two::of_sql(MILLION, "update big set name = 'another' where id = 777777").await;
    let report = two.compare().await;
    let big = table(&report, "big");
    assert_eq!(lines(big), ["777777 Different name:row 777777>another"]);
    assert_eq!((big.method, big.differing_parts, counts(big)), ("key ranges", 1, [0, 0, 1]));
    assert!(big.parts > 100, "{big:?}");
    let (first, again) = (report.first_pass.rows_read, report.narrowing.rows_read);
    assert_eq!((first.source, first.against), (1_000_000, 1_000_000));
    assert!((1..50_000).contains(&again.source) && again.source == again.against, "{again:?}");
    println!("{:#}", serde_json::to_value(&report).unwrap());
    assert_eq!(report.require_equal().unwrap_err().exit_code(), 3);

    // Through the binary: as text and as JSON, and nothing is read twice where nothing differs.
    let place = Workplace::of_files(&[])
        .set("TELECINE_SOURCE_URL", two.left.expose_secret())
        .set("OTHER", two.right.expose_secret());
    let done = place.run("verify --against env:OTHER -q").await.code(3);
    for wanted in ["public.big", "1,000,000", "DIFFERENT", "id=\"777777\" name is \"row 777777\"", "\"another\"", "narrowing"] {
        assert!(done.stdout.contains(wanted), "{wanted}: {}", done.stdout);
    }
    assert!(done.stderr.contains("the two databases: 1 of 1 tables differ"), "{}", done.stderr);
    println!("{}", done.stdout);
    two.change("update big set name = 'row 777777' where id = 777777").await;
    let equal = place.json("verify --against env:OTHER").await;
    assert_eq!((&equal["schema_version"], &equal["tables"][0]["equal"]), (&json!(1), &json!(true)));
    assert_eq!(equal["narrowing"]["rows_read"], json!({"source": 0, "against": 0}));
    assert!(!place.path().join("staging").exists(), "a comparison needs no run and leaves none");
    two.server.stop().await.unwrap();
}
