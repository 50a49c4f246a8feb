//! The measure of the dirt: at counts of scale 0.01 each kind stands in the cells it should at about the rate told
//! (section 8 of the specification), and each form that is listed there occurs, drawn or as a fixture.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::LibraryOptions;
use super::*;

/// Cells of a column (of one property, for property values): all that hold something or are dirty, and by kind of dirt
/// those that are.
#[derive(Debug, Default)]
struct Measure {
    cells: u64,
    dirty: BTreeMap<&'static str, u64>,
}

type Place = (&'static str, &'static str, i64);
type Forms = BTreeMap<&'static str, HashSet<String>>;

/// What the generated rows of the core tables hold, and the raw texts of dirty cells by kind, those of fixtures and of
/// picklists among them.
fn measured(library: &Library) -> (HashMap<Place, Measure>, Forms) {
    let mut places: HashMap<Place, Measure> = HashMap::new();
    let mut forms = Forms::new();
    let mut note = |told: &Value| {
        let Some(kind) = told.dirt() else { return };
        let raw = told.text().unwrap_or_else(|| "NULL".to_owned());
        if raw.len() < 2_000 {
            forms.entry(kind).or_default().insert(raw);
        }
    };
    let mut picked: HashMap<i64, &'static str> = HashMap::new();
    for row in fixtures(library, "picklist_value") {
        picked.extend(row[0].number().zip(row[2].dirt()));
    }
    for name in TABLES {
        let table = library.table(name).unwrap();
        let columns: Vec<&'static str> =
            table.columns.iter().filter(|column| !column.generated).map(|column| column.name).collect();
        let values = table.name == "metadata_property_value";
        fixtures(library, name).iter().flatten().for_each(&mut note);
        let mut cells = Vec::new();
        for number in 0..library.rows_of(table) {
            cells.clear();
            row(library, table, number, &mut cells);
            let property = if values { cells[2].number().unwrap_or_default() } else { 0 };
            for (column, cell) in columns.iter().zip(&cells) {
                note(cell);
                let reference = cell.number().filter(|_| values && *column == "picklist_value_id");
                let kind = reference.and_then(|id| picked.get(&id).copied()).or(cell.dirt());
                let found = places.entry((table.name, column, property)).or_default();
                found.cells += u64::from(!cell.is_null() || kind.is_some());
                kind.into_iter().for_each(|kind| *found.dirty.entry(kind).or_default() += 1);
            }
        }
    }
    (places, forms)
}

