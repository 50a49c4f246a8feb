//! What connectorx is asked for: the way each column travels, and the statement.
//!
//! connectorx gives thirteen types exactly as they are. Of every other it would change values (numerics are rounded, JSON
//! is written anew, infinite dates become other dates, 24:00:00 becomes midnight), or it panics. Those are found here, from
//! the catalog, before anything is read: where the native reader has the server make text, so does this one, by the same
//! expression; every other value comes as the bytes of its own binary form, from the type's send function, and is decoded
//! by the columns that decode it for the native reader. So no text has to be parsed, and there is one decoder for each type.

use std::collections::HashMap;

use tokio_postgres::Client;

use crate::dataflow::Slice;
use crate::error::Result;
use crate::source::catalog::{CatalogColumn, CatalogTable, quote};
use crate::source::copy::{select_statement, wire_column};
use crate::source::decode::Form;
use crate::source::failure::{answer, malformed, value};
use crate::source::types::{Reading, Wire};

/// The types whose values connectorx gives as they are, in the Arrow type that is wanted, by their send functions.
const EXACT: [(&str, &str); 13] = [
    ("boolsend", "bool"),
    ("bpcharsend", "bpchar"),
    ("byteasend", "bytea"),
    ("float4send", "float4"),
    ("float8send", "float8"),
    ("int2send", "int2"),
    ("int4send", "int4"),
    ("int8send", "int8"),
    ("namesend", "name"),
    ("oidsend", "oid"),
    ("textsend", "text"),
    ("uuid_send", "uuid"),
    ("varcharsend", "varchar"),
];

/// The send function of each column's type, and the encoding of the database.
const SEND: &str = "
    select a.attname::text, n.nspname::text, p.proname::text
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    left join pg_catalog.pg_proc p on p.oid = t.typsend
    left join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped";

/// The encoding of the database, and whether this session is by TLS.
const SESSION: &str = "
    select pg_catalog.current_setting('server_encoding') = 'SQL_ASCII',
           exists (select from pg_catalog.pg_stat_ssl s where s.pid = pg_catalog.pg_backend_pid() and s.ssl)";

/// How a slice is to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The query that connectorx copies.
    pub(super) statement: String,
    /// A query of the same types that reads nothing. connectorx asks the server for the types of a query before it runs
    /// the statements that set its session up; asked of the table, it might wait without limit for somebody's lock.
    pub(super) probe: String,
    /// In which form each column comes.
    pub(super) forms: Vec<Form>,
    /// Whether the database declares no encoding: bytes are taken as they are.
    pub(super) ascii: bool,
    /// Whether the session that asked the catalog is by TLS.
    pub(super) by_tls: bool,
}

impl Plan {
    /// The plan for a slice of a table.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub(super) async fn of(control: &Client, table: &CatalogTable, slice: &Slice) -> Result<Self> {
        let name = table.table.to_string();
        let doing = "the types' send functions cannot be read";
        let session = answer(&name, doing, control.query_one(SESSION, &[])).await?;
        let rows = answer(&name, doing, control.query(SEND, &[&table.oid])).await?;
        let ascii = value(&session, 0)?;
        let mut sends: HashMap<String, SendFunction> = HashMap::new();
        for row in rows {
            if let Some((schema, function)) = Option::zip(value(&row, 1)?, value(&row, 2)?) {
                sends.insert(value(&row, 0)?, SendFunction { schema, function });
            }
        }
        let column = |column: &CatalogColumn| {
            let asked = asked(wire_column(column), &column.reading, sends.get(&column.name), ascii);
            asked.ok_or_else(|| malformed(&name, format!("column {}: its type has no binary form", column.name)))
        };
        let columns = table.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let list = |part: fn(&Asked) -> String| match columns.as_slice() {
            // connectorx cannot read rows without columns; such rows are only counted.
            [] => "true".to_owned(),
            columns => columns.iter().map(part).collect::<Vec<_>>().join(", "),
        };
        let statement = select_statement(table, &list(|asked| asked.expression.clone()), slice)?;
        let probe = format!("select {}", list(|asked| format!("null::pg_catalog.{}", asked.kind)));
        let forms = columns.iter().map(|asked| asked.form).collect();
        Ok(Self { statement, probe, forms, ascii, by_tls: value(&session, 1)? })
    }
}

/// A type's send function.
#[derive(Debug, Clone)]
struct SendFunction {
    schema: String,
    function: String,
}

