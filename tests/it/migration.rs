//! The migration in `queries/` over the sample library: a clean library loads whole and without a warning, a dirty one
//! is rejected and left out for the reasons its fixtures stand for, and the rows do not depend on the threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;
use telecine::dataflow::Progress;
use telecine::rehearsal::flex::Personality;
use telecine::rehearsal::library::{self, Library, LibraryOptions};
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::staging::RunFolder;
use telecine::transform::definition::Vocabularies;
use telecine::transform::{Definitions, Transform, TransformConfig, TransformReport};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::mapped::{client, flex};
use crate::support::{LIBRARY_NOW, extracted_library};

/// The run of a library that was filled and extracted.
struct Rehearsed {
    run: RunFolder,
    _folder: TempDir,
}

async fn rehearsed(server: &PrivateServer, dirt: f64) -> Rehearsed {
    let folder = TempDir::new().unwrap();
    let options = LibraryOptions { scale: 0.0001, dirt, ..LibraryOptions::default() };
    let library = Arc::new(Library::new(options).unwrap());
    let run = extracted_library(server, &format!("dirt{dirt}"), &library, folder.path()).await;
    Rehearsed { run, _folder: folder }
}

const DEFINITIONS: [(&str, &str); 4] = [
    ("project", "assetType_Project"),
    ("promo", "assetType_Promo"),
    ("collection", "assetType_Collection"),
    ("deliverable_image", "assetType_DeliverableImage"),
];

fn migration(threads: usize) -> Transform {
    opened(&Path::new(env!("CARGO_MANIFEST_DIR")).join("queries"), threads)
}

fn opened(project: &Path, threads: usize) -> Transform {
    Transform::open(&TransformConfig {
        project: project.to_owned(),
        memory: 1 << 30,
        threads,
        spill: None,
        now: Some(LIBRARY_NOW.to_owned()),
    })
    .unwrap()
}

async fn transformed(rehearsed: &Rehearsed, threads: usize) -> TransformReport {
    let definitions = DEFINITIONS.map(|(query, definition)| (query.to_owned(), definition.to_owned())).into();
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    // Made anew: threads are no reason to.
    let report = migration(threads).again().run(&rehearsed.run, &definitions, &[], &progress, &cancel).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    report
}

/// The rows of a query over the run, each value as text.
async fn rows(rehearsed: &Rehearsed, sql: &str) -> Vec<Vec<Option<String>>> {
    let stream = migration(1).sql(&rehearsed.run, sql).await.unwrap();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| cast(column, &DataType::Utf8).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let text = |column: &Arc<dyn Array>| {
                let column = column.as_string::<i32>();
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            rows.push(columns.iter().map(text).collect());
        }
    }
    rows
}

async fn count(rehearsed: &Rehearsed, sql: &str) -> u64 {
    rows(rehearsed, sql).await[0][0].as_deref().unwrap().parse().unwrap()
}

/// The content checksum of each 4_map dataset.
async fn checksums(rehearsed: &Rehearsed) -> Vec<String> {
    let mut checksums = Vec::new();
    for query in ["project", "promo", "collection", "deliverable_image"] {
        let manifest = rehearsed.run.query(query).manifest().await.unwrap().unwrap();
        checksums.push(format!("{query} {} {}", manifest.checksum.rows, manifest.checksum));
    }
    checksums
}

/// What the fixtures of the sample library are made for: source key, disposition, reason, details.
const FIXTURES: [(&str, &str, Option<&str>, Option<&str>); 23] = [
    ("AssetCollection:20", "load", None, None),
    ("AssetCollection:21", "reject", Some("MISSING_TITLE"), None),
    ("AssetCollection:22", "reject", Some("MISSING_TITLE"), None),
    ("AssetCollection:23", "reject", Some("MISSING_TITLE"), Some("placeholder")),
    ("AssetMaster:11", "load", None, None),
    ("AssetMaster:6", "load", None, None),
    ("DeliverableImage:183", "reject", Some("ORPHAN_ASSET_REF"), None),
    ("DeliverableImage:7", "load", None, None),
    ("Project:17", "load", None, None),
    ("Promo:1", "load", None, None),
    ("Promo:131", "out_of_scope", Some("SOFT_DELETED"), None),
    ("Promo:132", "out_of_scope", Some("SOFT_DELETED"), None),
    ("Promo:133", "load", None, None),
    ("Promo:134", "out_of_scope", Some("SOFT_DELETED"), None),
    ("Promo:135", "load", None, None),
    ("Promo:172", "load", None, None),
    ("Promo:181", "reject", Some("ORPHAN_ASSET_REF"), None),
    ("Promo:182", "reject", Some("ORPHAN_ASSET_REF"), None),
    ("Promo:21", "reject", Some("MISSING_TITLE"), None),
    ("Promo:22", "reject", Some("MISSING_TITLE"), None),
    ("Promo:23", "reject", Some("MISSING_TITLE"), Some("placeholder")),
    ("Promo:24", "load", None, None),
    ("Promo:25", "load", None, None),
];