/// Kind, table, column, property (0 where the column is that of no property), parts of a million of its cells.
const TOLD: &[(&str, &str, &str, i64, u64)] = &[
    ("D01", "asset_master", "name", 0, 8_000),
    ("D01", "deliverable_image", "title", 0, 8_000),
    ("D02", "asset_master", "name", 0, 6_000),
    ("D03", "asset_master", "name", 0, 7_000),
    ("D03", "marker", "text", 0, 7_000),
    ("D03", "metadata_property_value", "string_value", 9, 7_000),
    ("D04", "deliverable_image", "title", 0, 15_000),
    ("D05", "asset_master", "name", 0, 1_000),
    ("D06", "asset_master", "name", 0, 30_000),
    ("D06", "marker", "text", 0, 30_000),
    ("D07", "marker", "text", 0, 50_000),
    ("D07", "asset_master", "description", 0, 50_000),
    ("D09", "deliverable_image", "title", 0, 60_000),
    ("D10", "asset_master", "external_id", 0, 9_000),
    ("D10", "asset_external_id", "external_id", 0, 9_000),
    ("D12", "asset_master", "external_id", 0, 2_000),
    ("D14", "asset_master", "house_code", 0, 90_000),
    ("D14", "metadata_property_value", "string_value", 17, 90_000),
    ("D14", "promo", "house_number", 0, 90_000),
    ("D15", "metadata_property_value", "string_value", 40, 100_000),
    ("D15", "title", "eidr", 0, 100_000),
    ("D16", "asset_master", "assetType", 0, 500),
    ("D17", "image_asset_master", "id", 0, 1_000),
    ("D18", "video_asset_master", "id", 0, 200),
    ("D19", "asset_version", "master_asset_id", 0, 2_000),
    ("D19", "promo", "asset_id", 0, 6_000),
    ("D19", "deliverable_image", "asset_id", 0, 5_000),
    ("D19", "metadata", "owner_id", 0, 4_000),
    ("D20", "metadata_property_value", "picklist_value_id", 7, 3_000),
    ("D21", "asset_master", "owner_id", 0, 8_000),
    ("D22", "asset_master", "current_version_id", 0, 500),
    ("D23", "promo", "asset_id", 0, 3_000),
    ("D24", "asset_collection", "parent_id", 0, 3_500),
    ("D25", "metadata_property_value", "string_value", 17, 6_000),
    ("D26", "metadata_property_value", "string_value", 9, 15_000),
    ("D26", "metadata_property_value", "property_id", 9, 10_000),
    ("D27", "metadata_property_value", "position", 5, 40_000),
    ("D28", "metadata_property_value", "string_value", 5, 120_000),
    ("D28", "metadata_property_value", "string_value", 33, 120_000),
    ("D30", "asset_master", "uuid", 0, 30_000),
    ("D31", "asset_collection_item", "asset_id", 0, 7_000),
    ("D31", "asset_keyword", "asset_id", 0, 5_000),
    ("D31", "asset_keyword", "keyword_id", 0, 2_000),
    ("D33", "promo", "network", 0, 40_000),
    ("D33", "metadata_property_value", "picklist_value_id", 7, 40_000),
    ("D33", "metadata_property_value", "picklist_value_id", 37, 40_000),
    ("D33", "video_asset_master", "scan_type", 0, 40_000),
    ("D34", "asset_master", "status_id", 0, 5_000),
    ("D35", "marker", "text", 0, 8_000),
    ("D36", "marker", "text", 0, 6_000),
    ("D37", "marker", "text", 0, 8_000),
    ("D39", "marker", "text", 0, 4_000),
    ("D40", "asset_master", "description", 0, 100_000),
    ("D41", "metadata", "legacy_blob", 0, 3_000),
    ("D46", "image_asset_master", "capture_date", 0, 20_000),
    ("D46", "deliverable_image", "rights_expire", 0, 20_000),
    ("D47", "asset_collection", "expires_at", 0, 350_000),
    ("D47", "promo", "air_end", 0, 15_000),
    ("D47", "metadata_property_value", "date_value", 42, 5_000),
    ("D48", "promo", "air_start", 0, 40_000),
    ("D48", "promo", "air_end", 0, 40_000),
    ("D48", "promo_air_date", "air_at", 0, 10_000),
    ("D48", "metadata_property_value", "date_value", 42, 40_000),
    ("D49", "asset_master", "date_updated", 0, 4_000),
    ("D49", "metadata_property_value", "date_value", 24, 4_000),
    ("D50", "asset_master", "deleted", 0, 48_000),
    ("D50", "deliverable_image", "deleted", 0, 31_000),
    ("D50", "project", "deleted", 0, 36_000),
    ("D50", "promo", "deleted", 0, 26_000),
    ("D51", "asset_master", "date_created", 0, 500),
    ("D52", "asset_master", "date_created", 0, 2_000),
    ("D54", "asset_content", "width", 0, 50_000),
    ("D54", "metadata_property_value", "string_value", 12, 50_000),
    ("D56", "project", "budget_currency", 0, 30_000),
    ("D57", "asset_collection_item", "member_class", 0, 1_000),
    ("D58", "asset_collection", "collection_kind", 0, 60_000),
    ("D60", "asset_content", "aspect_ratio", 0, 80_000),
    ("D60", "deliverable_image", "aspect_ratio", 0, 80_000),
    ("D60", "metadata_property_value", "picklist_value_id", 18, 80_000),
    ("D61", "image_asset_master", "resolution", 0, 400_000),
    ("D61", "deliverable_image", "pixel_size", 0, 400_000),
    ("D61", "video_asset_master", "video_resolution", 0, 470_000),
    ("D61", "metadata_property_value", "picklist_value_id", 16, 400_000),
    ("D64", "asset_content", "start_timecode", 0, 60_000),
    ("D64", "video_asset_master", "start_timecode", 0, 60_000),
    ("D65", "asset_content", "audio_language", 0, 120_000),
    ("D65", "deliverable_image", "locale", 0, 120_000),
    ("D65", "metadata_property_value", "picklist_value_id", 49, 120_000),
    ("D66", "deliverable_image", "file_format", 0, 550_000),
    ("D66", "metadata_property_value", "picklist_value_id", 14, 550_000),
    ("D68", "asset_content", "bitrate_kbs", 0, 920_000),
    ("D69", "asset_content", "content_uses", 0, 30_000),
    ("D70", "file_info", "original_name", 0, 20_000),
    ("D71", "deliverable_image", "s3_uri", 0, 20_000),
    ("D72", "file_info", "md5", 0, 10_000),
    ("D72", "deliverable_image", "checksum", 0, 10_000),
    ("D73", "asset_master", "category_names", 0, 11_000),
    ("D75", "promo", "length_seconds", 0, 40_000),
];

