//! Project folders with SQL over real Parquet: plans, runs, checks, balance; `reuse`: what is kept and what is made
//! again; `trace`: the way of one asset.

mod limits;
mod reuse;
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::pretty::pretty_format_batches;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use telecine::dataflow::{Progress, SendableRecordBatchStream, Sink, TableName, WriteSummary};
use telecine::staging::{Manifest, RunFolder, SnapshotNote, StagingArea, StagingConfig};
use telecine::transform::{Transform, TransformConfig, TransformReport};
use telecine::{Error, Result};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A project folder and a staging area of their own.
struct Bench {
    folder: TempDir,
    config: TransformConfig,
    run: RunFolder,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A blank and a percent sign in the path: URLs must name exactly these objects.
        let url = folder.path().join("staging 100%").display().to_string();
        let run = StagingArea::open(&StagingConfig::at(url)).unwrap().run("r1");
        let config = TransformConfig {
            project: folder.path().join("queries"),
            memory: 64 << 20,
            threads: 2,
            spill: None,
            now: None,
        };
        fs::create_dir_all(&config.project).unwrap();
        let bench = Self { folder, config, run };
        bench.write(files);
        bench
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.config.project.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// Commits a raw table of the batches, one file each.
    async fn raw(&self, table: &TableName, schema: SchemaRef, batches: Vec<RecordBatch>) {
        let dataset = self.run.raw(table);
        let mut parts: Vec<WriteSummary> = Vec::new();
        for (number, batch) in batches.into_iter().enumerate() {
            let part = dataset.parquet_part(number, Arc::clone(&schema));
            parts.push(part.write_all(stream(batch)).await.unwrap());
        }
        let mut manifest = Manifest::new(&dataset, &schema, parts);
        manifest.table = Some(table.clone());
        dataset.commit(&manifest).await.unwrap();
    }

    /// `public.asset (id, parent, "Title")` in two files, and `public."Legacy Metadata" (asset_id, genre)`.
    async fn library(&self) {
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("parent", DataType::Int64, true),
            Field::new("Title", DataType::Utf8, true),
        ]));
        let rows = |ids: [i64; 3], parents: [Option<i64>; 3], titles: [Option<&str>; 3]| {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(ids.to_vec())),
                Arc::new(Int64Array::from(parents.to_vec())),
                Arc::new(StringArray::from(titles.to_vec())),
            ];
            RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
        };
        let first = rows([1, 2, 3], [None, Some(1), Some(1)], [Some(" One "), Some("Two"), None]);
        let second = rows([4, 5, 6], [None, None, Some(9)], [Some("Four"), Some("Old"), Some("Two")]);
        // Nothing refers to part 2: readers trust manifests only.
        let dataset = self.run.raw(&TableName::new("public", "asset"));
        dataset.parquet_part(2, Arc::clone(&schema)).write_all(stream(first.clone())).await.unwrap();
        self.raw(&TableName::new("public", "asset"), Arc::clone(&schema), vec![first, second]).await;

        let schema = Arc::new(Schema::new(vec![
            Field::new("asset_id", DataType::Int64, false),
            Field::new("genre", DataType::Utf8, true),
        ]));
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 2, 4])), Arc::new(StringArray::from(vec!["doc", "DRA", "???"]))];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        self.raw(&TableName::new("public", "Legacy Metadata"), schema, vec![batch]).await;
    }

    fn open(&self) -> Result<Transform> {
        Transform::open(&self.config)
    }

    async fn run(&self) -> Result<TransformReport> {
        let mut definitions = BTreeMap::new();
        if self.config.project.join("4_map/promo.sql").exists() {
            definitions.insert("promo".to_owned(), "assetType_Promo".to_owned());
        }
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let report = self.open()?.run(&self.run, &definitions, &[], &progress, &cancel).await?;
        report.verdict().map(|()| report)
    }

    async fn sql(&self, sql: &str) -> String {
        let rows = self.open().unwrap().sql(&self.run, sql).await.unwrap();
        pretty_format_batches(&rows.try_collect::<Vec<_>>().await.unwrap()).unwrap().to_string()
    }

    async fn manifest(&self, query: &str) -> Manifest {
        self.run.query(query).manifest().await.unwrap().unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn stream(batch: RecordBatch) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])))
}

