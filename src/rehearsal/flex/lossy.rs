//! Storage that loses something of what it is given and answers as if it had not.

use serde_json::{Map, Number, Value};

/// One way of losing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What happens.
    pub kind: LossKind,
    /// The field of the instance, with all that is in it; `None` for all fields.
    pub field: Option<String>,
}

/// What happens to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossKind {
    /// Texts are cut after so many characters.
    Truncate(usize),
    /// The field is not stored.
    Drop,
    /// Texts are stored in lower case.
    Lower,
    /// Tags are removed from texts.
    Sanitise,
    /// Decimals become whole numbers.
    Round,
}

impl Loss {
    /// Reads what follows `lossy=`: `truncate=40`, `drop=FIELD`, `lower=FIELD`, `sanitise`, `round`.
    ///
    /// # Errors
    /// A sentence with the part that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let field = (!value.is_empty()).then(|| value.to_owned());
        match (name, &field) {
            ("truncate", _) => {
                let length = value.parse().map_err(|_| format!("\"{value}\" is not a number of characters"))?;
                Ok(Self { kind: LossKind::Truncate(length), field: None })
            }
            ("drop", Some(_)) => Ok(Self { kind: LossKind::Drop, field }),
            ("lower", Some(_)) => Ok(Self { kind: LossKind::Lower, field }),
            ("sanitise", None) => Ok(Self { kind: LossKind::Sanitise, field }),
            ("round", None) => Ok(Self { kind: LossKind::Round, field }),
            _ => Err(format!("\"{text}\" is not one of truncate=N, drop=FIELD, lower=FIELD, sanitise, round")),
        }
    }

    /// Takes from `instance` what this loses.
    pub fn apply(&self, instance: &mut Map<String, Value>) {
        let ours = |name: &str| self.field.as_ref().is_none_or(|field| field == name);
        if self.kind == LossKind::Drop {
            return instance.retain(|name, _| !ours(name));
        }
        instance.iter_mut().filter(|(name, _)| ours(name)).for_each(|(_, value)| self.lose(value));
    }

    fn lose(&self, value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.lose(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.lose(value)),
            Value::String(text) => match self.kind {
                LossKind::Truncate(length) => {
                    if let Some((end, _)) = text.char_indices().nth(length) {
                        text.truncate(end);
                    }
                }
                LossKind::Lower => *text = text.to_lowercase(),
                LossKind::Sanitise => *text = without_tags(text),
                LossKind::Drop | LossKind::Round => {}
            },
            Value::Number(number) if self.kind == LossKind::Round => {
                let rounded =
                    number.as_f64().filter(|_| number.as_i64().is_none()).map(|number| format!("{number:.0}"));
                if let Some(rounded) = rounded.and_then(|text| text.parse::<Number>().ok()) {
                    *number = rounded;
                }
            }
            Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }
}

fn without_tags(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut pieces = text.split('<');
    kept.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        match piece.split_once('>') {
            Some((_, rest)) => kept.push_str(rest),
            None => {
                kept.push('<');
                kept.push_str(piece);
            }
        }
    }
    kept
}
