//! SQL functions over columns of texts: such as are in their one form already, and such as are not.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field};
use criterion::{BenchmarkId, Criterion, Throughput};
use datafusion::common::config::ConfigOptions;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use datafusion::prelude::SessionContext;
use telecine::transform::functions::register;

/// Rows of a batch.
const ROWS: usize = 8192;

/// Function, a text in its one form, one that is not.
const CASES: [(&str, &str, &str); 6] = [
    ("clean_line", "Silent Harbor: The Long Way Home", " Silent  Harbor:\tthe e\u{301}tude "),
    ("plain_text", "A keeper returns to the harbor of her youth.", "<p>A keeper &amp; her <b>harbor</b></p><p>Two</p>"),
    ("fold_key", "mini-series", "Mini\u{A0}Ｓｅｒｉｅｓ "),
    ("uuid_text", "9f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b", "9F2C1A345B6D4E7F8A9B0C1D2E3F4A5B"),
    ("house_code", "HC100123", "hc 100-123."),
    ("integer_text", "1920", "1,920.0 px"),
];

pub fn bench(criterion: &mut Criterion) {
    let mut context = SessionContext::new();
    register(&mut context).unwrap();
    let mut group = criterion.benchmark_group("functions");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, clean, dirty) in CASES {
        let function = context.udf(name).unwrap();
        for (kind, text) in [("clean", clean), ("dirty", dirty)] {
            let column: ArrayRef = Arc::new(StringArray::from(vec![text; ROWS]));
            group.bench_function(BenchmarkId::new(name, kind), |bencher| bencher.iter(|| call(&function, &column)));
        }
    }
    group.finish();
}

fn call(function: &ScalarUDF, column: &ArrayRef) -> ColumnarValue {
    let returned = function.return_type(&[DataType::Utf8]).unwrap();
    let arguments = ScalarFunctionArgs {
        args: vec![ColumnarValue::Array(column.clone())],
        arg_fields: vec![Arc::new(Field::new("text", DataType::Utf8, true))],
        number_rows: column.len(),
        return_field: Arc::new(Field::new("result", returned, true)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    function.invoke_with_args(arguments).unwrap()
}