const CANDIDATES: &str = "-- Every asset.\n-- key: source_key\nselect concat('Promo:', cast(id as varchar)) as source_key, id from public.asset";
const GENRES: &str = "-- materialise: view\nselect asset_id, lower(genre) as raw from public.\"Legacy Metadata\"";
const TITLES: &str = "select c.source_key, c.id, trim(a.\"Title\") as title, g.raw as genre\n\
    from candidates c join public.asset a on a.id = c.id left join genres g on g.asset_id = c.id";
const PROMO: &str = "
with mapped as (
    select t.source_key, t.title, m.target as genre, t.genre as raw, t.id, a.parent
    from titles t join public.asset a on a.id = t.id left join genre_map m on m.raw = t.genre
)
select
    source_key,
    case when title is null then 'reject' when title = 'Old' then 'out_of_scope'
         when id = 6 then 'merged' else 'load' end as disposition,
    case when title is null then 'no_title' when title = 'Old' then 'too_old' end as reason,
    cast(null as varchar) as details,
    case when raw is not null and genre is null
         then make_array(named_struct('code', 'unknown_genre', 'field', 'genre', 'raw', raw)) end as warnings,
    title as name,
    title,
    genre,
    case when parent is not null then named_struct('source_key', concat('Promo:', cast(parent as varchar))) end as parent
from mapped";
const PROJECT: [(&str, &str); 6] = [
    ("1_select/candidates.sql", CANDIDATES),
    ("2_collect/genres.sql", GENRES),
    ("3_normalise/titles.sql", TITLES),
    ("4_map/promo.sql", PROMO),
    ("mappings/genre_map.csv", "raw,target\ndoc,Documentary\ndra,Drama\nx,\n"),
    (
        "checks/no_double_names.sql",
        "-- Two assets of one name.\nselect name, count(*) as n from promo where disposition = 'load' group by name having count(*) > 1",
    ),
];

#[tokio::test]
async fn a_project_runs_into_datasets_documents_rejected_rows_and_a_balance() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    let report = bench.run().await.unwrap();

    let names: Vec<(&str, u64)> = report.queries.iter().map(|query| (query.name.as_str(), query.rows)).collect();
    assert_eq!(names, [("candidates", 6), ("titles", 6), ("promo", 6)]);
    assert_eq!(
        report.queries[2].inputs,
        BTreeMap::from([("genre_map".into(), 3), ("public.asset".into(), 6), ("titles".into(), 6)])
    );
    let balance = report.balance.unwrap();
    assert_eq!((balance.candidates, balance.counts.loaded, balance.counts.merged), (6, 3, 1));
    assert_eq!(balance.counts.rejected, BTreeMap::from([("no_title".into(), 1)]));
    assert_eq!(balance.counts.out_of_scope, BTreeMap::from([("too_old".into(), 1)]));
    assert_eq!(balance.warnings, BTreeMap::from([("unknown_genre".into(), 1)]));
    assert_eq!((report.checks.len(), report.checks[0].rows), (1, 0));

    let rejected = bench.sql("select source_key, disposition, reason from rejected order by 1").await;
    let expected = "\
+------------+--------------+----------+
| source_key | disposition  | reason   |
+------------+--------------+----------+
| Promo:3    | reject       | no_title |
| Promo:5    | out_of_scope | too_old  |
| Promo:6    | merged       |          |
+------------+--------------+----------+";
    assert_eq!(rejected, expected);
    let genres = bench.sql("select count(*) as n from genres join public.asset on id = asset_id").await;
    assert!(genres.contains("| 3 |"), "{genres}");

    let documents = bench.path().join("staging 100%/runs/r1/documents");
    assert_eq!(
        fs::read_to_string(documents.join("assetType_Promo.ndjson")).unwrap(),
        "{\"source_key\":\"Promo:1\",\"name\":\"One\",\"instance\":{\"title\":\"One\",\"genre\":\"Documentary\"}}\n\
         {\"source_key\":\"Promo:2\",\"name\":\"Two\",\"instance\":{\"title\":\"Two\",\"genre\":\"Drama\",\"parent\":{\"source_key\":\"Promo:1\"}}}\n\
         {\"source_key\":\"Promo:4\",\"name\":\"Four\",\"instance\":{\"title\":\"Four\"}}\n"
    );
    let manifest = bench.manifest("titles").await;
    assert_eq!(
        manifest.inputs.keys().collect::<Vec<_>>(),
        [
            "dataset candidates",
            "table public.Legacy Metadata",
            "table public.asset",
            "text of genres",
            "text of titles",
            "the program"
        ]
    );
    assert!(!documents.join("../genres").exists(), "a view keeps no rows");

    // A second run of everything gives the same, a run of one query too, and an unknown selection is refused.
    bench.run().await.unwrap();
    assert_eq!(bench.manifest("titles").await.checksum, manifest.checksum);
    let transform = bench.open().unwrap();
    let (none, cancel, progress) = (BTreeMap::new(), CancellationToken::new(), Progress::default());
    bench.run.query("candidates").discard().await.unwrap();
    let report = transform.run(&bench.run, &none, &["titles".into()], &progress, &cancel).await.unwrap();
    let names: Vec<&str> = report.queries.iter().map(|query| query.name.as_str()).collect();
    assert_eq!(names, ["candidates", "titles"]);
    assert_eq!(report.select, ["titles"]);
    assert!(report.balance.is_some_and(|balance| balance.closes()));
    let unknown = transform.run(&bench.run, &none, &["title".into()], &progress, &cancel).await.unwrap_err();
    assert!(unknown.to_string().contains("no query `title`; did you mean titles"), "{unknown}");
    cancel.cancel();
    let stopped = transform.run(&bench.run, &none, &[], &progress, &cancel).await.unwrap_err();
    assert!(matches!(stopped, Error::Interrupted { .. }));
}

