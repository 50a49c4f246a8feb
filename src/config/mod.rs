//! What the user asked for, turned once into the configuration that every module gets its own part of.

mod deliver;
mod layers;
mod target;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use globset::Glob;
use secrecy::SecretString;

use self::layers::Layers;
pub use self::layers::{Origin, Setting, is_elsewhere};
use crate::delivery::DeliveryConfig;
use crate::error::{Error, Result};
use crate::flex::FlexConfig;
use crate::load::{Binding, LoadConfig};
use crate::source::{Exclusion, Reader, SILENCE, SourceConfig, has_password};
use crate::staging::{MAX_IN_FLIGHT, S3Settings, StagingConfig, s3};
use crate::transform::TransformConfig;
use crate::transform::coverage::KeyValueTable;
use crate::transform::definition::Vocabularies;

/// Keys that may stand in `migration.toml`, for the nearest name in errors.
const KEYS: &[&str] = &[
    "url",
    "include",
    "exclude",
    "excluded",
    "exclude_columns",
    "reason",
    "connections",
    "batch_rows",
    "batch_bytes",
    "partition_bytes",
    "reader",
    "max_mbps",
    "materialised_views",
    "allow_insecure",
    "compression",
    "kms_key",
    "storage_class",
    "memory",
    "threads",
    "spill",
    "now",
    "username",
    "password",
    "attributes",
    "max_in_flight",
    "max_failures",
    "canary",
    "watch",
    "checkpoint",
    "drain",
    "deletion",
    "max_requests_per_second",
    "headroom",
    "patience",
    "retries",
    "settle",
    "timeout",
    "production",
    "external_id_key",
    "external_id_column",
    "definition",
    "asset_type",
    "open",
    "table",
    "key",
    "values",
    "names",
    "names_key",
    "label",
    "mapped",
    "mapped_key",
    "ledger",
    "source",
    "against",
    "staging",
    "transform",
    "flex",
    "load",
    "definitions",
    "coverage",
    "vocabularies",
    "fields",
    "terms",
    "deliver",
    "area",
    "purge_cap",
    "publish",
    "after",
    "conflicts",
    "blocking",
    "allow",
    "accept",
];

/// Everything a run needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The project folder (`queries/`).
    pub project: PathBuf,
    /// The source, or why it cannot be read.
    source: Result<SourceConfig, Vec<String>>,
    /// The database that the source is compared with, or why there is none.
    against: Result<SourceConfig, Vec<String>>,
    /// The staging area.
    pub staging: StagingConfig,
    /// The queries and the memory they may use.
    pub transform: TransformConfig,
    /// Which query feeds which definition.
    pub bindings: Vec<Binding>,
    /// Tables that hold attributes as rows, for the coverage report.
    pub key_value_tables: Vec<KeyValueTable>,
    /// The mappings that say which terms queries may give option fields.
    pub vocabularies: Option<Vocabularies>,
    /// The folder of definitions that were fetched from a target, a file each.
    pub definitions: PathBuf,
    /// The folder of the ledgers, one a target.
    pub ledger: PathBuf,
    /// The targets by name, or why one cannot be used.
    targets: BTreeMap<String, Result<TargetConfig, Vec<String>>>,
    /// The delivery, where there is one.
    deliver: Option<DeliveryConfig>,
    /// Each setting taken, with its origin.
    pub settings: Vec<Setting>,
}

/// A named Flex.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    /// How to reach it.
    pub flex: FlexConfig,
    /// How to load it.
    pub load: LoadConfig,
    /// Whether a load asks for `--yes`.
    pub production: bool,
}

/// What the command line gave, not yet judged: dotted keys (`source.url`) and their values.
pub type Flags = BTreeMap<String, String>;

