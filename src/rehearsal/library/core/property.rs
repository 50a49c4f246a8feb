//! The 412 field definitions of section 6.

use super::dice::{NOW, local};
use super::{Value, int, label, text, vocabulary};

/// The types of `meta_data_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A line of text.
    String,
    /// Long text, stored apart.
    Text,
    /// A whole number.
    Integer,
    /// A floating point number.
    Double,
    /// An exact number.
    Decimal,
    /// Yes or no.
    Boolean,
    /// A day.
    Date,
    /// A moment without a zone.
    DateTime,
    /// A value of a picklist.
    Picklist,
    /// A path in a tree.
    Hierarchy,
    /// Free tags.
    Tags,
    /// A user.
    User,
}

impl Type {
    const ALL: [Self; 12] = [
        Self::String,
        Self::Text,
        Self::Integer,
        Self::Double,
        Self::Decimal,
        Self::Boolean,
        Self::Date,
        Self::DateTime,
        Self::Picklist,
        Self::Hierarchy,
        Self::Tags,
        Self::User,
    ];

    fn label(self) -> &'static str {
        [
            "STRING",
            "TEXT",
            "INTEGER",
            "DOUBLE",
            "DECIMAL",
            "BOOLEAN",
            "DATE",
            "DATETIME",
            "PICKLIST",
            "HIERARCHY",
            "TAGS",
            "USER",
        ][self as usize]
    }
}

/// On which objects a field has values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// All.
    All,
    /// Videos.
    Video,
    /// Videos and images.
    Pictures,
    /// Projects.
    Projects,
}

/// A named field: how often (parts of a million of the objects it is for) it has a value.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The id.
    pub id: u16,
    /// The name.
    pub name: &'static str,
    /// The type.
    pub kind: Type,
    /// More than one value.
    pub multiple: bool,
    /// Parts of a million.
    pub fill: u64,
    /// On which objects.
    pub on: On,
}

const fn field(id: u16, name: &'static str, kind: Type, multiple: bool, fill: u64, on: On) -> Field {
    Field { id, name, kind, multiple, fill: fill * 10_000, on }
}

use On::{All, Pictures, Projects, Video};
use Type::{Boolean, Date, DateTime, Decimal, Integer, Picklist, String, Tags, Text};

/// The named fields.
pub const FIELDS: [Field; 62] = [
    field(1, "title", String, false, 81, All),
    field(2, "shortDescription", Text, false, 22, All),
    field(3, "longDescription", Text, false, 35, All),
    field(4, "summary", Text, false, 9, Video),
    field(5, "keywords", Tags, true, 64, All),
    field(6, "tags", Tags, true, 12, All),
    field(7, "titleClass", Picklist, false, 58, Pictures),
    field(8, "contentType", Picklist, false, 77, Video),
    field(9, "series", String, false, 37, All),
    field(10, "seriesID", String, false, 37, All),
    field(11, "season", Integer, false, 33, All),
    field(12, "episodeSequence", String, false, 33, All),
    field(13, "episodeRunOrder", Integer, false, 13, All),
    field(14, "assetFormat", Picklist, false, 44, All),
    field(15, "endpointImageDetail", Picklist, false, 33, All),
    field(16, "videoResolution", Picklist, false, 62, Video),
    field(17, "houseCode", String, false, 71, All),
    field(18, "aspectRatio", Picklist, false, 55, All),
    field(19, "videoScanType", Picklist, false, 40, Video),
    field(20, "telecine", Boolean, false, 12, Video),
    field(21, "audioChannelConfiguration", String, false, 49, Video),
    field(22, "closedCaptionInfo", Picklist, false, 66, Video),
    field(23, "svodLiveDate", Date, false, 18, All),
    field(24, "svodKillDate", Date, false, 18, All),
    field(25, "licenseWindow", String, true, 9, All),
    field(26, "licenseTerritory", Picklist, true, 14, All),
    field(27, "recordOID", String, false, 40, All),
    field(28, "weekID", Integer, false, 7, All),
    field(29, "eventLocation", String, false, 7, All),
    field(30, "preValidated", Boolean, false, 30, All),
    field(31, "cast", String, true, 21, All),
    field(32, "genres", Picklist, true, 26, All),
    field(33, "director", String, true, 17, All),
    field(34, "writer", String, true, 9, All),
    field(35, "producer", String, true, 12, All),
    field(36, "studio", Picklist, false, 14, All),
    field(37, "rating", Picklist, false, 22, All),
    field(38, "releaseYear", Integer, false, 24, All),
    field(39, "runtime", String, false, 30, Video),
    field(40, "eidr", String, false, 11, All),
    field(41, "creditStartTime", String, false, 8, Video),
    field(42, "airDate", DateTime, false, 26, All),
    field(43, "promoLength", String, false, 25, Video),
    field(44, "network", Picklist, false, 48, All),
    field(45, "campaign", String, false, 5, All),
    field(46, "rightsNotes", Text, false, 13, All),
    field(47, "rightsExpire", Date, false, 15, All),
    field(48, "approvalStatus", Picklist, false, 20, All),
    field(49, "language", Picklist, false, 45, All),
    field(50, "budget", Decimal, false, 2, Projects),
    field(51, "status", Picklist, false, 15, All),
    field(52, "city", String, false, 6, All),
    field(53, "state", String, false, 4, All),
    field(54, "country", String, false, 6, All),
    field(55, "photographer", String, false, 9, All),
    field(56, "copyright", String, false, 12, All),
    field(57, "usageNotes", Text, false, 3, All),
    field(58, "shootDate", Date, false, 5, All),
    field(59, "camera", String, false, 4, All),
    field(60, "cardNumber", String, false, 2, All),
    field(204, "HouseCode", String, false, 3, All),
    field(377, "house_code", String, false, 1, All),
];