#[tokio::test]
async fn a_run_of_two_moments_or_in_other_hands_is_refused() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    for (table, id) in [("asset", "1-1"), ("Legacy Metadata", "2-1")] {
        let dataset = bench.run.raw(&TableName::new("public", table));
        let mut manifest = dataset.manifest().await.unwrap().unwrap();
        manifest.snapshot = Some(SnapshotNote {
            id: id.into(),
            at: format!("2026-01-31T12:00:0{}Z", &id[..1]),
            ..SnapshotNote::default()
        });
        let place = bench.path().join("staging 100%/runs/r1").join(dataset.name()).join("_manifest.json");
        fs::write(place, serde_json::to_vec(&manifest).unwrap()).unwrap();
    }
    let error = bench.run().await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    assert!(text.contains("public.asset of 2026-01-31T12:00:01Z") && text.contains("telecine extract"), "{text}");
    let lease = bench.run.lease("extract").await.unwrap();
    let error = bench.run().await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains(&format!("process {} on ", std::process::id())), "{error}");
    lease.release().await;
    assert!(bench.run().await.unwrap_err().to_string().contains("of 2 moments"));
    assert!(bench.run.query("candidates").manifest().await.unwrap().is_none());

    // An extraction that went on and came to its end is worked with, and what it is is said.
    let exceptions = bench.run.exceptions();
    let whole = Manifest::new(&exceptions, &telecine::source::exceptions_schema(), []);
    exceptions.commit(&whole).await.unwrap();
    let report = bench.run().await.unwrap();
    assert!(report.remarks[0].contains("2 moments: public.asset of 2026-01-31T12:00:01Z"), "{:?}", report.remarks);
}

#[tokio::test]
async fn results_do_not_depend_on_threads() {
    let mut checksums = Vec::new();
    for threads in [1, 2, 5] {
        let mut bench = Bench::new(&PROJECT);
        bench.config.threads = threads;
        bench.library().await;
        bench.run().await.unwrap();
        let mut of_run = Vec::new();
        for name in ["candidates", "titles", "promo", "rejected"] {
            of_run.push(bench.manifest(name).await.checksum);
        }
        checksums.push(of_run);
    }
    assert_eq!(checksums[0], checksums[1]);
    assert_eq!(checksums[0], checksums[2]);
}

#[tokio::test]
async fn a_lost_a_doubled_and_an_extra_row_fail_the_run() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    let more = "select source_key, 'load' as disposition, cast(null as varchar) as reason, cast(null as varchar) as details, \
        arrow_cast(null, 'List(Struct(\"code\": Utf8, \"field\": Utf8, \"raw\": Utf8))') as warnings, source_key as name from (values ('Promo:1'), ('Promo:99')) as v(source_key)";
    bench.write(&[
        ("4_map/promo.sql", &format!("{PROMO} where id <> 2")),
        ("4_map/project.sql", more),
        (
            "checks/no_load.sql",
            "-- key words first\nselect source_key from promo where disposition = 'load' order by 1",
        ),
    ]);
    let error = bench.run().await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    for expected in [
        "1 candidates are in no query of 4_map (lost): {\"source_key\":\"Promo:2\"}",
        "1 rows of 4_map have the key of no candidate: {\"query\":\"project\",\"source_key\":\"Promo:99\"}",
        "1 keys are in more than one row of 4_map: {\"source_key\":\"Promo:1\",\"rows\":2,\"first\":\"project\",\"last\":\"promo\"}",
        "no_load.sql: 2 rows that must not exist: {\"source_key\":\"Promo:1\"}, {\"source_key\":\"Promo:4\"}",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let kept: TransformReport = bench.run.get_json("transform.json").await.unwrap().unwrap();
    assert_eq!(kept.problems.len(), 4);
}