/// A clean library loads whole: no reject, no warning, no field of the definitions that clean data can fill left empty.
async fn a_clean_library_loads_whole(server: &PrivateServer) {
    let clean = rehearsed(server, 0.0).await;
    let balance = transformed(&clean, 2).await.balance.unwrap();
    let tables = count(
        &clean,
        "select (select count(*) from public.promo) + (select count(*) from public.deliverable_image) \
         + (select count(*) from public.project) + (select count(*) from public.asset_collection)",
    )
    .await;
    let routed = count(&clean, "select count(*) from candidates where class = 'AssetMaster'").await;
    assert!(tables > 80 && routed > 0, "{tables} rows, {routed} routed");
    assert_eq!(balance.candidates, tables + routed);
    assert_eq!(balance.counts.loaded, balance.candidates);
    assert_eq!(balance.warnings, BTreeMap::new());

    // fixture 172 uses every mapped descriptive field
    let filled = rows(
        &clean,
        "select \"synopsisShort\", description, array_to_string(tags, ','), \"titleClass\", \"seriesName\", \"seriesCode\", \
         \"seasonNumber\", \"episodeNumber\", \"houseCode\", \"svodLiveDate\", \"svodKillDate\", \
         array_to_string(\"licenseWindows\", ','), array_to_string(territories, ','), \"legacyRecordId\", location, \
         array_to_string(\"cast\", ','), array_to_string(genres, ','), array_to_string(directors, ','), studio, rating, \
         \"releaseYear\", eidr, \"firstAirDate\", campaign, \"rightsNotes\", \"approvalStatus\", language, network, \
         \"captionStatus\", \"aspectRatio\", \"scanType\", \"audioLayout\", \"resolutionClass\", telecine, \"preValidated\" \
         from promo where source_key = 'Promo:172'",
    )
    .await;
    let empty: Vec<usize> =
        filled[0].iter().enumerate().filter(|(_, value)| value.is_none()).map(|(at, _)| at).collect();
    assert_eq!(empty, Vec::<usize>::new(), "{filled:?}");
    // values that the source holds in one form and the target in another
    let golden = rows(
        &clean,
        "select p.source_key from promo p join public.promo s on concat('Promo:', s.id) = p.source_key \
         join public.asset_master m on m.id = s.asset_id \
         where p.title <> s.title or p.\"promoCode\" <> s.promo_code or p.\"legacyUuid\" <> m.uuid \
         or p.\"houseCode\" <> s.house_number or p.\"promoLength\" * 1010 < s.length_seconds * 1000 \
         or p.\"promoLength\" * 990 > s.length_seconds * 1000 or p.network <> s.network",
    )
    .await;
    assert_eq!(golden, Vec::<Vec<Option<String>>>::new());
    terms_beyond_the_lists_are_refused(&clean).await;
}

