//! Duplicates by external id, judged among the rows that are otherwise valid (D10 to D12, rulings A02, A28).

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::entity::Candidate;
use super::tables::Tables;

/// The fields in which a row and its duplicate may differ and be one all the same, beside dates of the row itself:
/// identifiers of the row, and the external id, whose spelling may differ.
const OWN: [&str; 5] = ["legacyId", "legacyUuid", "externalId", "createdDate", "modifiedDate"];

/// Rejects or merges the losers; of the candidates on one asset only the one that bears the asset's id is concerned.
/// The winner has the latest change (infinity is none), then the lowest asset id.
pub fn settle(tables: &Tables<'_>, candidates: &mut [Candidate<'_>]) {
    let _ = tables;
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, candidate) in candidates.iter().enumerate() {
        if candidate.sheet.disposition() == "load"
            && let Some(key) = key(candidate)
        {
            groups.entry(key).or_default().push(place);
        }
    }
    for places in groups.values().filter(|places| places.len() > 1) {
        let rank = |place: &usize| {
            let candidate = &candidates[*place];
            let changed = candidate.of_asset("date_updated").means().as_str().map(ToOwned::to_owned);
            (Reverse(changed.filter(|changed| !changed.ends_with("infinity"))), candidate.sheet.asset_id)
        };
        let Some(winner) = places.iter().copied().min_by_key(rank) else { continue };
        for loser in places.iter().copied().filter(|place| *place != winner) {
            let equal = same(&candidates[winner], &candidates[loser]);
            let key = candidates[winner].sheet.source_key.clone();
            let sheet = &mut candidates[loser].sheet;
            if equal {
                sheet.merged_into = Some(key);
            } else {
                sheet.reject("DUPLICATE_EXTERNAL_ID", Some(key));
            }
            let met = sheet.dirt.get("externalId").cloned().unwrap_or_default();
            sheet.dirt.entry("").or_default().extend(met);
        }
    }
}

/// The external id in one case, unless it is made of the source key.
fn key(candidate: &Candidate<'_>) -> Option<String> {
    let id = candidate.sheet.get("externalId");
    let id = id.as_str()?;
    (id != format!("reach:{}", candidate.sheet.source_key)).then(|| id.trim().to_lowercase())
}

/// Equal in every mapped field; references are not compared, they follow from what is merged.
fn same(winner: &Candidate<'_>, loser: &Candidate<'_>) -> bool {
    let fields = |candidate: &Candidate<'_>| -> HashMap<&'static str, serde_json::Value> {
        let fields = candidate.sheet.fields.iter().filter(|(field, _)| !OWN.contains(field));
        fields.map(|(field, value)| (*field, value.clone())).collect()
    };
    winner.sheet.target == loser.sheet.target && fields(winner) == fields(loser)
}
