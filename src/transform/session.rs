//! The one place where DataFusion sessions are built, so that a query means the same wherever it runs.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::functions;
use super::one_row::OneRowFirst;
use super::{TransformConfig, clock};
use crate::error::{Error, Result};

/// The catalog of all tables.
pub const CATALOG: &str = "telecine";

/// The schema of queries and mappings, which SQL names bare. Tables of the source keep their own schema.
pub const QUERIES: &str = "queries";

/// How many operators a memory error names.
const OPERATORS_NAMED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

/// The parts into which the pool is shared out for each thread: a sort's, an aggregation's or a join's own each. A query of
/// `queries/` has up to 11 sorts and as many joins.
const PARTS: usize = 64;

/// Bytes of a row that batches are reckoned with: a part holds a batch of such rows.
const ROW: usize = 256;

/// The fewest rows of a batch, however small the pool.
const FEWEST_ROWS: usize = 256;

/// The most rows of a batch, DataFusion's own measure.
const MOST_ROWS: usize = 8192;

/// A session with telecine's settings, limits and functions, and no tables.
///
/// # Errors
/// When the spill folder cannot be used or `now` is not an RFC 3339 time.
pub fn session(config: &TransformConfig) -> Result<SessionContext> {
    let mut context = SessionContext::new_with_config_rt(settings(config), Arc::new(runtime(config)?));
    functions::register(&mut context)?;
    context.add_optimizer_rule(Arc::new(OneRowFirst));
    if let Some(now) = &config.now {
        clock::fix(&context, now)?;
    }
    Ok(context)
}

fn settings(config: &TransformConfig) -> SessionConfig {
    let threads = config.threads.max(1);
    // In a small pool a sort must find room for a batch beside what all sorts hold back for their merges; then it spills.
    let share = config.memory / (PARTS * threads);
    let mut settings = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size((share / ROW).next_power_of_two().clamp(FEWEST_ROWS, MOST_ROWS))
        .with_default_catalog_and_schema(CATALOG, QUERIES)
        .with_information_schema(true);
    let options = settings.options_mut();
    // Text is Utf8 everywhere: what a query gives is what its Parquet, its documents and the next query hold.
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.collect_spans = true;
    // DataFusion 55 pushes struct fields below renamed columns and then no longer finds them.
    options.optimizer.enable_leaf_expression_pushdown = false;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.execution.time_zone = Some("UTC".into());
    let execution = &mut options.execution;
    execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(share);
    execution.sort_in_place_threshold_bytes = execution.sort_in_place_threshold_bytes.min(share);
    settings
}

/// Memory is shared out fairly among operators that can spill, and an error names those that hold most.
fn runtime(config: &TransformConfig) -> Result<RuntimeEnv> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(config.memory), OPERATORS_NAMED);
    let spill = match &config.spill {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spill))
        .build()
        .map_err(|cause| Error::Preflight {
            message: "the spill folder cannot be used; set [transform] spill".into(),
            cause: Some(cause.into()),
        })
}