impl Config {
    /// Reads the layers of `project`: flags, then the environment, then `migration.toml`, then defaults. `targets` are
    /// names of targets beside those of the file.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem found: unknown keys with the nearest name, unusable values, secrets that
    /// stand in the file or cannot be had.
    pub fn load(project: &Path, flags: Flags, environment: BTreeMap<String, String>, targets: &[&str]) -> Result<Self> {
        let mut layers = Layers::open(project, flags, environment)?;
        let source = source(&mut layers).ok_or_else(|| layers.absent.clone());
        let against = against(&mut layers, source.as_ref().ok());
        let staging = staging(&mut layers);
        let transform = transform(&mut layers, project);
        let definitions = project.join("definitions").display().to_string();
        let definitions = PathBuf::from(layers.text("transform.definitions", &definitions));
        let key_value_tables = key_value_tables(&mut layers);
        let vocabularies = vocabularies(&mut layers);
        let bindings = bindings(&mut layers);
        let shared = Shared {
            ledger: PathBuf::from(layers.text("load.ledger", ".telecine/ledger")),
            external_id_key: layers.text("load.external_id_key", "telecine"),
            external_id_column: layers.text("load.external_id_column", ""),
            bindings,
        };
        let mut names = layers.names_in("flex");
        names.extend(targets.iter().map(|name| (*name).to_owned()));
        let mut targets = BTreeMap::new();
        for name in names {
            let absent_before = layers.absent.len();
            let target = target::target(&mut layers, &name, &shared);
            targets.insert(name, target.ok_or_else(|| layers.absent[absent_before..].to_vec()));
        }
        let deliver = deliver::deliver(&mut layers, &staging.s3, &definitions, &shared.bindings);
        layers.refuse_unknown(KEYS);
        if !layers.problems.is_empty() {
            return Err(Error::Config { problems: layers.problems.into_iter().chain(layers.absent).collect() });
        }
        let settings = layers.settings;
        let transform = transform.ok_or_else(|| Error::config("transform: unusable"))?;
        let Shared { bindings, ledger, .. } = shared;
        let project = project.to_owned();
        Ok(Self {
            project,
            source,
            against,
            staging,
            transform,
            bindings,
            key_value_tables,
            vocabularies,
            definitions,
            ledger,
            targets,
            deliver,
            settings,
        })
    }

    /// The source's part.
    ///
    /// # Errors
    /// When no URL was given.
    pub fn source(&self) -> Result<&SourceConfig> {
        self.source.as_ref().map_err(|absent| match absent.as_slice() {
            [] => Error::config(
                "source.url is not set: give --source-url, TELECINE_SOURCE_URL, PGHOST, PGSERVICE or [source] url",
            ),
            absent => Error::Config { problems: absent.to_vec() },
        })
    }

    /// The database that the source is compared with: the source's settings but for URL and security.
    ///
    /// # Errors
    /// When no URL was given.
    pub fn against(&self) -> Result<&SourceConfig> {
        self.against.as_ref().map_err(|absent| match absent.as_slice() {
            [] => Error::config("against.url is not set: give --against env:NAME, or TELECINE_AGAINST_URL"),
            absent => Error::Config { problems: absent.to_vec() },
        })
    }

    /// The source's part, to be narrowed to some tables.
    pub fn source_mut(&mut self) -> Option<&mut SourceConfig> {
        self.source.as_mut().ok()
    }

    /// The delivery's part.
    ///
    /// # Errors
    /// When it is not set.
    pub fn deliver(&self) -> Result<&DeliveryConfig> {
        let unset = || Error::config("no delivery is set: add [deliver] with source and area to migration.toml");
        self.deliver.as_ref().ok_or_else(unset)
    }

    /// The part of the target `name`, to be changed.
    pub fn target_mut(&mut self, name: &str) -> Option<&mut TargetConfig> {
        self.targets.get_mut(name)?.as_mut().ok()
    }

    /// Whether a target is set, usable or not.
    pub fn has_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// What keeps the source or a target from being used, though the settings are right: secrets that are not there.
    pub fn absent(&self) -> Vec<String> {
        let targets = self.targets.values().filter_map(|target| target.as_ref().err());
        self.source.as_ref().err().into_iter().chain(targets).flatten().cloned().collect()
    }

