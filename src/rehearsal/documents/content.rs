//! What the documents say: a source's own form of an asset, and the instance that the target wants of it.

use serde_json::{Map, Value, json};

use super::super::library::random::{Draws, row_state};
use super::TABLE;

/// One asset, as the source has it and as the target wants it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    /// The key of its object.
    pub(super) key: String,
    pub(super) definition: &'static str,
    /// As in the bucket.
    pub(super) source: Value,
    /// As in the target.
    pub(super) instance: Value,
}

impl Document {
    /// The same with another id, for the objects beside it; the document itself for 0.
    pub(super) fn twin(&self, index: usize) -> Self {
        let mut twin = self.clone();
        if index > 0
            && let Some(id) = self.source["id"].as_str()
        {
            twin.source["id"] = json!(format!("{id}-{index}"));
            twin.instance["externalId"] = twin.source["id"].clone();
        }
        twin
    }
}

const WORDS: [&str; 16] = [
    "Harbour",
    "Night",
    "Ländler",
    "Season",
    "Return",
    "Île",
    "Winter",
    "Signal",
    "東京",
    "Garden",
    "Mirror",
    "Привет",
    "Crossing",
    "Ember",
    "Atlas",
    "Quiet",
];
const KEYWORDS: [&str; 6] = ["drama", "late night", "naïve", "4K", "kids", "sport/live"];
const NETWORKS: [&str; 4] = ["NLC", "NLM", "NLD", "NLX"];

/// The first millisecond of 2015 in UTC.
const FIRST_MILLISECOND: u64 = 1_420_070_400_000;
/// Ten years.
const SPAN: u64 = 3_652 * 86_400_000;

/// The document of a number.
pub(super) fn document(seed: u64, number: u64) -> Document {
    let mut draws = Draws::new(row_state(seed, TABLE, number));
    match draws.below(4) {
        0 => project(&mut draws, number),
        1 => collection(&mut draws, number),
        2 => image(&mut draws, number),
        _ => promo(&mut draws, number),
    }
}

/// What every document has: the two forms, begun.
struct Common {
    source: Map<String, Value>,
    instance: Map<String, Value>,
    year: i64,
}

fn common(draws: &mut Draws, kind: &str, number: u64) -> Common {
    let title = format!("{} {} {number}", draws.pick(&WORDS), draws.pick(&WORDS));
    let id = format!("{kind}:{}", 1_000_000 + number);
    let created = FIRST_MILLISECOND + draws.below(SPAN);
    let created_text = moment(created);
    let year = created_text.get(..4).and_then(|year| year.parse().ok()).unwrap_or(2015);
    let keywords: Vec<&str> = (0..draws.below(4)).map(|_| draws.pick(&KEYWORDS)).collect();
    let mut source = Map::new();
    let mut instance = Map::new();
    source.insert("id".to_owned(), json!(id));
    source.insert("title".to_owned(), json!(title));
    source.insert("createdMs".to_owned(), json!(created));
    instance.insert("title".to_owned(), json!(title));
    instance.insert("externalId".to_owned(), json!(id));
    instance.insert("createdDate".to_owned(), json!(created_text));
    // A list without keywords is there or not, as the source pleases.
    if !keywords.is_empty() || draws.chance(0.5) {
        source.insert("keywords".to_owned(), json!(keywords));
    }
    if !keywords.is_empty() {
        instance.insert("tags".to_owned(), json!(keywords));
    }
    source.insert("_export".to_owned(), json!({"batch": number / 100, "host": "vault-2"}));
    Common { source, instance, year }
}

impl Common {
    /// A field of the same name and value in both forms.
    fn same(&mut self, name: &str, value: &Value) {
        self.source.insert(name.to_owned(), value.clone());
        self.instance.insert(name.to_owned(), value.clone());
    }

    fn document(self, folder: &str, code: &str, definition: &'static str) -> Document {
        let key = format!("{folder}/{}/{code}.json", self.year);
        Document { key, definition, source: Value::Object(self.source), instance: Value::Object(self.instance) }
    }
}

