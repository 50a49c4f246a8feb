//! Memory, disk and stack: what a transform may use, and what it says where that is not enough.

use super::*;

#[tokio::test]
async fn used_up_memory_names_the_query_and_the_setting() {
    let sql = "select concat(a.v, '-', b.v) as t, count(*) as n from (select unnest(range(0, 1500)) as v) a \
        cross join (select unnest(range(0, 200)) as v) b group by concat(a.v, '-', b.v)";
    let mut bench = Bench::new(&[
        ("1_select/large.sql", sql),
        ("2_collect/paired.sql", "select a.t, b.n from large a join large b on a.t = b.t"),
    ]);
    bench.config.memory = 1 << 20;
    let error = bench.run().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("query "), "{text}");
    assert!(text.contains("the memory for queries is used up in "), "{text}");
    assert!(text.contains("[transform] memory"), "{text}");
    assert_eq!(error.exit_code(), 1);
    bench.config.memory = 256 << 20;
    bench.run().await.unwrap();
}

/// Groups and a sort that do not fit go by way of the disk, at one thread and at two, and nothing of it stays there.
#[tokio::test]
async fn what_does_not_fit_goes_to_disk_and_changes_no_row() {
    let grouped = "select concat(a.v, '-', b.v) as t, count(*) as n, min(b.v) as v from (select unnest(range(0, 1500)) as v) a \
        cross join (select unnest(range(0, 200)) as v) b group by concat(a.v, '-', b.v)";
    let ranked = "select t, v, row_number() over (partition by v order by t) as place from grouped";
    let mut contents = Vec::new();
    for (threads, memory) in [(2, 512 << 20), (1, 24 << 20), (2, 24 << 20)] {
        let mut bench = Bench::new(&[("1_select/grouped.sql", grouped), ("2_collect/ranked.sql", ranked)]);
        let spill = bench.path().join("spill");
        fs::create_dir(&spill).unwrap();
        (bench.config.threads, bench.config.memory, bench.config.spill) = (threads, memory, Some(spill.clone()));
        let report = bench.run().await.unwrap();
        let spilled: u64 = report.queries.iter().map(|query| query.spilled).sum();
        assert_eq!(spilled > 0, memory < 512 << 20, "{spilled} bytes at {threads} threads");
        contents.push(report.queries.into_iter().map(|query| query.checksum).collect::<Vec<_>>());
        assert_eq!(crate::support::files(&spill), Vec::<String>::new());
    }
    assert_eq!((&contents[0], &contents[0]), (&contents[1], &contents[2]));
}

#[tokio::test]
async fn thirty_steps_and_forty_nested_cases_fit_the_stack() {
    let deep = (0..40).fold("0".to_owned(), |inner, n| format!("case when id = {n} then {n} else {inner} end"));
    let mut sql = format!("with s0 as (select id, {deep} as found from public.asset)");
    for step in 1..=30 {
        let last = step - 1;
        sql += &format!(
            ", s{step} as (select a.id, coalesce(a.found, b.id) as found from s{last} a left join s0 b on a.id = b.id)"
        );
    }
    let bench = Bench::new(&[("1_select/long.sql", &format!("{sql} select id, found from s30"))]);
    bench.library().await;
    assert_eq!(bench.run().await.unwrap().queries[0].rows, 6);
    assert!(bench.sql("select count(*) as n from long where found = id").await.contains("| 6 |"));
}
