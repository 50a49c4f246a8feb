//! Which columns point where: by name, as the library declares no foreign keys.

use super::super::{Library, TableSpec, first_id};

/// Column names and the table whose ids they hold.
const TARGETS: [(&[&str], &str); 46] = [
    (
        &[
            "asset_id",
            "left_asset_id",
            "right_asset_id",
            "source_asset_id",
            "derived_asset_id",
            "cover_asset_id",
            "master_asset_id",
            "object_id",
            "object_id_identity",
            "subject_id",
            "doc_id",
            "item_id",
            "keep_id",
        ],
        "asset_master",
    ),
    (&["asset_version_id", "current_version_id"], "asset_version"),
    (&["content_id", "mezzanine_content_id", "proxy_content_id", "original_content_id"], "asset_content"),
    (&["file_id"], "file_info"),
    (&["library_id", "storage_library_id"], "storage_library"),
    (&["directory_id"], "storage_directory"),
    (&["file_system_id"], "storage_file_system"),
    (&["metadata_id"], "metadata"),
    (&["property_id"], "metadata_property"),
    (&["value_id"], "metadata_property_value"),
    (&["text_id"], "metadata_property_text"),
    (&["group_id"], "metadata_group"),
    (&["hierarchy_id"], "metadata_hierarchy"),
    (&["mapping_id"], "metadata_mapping"),
    (&["category_id"], "asset_category"),
    (&["picklist_id"], "picklist"),
    (&["picklist_value_id", "deprecated_by"], "picklist_value"),
    (&["keyword_id", "preferred_id"], "keyword"),
    (&["role_id"], "security_role"),
    (
        &[
            "user_id",
            "owner_id",
            "requested_by",
            "created_by",
            "updated_by",
            "checked_in_by",
            "checked_out_by",
            "added_by",
            "approved_by",
            "imported_by",
            "changed_by",
        ],
        "security_user",
    ),
    (&["collection_id", "ancestor_id", "descendant_id", "child_collection_id"], "asset_collection"),
    (&["project_id"], "project"),
    (&["promo_id"], "promo"),
    (&["title_id"], "title"),
    (&["series_id"], "series"),
    (&["season_id"], "season"),
    (&["campaign_id"], "promo_campaign"),
    (&["deliverable_id"], "deliverable"),
    (&["profile_id"], "deliverable_profile"),
    (&["spec_id"], "deliverable_image_spec"),
    (&["territory_id"], "territory"),
    (&["timeline_id", "edl_id", "main_timeline_id"], "timeline"),
    (&["timeline_asset_id"], "timeline_asset"),
    (&["clip_id"], "clip"),
    (&["marker_type_id"], "marker_type"),
    (&["relation_type_id"], "asset_relation_type"),
    (&["annotation_id"], "annotation"),
    (&["review_id"], "review"),
    (&["transcript_id"], "transcript"),
    (&["media_info_id"], "media_info"),
    (&["workflow_id"], "workflow"),
    (&["workflow_version_id"], "workflow_version"),
    (&["execution_id", "parent_execution_id"], "workflow_execution"),
    (&["watch_folder_id"], "workflow_watch_folder"),
    (&["job_id"], "transcode_job"),
    (&["template_id"], "asset_content_template"),
];
/// More of them, whose names say less.
const ACCESS: [(&str, &str); 6] = [
    ("sid", "security_acl_sid"),
    ("owner_sid", "security_acl_sid"),
    ("acl_object_identity", "security_acl_object_identity"),
    ("parent_object", "security_acl_object_identity"),
    ("object_id_class", "security_acl_class"),
    ("session_primary_id", "spring_session"),
];

/// The ids a column may hold: of a table that counts, or of the assets of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// `first` and up, `rows` of them.
    Counted {
        /// The first id.
        first: u64,
        /// How many there are.
        rows: u64,
    },
    /// Ids of asset_master in the slots of one kind in every block of 1,000 rows.
    Kind {
        /// The first slot.
        slot: u64,
        /// Slots a block.
        slots: u64,
        /// Assets of this kind.
        rows: u64,
    },
}

impl Ids {
    /// What the column of a table refers to; `None` when it is no reference or to an empty table.
    pub(super) fn of(library: &Library, table: &TableSpec, column: &str) -> Option<Self> {
        let assets = library.rows("asset_master");
        let ids = match column {
            "image_asset_id" => Self::Kind { slot: 264, slots: 555, rows: (assets * 555 / 1000).max(1) },
            "document_asset_id" => Self::Kind { slot: 868, slots: 111, rows: (assets * 111 / 1000).max(1) },
            "parent_id" => Self::Counted { first: first_id(table.name), rows: library.rows_of(table) },
            _ => {
                let target = TARGETS.iter().find(|(names, _)| names.contains(&column)).map(|(_, target)| *target);
                let target = target.or_else(|| ACCESS.iter().find(|(name, _)| *name == column).map(|(_, to)| *to))?;
                Self::Counted { first: first_id(target), rows: library.rows(target) }
            }
        };
        (ids.count() > 0).then_some(ids)
    }

    /// How many ids there are.
    pub(super) fn count(self) -> u64 {
        match self {
            Self::Counted { rows, .. } | Self::Kind { rows, .. } => rows,
        }
    }

    /// The id at an index below [`Ids::count`]; different for different indexes.
    pub(super) fn at(self, index: u64) -> u64 {
        match self {
            Self::Counted { first, .. } => first + index,
            // Position p of a block has slot (373 p + 17) mod 1000, and 373 * 437 = 1 (mod 1000).
            Self::Kind { slot, slots, .. } => {
                first_id("asset_master") + index / slots * 1000 + (slot + index % slots + 983) * 437 % 1000
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_block_layout() {
        let images = Ids::Kind { slot: 264, slots: 555, rows: 1110 };
        let mut ids: Vec<u64> = (0..1110).map(|index| images.at(index)).collect();
        for id in &ids {
            let slot = ((id - 200) % 1000 * 373 + 17) % 1000;
            assert!((264..819).contains(&slot));
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1110);
    }
}