fn promo(draws: &mut Draws, number: u64) -> Document {
    let mut both = common(draws, "Promo", number);
    let code = format!("PR-{number:07}");
    both.same("promoCode", &json!(code));
    both.same("promoType", &json!(draws.pick(&["Episodic", "Image", "Movie", "Tune-In", "Bumper"])));
    both.same("network", &json!(draws.pick(&NETWORKS)));
    let duration = 5_000 + draws.below(115_000);
    both.same("durationMs", &json!(duration));
    both.instance.insert("promoLength".to_owned(), json!((duration + 500) / 1000));
    file(draws, &mut both, &["mov", "mxf", "mp4"]);
    if draws.chance(0.6) {
        let title = json!({"houseCode": house_code(draws), "titleName": draws.pick(&WORDS), "season": draws.below(9).to_string()});
        both.same("titleRef", &title);
    }
    let airings = draws.below(3);
    let airings: Vec<Value> = (0..airings)
        .map(|_| json!({"network": draws.pick(&NETWORKS), "at": moment(FIRST_MILLISECOND + draws.below(SPAN)), "daypart": "prime"}))
        .collect();
    if !airings.is_empty() {
        both.same("airDates", &json!(airings));
    }
    both.document("promo", &code, "assetType_Promo")
}

fn project(draws: &mut Draws, number: u64) -> Document {
    let mut both = common(draws, "Project", number);
    let code = format!("PJ-{number:07}");
    both.same("projectCode", &json!(code));
    both.same(
        "projectType",
        &json!(draws.pick(&["Promo Campaign", "Series Launch", "Restoration", "Trailer", "Archive"])),
    );
    both.same("status", &json!(draws.pick(&["Draft", "Active", "On Hold", "Complete"])));
    if draws.chance(0.5) {
        // Halves have one form as text in every language.
        let amount = format!("{}.5", draws.below(1_000_000));
        both.same("budgetAmount", &serde_json::from_str(&amount).unwrap_or_default());
        both.same("budgetCurrency", &json!(draws.pick(&["USD", "EUR", "JPY"])));
    }
    both.same("locked", &json!(draws.chance(0.2)));
    both.document("project", &code, "assetType_Project")
}

fn collection(draws: &mut Draws, number: u64) -> Document {
    let mut both = common(draws, "Collection", number);
    both.same("collectionKind", &json!(draws.pick(&["Manual", "Bin"])));
    both.same("itemCount", &json!(draws.below(500)));
    both.same("private", &json!(draws.chance(0.3)));
    both.document("collection", &format!("CO-{number:07}"), "assetType_Collection")
}

fn image(draws: &mut Draws, number: u64) -> Document {
    let mut both = common(draws, "DeliverableImage", number);
    both.same("houseCode", &json!(house_code(draws)));
    both.same("endpointImageDetail", &json!(draws.pick(&["16x9 Title", "1x1", "Key Art", "Web Hero"])));
    let (width, height) = (320 + draws.below(4000), 180 + draws.below(4000));
    both.same("width", &json!(width));
    both.same("height", &json!(height));
    both.instance.insert("resolution".to_owned(), json!(format!("{width}x{height}")));
    file(draws, &mut both, &["jpg", "png", "tif"]);
    both.document("image", &format!("IM-{number:07}"), "assetType_DeliverableImage")
}

/// The file is an object of its own in the source, two fields in the target. Some are larger than a 32-bit number, and one in
/// a while than what a float of 64 bits can tell exactly.
fn file(draws: &mut Draws, both: &mut Common, formats: &[&'static str]) {
    let format = draws.pick(formats);
    let size = if draws.chance(0.01) { (1 << 53) + 1 + draws.below(1 << 20) } else { draws.below(1 << 40) };
    both.source.insert("file".to_owned(), json!({"container": format, "bytes": size}));
    both.instance.insert("fileFormat".to_owned(), json!(format));
    both.instance.insert("fileSize".to_owned(), json!(size));
}

fn house_code(draws: &mut Draws) -> String {
    format!("HC{:06}", draws.below(1_000_000))
}

/// RFC 3339, milliseconds, UTC.
fn moment(milliseconds: u64) -> String {
    let moment = i64::try_from(milliseconds).ok().and_then(chrono::DateTime::from_timestamp_millis).unwrap_or_default();
    moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
