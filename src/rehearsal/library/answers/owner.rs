//! Owners: the user that a row refers to by id or names, else the deployment's default owner (D21).

use super::entity::Candidate;
use super::tables::{Row, Tables};

/// Fills in `owner`.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let cell = match candidate.class {
        "Project" => candidate.own("user"),
        "AssetCollection" => candidate.own("owner_id"),
        _ => candidate.of_asset("owner_id"),
    };
    if cell.is_null() {
        return;
    }
    let means = candidate.sheet.read("owner", cell);
    let user = tables.one("security_user", "id", means.as_i64());
    let owner = user.or_else(|| default_owner(tables)).map(|user| user.means("display_name"));
    candidate.sheet.put("owner", owner.unwrap_or_default());
}

/// The user that `deployment.default_owner` names.
fn default_owner<'a>(tables: &'a Tables<'_>) -> Option<Row<'a>> {
    let setting = tables.meaning("dynamic_property", "name", "deployment.default_owner");
    let name = setting.first()?.means("value");
    tables.meaning("security_user", "user_name", name.as_str()?).into_iter().next()
}
