//! `[deliver]`: the source of truth, the transformation area, the hot folders.

use std::collections::BTreeMap;
use std::path::Path;

use super::layers::{self, Layers};
use crate::delivery::{Blocks, ConflictsConfig, DeliveryConfig, GroupConfig, PublishTarget};
use crate::load::Binding;
use crate::staging::S3Settings;

/// Each object under way needs a connection of its own; beyond it, files and ports of the machine run out.
const MOST_IN_FLIGHT: usize = 1_024;

/// The part of the delivery; `None` where it says nothing of a source. `definitions` is the folder of their files.
pub(super) fn deliver(
    layers: &mut Layers,
    s3: &S3Settings,
    definitions: &Path,
    bindings: &[Binding],
) -> Option<DeliveryConfig> {
    let source = layers.optional("deliver.source");
    let area = layers.optional("deliver.area");
    let max_in_flight = layers.parsed("deliver.max_in_flight", "32", in_flight);
    let purge_cap = layers.parsed("deliver.purge_cap", "5%", share);
    let conflicts = conflicts(layers, definitions, bindings);
    let mut publish = BTreeMap::new();
    for name in layers.names_in("deliver.publish") {
        let key = |part: &str| format!("deliver.publish.{name}.{part}");
        let url = layers.optional(&key("url"));
        let production = layers.parsed(&key("production"), "false", layers::truth);
        let after = layers.optional(&key("after"));
        match (url, production) {
            (Some(url), Some(production)) => {
                drop(publish.insert(name.clone(), PublishTarget { url, production, after }))
            }
            (None, _) => layers.problems.push(format!("{}: missing", key("url"))),
            _ => {}
        }
    }
    for (name, target) in &publish {
        if let Some(after) = target.after.as_ref().filter(|after| !publish.contains_key(*after) || *after == name) {
            layers.problems.push(format!(
                "deliver.publish.{name}.after = `{after}`: another target of [deliver.publish] is wanted"
            ));
        }
    }
    match (source, area) {
        (Some(source), Some(area)) => Some(DeliveryConfig {
            source,
            area,
            max_in_flight: max_in_flight?,
            purge_cap: purge_cap?,
            conflicts,
            publish,
            s3: s3.clone(),
        }),
        (None, None) => None,
        (source, _) => {
            layers.problems.push(format!("deliver.{}: missing", if source.is_none() { "source" } else { "area" }));
            None
        }
    }
}

/// `[deliver.conflicts]` and `[deliver.conflicts.GROUP]`.
fn conflicts(layers: &mut Layers, definitions: &Path, bindings: &[Binding]) -> ConflictsConfig {
    const SECTION: &str = "deliver.conflicts";
    let blocking = blocking(layers, SECTION).unwrap_or_else(|| Blocks::DEFAULT.to_vec());
    let allow = layers.list(&format!("{SECTION}.allow"));
    let accept = layers.parsed(&format!("{SECTION}.accept"), "false", layers::truth).unwrap_or_default();
    let mut groups = BTreeMap::new();
    for name in layers.names_in(SECTION) {
        let key = format!("{SECTION}.{name}");
        if !layers.is_table(&key) {
            continue;
        }
        let definition = layers.optional(&format!("{key}.definition"));
        let blocking = self::blocking(layers, &key);
        let allow = layers.list(&format!("{key}.allow"));
        groups.insert(name, GroupConfig { definition, blocking, allow });
    }
    let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for binding in bindings {
        open.entry(binding.definition.clone()).or_default().extend(binding.open.iter().cloned());
    }
    ConflictsConfig { blocking, allow, accept, groups, definitions: definitions.to_owned(), open }
}

/// What blocks, where that is set; an empty list is nothing.
fn blocking(layers: &mut Layers, section: &str) -> Option<Vec<Blocks>> {
    let key = format!("{section}.blocking");
    let before = layers.settings.len();
    let texts = layers.list(&key);
    let is_set = layers.settings.len() > before;
    let mut blocking = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(blocks) => blocking.push(blocks),
            Err(wanted) => layers.problems.push(format!("{key}: {wanted}")),
        }
    }
    is_set.then_some(blocking)
}

fn in_flight(text: &str) -> Result<usize, String> {
    let found = layers::count(text).ok().filter(|number| *number <= MOST_IN_FLIGHT);
    found.ok_or_else(|| format!("a whole number from 1 to {MOST_IN_FLIGHT} is wanted"))
}

/// A share as `5%`.
fn share(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let share = percent.filter(|percent| (0.0..=100.0).contains(percent)).map(|percent| percent / 100.0);
    share.ok_or_else(|| "a share such as 5% is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn shares() {
        assert_eq!(super::share("5%"), Ok(0.05));
        assert_eq!(super::share("0.5 %"), Ok(0.005));
        for wrong in ["5", "-1%", "101%", "%", "NaN%"] {
            assert!(super::share(wrong).is_err(), "{wrong}");
        }
    }
}