#[tokio::test]
async fn a_raw_file_that_has_changed_is_named_before_anything_is_written() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    let file = bench.path().join("staging 100%/runs/r1/raw/public.asset/part-00001.parquet");
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = bench.run().await.unwrap_err();
    assert!(error.to_string().contains("public.asset/part-00001.parquet: its bytes have changed"), "{error}");
    assert_eq!(error.exit_code(), 1);
    assert!(bench.run.query("candidates").manifest().await.unwrap().is_none());
}

#[tokio::test]
async fn a_missing_and_a_cut_file_are_errors_and_not_rows_that_are_not_there() {
    let bench = Bench::new(&PROJECT);
    bench.library().await;
    bench.run().await.unwrap();
    let folder = bench.path().join("staging 100%/runs/r1");
    let look = async |sql: &str| bench.open().unwrap().sql(&bench.run, sql).await.err().map(|error| error.to_string());
    let count = "select count(*) as n from titles";
    for (file, table) in
        [("titles/part-00000.parquet", "titles"), ("raw/public.asset/part-00001.parquet", "public.asset")]
    {
        let place = folder.join(file);
        let whole = fs::read(&place).unwrap();
        fs::write(&place, &whole[..whole.len() - 1]).unwrap();
        let error = look(&format!("select count(*) as n from {table}")).await.unwrap();
        assert!(error.contains(file) && error.contains("bytes where the manifest says"), "{error}");
        fs::remove_file(&place).unwrap();
        let error = look(&format!("select count(*) as n from {table}")).await.unwrap();
        assert!(error.contains(file) && error.contains("cannot be found"), "{error}");
        fs::write(&place, &whole).unwrap();
        assert_eq!(look(count).await, None);
    }
    fs::remove_file(folder.join("raw/public.asset/part-00001.parquet")).unwrap();
    let error = bench.run().await.unwrap_err().to_string();
    assert!(error.contains("public.asset/part-00001.parquet: cannot be found"), "{error}");
}

