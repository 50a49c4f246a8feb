#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use secrecy::ExposeSecret;
use telecine::Error;
use telecine::dataflow::Progress;
use telecine::rehearsal::library::{self, Library, LibraryOptions};
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use tokio_postgres::{Client, NoTls};

async fn client(server: &PrivateServer, database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(server.url(database).expose_secret(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

/// Rows and an order-free checksum of every table, by name. Partitioned parents are read through their partitions.
async fn contents(client: &Client, library: &Library) -> Vec<(String, i64, String)> {
    let mut contents = Vec::new();
    for table in library.tables() {
        let query = format!(
            "select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from only {} t",
            table.quoted()
        );
        let row = client.query_one(&query, &[]).await.unwrap();
        contents.push((table.quoted(), row.get(0), row.get(1)));
    }
    contents
}

/// The whole library at smoke scale, twice, with different numbers of connections: every table has its rows,
/// PostgreSQL accepts every value and key, and the two databases are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_tables_load_and_load_alike() {
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    let library = Arc::new(Library::new(LibraryOptions { scale: 0.0001, ..LibraryOptions::default() }).unwrap());
    let mut databases = Vec::new();
    for (database, connections) in [("one", 1), ("three", 3)] {
        server.create_database(database).await.unwrap();
        let progress = Progress::default();
        let url = server.url(database);
        let summary = library::create(&library, &url, connections, &progress).await.unwrap();
        println!("{summary:?}");
        assert_eq!(summary.tables, 227);
        assert!(summary.rows > 70_000, "{summary:?}");
        assert_eq!(progress.reading().bytes, summary.bytes);
        let again = library::create(&library, &url, connections, &progress).await.unwrap_err();
        assert!(matches!(again, Error::Preflight { .. }), "{again}");
        databases.push(client(&server, database).await);
    }
    let first = contents(&databases[0], &library).await;
    let second = contents(&databases[1], &library).await;
    for ((left, right), table) in first.iter().zip(&second).zip(library.tables()) {
        assert_eq!(left, right);
        let mut fixtures = Vec::new();
        let expected = library.rows_of(table) + library.write_fixtures(table, &mut fixtures);
        assert_eq!(left.1, i64::try_from(expected).unwrap(), "{}", left.0);
    }
    shape_of(&databases[0]).await;
    drop(databases);
    server.stop().await.unwrap();
}

/// What a discovery finds: relations, indexes, views, large objects, owner, edge values.
async fn shape_of(client: &Client) {
    let relations = "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace \
                     where nspname in ('public', 'wfe') and relkind in ('r', 'p')";
    assert_eq!(number(client, relations).await, 227);
    let parents = "select count(*) from pg_class where relkind = 'p'";
    assert_eq!(number(client, parents).await, 3);
    let owned = "select count(*) from pg_class where relkind in ('r', 'p', 'v', 'm') \
                 and relowner = (select oid from pg_roles where rolname = 'reachengine')";
    assert_eq!(number(client, owned).await, 230);
    let indexes = "select count(*) from pg_indexes where schemaname = 'public' and indexname like 'ix\\_%'";
    assert!(number(client, indexes).await >= 27);
    // The materialised view was refreshed before the last rows came.
    let seen = number(client, "select sum(n)::bigint from mv_collection_counts").await;
    let items = number(client, "select count(*) from asset_collection_item").await;
    assert!(seen > 0 && seen < items, "{seen} of {items}");
    let objects = "select count(*) from file_lob_ref f join pg_largeobject_metadata m on m.oid = f.lob";
    assert!(number(client, objects).await > 0);
    let partitions = "select count(*) from audit_event where extract(year from occurred_at at time zone 'UTC') = 2022";
    assert_eq!(number(client, partitions).await, number(client, "select count(*) from audit_event_2022").await);
    let nulls = "select count(*) from api_access_log where path is null";
    assert!(number(client, nulls).await > 0);
    let children = "select count(*) from transcode_job_log l where not exists \
                    (select from wfe.transcode_job j where j.id = l.job_id)";
    assert_eq!(number(client, &children.replace("transcode_job_log l", "wfe.transcode_job_log l")).await, 0);
    let statistics = "select count(*) from pg_stats where schemaname = 'public'";
    assert!(number(client, statistics).await > 500);
}

#[test]
fn unusable_options_are_refused() {
    for (scale, dirt) in [(0.0, 1.0), (1.5, 1.0), (f64::NAN, 1.0), (0.1, -1.0)] {
        let error = Library::new(LibraryOptions { scale, dirt, ..LibraryOptions::default() }).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{scale} {dirt}");
    }
    let tables = Some(vec!["no_such_table".to_owned()]);
    assert!(Library::new(LibraryOptions { tables, ..LibraryOptions::default() }).is_err());
}

/// Questions whose answer is 0 in a clean library: each asks for a reason to reject or to warn.
const BLEMISHES: [(&str, &str); 24] = [
    (
        "promo without a live video",
        "select count(*) from promo p where deleted is distinct from false or not exists (select from asset_master a join video_asset_master v using (id) where a.id = p.asset_id and not a.deleted)",
    ),
    (
        "image row without a live image",
        "select count(*) from deliverable_image d where deleted is distinct from false or not exists (select from asset_master a join image_asset_master v using (id) where a.id = d.asset_id and not a.deleted)",
    ),
    (
        "asset without exactly one current version, the highest",
        "select count(*) from asset_master a where (select count(*) from asset_version v where v.master_asset_id = a.id and current_version_flag and not deleted and v.id = a.current_version_id and version_number = (select max(version_number) from asset_version w where w.master_asset_id = a.id)) <> 1 or (select count(*) from asset_version v where v.master_asset_id = a.id and current_version_flag) <> 1",
    ),
    (
        "version without exactly one source with file and report",
        "select count(*) from asset_version v where (select count(*) from asset_content c join file_info f on f.id = c.file_id join media_info m on m.id = c.media_info_id and m.content_id = c.id where c.asset_version_id = v.id and c.content_uses = '|SOURCE|' and c.master_asset_id = v.master_asset_id and c.id = v.original_content_id) <> 1",
    ),
    (
        "video source without picture facts",
        "select count(*) from video_asset_master v left join asset_content c on c.id = v.main_video_content_id left join media_info_track_video t on t.media_info_id = c.media_info_id and t.stream_order = 0 where t.id is null or t.width || 'x' || t.height <> coalesce(v.video_resolution, t.width || 'x' || t.height) or c.width <> t.width::text or c.frame_rate <> v.frame_rate or t.frame_rate <> v.frame_rate or c.start_timecode <> v.start_timecode or c.aspect_ratio <> coalesce(v.aspect_ratio, c.aspect_ratio)",
    ),
    (
        "lengths that disagree",
        "select count(*) from video_asset_master v join asset_content c on c.id = v.main_video_content_id join media_info m on m.content_id = c.id where m.duration_ms <> v.duration_txt::bigint or abs(c.duration::numeric * 1000 - m.duration_ms) > 1",
    ),
    (
        "file and report that disagree",
        "select count(*) from asset_content c join file_info f on f.id = c.file_id where c.mime_type <> f.mime_type or c.file_size <> f.file_size or c.name <> f.original_name",
    ),
    (
        "external ids twice",
        "select count(*) from (select external_id from (select external_id from asset_master union all select external_id from asset_external_id) e where external_id is not null group by 1 having count(*) > 1) d",
    ),
    ("uuids twice", "select count(*) from (select uuid from asset_master group by 1 having count(*) > 1) d"),
    (
        "house codes that disagree",
        "select count(*) from asset_master a join metadata_property_value v on v.metadata_id = a.metadata_id and property_id in (17, 204, 377) left join promo p on p.asset_id = a.id left join deliverable_image d on d.asset_id = a.id where v.string_value <> coalesce(a.house_code, v.string_value) or v.string_value <> coalesce(p.house_number, v.string_value) or v.string_value <> coalesce(d.house_code, v.string_value)",
    ),
    ("house codes of another form", "select count(*) from asset_master where house_code !~ '^HC[0-9]{6}$'"),
    (
        "house codes without a title",
        "select count(*) from asset_master a where house_code is not null and not exists (select from title t where t.house_code = a.house_code)",
    ),
    (
        "empty texts",
        "select (select count(*) from asset_master where '' in (name, description, external_id, house_code)) + (select count(*) from metadata_property_value where string_value = '')",
    ),
    (
        "values with no column or several",
        "select count(*) from metadata_property_value where num_nonnulls(string_value, text_id, long_value, double_value, decimal_value, boolean_value, date_value, picklist_value_id, hierarchy_path) <> 1",
    ),
    (
        "values of an unknown object, field, text or option",
        "select count(*) from metadata_property_value v where not exists (select from metadata m where m.id = v.metadata_id) or not exists (select from metadata_property p where p.id = v.property_id) or (text_id is not null and not exists (select from metadata_property_text t where t.id = text_id)) or (picklist_value_id is not null and not exists (select from picklist_value p join metadata_property d on d.picklist_id = p.picklist_id where p.id = picklist_value_id and d.id = v.property_id))",
    ),
    (
        "several values of a single-valued field",
        "select count(*) from (select from metadata_property_value v join metadata_property p on p.id = v.property_id where not p.multiple group by metadata_id, property_id having count(*) > 1) d",
    ),
    (
        "metadata of an unknown owner",
        "select count(*) from metadata m where not exists (select from asset_master where id = m.owner_id and owner_class = 'AssetMaster' and metadata_id = m.id union all select from clip where id = m.owner_id and owner_class = 'Clip' and metadata_id = m.id union all select from timeline where id = m.owner_id and owner_class = 'Timeline' and metadata_id = m.id union all select from asset_collection where id = m.owner_id and owner_class = 'AssetCollection' and metadata_id = m.id union all select from project where id = m.owner_id and owner_class = 'Project' and metadata_id = m.id union all select from asset_version where id = m.owner_id and owner_class = 'AssetVersion')",
    ),
    (
        "owners unknown",
        "select count(*) from (select owner_id from asset_master union all select owner_id from asset_collection union all select owner_id from clip) o where not exists (select from security_user u where u.id = o.owner_id)",
    ),
    (
        "members that are missing, doubled or of another class",
        "select (select count(*) from asset_collection_item i where num_nonnulls(asset_id, timeline_id, clip_id, project_id, child_collection_id) <> 1 or (case member_class when 'AssetMaster' then asset_id in (select id from asset_master) when 'Timeline' then timeline_id in (select id from timeline) when 'Clip' then clip_id in (select id from clip) when 'Project' then project_id in (select id from project) when 'AssetCollection' then child_collection_id in (select id from asset_collection) end) is not true) + (select count(*) from (select from asset_collection_item group by collection_id, asset_id, timeline_id, clip_id, project_id, child_collection_id having count(*) > 1) d)",
    ),
    (
        "relations to nothing, to themselves, doubled or turned",
        "select count(*) from asset_relation r where right_asset_id = left_asset_id or not exists (select from asset_master where id = right_asset_id) or exists (select from asset_relation s where s.id <> r.id and (s.left_asset_id, s.right_asset_id) in ((r.left_asset_id, r.right_asset_id), (r.right_asset_id, r.left_asset_id)))",
    ),
    (
        "category cache that disagrees",
        "select count(*) from asset_master a where category_names is distinct from (select '|' || string_agg(c.name || '|', '' order by c.id) from asset_category_asset x join asset_category c on c.id = x.category_id where x.asset_id = a.id) and length(category_names) is distinct from (select 1 + sum(length(c.name) + 1) from asset_category_asset x join asset_category c on c.id = x.category_id where x.asset_id = a.id)",
    ),
    (
        "collections out of scope or miscounted",
        "select count(*) from asset_collection c where collection_kind not in ('Manual', 'Bin') or item_count <> (select count(*) from asset_collection_item i where i.collection_id = c.id)",
    ),
    (
        "dates out of order",
        "select (select count(*) from asset_master where date_updated < date_created or date_updated > '2025-03-01 03:00:00') + (select count(*) from promo where air_end < air_start) + (select count(*) from project where due_date < start_date::date)",
    ),
    (
        "promo without a parsable length, or its video longer",
        "select count(*) from promo p join video_asset_master v on v.id = p.asset_id where p.length_txt !~ '^:[0-9]{2}$' or abs(v.duration_txt::numeric / 1000 / substr(p.length_txt, 2)::numeric - 1) > 0.01",
    ),
];

/// With dirt 0 nothing is left to reject or to warn about, and the skews of the specification are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_library_is_clean() {
    let scale = std::env::var("TELECINE_TEST_SCALE").map_or(0.0001, |scale| scale.parse().unwrap());
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    let library = Library::new(LibraryOptions { scale, dirt: 0.0, ..LibraryOptions::default() }).unwrap();
    server.create_database("studio").await.unwrap();
    let summary = library::create(&Arc::new(library), &server.url("studio"), 2, &Progress::default()).await.unwrap();
    println!("{summary:?}");
    let client = client(&server, "studio").await;
    let mut found = Vec::new();
    for (what, query) in BLEMISHES {
        match number(&client, query).await {
            0 => {}
            rows => found.push(format!("{what}: {rows}")),
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    let ready = number(
        &client,
        "select count(*) * 100 / (select count(*) from asset_master) from asset_master where status_id = 3",
    )
    .await;
    assert!((80..96).contains(&ready), "status 3: {ready} %");
    let classes = number(&client, "select count(distinct member_class) from asset_collection_item").await;
    assert_eq!(classes, 5);
    drop(client);
    server.stop().await.unwrap();
}
