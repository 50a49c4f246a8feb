//! The SQL functions that queries may use beside DataFusion's own.
//!
//! All are immutable, know nothing of any source or target, and never fail on data: a function that may have something to
//! say about a value returns `{value, warning}`, where `warning` holds one or more codes separated by blanks.
//!
//! | module | functions |
//! |---|---|
//! | `text` | `clean_line`, `clean_text`, `fold_key`, `without_extension`, `truncate_text` |
//! | `html` | `plain_text` |
//! | `list` | `gather`, `distinct_folded`, `split_list`, `json_names` |
//! | `order` | `in_order` |
//! | `warning` | `warn`, `warning_codes`, `row_digest` |
//! | `time` | `to_utc`, `date_text`, `instant_text` |
//! | `media` | `frame_rate`, `duration_ms`, `timecode` |
//! | `picture` | `resolution`, `aspect_ratio` |
//! | `code` | `house_code`, `eidr`, `uuid_text`, `language_tag`, `integer_text`, `boolean_text` |

mod code;
mod html;
mod kernel;
mod list;
mod media;
mod moment;
mod order;
mod picture;
mod split;
mod text;
mod time;
mod warning;

use std::sync::Arc;

use datafusion::execution::FunctionRegistry;

use crate::error::{Error, Result};

/// Registers every function of telecine.
///
/// # Errors
/// When the registry refuses one.
pub fn register(registry: &mut impl FunctionRegistry) -> Result<()> {
    let all = [
        text::functions(),
        html::functions(),
        list::functions(),
        warning::functions(),
        time::functions(),
        media::functions(),
        picture::functions(),
        code::functions(),
    ];
    for function in all.into_iter().flatten() {
        let name = function.name().to_owned();
        registry
            .register_udf(Arc::new(function))
            .map_err(|cause| Error::query(name, "this SQL function cannot be registered", cause))?;
    }
    for aggregate in order::aggregates() {
        let name = aggregate.name().to_owned();
        registry
            .register_udaf(Arc::new(aggregate))
            .map_err(|cause| Error::query(name, "this SQL aggregate cannot be registered", cause))?;
    }
    Ok(())
}