    /// The part of the target `name`; without a name, the only one there is.
    ///
    /// # Errors
    /// When there is no such target.
    pub fn target(&self, name: Option<&str>) -> Result<&TargetConfig> {
        let known = || self.targets.keys().cloned().collect::<Vec<_>>().join(", ");
        let found = match name {
            Some(name) => self
                .targets
                .get(name)
                .ok_or_else(|| Error::config(format!("the target `{name}` is not in [flex.*]; known: {}", known()))),
            None if self.targets.len() == 1 => self.targets.values().next().ok_or_else(|| Error::config("no target")),
            None if self.targets.is_empty() => Err(Error::config(
                "no target is set: add [flex.NAME] with url, username and password to migration.toml",
            )),
            None => Err(Error::config(format!("several targets are set; choose one with --target: {}", known()))),
        };
        found?.as_ref().map_err(|absent| Error::Config { problems: absent.clone() })
    }
}

/// What the settings say once for all targets.
struct Shared {
    ledger: PathBuf,
    external_id_key: String,
    external_id_column: String,
    bindings: Vec<Binding>,
}

fn staging(layers: &mut Layers) -> StagingConfig {
    let compression = layers.parsed("staging.compression", "zstd", str::parse).unwrap_or_default();
    let max_in_flight = layers.parsed("staging.max_in_flight", &MAX_IN_FLIGHT.to_string(), layers::count);
    let kms_key = layers.checked("staging.kms_key", s3::kms_key);
    let storage_class = layers.checked("staging.storage_class", s3::storage_class);
    let s3 = S3Settings::of_environment(layers.variables()).with_kms_key(kms_key).with_storage_class(storage_class);
    let url = layers.text("staging.url", "file:staging");
    StagingConfig { url, compression, max_in_flight: max_in_flight.unwrap_or(MAX_IN_FLIGHT), s3 }
}

fn source(layers: &mut Layers) -> Option<SourceConfig> {
    let include = layers.list("source.include");
    let exclude = exclusions(layers);
    for glob in include.iter().chain(exclude.iter().map(|exclusion| &exclusion.glob)) {
        if let Err(cause) = Glob::new(glob) {
            layers.problems.push(format!("source: `{glob}` is not a glob: {}", cause.kind()));
        }
    }
    let exclude_columns = layers.list("source.exclude_columns");
    let connections = layers.parsed("source.connections", "4", layers::count);
    let batch_rows = layers.parsed("source.batch_rows", "8192", layers::count);
    let batch_bytes = layers.parsed("source.batch_bytes", "8MiB", layers::bytes);
    let partition_bytes = layers.parsed("source.partition_bytes", "64MiB", layers::bytes);
    let max_mbps = layers.parsed("source.max_mbps", "unlimited", limit);
    let materialised_views = layers.parsed("source.materialised_views", "false", layers::truth);
    let allow_insecure = layers.parsed("source.allow_insecure", "false", layers::truth);
    let reader = layers.parsed("source.reader", "copy", Reader::parse);
    let url = layers.secret("source.url", |url| !has_password(url));
    // With libpq's variables alone, an empty URL says all.
    let said = ["PGHOST", "PGHOSTADDR", "PGSERVICE"].iter().any(|name| layers.is_in_environment(name));
    let url = url.or_else(|| said.then(|| "postgresql://".to_owned()))?;
    Some(SourceConfig {
        url: SecretString::from(url),
        include,
        exclude,
        exclude_columns,
        connections: connections?,
        batch_rows: batch_rows?,
        batch_bytes: usize::try_from(batch_bytes?).ok()?,
        partition_bytes: partition_bytes?,
        max_mbps: max_mbps?,
        materialised_views: materialised_views?,
        allow_insecure: allow_insecure?,
        reader: reader?,
        silence: SILENCE,
    })
}

/// A whole number from 1 on, or no limit.
fn limit(text: &str) -> Result<Option<usize>, String> {
    if text == "unlimited" { Ok(None) } else { layers::count(text).map(Some) }
}

