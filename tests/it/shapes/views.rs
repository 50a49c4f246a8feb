//! Materialised views: read by setting, like tables, whatever refreshes them meanwhile.

use telecine::dataflow::Source;
use telecine::source::PostgresSource;

use super::{client, config, database, extracted};
use crate::support::{Source as Served, Workplace};

const VIEWS: &str = "
    create table base (id int primary key, v text); insert into base select i, md5(i::text) from generate_series(1, 30000) i;
    create materialized view plain as select * from base;
    create materialized view fluent as select * from base; create unique index on fluent (id);
    create materialized view unfilled as select * from base with no data";

#[tokio::test(flavor = "multi_thread")]
async fn materialised_views_are_read_by_setting_and_a_refresh_waits() {
    let (server, url, writer) = database(VIEWS).await;
    let mut settings = config(&url);
    settings.materialised_views = true;
    let read = extracted(&settings).await;
    assert_eq!((read.rows("public", "plain"), read.rows("public", "fluent")), (30_000, 30_000));
    assert!(read.reason("unfilled").contains("holds nothing yet"), "{}", read.reason("unfilled"));
    read.compare(&writer).await;
    let plain = read.report.tables.iter().find(|table| table.table.name == "plain").unwrap();
    assert!(plain.partitions > 1 || super::version(&writer).await < 140_000, "{plain:?}");

    // From the snapshot on, a REFRESH waits; one that does not wait leaves us the old rows.
    let source = PostgresSource::connect(&settings).await.unwrap();
    let tables = source.tables().await.unwrap();
    source.snapshot().await.unwrap();
    writer.batch_execute("delete from base where id > 10").await.unwrap();
    writer.batch_execute("refresh materialized view concurrently fluent").await.unwrap();
    let refreshing = client(&url).await;
    let refresh = tokio::spawn(async move { refreshing.batch_execute("refresh materialized view plain").await });
    let waits = "select count(*) from pg_locks where relation = 'plain'::regclass and not granted";
    let waiting = async || (writer.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(());
    crate::support::wait_for("the REFRESH to wait", crate::support::PATIENCE, waiting).await;
    for table in tables.iter().filter(|table| table.table.name != "base") {
        let mut rows = 0;
        for partition in source.partitions(table).await.unwrap() {
            use futures::TryStreamExt;
            let batches: Vec<_> = source.scan(&partition).await.unwrap().try_collect().await.unwrap();
            rows += batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>();
        }
        assert_eq!(rows, 30_000, "{}", table.table);
    }
    assert!(!refresh.is_finished());
    source.release().await;
    refresh.await.unwrap().unwrap();
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setting_is_a_flag_and_verify_follows_what_was_extracted() {
    let source = Served::of_sql(VIEWS).await;
    let place = Workplace::of_files(&[]).with_source(&source);
    let without = place.json("extract --run without").await;
    let reason = without["skipped"].as_array().unwrap().iter().find(|table| table["name"] == "plain").unwrap();
    assert!(reason["reason"].as_str().unwrap().contains("source.materialised_views"), "{reason}");
    let with = place.json("extract --run with --materialised-views --max-mbps 500").await;
    assert_eq!(with["tables"].as_array().unwrap().len(), 3);
    for run in ["with", "without"] {
        place.json(&format!("verify --run {run}")).await;
    }
    let found = place.json("discover --materialised-views --tables plain").await;
    assert!(found["warnings"].is_array());

    // A glob for nothing is refused where the tables are looked at, too.
    let done = place.run("discover --tables plaim --materialised-views").await.code(2);
    assert!(done.stderr.contains("\"plaim\" matches no table; the nearest names are public.plain"), "{}", done.stderr);
    source.server.stop().await.unwrap();
}
