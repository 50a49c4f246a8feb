//! The answer key: what a right migration makes of the library, from what the generator knows. The rows of the core
//! tables are looked up as a person would with the specification in hand; what a cell means stands beside it
//! ([`super::told`]), so no raw value is read here and no query is run.
//!
//! `tables` (rows by id) and `sheet` (one candidate's outcome) stand below `entity` (candidates, scope, the asset, its
//! version and contents); a file for each target type fills the sheets; `duplicates` and `links` look at all of them at
//! the end. `compare` holds mapped datasets against the sheets, `write` writes them, `manifest` lists dirty
//! cells.

mod collection;
mod compare;
mod described;
mod duplicates;
mod eav;
mod entity;
mod file;
mod house_code;
mod identity;
mod image;
mod links;
mod manifest;
mod owner;
mod project;
mod promo;
mod sheet;
mod source;
mod tables;
mod term;
mod title;
mod title_link;
mod version;
mod video;
mod write;

pub use compare::{Comparison, Difference, compare};
pub use manifest::{DirtyCell, each as each_dirty_cell};
pub use sheet::{REJECT_REASONS, Sheet, Warning};
pub use write::{Written, write};

use super::Library;

/// The same where the migration is set to keep HTML (D40): the raw texts in the order of the fields' names, an empty line
/// between two.
pub fn with_html(mut sheets: Vec<Sheet>) -> Vec<Sheet> {
    for sheet in sheets.iter_mut().filter(|sheet| !sheet.html.is_empty()) {
        let texts: Vec<&str> = sheet.html.values().map(String::as_str).collect();
        let text = texts.join("\n\n");
        sheet.put("legacyHtml", text);
        described::limit(sheet, "legacyHtml");
    }
    sheets
}

/// What is expected of every candidate of a library, by target type and source key.
pub fn expected(library: &Library) -> Vec<Sheet> {
    let tables = entity::load(library);
    let mut candidates = entity::candidates(&tables);
    let registry = identity::Registry::new(&tables, &candidates);
    for candidate in candidates.iter_mut().filter(|candidate| candidate.sheet.out_of_scope.is_none()) {
        identity::fill(&tables, &registry, candidate);
        described::fill(&tables, candidate);
        house_code::fill(&tables, candidate);
        owner::fill(&tables, candidate);
        term::fill(&tables, candidate);
        match candidate.sheet.target {
            "promo" => {
                promo::fill(&tables, candidate);
                file::fill(&tables, candidate);
            }
            "deliverable_image" => image::fill(&tables, candidate),
            "project" => project::fill(&tables, candidate),
            _ => collection::fill(&tables, candidate),
        }
    }
    for candidate in &mut candidates {
        term::legacy(&mut candidate.sheet);
    }
    duplicates::settle(&tables, &mut candidates);
    links::fill(&tables, &mut candidates);
    video::sequences(&tables, &mut candidates);
    image::settle(&mut candidates);
    let mut sheets: Vec<Sheet> = candidates.into_iter().map(|candidate| candidate.sheet).collect();
    sheets.sort_by(|a, b| (a.target, &a.source_key).cmp(&(b.target, &b.source_key)));
    sheets
}
