//! The moments that the tables of a run are of: one, unless an extraction was broken off and has gone on while others
//! wrote to the source.

use super::manifest::SnapshotNote;
use crate::dataflow::TableName;

/// Tables of a moment that a remark names; the others are counted.
const NAMED: usize = 5;

/// Tables by the moment they are of, the oldest moment first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moments {
    moments: Vec<Moment>,
}

/// Tables that show the source at one moment, read under one snapshot or under several that show the same rows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    first: SnapshotNote,
    tables: Vec<TableName>,
}

impl Moments {
    /// The moments of these tables. What is not known to be one moment is taken for two.
    pub fn of<'a>(tables: impl IntoIterator<Item = (&'a TableName, &'a SnapshotNote)>) -> Self {
        let mut moments: Vec<Moment> = Vec::new();
        for (table, snapshot) in tables {
            match moments.iter_mut().find(|moment| moment.first.is_moment_of(snapshot)) {
                Some(moment) => moment.tables.push(table.clone()),
                None => moments.push(Moment { first: snapshot.clone(), tables: vec![table.clone()] }),
            }
        }
        moments.sort_by(|a, b| a.first.at.cmp(&b.first.at));
        Self { moments }
    }

    /// Whether all tables show the source at one moment.
    pub fn is_one(&self) -> bool {
        self.moments.len() < 2
    }

    /// What people are to know when the tables of `run` are of more than one moment; none if they are of one.
    pub fn remark(&self, run: &str) -> Option<String> {
        let (newest, older) = self.moments.split_last()?;
        if older.is_empty() {
            return None;
        }
        let part = |moment: &Moment| {
            let mut names: Vec<String> = moment.tables.iter().take(NAMED).map(ToString::to_string).collect();
            if moment.tables.len() > NAMED {
                names.push(format!("{} more", moment.tables.len() - NAMED));
            }
            format!("{} of {}", names.join(", "), moment.first.at)
        };
        let older: Vec<String> = older.iter().map(part).collect();
        Some(format!(
            "the tables of run {run} are of {} moments: {}; the other {} of {}. Rows that belong together may have changed \
             in between; for one moment start a new run",
            self.moments.len(),
            older.join("; "),
            newest.tables.len(),
            newest.first.at
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::ServerState;

    fn note(id: &str, at: &str, transactions: Option<&str>) -> SnapshotNote {
        let state = transactions.map(|transactions| ServerState {
            transactions: transactions.into(),
            system: "7".into(),
            timeline: 1,
            database: 16384,
            counting_since: "2026-01-01 00:00:00+00".into(),
        });
        SnapshotNote { id: id.into(), lsn: None, at: at.into(), state }
    }

    #[test]
    fn snapshots_that_see_the_same_transactions_are_one_moment_and_all_others_are_not() {
        let names: Vec<TableName> = ["a", "b", "c"].map(|name| TableName::new("public", name)).into();
        let moments = |notes: [SnapshotNote; 3]| Moments::of(names.iter().zip(&notes));
        let seen = Some("10:12:11");
        assert!(moments([note("1", "T1", seen), note("2", "T2", seen), note("3", "T3", seen)]).is_one());
        assert!(moments([note("1", "T1", None), note("1", "T1", None), note("1", "T1", None)]).is_one());
        // The same id at another time is another snapshot: ids are given out again after a restart.
        assert!(!moments([note("1", "T1", None), note("1", "T2", None), note("1", "T1", None)]).is_one());
        let mixed = moments([note("2", "T2", Some("10:13:")), note("1", "T1", seen), note("3", "T3", seen)]);
        let remark = mixed.remark("r").unwrap();
        assert!(remark.contains("2 moments: public.b, public.c of T1; the other 1 of T2."), "{remark}");
        let mut elsewhere = note("2", "T2", seen);
        elsewhere.state.as_mut().unwrap().counting_since = "2026-01-02 00:00:00+00".into();
        assert!(!moments([note("1", "T1", seen), elsewhere, note("1", "T1", seen)]).is_one());
        assert_eq!(Moments::default().remark("r"), None);
    }

    #[test]
    fn notes_of_earlier_versions_are_read() {
        let old = r#"{"id": "1-1", "lsn": "0/1", "at": "2026-01-01T00:00:00Z"}"#;
        let note: SnapshotNote = serde_json::from_str(old).unwrap();
        assert!(note.state.is_none() && note.is_moment_of(&note.clone()));
        assert_eq!(serde_json::to_value(&note).unwrap(), serde_json::from_str::<serde_json::Value>(old).unwrap());
    }
}
