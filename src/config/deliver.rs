//! `[deliver]`: the source of truth, the transformation area, the hot folders.

use std::collections::BTreeMap;

use super::layers::{self, Layers};
use crate::delivery::{DeliveryConfig, PublishTarget};
use crate::staging::S3Settings;

/// Each object under way needs a connection of its own; beyond it, files and ports of the machine run out.
const MOST_IN_FLIGHT: usize = 1_024;

/// The part of the delivery; `None` where it says nothing of a source.
pub(super) fn deliver(layers: &mut Layers, s3: &S3Settings) -> Option<DeliveryConfig> {
    let source = layers.optional("deliver.source");
    let area = layers.optional("deliver.area");
    let max_in_flight = layers.parsed("deliver.max_in_flight", "32", in_flight);
    let purge_cap = layers.parsed("deliver.purge_cap", "5%", share);
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