#[tokio::test]
async fn two_queries_of_one_definition_are_refused() {
    let bench = Bench::new(&[
        ("1_select/one.sql", "select 'a' as source_key"),
        ("1_select/two.sql", "-- materialise: json\nselect 'b' as source_key"),
    ]);
    for definitions in [[("one", "same"), ("two", "same")].as_slice(), [("one", "two")].as_slice()] {
        let definitions = definitions.iter().map(|(query, name)| ((*query).to_owned(), (*name).to_owned())).collect();
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let error = bench.open().unwrap().run(&bench.run, &definitions, &[], &progress, &cancel).await.unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error}");
        assert!(error.to_string().contains("the queries one and two both write the documents of"), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_unique_is_named() {
    let bench = Bench::new(&[("1_select/titles.sql", "-- key: title\nselect \"Title\" as title from public.asset")]);
    bench.library().await;
    let text = bench.run().await.unwrap_err().to_string();
    assert!(
        text.contains("its key (title) is not unique: 1 values occur more than once: {\"title\":\"Two\",\"rows\":2}"),
        "{text}"
    );
}

#[tokio::test]
async fn what_cannot_be_planned_is_told_by_file_line_and_nearest_name() {
    let bench = Bench::new(&[
        ("1_select/column.sql", "-- Titles.\nselect id,\n    titel\nfrom public.asset"),
        ("1_select/follows.sql", "select * from \"column\""),
        ("1_select/table.sql", "select 1 as one\nfrom public.aset"),
        ("1_select/schema.sql", "select 1 as one\nfrom legacy_metadta"),
        ("1_select/function.sql", "select\n  uper('x') as x"),
        ("1_select/types.sql", "select id + true as x\nfrom public.asset"),
        ("1_select/volatile.sql", "select id,\n random() as r, current_timestamp as t from public.asset"),
        (
            "1_select/unordered.sql",
            "select array_agg(id) as ids,\n(select id from public.asset limit 1) as one from public.asset",
        ),
        (
            "1_select/float.sql",
            "select sum(id) as exact,\navg(cast(id as double)) as rounded, approx_median(id) as m from public.asset",
        ),
        ("1_select/twice.sql", "select a.id, b.id from public.asset a join public.asset b on a.id = b.parent"),
        ("1_select/keyed.sql", "-- key: idd\nselect id from public.asset"),
        ("1_select/lasting.sql", "select [interval '1 month'] as span, cast('1:00' as time) as at from public.asset"),
        ("1_select/lasts.sql", "-- materialise: view\nselect interval '1 month' as span from public.asset"),
        ("4_map/promo.sql", "select id as source_key from public.asset"),
    ]);
    let asset = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("parent", DataType::Int64, false),
        Field::new("title", DataType::Utf8, false),
    ]);
    let tables = [
        (TableName::new("public", "asset"), Arc::new(asset)),
        (TableName::new("public", "legacy_metadata"), Arc::new(Schema::empty())),
    ];
    let error = bench.open().unwrap().check(&tables).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    for expected in [
        "column.sql:3:5: no column `titel`; did you mean title?",
        "table.sql:2:6: no table `public.aset`; did you mean public.asset?",
        "schema.sql:2:6: no table `legacy_metadta`; did you mean public.legacy_metadata?",
        "function.sql:2:3: Invalid function 'uper'",
        "types.sql:1:8: Cannot coerce arithmetic expression Int64 + Boolean",
        "volatile.sql:2:2: `random` is volatile",
        "volatile.sql:2:17: `now` differs from run to run",
        "unordered.sql:1:8: `array_agg` without an order",
        "unordered.sql:2:30: `limit` without an order",
        "float.sql:2:1: `avg` of floating-point numbers",
        "float.sql:2:37: `approx_median` gives other digits",
        "twice.sql: gives two columns `id`",
        "lasting.sql: its column `span` is List(Interval(MonthDayNano)), which no dataset can hold",
        "lasting.sql: its column `at` is Time64(ns), which no dataset can hold: cast(at as varchar)",
        "keyed.sql: its key names `idd`, which is no column of it; did you mean id?",
        "promo.sql: must begin with the columns source_key, disposition, reason, details, warnings, name",
        "1_select/candidates.sql is missing",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains("lasts.sql"), "a view keeps no rows\n{text}");
    assert!(!text.contains("follows.sql"), "what reads a query that cannot be planned is passed over\n{text}");
}

#[tokio::test]
async fn cycles_and_reads_of_a_higher_folder_are_refused() {
    let bench = Bench::new(&[
        ("1_select/up.sql", "select *\nfrom high"),
        ("2_collect/a.sql", "select * from b"),
        ("2_collect/b.sql", "select * from c"),
        ("2_collect/c.sql", "select * from a"),
        ("3_normalise/high.sql", "select 1 as one"),
        ("3_normalise/reads_check.sql", "select * from none"),
        ("checks/none.sql", "select 1 as one"),
    ]);
    let error = bench.open().unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    assert!(text.contains("up.sql:2:6: reads `high` of 3_normalise"), "{text}");
    assert!(text.contains("in a circle: a -> b -> c -> a"), "{text}");
    assert!(text.contains("reads_check.sql:1:15: reads `none`, which is a check"), "{text}");
}

#[tokio::test]
async fn a_set_time_makes_the_present_the_same_in_every_run() {
    let mut bench =
        Bench::new(&[("1_select/present.sql", "select now() as at, current_timestamp as same, current_date as day")]);
    bench.config.now = Some("2026-01-31T12:00:00+01:00".into());
    bench.run().await.unwrap();
    let rows = bench.sql("select * from present").await;
    assert!(rows.contains("| 2026-01-31T11:00:00Z | 2026-01-31T11:00:00Z | 2026-01-31 |"), "{rows}");
    bench.config.now = Some("today".into());
    assert!(bench.open().unwrap().check(&[]).await.unwrap_err().to_string().contains("`today` is not a time"));
}

#[tokio::test]
async fn a_table_without_columns_still_counts() {
    let bench = Bench::new(&[("1_select/counted.sql", "select count(*) as n from public.marker")]);
    let table = TableName::new("public", "marker");
    let dataset = bench.run.raw(&table);
    let rows = WriteSummary { rows: 3, ..WriteSummary::default() };
    let mut manifest = Manifest::new(&dataset, &Schema::empty(), [rows]);
    manifest.table = Some(table);
    dataset.commit(&manifest).await.unwrap();
    bench.run().await.unwrap();
    assert!(bench.sql("select n from counted").await.contains("| 3 |"));
}