/// What is told to be in all cells, and the least share of them (in hundredths) that is not the clean form by chance.
const ALL: &[(&str, &str, &str, i64, u64)] = &[
    ("D45", "deliverable_image", "rights_expire", 0, 85),
    ("D45", "image_asset_master", "capture_date", 0, 85),
    ("D45", "project", "start_date", 0, 75),
    ("D62", "asset_content", "frame_rate", 0, 50),
    ("D62", "video_asset_master", "frame_rate", 0, 75),
    ("D62", "timeline", "frame_rate", 0, 75),
    ("D63", "asset_content", "duration", 0, 60),
    ("D63", "video_asset_master", "duration_txt", 0, 80),
    ("D63", "promo", "length_txt", 0, 70),
    ("D74", "title", "cast", 0, 70),
];

#[test]
fn dirt_stands_at_its_rates_and_in_all_its_forms() {
    let library = Library::new(LibraryOptions { scale: 0.01, ..LibraryOptions::default() }).unwrap();
    let (places, forms) = measured(&library);
    let none = Measure::default();
    let of = |place: Place| places.get(&place).unwrap_or(&none);
    let mut wrong = Vec::new();
    for &(kind, table, column, property, told) in TOLD {
        let found = of((table, column, property));
        let dirty = found.dirty.get(kind).copied().unwrap_or(0);
        let wanted = (found.cells * told) as f64 / 1e6;
        // A fifth (other kinds come first in a cell that has several), or what chance allows.
        if (dirty as f64 - wanted).abs() > (wanted / 5.0).max(4.0 * wanted.sqrt()).max(2.0) {
            wrong.push(format!("{kind} in {table}.{column} {property}: {dirty} of {}, not {wanted:.0}", found.cells));
        }
    }
    for &(kind, table, column, property, least) in ALL {
        let found = of((table, column, property));
        let dirty = found.dirty.get(kind).copied().unwrap_or(0);
        if found.cells == 0 || dirty * 100 < found.cells * least {
            wrong.push(format!("{kind} in {table}.{column}: {dirty} of {}, not {least} % of them", found.cells));
        }
    }
    for (kind, listed) in FORMS {
        let seen = forms.get(kind);
        for form in *listed {
            if !seen.is_some_and(|seen| seen.iter().any(|raw| fits(raw, form))) {
                wrong.push(format!("{kind} has no form {form:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a text has this form: `#` stands for a digit, `*` for anything.
fn fits(raw: &str, form: &str) -> bool {
    let mut rest = form.chars();
    match rest.next() {
        None => raw.is_empty(),
        Some('*') => (0..=raw.len()).filter(|at| raw.is_char_boundary(*at)).any(|at| fits(&raw[at..], rest.as_str())),
        Some(wanted) => {
            let mut more = raw.chars();
            let first = more.next();
            first.is_some_and(|first| if wanted == '#' { first.is_ascii_digit() } else { first == wanted })
                && fits(more.as_str(), rest.as_str())
        }
    }
}

/// The raw forms that section 8 lists of each kind whose forms are of their own; of the others every draw is another.
const FORMS: &[(&str, &[&str])] = &[
    ("D02", &["", "   ", "\u{a0}", "\u{200b}", "\u{1}\u{1f}"]),
    ("D03", &["null", "NULL", "N/A", "n/a", "-", "TBD", "Untitled", "none", "(blank)", "Null, *"]),
    ("D12", &["ext-#*", "* "]),
    ("D14", &["HC######.", "hc######", "HC ######", "HC-######", "HC１*", "HCI#####"]),
    ("D15", &["10.5240/*", "https://doi.org/10.5240/*", "10.5240/*a*"]),
    ("D26", &["NULL"]),
    ("D28", &["|*|*|", "*, *", "*;*", "* / *", "[\"*\"*]", "\"*,*\"", "*, *; *"]),
    ("D30", &["{*}", "urn:uuid:*", "*A*-*", ""]),
    ("D33", &["Epsiode", "* ", "EPISODE", "Mini Series", "Miniseries", "Promo.", "Foo", "\u{420}*"]),
    ("D34", &["11", "12", "13", "14", "99"]),
    ("D40", &["*<p>*", "*<br/>*", "*&amp;amp;*", "*<script>*", "*<style>*", "* a < b*"]),
    ("D41", &["*\\u0000*", "*\\ud83d*", "*\"oldId\":1,\"oldId\":2*", "*NaN*", "*123456789012345678901234567890*"]),
    ("D43", &["*\\u0000*", "*\\0*", "*%00*", "*^@*"]),
    ("D44", &["*'; DROP TABLE x;--*", "*${jndi:ldap://x}*", "*=cmd()*", "*{{7*7}}*", "*;limit=1*"]),
    (
        "D45",
        &[
            "####-##-##",
            "####-##-##T##:##:##Z",
            "##/##/####",
            "## * ####",
            "* ##, ####",
            "## * #### ##:##:##",
            "########",
            "#/##/##",
            "##########",
            "#############",
            "4####",
            "####:##:## ##:##:##",
            "D:##############-07'00'",
        ],
    ),
    (
        "D46",
        &["####-02-30", "13/13/####", "0000-00-00", "0000:00:00 00:00:00", "TBD", "Spring ####", "####", "####-##"],
    ),
    ("D47", &["infinity", "-infinity", "[*,)"]),
    ("D48", &["2099-12-31*", "9999-12-31*", "2026-*"]),
    ("D50", &["true", "NULL", "infinity"]),
    ("D51", &["* 02:30:00", "* 01:30:00"]),
    ("D52", &["1970-01-01*", "1899-12-30*", "1969-12-31T17:00:00"]),
    ("D53", &["TRUE", "true", "Y", "yes", "1", "t", "No", "0", "F", "", "✓", "maybe"]),
    ("D54", &["####.0", "#,###", " ## ", "####px", "007", "#.5", "S##", "-1", "1e3", "１*"]),
    ("D55", &["NaN", "-####.##", "#########################.*", "*.####################"]),
    ("D56", &["US$", "usd", "XXU"]),
    ("D60", &["16x9", "16/9", "1.78", "1.7778", "178", "4x3", "2.39:1", "widescreen"]),
    (
        "D61",
        &[
            "1920 x 1080",
            "1920X1080",
            "1920×1080",
            "1920*1080",
            "1920 x 1080 px",
            "1.920 x 1.080",
            "1080p",
            "1080i59.94",
            "HD",
            "UHD",
            "4K",
            "720",
            "0x0",
            "null",
        ],
    ),
    (
        "D62",
        &[
            "29.970",
            "29.97DF",
            "30000/1001",
            "2997/100",
            "23.98",
            "24000/1001",
            "25.0",
            "25 fps",
            "50i",
            "59.94p",
            "0",
            "1.0",
            "VFR",
            "1000",
            "30",
        ],
    ),
    (
        "D63",
        &[
            "######",
            "###.###########*",
            "##:##:##",
            "##:##:##:##",
            "##:##:##;##",
            "##:##:##.###",
            "#### frames",
            "PT*M*.###S",
            "# min ## s",
            ":30",
            "30s",
            "0:30",
            "-1",
            "PT",
        ],
    ),
    (
        "D64",
        &[
            "##:##:##;##",
            "1:00:00:00",
            "01.00.00.00",
            "*:-1",
            "##:#1:00;00",
            "25:00:00:00",
            "3600.0",
            "PT*",
            "####.####",
        ],
    ),
    ("D65", &["eng", "English", "en_US", "EN-us", "zxx", "xx", "Spanish (LatAm)", "und"]),
    (
        "D66",
        &[
            ".MOV",
            "mov",
            "video/quicktime",
            "QuickTime",
            "MOV ",
            "mpeg-4",
            ".m4v",
            "application/mxf",
            "MXF OP1a",
            "jpg",
            "JPEG",
            "image/jpg",
            ".tif",
            "octet-stream",
            "xyz",
        ],
    ),
    ("D67", &["avc1", "AVC", "apch", "40", "mp4a"]),
    ("D69", &["|SOURCE|MEZZANINE|", "Source", "source,proxy", "THUMBNAIL VIDEO"]),
    ("D70", &["*:*", "*\"*", "*?*", "*%*", "*/*", "*.", "* ", "CON.*", "*\n*", "-*", "*🎬*"]),
    ("D71", &["* *", "*+*", "*%20*", "*%2520*", "*#*", "*;*", "*\\*", "*..*"]),
    ("D75", &["30.030"]),
];
