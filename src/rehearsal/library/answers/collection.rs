//! Collections: what their own row says. Parents, members and paths are links.

use super::entity::Candidate;
use super::tables::Tables;

/// Fills in the fields.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let _ = tables;
    let private = candidate.own("private").means() == true;
    candidate.sheet.put("private", private);
    let color = candidate.own("color");
    candidate.sheet.choose("color", [color]);
    expiry(candidate);
    let path = candidate.own("repository_path");
    candidate.sheet.choose("repositoryPath", [path]);
}

/// D47, rulings A29: what has no end says so; what has no beginning says nothing. Expired collections are kept (D58).
fn expiry(candidate: &mut Candidate<'_>) {
    let cell = candidate.own("expires_at");
    let sheet = &mut candidate.sheet;
    sheet.touch("expiresAt", cell);
    sheet.touch("openEnded", cell);
    for code in cell.codes() {
        sheet.warn(code, "expiresAt");
    }
    let means = cell.means();
    if means == "infinity" {
        sheet.put("openEnded", true);
    } else {
        sheet.put("expiresAt", means);
    }
}