/// The column of `metadata_property_value` that a field's values stand in by its type.
pub fn typed_column(id: i64) -> &'static str {
    let known = FIELDS.iter().find(|field| i64::from(field.id) == id);
    match known.map_or(String, |field| field.kind) {
        Text => "text_id",
        Integer | Type::User => "long_value",
        Type::Double => "double_value",
        Decimal => "decimal_value",
        Boolean => "boolean_value",
        Date | DateTime => "date_value",
        Picklist => "picklist_value_id",
        Type::Hierarchy => "hierarchy_path",
        String | Tags => "string_value",
    }
}

/// The type of one of the clients' own fields.
pub fn custom_type(id: u64) -> Type {
    Type::ALL[super::dice::index(id % 12)]
}

/// A row of `metadata_property`; ids count from 1.
pub fn row(row: u64, out: &mut Vec<Value>) {
    let id = row + 1;
    let known = FIELDS.iter().find(|field| u64::from(field.id) == id);
    let kind = known.map_or_else(|| custom_type(id), |field| field.kind);
    let name = match known {
        Some(field) => field.name.to_owned(),
        None if id <= 232 => format!("custom{id:03}"),
        None => format!("unused{id:03}"),
    };
    let multiple = known.map_or(id.is_multiple_of(9), |field| field.multiple);
    let picklist = match known {
        Some(field) if kind == Picklist => vocabulary::list_id(field.name),
        None if kind == Picklist => Some(vocabulary::custom(id, 0).0),
        _ => None,
    };
    let class = match known.map(|field| field.on) {
        Some(Video) => "VideoAssetMaster",
        Some(Projects) => "Project",
        _ => "AssetMaster",
    };
    out.extend([
        Value::id(id),
        text(name.clone()),
        text(name),
        label(kind.label()),
        Value::Bool(multiple),
        Value::Bool(id == 1),
        picklist.map_or(Value::Null, Value::id),
        label(class),
        Value::Null,
        Value::Null,
        if kind == String { int(4000) } else { Value::Null },
        Value::Bool(id <= 60),
        label(if id <= 50 { "core" } else { "studio" }),
        Value::Bool(!matches!(id, 204 | 377) && id <= 232),
        Value::Null,
        text(local(NOW - id * 500_000)),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_specification() {
        let mut rows = Vec::new();
        (0..412).for_each(|number| row(number, &mut rows));
        assert_eq!(rows.len(), 412 * 16);
        for field in &FIELDS {
            let at = (usize::from(field.id) - 1) * 16;
            assert_eq!(rows[at], Value::id(field.id.into()));
            assert_eq!(rows[at + 1], text(field.name));
            assert_eq!(rows[at + 6] == Value::Null, field.kind != Picklist, "{}", field.name);
        }
    }
}
