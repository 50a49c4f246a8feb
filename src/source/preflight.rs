//! May this user read what is to be read? All that keeps it from being read is said at once, before anything is locked,
//! with the statements that mend it.

use std::collections::BTreeSet;

use tokio_postgres::Client;
use tokio_postgres::types::{Oid, ToSql};

use super::catalog::{CatalogTable, quote, quote_table};
use super::failure::{answer, value};
use super::selection::Selection;
use crate::error::{Error, Result};

/// The user, and for each relation whether its schema may be used and which of its columns may be read.
const GRANTS: &str = "
    select c.oid, current_user::text, pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE'),
           array(select a.attname::text from pg_catalog.pg_attribute a
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                   and pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') order by a.attnum),
           pg_catalog.has_table_privilege(c.oid, 'SELECT')
    from pg_catalog.pg_class c where c.oid = any($1)";

/// The tables to be read.
///
/// # Errors
/// [`Error::Preflight`] with every glob that selects nothing, every table that this user may not read whole, and the
/// statements that let it.
pub(super) async fn readable<'a>(
    client: &Client,
    selection: &Selection,
    tables: &'a [CatalogTable],
) -> Result<Vec<&'a CatalogTable>> {
    let read: Vec<_> = tables.iter().filter(|table| selection.skips(table).is_none()).collect();
    let closed: Vec<_> = read.iter().copied().filter(|table| !table.readable || table.row_security).collect();
    let mut problems = selection.idle_includes(tables);
    if !closed.is_empty() {
        let (mut lines, statements) = reasons(client, &closed).await?;
        problems.push(format!("{} tables cannot be read:", closed.len()));
        problems.append(&mut lines);
        problems.push("run as the owner, or as a superuser:".into());
        problems.extend(statements.into_iter().map(|statement| format!("  {statement}")));
    }
    if problems.is_empty() { Ok(read) } else { Err(Error::preflight(problems.join("\n  "))) }
}

/// Why each table cannot be read, and the statements that mend all of it.
async fn reasons(client: &Client, closed: &[&CatalogTable]) -> Result<(Vec<String>, Vec<String>)> {
    let oids: Vec<Oid> = closed.iter().map(|table| table.oid).collect();
    let parameters: [&(dyn ToSql + Sync); 1] = [&oids];
    let rows = answer("catalog", "the grants cannot be read", client.query(GRANTS, &parameters)).await?;
    let (mut lines, mut usage, mut select, mut policies) = (Vec::new(), BTreeSet::new(), Vec::new(), BTreeSet::new());
    for table in closed {
        let name = &table.table;
        let Some(row) = rows.iter().find(|row| row.try_get::<_, Oid>(0).is_ok_and(|oid| oid == table.oid)) else {
            lines.push(format!("  {name}: it has just been dropped"));
            continue;
        };
        let user = quote(&value::<String>(row, 1)?);
        let (schema, columns, whole): (bool, Vec<String>, bool) = (value(row, 2)?, value(row, 3)?, value(row, 4)?);
        let mut why = Vec::new();
        if !schema {
            why.push(format!("no permission on its schema {}", name.schema));
            usage.insert(format!("grant usage on schema {} to {user};", quote(&name.schema)));
        }
        if !whole {
            why.push(match columns.as_slice() {
                [] => "no permission".to_owned(),
                some => format!("permission for columns alone ({}), not for the table", some.join(", ")),
            });
            select.push(format!("grant select on {} to {user};", quote_table(name)));
        }
        if table.row_security {
            why.push("row-level security hides rows from this user".into());
            policies.insert(format!("alter role {user} bypassrls;"));
        }
        lines.push(format!("  {name}: {}", why.join("; ")));
    }
    Ok((lines, usage.into_iter().chain(select).chain(policies).collect()))
}
