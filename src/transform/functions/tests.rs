//! What holds for every function of texts, whatever the text: it never fails, its value is in its one form, and its value
//! is its own value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::compute::kernels::regexp::regexp_is_match_scalar;
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, TypeSignature};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use proptest::sample::select;

use super::{register, scalars};

/// The functions with one text form of their value: name, further arguments, the form as a regular expression, and the
/// warnings that a value may keep for ever.
const NORMALISERS: &[(&str, &[&str], &str, &[&str])] = &[
    ("clean_line", &[], r"^[^\x00-\x1F\x7F-\x9F\s](.*[^\x00-\x1F\x7F-\x9F\s])?$", &[]),
    ("clean_title", &[], r"^[^\x00-\x1F\x7F-\x9F\s](.*[^\x00-\x1F\x7F-\x9F\s])?$", &[]),
    ("clean_text", &[], r"(?s)^[^\x00-\x1F\x7F-\x9F\s](.*[^\x00-\x1F\x7F-\x9F\s])?$", &[]),
    ("truncate_text", &["9"], r"(?s)^.{0,9}$", &[]),
    ("truncate_bytes", &["9"], r"(?s)^.{0,9}$", &[]),
    ("file_name", &[], r"^[^\x00-\x1F\x7F-\x9F\s](.*[^\x00-\x1F\x7F-\x9F\s])?$", &[]),
    ("uuid_text", &[], r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", &[]),
    ("eidr", &[], r"^10\.5240/([0-9A-F]{4}-){5}[0-9A-Z]$", &[]),
    ("house_code", &[], r"^HC[0-9]{6}$", &["HOUSE_CODE_FORMAT"]),
    ("project_code", &[], r"^P-[0-9]{4}-[0-9]{4}$", &["PROJECT_CODE_FORMAT"]),
    ("color_code", &[], r"^#[0-9A-F]{6}$", &[]),
    ("language_tag", &[], r"^[a-z]{2,8}(-[0-9A-Za-z]{1,8})*$", &[]),
    ("decimal_text", &[], r"^(0|[1-9][0-9]*)(\.[0-9]+)?$", &["NEGATIVE_AMOUNT"]),
    ("frame_rate", &[], r"^[1-9][0-9]*/[1-9][0-9]*$", &[]),
    ("timecode", &["30000/1001"], r"^[0-9]{2}:[0-5][0-9]:[0-5][0-9][:;][0-2][0-9]$", &["TIMECODE_OVER_24H"]),
    ("timecode", &["25/1"], r"^[0-9]{2}:[0-5][0-9]:[0-5][0-9][:;][0-2][0-9]$", &["TIMECODE_OVER_24H"]),
    ("resolution", &[], r"^[1-9][0-9]*x[1-9][0-9]*$", &[]),
    ("resolution_at", &["16:9"], r"^[1-9][0-9]*x[1-9][0-9]*$", &[]),
    ("aspect_ratio", &[], r"^[0-9.]+:[0-9]+$", &[]),
    ("checksum_text", &["32"], r"^[0-9a-f]{32}$", &[]),
];

/// Functions whose value is no text, or has no one form.
const OTHERS: &[(&str, &[&str])] = &[
    ("plain_text", &[]),
    ("repair_mojibake", &[]),
    ("fold_key", &[]),
    ("squeeze", &[]),
    ("without_extension", &[]),
    ("within_one_edit", &["Episode"]),
    ("json_text", &["a.0"]),
    ("json_names", &[]),
    ("content_uses", &[]),
    ("date_text", &["false"]),
    ("date_text", &["true"]),
    ("instant_text", &["America/Denver", "true"]),
    ("instant_text", &["no zone", "false"]),
    ("time_zone", &[]),
    ("duration_ms", &["s", "30000/1001"]),
    ("duration_ms", &["ms", "25/1"]),
    ("integer_text", &[]),
    ("plain_digits", &[]),
    ("boolean_text", &[]),
    ("s3_uri", &[]),
];

/// Forms of the dirt list, from which most texts are made that get past the first check.
const SEEDS: &[&str] = &[
    "  Silent  Harbor\t",
    "e\u{301}\u{1}\u{FEFF}",
    "👨‍👩‍👧 \u{202A}x",
    "n/a",
    "None",
    "CafÃ©",
    "<p>a &amp; b</p><script>x</script>",
    "<!-- a --><br/>&lt;b&gt;",
    "9F2C1A34-5B6D-4E7F-8A9B-0C1D2E3F4A5B",
    "https://doi.org/10.5240/7791-8534-2c23-9030-8610-5",
    "HC 100123",
    "p 2019_0042",
    "#0f8",
    "Spanish (LatAm)",
    "zh_hant-TW",
    "US$ 1,234.50",
    "-12.5",
    "29.97DF",
    "59.94i",
    "2997/100",
    "01:00:00;02",
    "25:0:0:1",
    "3600.0",
    "00:02:20.007",
    "PT2M20.007S",
    "4195 frames",
    "1.920 x 1.080 px",
    "1080i59.94",
    "16x9",
    "1.7778",
    "D41D8CD98F00B204E9800998ECF8427E",
    "{\"a\":[\"\\u0000\\ud83d\", NaN]}",
    "[{\"name\":\"Ann\",\"role\":\"Host\"}]",
    "|SOURCE|PROXY|",
    "\"a\",\"b\"",
    "2019-04-12T09:30:00.5+02:00",
    "D:20190412093000-07'00'",
    "D:201904120930Z",
    "America/Denver",
    "Apr 12, 2019",
    "31/12/20",
    "1555061400000",
    "S02",
    "s3://media/a b%20c",
    "Epsiode",
];

/// A text: any at all, of characters that mean something to some function, or a known form with a few changes.
fn any_text() -> impl Strategy<Value = String> {
    let meaning = prop::collection::vec(
        select("0159aTZpPxX:;.,/-+_ |[]{}\"'\\<>&#%u\u{0}\n\r\t\u{85}é\u{301}ßΣİ１".chars().collect::<Vec<_>>()),
        0..24,
    );
    let change =
        (any::<prop::sample::Index>(), select("05:;.,-+ \"<&é\u{0}".chars().collect::<Vec<_>>()), any::<bool>());
    let changed = (select(SEEDS), prop::collection::vec(change, 0..3)).prop_map(|(seed, changes)| {
        let mut text: Vec<char> = seed.chars().collect();
        for (place, character, replaces) in changes {
            let place = place.index(text.len() + 1);
            if replaces && place < text.len() {
                text[place] = character;
            } else {
                text.insert(place, character);
            }
        }
        text.into_iter().collect()
    });
    prop_oneof![1 => any::<String>(), 1 => meaning.prop_map(|text| text.into_iter().collect()), 3 => changed]
}

fn named(name: &str) -> ScalarUDF {
    scalars().find(|function| function.name() == name).unwrap_or_else(|| panic!("there is no function {name}"))
}

/// Calls a function on a first argument with constants behind it.
fn call(function: &ScalarUDF, first: ColumnarValue, constants: &[&str]) -> ArrayRef {
    let TypeSignature::Exact(types) = &function.signature().type_signature else { panic!("{}", function.name()) };
    let mut args = vec![first];
    for (text, data_type) in constants.iter().zip(types.iter().skip(1)) {
        args.push(ColumnarValue::Scalar(ScalarValue::try_from_string((*text).to_owned(), data_type).unwrap()));
    }
    let rows = match &args[0] {
        ColumnarValue::Array(array) => array.len(),
        ColumnarValue::Scalar(_) => 1,
    };
    let fields = types.iter().map(|data_type| Arc::new(Field::new("argument", data_type.clone(), true))).collect();
    let returned: DataType = function.return_type(types).unwrap();
    let arguments = ScalarFunctionArgs {
        args,
        arg_fields: fields,
        number_rows: rows,
        return_field: Arc::new(Field::new("result", returned, true)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    function.invoke_with_args(arguments).unwrap().into_array(rows).unwrap()
}

fn over(function: &ScalarUDF, texts: &StringArray, constants: &[&str]) -> ArrayRef {
    call(function, ColumnarValue::Array(Arc::new(texts.clone())), constants)
}

/// The texts of a result's value, and of its warning.
fn taken_apart(result: &ArrayRef) -> (StringArray, StringArray) {
    let fields = result.as_struct();
    let text = |name: &str| fields.column_by_name(name).unwrap().as_string::<i32>().clone();
    (text("value"), text("warning"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_is_too_much_and_a_constant_is_a_column_of_one(
        texts in prop::collection::vec(prop::option::weighted(0.9, any_text()), 1..12)
    ) {
        let texts = StringArray::from(texts);
        let all = NORMALISERS.iter().map(|(name, constants, ..)| (*name, *constants)).chain(OTHERS.iter().copied());
        for (name, constants) in all {
            let function = named(name);
            let column = over(&function, &texts, constants);
            prop_assert_eq!(column.len(), texts.len());
            let first = ScalarValue::try_from_array(&texts, 0).unwrap();
            let alone = call(&function, ColumnarValue::Scalar(first), constants);
            prop_assert_eq!(&alone, &column.slice(0, 1), "{}", name);
        }
    }

    #[test]
    fn a_value_has_its_one_form_and_is_its_own_value(texts in prop::collection::vec(any_text(), 1..12)) {
        let texts = StringArray::from(texts);
        for (name, constants, form, lasting) in NORMALISERS {
            let function = named(name);
            let (values, warnings) = taken_apart(&over(&function, &texts, constants));
            let (again, repeated) = taken_apart(&over(&function, &values, constants));
            prop_assert_eq!(&again, &values, "{} of {:?}", name, texts);
            let formed = regexp_is_match_scalar(&values, form, None).unwrap();
            for row in (0..texts.len()).filter(|row| values.is_valid(*row)) {
                let lasts = warnings.is_valid(row) && lasting.contains(&warnings.value(row));
                prop_assert!(lasts || repeated.is_null(row), "{} of {:?} warns again", name, texts.value(row));
                prop_assert!(lasts || formed.value(row), "{} of {:?} is {:?}", name, texts.value(row), values.value(row));
            }
        }
    }

    #[test]
    fn plain_text_is_clean_and_a_key_its_own_key(texts in prop::collection::vec(any_text(), 1..12)) {
        let texts = StringArray::from(texts);
        let (plain, _) = taken_apart(&over(&named("plain_text"), &texts, &[]));
        let (cleaned, warnings) = taken_apart(&over(&named("clean_text"), &plain, &[]));
        prop_assert_eq!(&cleaned, &plain);
        prop_assert_eq!(warnings.null_count(), warnings.len());
        let keys = over(&named("fold_key"), &texts, &[]);
        prop_assert_eq!(&over(&named("fold_key"), keys.as_string::<i32>(), &[]), &keys);
    }
}

#[test]
fn every_character_alone_is_clean_and_folded_at_once() {
    // the plane in which nearly all characters with several forms lie
    let texts: StringArray = ('\0'..='\u{FFFF}').map(|character| Some(format!("a{character}b"))).collect();
    for name in ["clean_line", "clean_text", "file_name"] {
        let (values, _) = taken_apart(&over(&named(name), &texts, &[]));
        let (again, warnings) = taken_apart(&over(&named(name), &values, &[]));
        assert_eq!((again, warnings.null_count()), (values, warnings.len()), "{name}");
    }
    let keys = over(&named("fold_key"), &texts, &[]);
    assert_eq!(&over(&named("fold_key"), keys.as_string::<i32>(), &[]), &keys);
}

#[test]
fn every_function_of_one_text_is_held_to_this() {
    let listed: Vec<&str> =
        NORMALISERS.iter().map(|(name, ..)| *name).chain(OTHERS.iter().map(|(name, _)| *name)).collect();
    for function in scalars() {
        let takes_text = matches!(&function.signature().type_signature,
            TypeSignature::Exact(types) if types.first() == Some(&DataType::Utf8));
        assert!(!takes_text || function.name() == "warn" || listed.contains(&function.name()), "{}", function.name());
    }
}

/// The rows that a query of a project gives, over a source that states one zone and settings that state another.
async fn of_zones(stated: &str, set: &str, query: &str) -> Vec<String> {
    let mut context = SessionContext::new();
    register(&mut context).unwrap();
    for table in [
        format!("create table dynamic_property as select 'deployment.timezone' as name, '{stated}' as value"),
        format!("create table setting as select 'zone' as name, '{set}' as value"),
    ] {
        context.sql(&table).await.unwrap().collect().await.unwrap();
    }
    let batches = context.sql(query).await.unwrap().select_columns(&["zone"]).unwrap().collect().await.unwrap();
    let zones = batches.iter().flat_map(|batch| {
        let zones = cast(batch.column(0), &DataType::Utf8).unwrap();
        zones.as_string::<i32>().iter().map(|zone| zone.unwrap_or("none").to_owned()).collect::<Vec<_>>()
    });
    zones.collect()
}

#[tokio::test]
async fn a_zone_that_is_none_is_replaced_and_told() {
    let settings = include_str!("../../../queries/1_select/settings.sql");
    let check = include_str!("../../../queries/checks/zone_known.sql");
    for (stated, set, zone, told) in [
        ("Europe/Berlin", "America/Denver", "Europe/Berlin", vec![]),
        (" Europe/Berlin ", "America/Denver", "Europe/Berlin", vec![]),
        ("", "America/Denver", "America/Denver", vec![]),
        ("Mountain Time", "America/Denver", "America/Denver", vec!["Mountain Time"]),
        ("Mountain Time", "MT", "none", vec!["Mountain Time", "MT"]),
    ] {
        assert_eq!(of_zones(stated, set, settings).await, [zone], "{stated}");
        assert_eq!(of_zones(stated, set, check).await, told, "{stated}");
    }
}