/// Every list of options is closed but that of file formats: a vocabulary that could give a term beyond it is told before
/// a row is read. Terms from the source's own tables (types of projects, endpoints, categories) are held to their lists row
/// by row: with the definitions, everything still loads.
async fn terms_beyond_the_lists_are_refused(clean: &Rehearsed) {
    let server = flex(Personality::Both, &[]);
    let client = client(server.base_url());
    let mut known = Definitions::new();
    for (query, name) in DEFINITIONS {
        let mut definition = client.definition(name).await.unwrap().unwrap();
        if definition.fields.iter().any(|field| field.name == "fileFormat") {
            assert_eq!(definition.open(&["fileFormat".to_owned()]), Vec::<&str>::new());
        }
        known.insert(query.to_owned(), definition);
    }
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let vocabularies = Vocabularies { fields: "option_field".into(), terms: "vocabulary".into() };
    let held =
        |transform: Transform| transform.with_definitions(known.clone()).with_vocabularies(Some(vocabularies.clone()));
    let report = held(migration(2)).run(&clean.run, &BTreeMap::new(), &[], &progress, &cancel).await.unwrap();
    let balance = report.balance.unwrap();
    assert_eq!(balance.counts.loaded, balance.candidates, "{:?}", balance.counts.rejected);

    let project = TempDir::new().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    for file in crate::support::files(&shipped) {
        let (from, to) = (shipped.join(&file), project.path().join(&file));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
    let mappings = project.path().join("mappings");
    let fields = std::fs::read_to_string(mappings.join("option_field.csv")).unwrap();
    let mut terms = std::fs::read_to_string(mappings.join("vocabulary.csv")).unwrap();
    let lines: Vec<Vec<&str>> = fields.lines().skip(1).map(|line| line.split(',').collect()).collect();
    for name in lines.iter().map(|line| line[2]).collect::<BTreeSet<_>>() {
        terms.push_str(&format!("{name},Zz\n"));
    }
    std::fs::write(mappings.join("vocabulary.csv"), terms).unwrap();
    let wider = held(opened(project.path(), 2));
    let refused = wider.run(&clean.run, &BTreeMap::new(), &[], &progress, &cancel).await.unwrap_err().to_string();
    // Texts, or lists that take everything.
    let free = [
        "studio",
        "videoCodec",
        "audioCodec",
        "fileFormat",
        "titleClass",
        "rating",
        "genres",
        "territories",
        "resolutionClass",
    ];
    for line in &lines {
        let told = format!("field `{}`: the query gives 'Zz' of the vocabulary `{}`", line[1], line[2]);
        assert_eq!(refused.contains(&told), !free.contains(&line[1]), "{told}\n{refused}");
    }
}

/// D19: orphans are counted by table. Rows of the library that have lost their parent point to ids from 800 million on,
/// and of metadata objects one of each class has.
async fn orphans_are_counted(dirty: &Rehearsed) {
    let classes = "select count(distinct owner_class) from public.metadata where owner_id >= 800000000";
    assert_eq!(count(dirty, classes).await, 6);
    for (table, column) in [("asset_version", "master_asset_id"), ("metadata", "owner_id")] {
        let lost = count(dirty, &format!("select count(*) from public.{table} where {column} >= 800000000")).await;
        let counted = count(dirty, &format!("select rows from orphan_rows where table_name = '{table}'")).await;
        assert!(lost > 0 && counted == lost, "{table}: {counted} of {lost}");
    }
    let values = "select rows from orphan_rows where table_name = 'metadata_property_value'";
    assert!(count(dirty, values).await > 0);
}

/// Fields that only the vertical table tells come from the rows of the asset's own object, and each from the cell that holds
/// the value; a field without a value from none.
async fn values_are_traced_to_their_cells(dirty: &Rehearsed) {
    let trace = migration(2).trace(&dirty.run, &BTreeMap::new(), "Promo:172").await.unwrap();
    let own = "select id from public.metadata_property_value where metadata_id = 172";
    let own: BTreeSet<Option<String>> = rows(dirty, own).await.into_iter().flatten().collect();
    let field = |name: &str| trace.fields.iter().find(|field| field.field == name).unwrap();
    for name in ["seriesName", "seriesCode", "location", "cast", "legacyRecordId"] {
        let field = field(name);
        let columns: Vec<(&str, &str)> =
            field.from.iter().map(|from| (from.table.as_str(), from.column.as_str())).collect();
        assert_eq!(columns, [("public.metadata_property_value", "string_value")], "{name}");
        for cell in &field.from[0].cells {
            let raw = cell.raw.as_str().unwrap();
            assert!(field.value.to_string().contains(raw), "{name}: {raw} of {}", field.value);
            assert!(own.contains(&Some(cell.row["id"].to_string())), "{name}: {:?}", cell.row);
        }
    }
    let columns = |name: &str| -> Vec<String> {
        field(name).from.iter().map(|from| format!("{}.{}", from.table, from.column)).collect()
    };
    assert_eq!(columns("promoCode"), ["public.promo.promo_code"]);
    assert_eq!(columns("synopsisShort"), ["public.metadata_property_text.body"]);
    assert!(columns("title").contains(&"public.promo.title".to_owned()), "{:?}", columns("title"));
    assert_eq!(columns("originalTitle"), Vec::<String>::new());
}

/// A dirty library: the balance closes, each fixture meets its fate, and one thread gives the rows of three.
async fn a_dirty_library_is_accounted_for(server: &PrivateServer) {
    let dirty = rehearsed(server, 1.0).await;
    let balance = transformed(&dirty, 3).await.balance.unwrap();
    let left: u64 = balance.counts.rejected.values().chain(balance.counts.out_of_scope.values()).sum();
    assert_eq!(balance.candidates, balance.counts.loaded + left + balance.counts.merged);
    let reasons: Vec<&str> = balance.counts.rejected.keys().map(String::as_str).collect();
    let mut closed_list = library::answers::REJECT_REASONS;
    closed_list.sort_unstable();
    assert_eq!(reasons, closed_list, "each reason has its fixture");
    assert_eq!(balance.warnings.get("TOO_MANY_VALUES"), Some(&1));
    values_are_traced_to_their_cells(&dirty).await;

    let keys: Vec<String> = FIXTURES.iter().map(|fixture| format!("'{}'", fixture.0)).collect();
    let sql = format!(
        "select source_key, disposition, reason, details from dispositions where source_key in ({}) order by source_key",
        keys.join(", ")
    );
    let found = rows(&dirty, &sql).await;
    let text = |text: Option<&str>| text.map(str::to_owned);
    let expected: Vec<Vec<Option<String>>> = FIXTURES
        .iter()
        .map(|(key, disposition, reason, details)| {
            vec![text(Some(key)), text(Some(disposition)), text(*reason), text(*details)]
        })
        .collect();
    assert_eq!(found, expected);
    let titles = "select title from promo where source_key in ('Promo:24', 'Promo:25') and title is null";
    assert_eq!(rows(&dirty, titles).await.len(), 0);
    let tags = "select array_length(tags) from promo where source_key = 'Promo:31'";
    assert_eq!(count(&dirty, tags).await, 500);
    orphans_are_counted(&dirty).await;

    let first = checksums(&dirty).await;
    transformed(&dirty, 1).await;
    assert_eq!(checksums(&dirty).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_library_migrates() {
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    a_clean_library_loads_whole(&server).await;
    a_dirty_library_is_accounted_for(&server).await;
    server.stop().await.unwrap();
}
