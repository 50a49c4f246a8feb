//! Titles: the first of four sources that is one, the others beside it (section 10, D01 to D05, D08, D09, rulings A05,
//! A06, A38, A45).

use serde_json::Value as Json;
use unicode_segmentation::UnicodeSegmentation;

use super::super::Value;
use super::entity::{Candidate, cell};
use super::sheet::Sheet;
use super::tables::Tables;
use super::{eav, house_code, title_link};

/// The source whose titles are all upper case (D08).
const SHOUTING: i64 = 21;
/// Words for nothing in any case, but for `None` as it stands here, which is a title (D03, rulings A05).
const PLACEHOLDERS: [&str; 7] = ["null", "n/a", "-", "tbd", "untitled", "none", "(blank)"];
/// Property `title`, the second source.
const TITLE: i64 = 1;
/// Characters of a title (D05).
const LENGTH: usize = 255;

/// A source of titles with what it says.
struct Source {
    cell: Value,
    /// The title, if it is one.
    title: Option<String>,
    /// Whether what is left of a file's name is a placeholder (D03).
    placeholder: bool,
    /// Whether it stands among the alternate titles, if it is not the title itself.
    alternate: bool,
}

/// Fills in title, original title and alternate titles.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let object = candidate.metadata_id;
    let code = house_code::valid(tables, candidate);
    let named = |title: &str| is_file_name(candidate, code.as_deref(), title);
    let sources = sources(tables, candidate, &named);
    let Some(place) = sources.iter().position(|source| source.title.is_some()) else {
        let sheet = &mut candidate.sheet;
        let mut placeholder = None;
        for source in &sources {
            read(sheet, source);
            if source.placeholder || source.cell.codes().contains(&"PLACEHOLDER_DROPPED") {
                placeholder = Some("placeholder".to_owned());
            }
        }
        eav::tell_several(sheet, "title", tables, object, TITLE);
        sheet.reject("MISSING_TITLE", placeholder);
        return;
    };
    let title = sources[place].title.clone().unwrap_or_default();
    let looks_like_file = named(&title);
    let shouts = candidate.of_asset("source_id").number() == Some(SHOUTING)
        && title.to_uppercase() == title
        && title.to_lowercase() != title;
    let sheet = &mut candidate.sheet;
    for source in sources.iter().take(place + 1) {
        read(sheet, source);
    }
    if place > 0 {
        eav::tell_several(sheet, "title", tables, object, TITLE);
    }
    let raw = sources[place].cell.text();
    if looks_like_file {
        sheet.warn_of("TITLE_LOOKS_LIKE_FILENAME", "title", raw.clone());
    }
    if shouts {
        sheet.warn_of("SHOUTING_TITLE", "title", raw.clone());
    }
    let cut = cut(&title);
    if cut != title {
        sheet.warn_of("TITLE_TRUNCATED", "title", raw);
        sheet.put("originalTitle", title.clone());
    }
    sheet.put("title", cut);
    let mut seen = vec![title.to_lowercase()];
    let mut others = Vec::new();
    for source in sources.iter().skip(place + 1).filter(|source| source.alternate) {
        sheet.touch("alternateTitles", &source.cell);
        let Some(other) = &source.title else { continue };
        if !seen.contains(&other.to_lowercase()) {
            seen.push(other.to_lowercase());
            others.push(Json::from(other.clone()));
        }
    }
    sheet.put("alternateTitles", others);
}

/// Takes note of a source that is asked.
fn read(sheet: &mut Sheet, source: &Source) {
    sheet.read("title", &source.cell);
    if source.placeholder {
        sheet.warn_of("PLACEHOLDER_DROPPED", "title", source.cell.text());
    }
}

/// The sources of a candidate in their order.
fn sources(tables: &Tables<'_>, candidate: &Candidate<'_>, named: &impl Fn(&str) -> bool) -> Vec<Source> {
    let source = |cell: Value, alternate| Source { title: text(&cell), cell, placeholder: false, alternate };
    let own = match candidate.class {
        "Promo" | "DeliverableImage" => candidate.own("title"),
        "Project" | "AssetCollection" => candidate.own("name"),
        _ => &Value::Null,
    };
    let mut found = vec![source(own.clone(), true), source(eav::one(tables, candidate.metadata_id, TITLE), true)];
    if matches!(candidate.sheet.target, "project" | "promo") {
        let title = title_link::of(tables, candidate);
        found.push(source(cell(title.as_ref(), "title_name").clone(), false));
    }
    let name = candidate.of_asset("name").clone();
    let whole = text(&name);
    // What is left of a file's name is judged again.
    let blank = |character: char| character.is_whitespace() || "\u{200b}\u{2060}\u{feff}".contains(character);
    let stem = whole.as_deref().map(|whole| without_extension(whole).trim_matches(blank).to_owned());
    let placeholder =
        stem.as_ref().is_some_and(|stem| stem != "None" && PLACEHOLDERS.contains(&stem.to_lowercase().as_str()));
    let title = stem.filter(|stem| !placeholder && !stem.is_empty());
    let alternate = title == whole && !title.as_deref().is_some_and(named);
    found.push(Source { cell: name, title, placeholder, alternate });
    found
}

fn text(cell: &Value) -> Option<String> {
    cell.means().as_str().map(ToOwned::to_owned)
}

/// A name without its extension: the last dot and two to five ASCII letters or digits behind it, a letter among them
/// (rulings A38).
fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, end))
            if (2..=5).contains(&end.len())
                && !stem.is_empty()
                && end.chars().all(|character| character.is_ascii_alphanumeric())
                && end.chars().any(|character| character.is_ascii_alphabetic()) =>
        {
            stem
        }
        _ => name,
    }
}

/// D04: the name of the file, with or without extension, the uuid in any form, or the house code.
fn is_file_name(candidate: &Candidate<'_>, code: Option<&str>, title: &str) -> bool {
    let file = text(candidate.technical.file("original_name"));
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let is_file = file.is_some_and(|file| same(&file, title) || same(without_extension(&file), title));
    let hex = |text: &str| -> String {
        let text = text.to_lowercase();
        text.trim_start_matches("urn:uuid:").chars().filter(char::is_ascii_hexdigit).collect()
    };
    let own = if matches!(candidate.class, "Project" | "AssetCollection") {
        candidate.own("uuid")
    } else {
        candidate.of_asset("uuid")
    };
    let plain = |character: char| character.is_ascii_hexdigit() || "-{}urn:id".contains(character.to_ascii_lowercase());
    let is_uuid = text(own).is_some_and(|uuid| hex(&uuid) == hex(title) && title.chars().all(plain));
    let spelled: String = title.to_uppercase().chars().filter(|character| !" -.".contains(*character)).collect();
    is_file || is_uuid || code == Some(spelled.as_str())
}

/// At most 255 code points, up to the last boundary of graphemes before, without blanks at the end (rulings A06).
fn cut(title: &str) -> String {
    if title.chars().count() <= LENGTH {
        return title.to_owned();
    }
    let mut kept = String::new();
    let mut count = 0;
    for grapheme in title.graphemes(true) {
        count += grapheme.chars().count();
        if count > LENGTH {
            break;
        }
        kept.push_str(grapheme);
    }
    kept.trim_end().to_owned()
}
