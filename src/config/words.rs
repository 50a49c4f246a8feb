//! What the words of settings stand for; what is wanted instead, where they stand for nothing.

use crate::load::{Attributes, Deletion, Threshold};

/// How field values are set.
pub(super) fn attributes(text: &str) -> Result<Attributes, String> {
    match text {
        "annotations" => Ok(Attributes::Annotations),
        "metadata" => Ok(Attributes::Metadata),
        "auto" => Ok(Attributes::Auto),
        _ => Err("one of annotations, metadata, auto is wanted".to_owned()),
    }
}

/// By which request an asset is removed.
pub(super) fn deletion(text: &str) -> Result<Deletion, String> {
    match text {
        "action" => Ok(Deletion::Action),
        "delete" => Ok(Deletion::Delete),
        _ => Err("one of action, delete is wanted".to_owned()),
    }
}

/// A number of rows or a share of them, or no limit.
pub(super) fn failures(text: &str) -> Result<Option<Threshold>, String> {
    if text == "none" {
        Ok(None)
    } else {
        Threshold::parse(text).map(Some).map_err(|wanted| format!("{wanted}, or none"))
    }
}

/// A whole number from 0 on.
pub(super) fn whole(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "a whole number is wanted".to_owned())
}
