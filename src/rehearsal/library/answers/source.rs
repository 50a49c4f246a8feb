//! The sources of one field in their order (section 10): the first that says something is the value, those before it
//! warn, and the first behind it that differs is the field's conflict (rulings A18).

use serde_json::{Value as Json, json};

use super::super::Value;
use super::sheet::Sheet;

/// What one source says of a field.
#[derive(Debug, Default)]
pub struct Source<'a> {
    /// The cell behind it, if it is one.
    pub cell: Option<&'a Value>,
    /// The text behind it, if it is no cell.
    pub raw: Option<String>,
    /// What it says, if it says anything.
    pub value: Json,
    /// The code it gives where it is asked.
    pub code: Option<&'static str>,
    /// The code it gives whether it is asked or not.
    pub always: Option<&'static str>,
    /// The raw value that counts of a property for one value that has several (D26), told where it is asked.
    pub several: Option<String>,
}

impl<'a> Source<'a> {
    /// A cell whose meaning is the value.
    pub fn of(cell: &'a Value) -> Self {
        Self { cell: Some(cell), value: cell.means(), code: cell.codes().first().copied(), ..Self::default() }
    }

    /// A property's cell, with the raw value that counts where it has several.
    pub fn described((cell, several): Described<'a>) -> Self {
        Self { several, ..Self::of(cell) }
    }

    /// A value of several cells, which are no text.
    pub fn measured(value: Json) -> Self {
        Self { value, ..Self::default() }
    }

    /// The two cells that tell a size together; what is no size is INVALID_RESOLUTION (D61).
    pub fn sides(width: &Value, height: &Value) -> Self {
        let side = |cell: &Value| cell.means().as_u64().filter(|side| *side > 0);
        let value = match (side(width), side(height)) {
            (Some(width), Some(height)) => json!({"width": width, "height": height}),
            _ => Json::Null,
        };
        let raw = width.text().zip(height.text()).map(|(width, height)| format!("{width}x{height}"));
        let code = (value.is_null() && raw.is_some()).then_some("INVALID_RESOLUTION");
        Self { raw, value, code, ..Self::default() }
    }

    /// A cell whose meaning is resolved with the help of other values: the value, and the code where there is none.
    pub fn resolved(cell: &'a Value, resolve: impl FnOnce(&Json) -> (Json, Option<&'static str>)) -> Self {
        let means = cell.means();
        if means.is_null() {
            return Self::of(cell);
        }
        let (value, code) = resolve(&means);
        Self { cell: Some(cell), value, code, ..Self::default() }
    }
}

/// The first value of the sources; `conflict` gives the code for a later one that differs.
pub fn settle(sheet: &mut Sheet, field: &'static str, sources: &[Source<'_>], conflict: Conflict<'_>) -> Json {
    let mut best = Json::Null;
    let mut differs = false;
    for source in sources {
        let raw = source.raw.clone().or_else(|| source.cell.and_then(Value::text));
        if let Some(cell) = source.cell {
            sheet.touch(field, cell);
        }
        if let Some(code) = source.always {
            sheet.warn_of(code, field, raw.clone());
        }
        if best.is_null() {
            if let Some(code) = source.code {
                sheet.warn_of(code, field, raw);
            }
            if source.several.is_some() {
                sheet.warn_of("MULTI_FOR_SINGLE", field, source.several.clone());
            }
            best = source.value.clone();
        } else if let Some((code, same)) = conflict
            && !(differs || source.value.is_null() || same(&best, &source.value))
        {
            sheet.warn_of(code, field, raw);
            differs = true;
        }
    }
    sheet.put(field, best.clone());
    best
}

/// A property's cell, and the raw value that counts where it has several.
pub type Described<'a> = (&'a Value, Option<String>);
/// The code for a later source that differs, and when two are the same.
pub type Conflict<'a> = Option<(&'static str, &'a dyn Fn(&Json, &Json) -> bool)>;

/// The same value.
pub fn equal(a: &Json, b: &Json) -> bool {
    a == b
}