/// `[against]`: the other database of `verify --against`. What is read and by how many connections is as for the source.
fn against(layers: &mut Layers, source: Option<&SourceConfig>) -> Result<SourceConfig, Vec<String>> {
    let absent_before = layers.absent.len();
    let allow_insecure = layers.parsed("against.allow_insecure", "false", layers::truth);
    let url = layers.secret("against.url", |url| !has_password(url));
    match (source, url, allow_insecure) {
        (Some(source), Some(url), Some(allow_insecure)) => {
            Ok(SourceConfig { url: SecretString::from(url), allow_insecure, ..source.clone() })
        }
        _ => Err(layers.absent[absent_before..].to_vec()),
    }
}

/// `exclude = ["wfe.*"]` with `reason` for all, and `[source.excluded]` with a reason each.
fn exclusions(layers: &mut Layers) -> Vec<Exclusion> {
    let reason = layers.text("source.reason", "excluded by the settings");
    let plain = layers.list("source.exclude");
    // Those with a reason of their own come first: the first glob that matches gives the reason.
    let own = layers.texts("source.excluded").into_iter().map(|(glob, reason)| Exclusion { glob, reason });
    own.chain(plain.into_iter().map(|glob| Exclusion { glob, reason: reason.clone() })).collect()
}

fn transform(layers: &mut Layers, project: &Path) -> Option<TransformConfig> {
    let memory = layers.parsed("transform.memory", "2GiB", layers::bytes);
    let cores = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let threads = layers.parsed("transform.threads", &cores, layers::count);
    let spill = layers.optional("transform.spill").map(PathBuf::from);
    let now = layers.optional("transform.now");
    Some(TransformConfig {
        project: project.to_owned(),
        memory: usize::try_from(memory?).ok()?,
        threads: threads?,
        spill,
        now,
    })
}

/// `promo = "assetType_Promo"`, or `[definitions.promo]` with `definition`, `asset_type` and `open`.
fn bindings(layers: &mut Layers) -> Vec<Binding> {
    let mut bindings = Vec::new();
    for query in layers.names_in("definitions") {
        let key = format!("definitions.{query}");
        let table = layers.is_table(&key);
        let definition = if table { layers.optional(&format!("{key}.definition")) } else { layers.optional(&key) };
        let asset_type =
            if table { layers.text(&format!("{key}.asset_type"), "media-asset") } else { "media-asset".to_owned() };
        let open = if table { layers.list(&format!("{key}.open")) } else { Vec::new() };
        match definition {
            Some(definition) => bindings.push(Binding { query, definition, asset_type, open }),
            None => layers.problems.push(format!("{key}: `definition` is missing")),
        }
    }
    bindings
}

/// `[vocabularies]` with `fields` and `terms`, both or none.
fn vocabularies(layers: &mut Layers) -> Option<Vocabularies> {
    match (layers.optional("vocabularies.fields"), layers.optional("vocabularies.terms")) {
        (Some(fields), Some(terms)) => Some(Vocabularies { fields, terms }),
        (None, None) => None,
        (fields, _) => {
            let missing = if fields.is_none() { "fields" } else { "terms" };
            layers.problems.push(format!("vocabularies.{missing}: missing"));
            None
        }
    }
}

/// `[coverage.NAME]`: a table that holds attributes as rows, and the mapping that lists those taken.
fn key_value_tables(layers: &mut Layers) -> Vec<KeyValueTable> {
    let mut tables = Vec::new();
    for name in layers.names_in("coverage") {
        let key = |part: &str| format!("coverage.{name}.{part}");
        let names = layers.optional(&key("names"));
        let (names_key, label) = (layers.text(&key("names_key"), "id"), layers.text(&key("label"), "name"));
        let values = layers.list(&key("values"));
        let mut wanted = |part: &str| {
            let value = layers.optional(&key(part));
            if value.is_none() {
                layers.problems.push(format!("{}: missing", key(part)));
            }
            value.unwrap_or_default()
        };
        let (table, key, mapped, mapped_key) = (wanted("table"), wanted("key"), wanted("mapped"), wanted("mapped_key"));
        tables.push(KeyValueTable { name, table, key, values, names, names_key, label, mapped, mapped_key });
    }
    tables
}
