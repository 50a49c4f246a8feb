//! Promos: their own fields and the technical ones of their videos.

use serde_json::{Value as Json, json};

use super::described;
use super::eav;
use super::entity::{Candidate, cell};
use super::sheet::Sheet;
use super::tables::Tables;
use super::video::{self, Rate};
use crate::rehearsal::library::Value;

/// Spot lengths in seconds (D75).
const SPOTS: [u64; 9] = [5, 10, 15, 20, 30, 45, 60, 90, 120];

/// What an open end means (D47, D48).
const OPEN: &str = "infinity";

/// Fills in the fields.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let rate = video::fill(tables, candidate);
    code(candidate);
    let property = |property| eav::one(tables, candidate.metadata_id, property);
    let (spot, campaign) = (property(43), property(45));
    if candidate.own("length_txt").means().is_null() && candidate.own("length_seconds").means().is_null() {
        eav::tell_several(&mut candidate.sheet, "promoLength", tables, candidate.metadata_id, 43);
    }
    length(candidate, &spot, rate);
    let own = ["version_label", "tagline", "editor_initials", "script", "notes_html", "isci_code"]
        .map(|column| candidate.own(column).clone());
    let started = tables.one("promo_campaign", "id", candidate.own("campaign_id").number());
    let sheet = &mut candidate.sheet;
    for (field, value) in ["versionLabel", "tagline", "editor", "script", "notes", "isciCode"].into_iter().zip(&own) {
        sheet.choose(field, [value]);
    }
    described::limit(sheet, "script");
    described::limit(sheet, "notes");
    if cell(started.as_ref(), "name").means().is_null() {
        eav::tell_several(sheet, "campaign", tables, candidate.metadata_id, 45);
    }
    sheet.choose("campaign", [cell(started.as_ref(), "name"), &campaign]);
    air(candidate);
    airings(tables, candidate);
}

/// A routed asset has no code and no type of its own (rulings A03): the house code, where it is one, or the generated
/// id stands for the code.
fn code(candidate: &mut Candidate<'_>) {
    if candidate.class != "AssetMaster" {
        let code = candidate.own("promo_code").clone();
        candidate.sheet.require("promoCode", [&code]);
        return;
    }
    let house = candidate.sheet.get("houseCode");
    let valid = house.as_str().is_some_and(|code| {
        code.strip_prefix("HC").is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit()))
    });
    let code = if valid { house } else { json!(format!("reach:{}", candidate.sheet.source_key)) };
    candidate.sheet.put("promoCode", code);
    candidate.sheet.put("promoType", "Other");
    candidate.sheet.warn("PROMO_DERIVED", "promoType");
}

/// D63, D75: the nominal length within a hundredth, else whole seconds, half to even. Two lengths of the promo's that
/// differ by more contradict each other.
fn length(candidate: &mut Candidate<'_>, described: &Value, rate: Option<Rate>) {
    let cells = [candidate.own("length_txt").clone(), candidate.own("length_seconds").clone(), described.clone()];
    let best = video::lengths(&mut candidate.sheet, "promoLength", &cells, rate);
    match best.as_u64() {
        Some(millis) => candidate.sheet.put("promoLength", seconds(millis)),
        None => candidate.sheet.reject("MISSING_MANDATORY", Some("promoLength".to_owned())),
    }
}

fn seconds(millis: u64) -> u64 {
    let spot = SPOTS.into_iter().find(|spot| millis.abs_diff(spot * 1000) * 100 <= spot * 1000);
    let (whole, rest) = (millis / 1000, millis % 1000);
    spot.unwrap_or(whole + u64::from(rest > 500 || (rest == 500 && whole % 2 == 1)))
}

/// D47, D48, D51, D52: only the end sets the flag (rulings A29). Both ends stay if they are in the wrong order (A46).
fn air(candidate: &mut Candidate<'_>) {
    let cells = [("airStart", candidate.own("air_start").clone()), ("airEnd", candidate.own("air_end").clone())];
    let sheet = &mut candidate.sheet;
    let [start, end] = cells.map(|(field, cell)| {
        let means = moment(sheet, field, &cell);
        let open = means == OPEN;
        if open && field == "airEnd" {
            sheet.put("openEnded", true);
        }
        let value = if open { Json::Null } else { means };
        sheet.put(field, value.clone());
        value
    });
    // Instants in one form order as text.
    if let (Some(start), Some(end)) = (start.as_str(), end.as_str())
        && end < start
    {
        sheet.warn("DATE_ORDER", "airEnd");
    }
}

/// What a moment means; its raw value is no text.
fn moment(sheet: &mut Sheet, field: &'static str, cell: &Value) -> Json {
    sheet.touch(field, cell);
    for code in cell.codes() {
        sheet.warn(code, field);
    }
    cell.means()
}

/// The airings by time, network (D33) and daypart; one whose time is open comes last, without it (rulings A46).
fn airings(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    if candidate.class == "AssetMaster" {
        return;
    }
    let mut list = Vec::new();
    for row in tables.by("promo_air_date", "promo_id", candidate.id()) {
        let at = moment(&mut candidate.sheet, "airDates", row.cell("air_at"));
        let at = if at == OPEN { Json::Null } else { at };
        let [network, daypart] =
            ["network", "daypart"].map(|column| candidate.sheet.read("airDates", row.cell(column)));
        // What is not known comes last.
        let order =
            [&at, &network, &daypart].map(|text| (text.is_null(), text.as_str().unwrap_or_default().to_owned()));
        list.push((order, json!({"network": network, "at": at, "daypart": daypart})));
    }
    list.sort_by(|a, b| a.0.cmp(&b.0));
    candidate.sheet.put("airDates", list.into_iter().map(|entry| entry.1).collect::<Vec<Json>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_are_nominal_within_a_hundredth() {
        for (millis, expected) in
            [(30_000, 30), (30_030, 30), (30_300, 30), (14_851, 15), (36_500, 36), (37_500, 38), (37_400, 37), (250, 0)]
        {
            assert_eq!(seconds(millis), expected, "{millis}");
        }
    }
}
