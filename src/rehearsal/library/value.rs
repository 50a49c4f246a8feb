//! One cell's value and its form in PostgreSQL's COPY text format.

use super::told::Told;

/// A cell's value. Whatever is no boolean, integer or plain text is given in its PostgreSQL text form
/// (`2019-04-12 09:30:00`, `{a,NULL}`, `[2020-01-01,)`, `\x00ff`); escaping for COPY is done here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// Any integer type.
    Int(i64),
    /// A text known at compile time (vocabularies, enum labels).
    Label(&'static str),
    /// Any other value in its PostgreSQL text form.
    Text(String),
    /// A value whose meaning is told beside its raw form.
    Told(Box<Told>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Label(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Value {
    /// An id, which is never near 2^63.
    pub fn id(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// Appends the value as COPY text writes it, without the tab or line end that follows.
    pub fn write_copy(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"\\N"),
            Self::Bool(true) => out.push(b't'),
            Self::Bool(false) => out.push(b'f'),
            Self::Int(number) => write_int(*number, out),
            Self::Label(text) => escape(text.as_bytes(), out),
            Self::Text(text) => escape(text.as_bytes(), out),
            Self::Told(told) => told.raw.write_copy(out),
        }
    }
}

fn write_int(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Backslash, tab, line feed and carriage return are what COPY text must not hold as they are. `contains` on bytes
/// is a vectorised search, so plain text is one copy even in a build that is not optimised.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    if !(text.contains(&b'\\') || text.contains(&b'\n') || text.contains(&b'\t') || text.contains(&b'\r')) {
        out.extend_from_slice(text);
        return;
    }
    for &byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(value: impl Into<Value>) -> String {
        let mut out = Vec::new();
        value.into().write_copy(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn copy_text() {
        assert_eq!(copy(Value::Null), "\\N");
        assert_eq!(copy("\\N"), "\\\\N");
        assert_eq!(copy("a\tb\nc\rd\\.".to_owned()), "a\\tb\\nc\\rd\\\\.");
        assert_eq!(copy(i64::MIN), i64::MIN.to_string());
        assert_eq!(copy(0i64), "0");
        assert_eq!(copy(Some(true)), "t");
        assert_eq!(copy(None::<bool>), "\\N");
        assert_eq!(copy(""), "");
    }
}
