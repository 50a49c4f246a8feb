//! What a conflict is, and which of them block.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// In what way documents conflict with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A document that cannot be read.
    Unparseable,
    /// A field that must be there, or was, is not.
    Missing,
    /// Objects and lists where others are wanted, or the other way round.
    Nested,
    /// Values of another type.
    Retyped,
    /// Values of the right type that are refused: beyond a closed list, too long, no date.
    Value,
    /// Values of several types.
    Mixed,
    /// A field that is not known.
    New,
}

/// With what documents conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// Within themselves.
    Itself,
    /// The definition of the target.
    Definition,
    /// What queries over documents declare of them.
    Declared,
    /// The documents of another group.
    Group,
    /// The delivery before.
    Former,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Unparseable, Self::Missing, Self::Nested, Self::Retyped, Self::Value, Self::Mixed, Self::New];

    /// The word of settings and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unparseable => "unparseable",
            Self::Missing => "missing",
            Self::Nested => "nested",
            Self::Retyped => "retyped",
            Self::Value => "value",
            Self::Mixed => "mixed",
            Self::New => "new",
        }
    }
}

impl Against {
    const ALL: [Self; 5] = [Self::Itself, Self::Definition, Self::Declared, Self::Group, Self::Former];

    /// The word of settings and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Itself => "itself",
            Self::Definition => "definition",
            Self::Declared => "declared",
            Self::Group => "group",
            Self::Former => "former",
        }
    }
}

/// Conflicts that block: of a kind, `retyped`, or of a kind against something, `retyped/former`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    kind: Kind,
    against: Option<Against>,
}

impl Blocks {
    /// What blocks where nothing is set: what the target would refuse, and what has changed under mappings that were right. A
    /// value of another type than is declared does not: queries find it beside its column.
    pub const DEFAULT: [Self; 6] = [
        Self { kind: Kind::Unparseable, against: None },
        Self { kind: Kind::Missing, against: Some(Against::Definition) },
        Self { kind: Kind::Nested, against: Some(Against::Definition) },
        Self { kind: Kind::Nested, against: Some(Against::Former) },
        Self { kind: Kind::Retyped, against: Some(Against::Definition) },
        Self { kind: Kind::Retyped, against: Some(Against::Former) },
    ];

    fn holds(self, kind: Kind, against: Against) -> bool {
        self.kind == kind && self.against.is_none_or(|own| own == against)
    }
}

impl FromStr for Blocks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, against) = text.split_once('/').map_or((text, None), |(kind, against)| (kind, Some(against)));
        let kind = Kind::ALL.into_iter().find(|known| known.word() == kind);
        let against = against.map(|against| Against::ALL.into_iter().find(|known| known.word() == against));
        match (kind, against) {
            (Some(kind), None) => Ok(Self { kind, against: None }),
            (Some(kind), Some(Some(against))) => Ok(Self { kind, against: Some(against) }),
            _ => Err(format!(
                "`{text}`: {}, alone or with one of /{} is wanted",
                Kind::ALL.map(Kind::word).join(", "),
                Against::ALL.map(Against::word).join(", /")
            )),
        }
    }
}

/// `[deliver.conflicts]`.
#[derive(Debug, Clone, Default)]
pub struct ConflictsConfig {
    /// What blocks; else it warns.
    pub blocking: Vec<Blocks>,
    /// Paths about which nothing blocks or warns, with all below them.
    pub allow: Vec<String>,
    /// Go on all the same.
    pub accept: bool,
    /// `[deliver.conflicts.GROUP]`.
    pub groups: BTreeMap<String, GroupConfig>,
    /// The folder of definitions, a file each.
    pub definitions: PathBuf,
    /// Fields whose lists the target leaves open, by definition.
    pub open: BTreeMap<String, Vec<String>>,
}

/// `[deliver.conflicts.GROUP]`: of the documents in one folder.
#[derive(Debug, Clone, Default)]
pub struct GroupConfig {
    /// The definition that its documents are held to; one of its own name where `None`, if there is one.
    pub definition: Option<String>,
    /// What blocks, instead of what blocks elsewhere.
    pub blocking: Option<Vec<Blocks>>,
    /// More paths about which nothing blocks or warns.
    pub allow: Vec<String>,
}

/// What a conflict does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What follows waits until it is settled or accepted.
    Blocking,
    /// It would block, and the settings say to go on.
    Accepted,
    /// It is told.
    Warning,
    /// It is recorded.
    Allowed,
}

impl Severity {
    /// The word of reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Accepted => "accepted",
            Self::Warning => "warning",
            Self::Allowed => "allowed",
        }
    }
}

impl ConflictsConfig {
    /// What a conflict of a group does.
    pub(super) fn severity(&self, group: &str, path: &str, kind: Kind, against: Against) -> Severity {
        let own = self.groups.get(group);
        let mut allowed = self.allow.iter().chain(own.iter().flat_map(|own| &own.allow));
        if allowed.any(|allowed| covers(allowed, path)) {
            return Severity::Allowed;
        }
        let blocking = own.and_then(|own| own.blocking.as_ref()).unwrap_or(&self.blocking);
        match blocking.iter().any(|blocks| blocks.holds(kind, against)) {
            true if self.accept => Severity::Accepted,
            true => Severity::Blocking,
            false => Severity::Warning,
        }
    }
}

/// Whether a path is this one or lies below it.
fn covers(allowed: &str, path: &str) -> bool {
    path.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_is_said_by_kind_and_against_what() {
        let blocks = |text: &str| text.parse::<Blocks>();
        assert!(blocks("retyped").unwrap().holds(Kind::Retyped, Against::Group));
        assert!(!blocks("retyped/former").unwrap().holds(Kind::Retyped, Against::Group));
        for wrong in ["", "retype", "retyped/", "retyped/before", "new/"] {
            let error = blocks(wrong).unwrap_err();
            assert!(error.contains("unparseable, missing") && error.contains("/former"), "{error}");
        }
    }

    #[test]
    fn groups_have_their_own_severities_and_paths_that_are_allowed() {
        let group = GroupConfig {
            blocking: Some(vec!["new".parse().unwrap()]),
            allow: vec!["a.b".to_owned()],
            ..GroupConfig::default()
        };
        let config = ConflictsConfig {
            blocking: Blocks::DEFAULT.to_vec(),
            allow: vec!["x".to_owned()],
            groups: [("g".to_owned(), group)].into(),
            ..ConflictsConfig::default()
        };
        let of = |group: &str, path: &str, kind| config.severity(group, path, kind, Against::Former);
        assert_eq!(of("g", "a", Kind::New), Severity::Blocking);
        assert_eq!(of("g", "a", Kind::Retyped), Severity::Warning);
        assert_eq!(of("h", "a", Kind::Retyped), Severity::Blocking);
        assert_eq!(of("g", "a.b[].c", Kind::New), Severity::Allowed);
        assert_eq!(of("g", "a.bc", Kind::New), Severity::Blocking);
        assert_eq!(of("h", "x[]", Kind::Retyped), Severity::Allowed);
        let accepting = ConflictsConfig { accept: true, ..config };
        assert_eq!(accepting.severity("h", "a", Kind::Retyped, Against::Former), Severity::Accepted);
    }
}