impl SendFunction {
    fn of(&self, argument: &str) -> String {
        format!("{}.{}({argument})", quote(&self.schema), quote(&self.function))
    }
}

/// What is asked for in place of a column.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    expression: String,
    /// The expression's type, in `pg_catalog`.
    kind: &'static str,
    form: Form,
}

/// What is asked for in place of what the native reader asks for (`wire_column`); none for a type without a binary form, of
/// which the catalog asks for the text.
fn asked(expression: String, reading: &Reading, send: Option<&SendFunction>, ascii: bool) -> Option<Asked> {
    let sent = |expression: String| Asked { expression, kind: "bytea", form: Form::Sent };
    let builtin = send.filter(|send| send.schema == "pg_catalog");
    let exact = EXACT.iter().find(|(function, _)| builtin.is_some_and(|send| send.function == *function));
    Some(match exact {
        // connectorx takes text for UTF-8 and stops at what is not; the native columns set such values aside.
        _ if ascii && reading.cast => sent(format!("pg_catalog.textsend({expression})")),
        _ if reading.cast => Asked { expression, kind: "text", form: Form::Values },
        Some((_, kind)) if !(ascii && reading.wire == Wire::Text) => Asked { expression, kind, form: Form::Values },
        _ => sent(send?.of(&expression)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(wire: &Wire, cast: bool, function: &str, ascii: bool) -> (String, &'static str, Form) {
        let (schema, function) = function.split_once('.').unwrap_or(("pg_catalog", function));
        let send = SendFunction { schema: schema.into(), function: function.into() };
        let reading = Reading { wire: wire.clone(), cast, fallback: cast };
        let expression = if cast { "pg_catalog.concat(\"c\")" } else { "\"c\"" };
        let asked = asked(expression.to_owned(), &reading, Some(&send), ascii).unwrap();
        (asked.expression, asked.kind, asked.form)
    }

    #[test]
    fn exact_types_come_as_they_are_and_nothing_else_does() {
        for (wire, send, kind) in
            [(Wire::Int64, "int8send", "int8"), (Wire::Text, "bpcharsend", "bpchar"), (Wire::Uuid, "uuid_send", "uuid")]
        {
            assert_eq!(ask(&wire, false, send, false), ("\"c\"".into(), kind, Form::Values));
        }
        for send in ["interval_send", "int4send", "mine.textsend"] {
            let text = ("pg_catalog.concat(\"c\")".to_owned(), "text", Form::Values);
            assert_eq!(ask(&Wire::Text, true, send, false), text, "{send}");
        }
        let own = ("\"mine\".\"textsend\"(\"c\")".to_owned(), "bytea", Form::Sent);
        assert_eq!(ask(&Wire::Text, false, "mine.textsend", false), own);
        for (wire, send) in [
            (Wire::Text, "json_send"),
            (Wire::Text, "enum_send"),
            (Wire::Jsonb, "jsonb_send"),
            (Wire::Numeric, "numeric_send"),
            (Wire::Date, "date_send"),
            (Wire::Time, "time_send"),
            (Wire::Timestamp { utc: true }, "timestamptz_send"),
            (Wire::Decimal { precision: 9, scale: 2 }, "numeric_send"),
            (Wire::List(Box::new(Wire::Int32)), "array_send"),
            (Wire::Struct(vec![("a".into(), Wire::Int32)]), "record_send"),
            (Wire::Range(Box::new(Wire::Int32)), "range_send"),
            (Wire::Multirange(Box::new(Wire::Int32)), "multirange_send"),
        ] {
            let wanted = format!("\"pg_catalog\".\"{send}\"(\"c\")");
            assert_eq!(ask(&wire, false, send, false), (wanted, "bytea", Form::Sent));
        }
        let date = Reading { wire: Wire::Date, cast: false, fallback: false };
        assert_eq!(asked("c".into(), &date, None, false), None);
    }

    #[test]
    fn text_of_no_declared_encoding_comes_as_bytes() {
        let sent = |text: &str| (text.to_owned(), "bytea", Form::Sent);
        assert_eq!(ask(&Wire::Text, false, "textsend", true), sent("\"pg_catalog\".\"textsend\"(\"c\")"));
        assert_eq!(ask(&Wire::Text, true, "xml_send", true), sent("pg_catalog.textsend(pg_catalog.concat(\"c\"))"));
        assert_eq!(ask(&Wire::Int32, false, "int4send", true), ("\"c\"".into(), "int4", Form::Values));
    }
}
