//! A fixed present. Without one, queries that ask for the time are refused: their rows would differ from run to run.

use chrono::DateTime;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::SessionContext;

use crate::error::{Error, Result};

const SECONDS_A_DAY: i64 = 86_400;

/// The names by which DataFusion's functions tell the present, the function's own name first.
pub(super) const PRESENT: [(&str, &[&str]); 3] =
    [("now", &["current_timestamp"]), ("current_date", &["today"]), ("current_time", &[])];

/// Makes `now()` and `current_date` of a session give the time `now`, in RFC 3339.
///
/// # Errors
/// [`Error::Config`] when `now` is not a time.
pub(super) fn fix(context: &SessionContext, now: &str) -> Result<()> {
    let time = DateTime::parse_from_rfc3339(now).map_err(|cause| {
        Error::config(format!("transform.now: `{now}` is not a time like 2026-01-31T12:00:00Z: {cause}"))
    })?;
    let days = i32::try_from(time.timestamp().div_euclid(SECONDS_A_DAY)).ok();
    let values = [
        ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), Some("UTC".into())),
        ScalarValue::Date32(days),
        ScalarValue::Time64Microsecond(Some(time.timestamp_micros().rem_euclid(SECONDS_A_DAY * 1_000_000))),
    ];
    for ((name, aliases), value) in PRESENT.into_iter().zip(values) {
        let aliases = aliases.iter().map(ToString::to_string).collect();
        context.register_udf(ScalarUDF::from(Fixed {
            name,
            aliases,
            value,
            signature: Signature::nullary(Volatility::Immutable),
        }));
    }
    Ok(())
}

/// A function without arguments that gives one value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fixed {
    name: &'static str,
    aliases: Vec<String>,
    value: ScalarValue,
    signature: Signature,
}

impl ScalarUDFImpl for Fixed {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> datafusion::common::Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}
