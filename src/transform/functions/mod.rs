//! The SQL functions that queries may use beside DataFusion's own.
//!
//! All are immutable, know nothing of any source or target, and never fail on data: a function that may have something to
//! say about a value returns `{value, warning}`, where `warning` holds one or more codes separated by blanks. NULL and blanks
//! alone are no value and give no warning; a word for "nothing" (dirt D03) gives `PLACEHOLDER_DROPPED` from every function
//! marked *. D and A name the rules of the dirt list and of its rulings.
//!
//! | function | gives | warnings | rules |
//! |---|---|---|---|
//! | `clean_line(text)` * | `{value text, warning}` | `CONTROL_REMOVED` `BIDI_REMOVED` | D02 D03 D06 D07 D35-D37 D39 D43 D44, A05 A07 A13 A35 |
//! | `clean_title(text)` * | the same; `None` is a title | the same | A05 |
//! | `clean_text(text)` * | `{value text, warning}`, many lines | `CONTROL_REMOVED` | the same |
//! | `plain_text(html)` * | the same, of HTML | `CONTROL_REMOVED` | D40, A12 |
//! | `repair_mojibake(text)` | `{value text, warning}`, before all others | `MOJIBAKE_FIXED` | D38, A14 |
//! | `squeeze(text)` | text, runs of white space as one blank | | |
//! | `fold_key(text)` | text | | D12 D33 |
//! | `within_one_edit(raw, term)` | boolean | | D33, A08 A26 |
//! | `truncate_text(text, code_points)` | `{value text, warning}` | `TEXT_TRUNCATED` | D05, A06 |
//! | `truncate_bytes(text, bytes)` | `{value text, warning}` | `TEXT_TRUNCATED` | D42 |
//! | `without_extension(name)` | text | | A38 |
//! | `file_name(text)` * | `{value text, warning}` | `CONTROL_REMOVED` `BIDI_REMOVED` | D70, A53 |
//! | `s3_uri(text)` * | `{value {bucket, key}, warning}` | `URI_INVALID` | D71 |
//! | `checksum_text(text, digits)` * | `{value text, warning}` | `CHECKSUM_INVALID` | D72 |
//! | `content_uses(text)` | list of text | | D69 |
//! | `split_list(list, 'tags' or 'people')` | list of text | | D28, A11 |
//! | `json_names(json)` | `{value list of text, warning}` | `NUL_REMOVED` `SURROGATE_REPLACED` | D41 D74, A51 |
//! | `json_text(json, path)` | `{value text, warning}` | `NUL_REMOVED` `SURROGATE_REPLACED` | D41 |
//! | `distinct_folded(list)` | list of text | | D28 |
//! | `gather(list, ...)` | list | | |
//! | `in_order(struct)` | list, an aggregate | | |
//! | `warn(field, raw, codes)` | list of `{code, field, raw}` | | |
//! | `warning_codes(warnings)` | list of text | | |
//! | `row_digest(value, ...)` | text | | |
//! | `date_text(text, day_first)` * | `{value date, warning, open_ended boolean}` | `INVALID_DATE` `PARTIAL_DATE` `OPEN_ENDED` | D45-D48, A15-A17 A29 |
//! | `instant_text(text, zone, day_first)` * | `{value timestamp in UTC, warning, open_ended}` | those and `DST_AMBIGUOUS` | the same, D51 |
//! | `to_utc(timestamp, zone)` | the same | `OPEN_ENDED` `DST_AMBIGUOUS` | D47 D48 D51 |
//! | `bounded_date(date)` | `{value date, warning, open_ended}` | `OPEN_ENDED` | D47 D48, A29 |
//! | `bounded_instant(timestamp in UTC)` | `{value timestamp in UTC, warning, open_ended}` | `OPEN_ENDED` | the same |
//! | `is_zone(text)` | boolean: a zone of the IANA database | | D51 |
//! | `frame_rate(text)` * | `{value text, warning, interlaced boolean}` | `FRAME_RATE_INVALID` | D62, A33 |
//! | `duration_ms(text, 's' or 'ms', rate)` * | `{value bigint, warning}` | `DURATION_INVALID` | D63, A19 A20 |
//! | `timecode(text, rate)` * | `{value text, warning}` | `TIMECODE_INVALID` `TIMECODE_OVER_24H` | D64 |
//! | `resolution(text)` * | `{value text, width int, height int, class text, warning}` | `INVALID_RESOLUTION` `RESOLUTION_LABEL_ONLY` | D61 |
//! | `resolution_at(text, aspect_ratio)` * | the same; lines are a size at 16:9 | the same | D61, A32 |
//! | `aspect_ratio(text)` * | `{value text, warning}` | `ASPECT_UNKNOWN` | D60, A43 |
//! | `plain_digits(text)` | text, of a floating point number | | D55 |
//! | `integer_text(text)` * | `{value bigint, warning}` | `INVALID_NUMBER` `NUMBER_OVERFLOW` | D54 D55 |
//! | `decimal_text(text)` * | `{value text, warning}` | `NOT_A_NUMBER` `NEGATIVE_AMOUNT` `NUMBER_OVERFLOW` `INVALID_NUMBER` | D55 D56, A49 |
//! | `boolean_text(text)` * | `{value boolean, warning}` | `INVALID_BOOLEAN` | D53, A41 |
//! | `language_tag(text)` * | `{value text, warning}` | `LANGUAGE_UNKNOWN` | D65, A39 |
//! | `house_code(text)` * | `{value text, warning}` | `HOUSE_CODE_FORMAT` | D14, A52 |
//! | `project_code(text)` * | `{value text, warning}` | `PROJECT_CODE_FORMAT` | A44 |
//! | `eidr(text)` * | `{value text, warning}` | `EIDR_CHECKSUM` | D15 |
//! | `uuid_text(text)` * | `{value text, warning}` | `UUID_INVALID` | D30, A27 |
//! | `color_code(text)` * | `{value text, warning}` | `COLOR_INVALID` | A53 |

mod code;
mod duration;
mod encoding;
mod file;
mod html;
mod json;
mod kernel;
mod language;
mod list;
mod moment;
mod number;
mod order;
mod picture;
mod rate;
mod similarity;
mod split;
mod text;
mod time;
mod timecode;
mod warning;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;

use crate::error::{Error, Result};

/// Registers every function of telecine.
///
/// # Errors
/// When the registry refuses one.
pub fn register(registry: &mut impl FunctionRegistry) -> Result<()> {
    for function in scalars() {
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

/// Every function of one row.
fn scalars() -> impl Iterator<Item = ScalarUDF> {
    let all = [
        text::functions(),
        encoding::functions(),
        html::functions(),
        similarity::functions(),
        list::functions(),
        json::functions(),
        warning::functions(),
        time::functions(),
        rate::functions(),
        duration::functions(),
        timecode::functions(),
        picture::functions(),
        number::functions(),
        language::functions(),
        code::functions(),
        file::functions(),
    ];
    all.into_iter().flatten()
}
