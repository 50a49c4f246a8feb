//! Which database a source is, so that one is not compared with itself.

use super::PostgresSource;
use super::failure::{answer, value};
use crate::error::Result;

/// What a database is told by: the cluster, where this user may ask for it, and the server process and database in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    cluster: Option<String>,
    /// Port, moment of the server's start to the microsecond, and the database's OID. No address: a server has several.
    process: (String, String, u32),
}

impl Identity {
    /// Whether both are one database. A standby is another one than its primary.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let other_cluster = self.cluster.as_ref().zip(other.cluster.as_ref()).is_some_and(|(a, b)| a != b);
        self.process == other.process && !other_cluster
    }
}

impl PostgresSource {
    /// What this database is told by.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub(crate) async fn identity(&self) -> Result<Identity> {
        let query = "select pg_catalog.current_setting('port'), pg_catalog.pg_postmaster_start_time()::text, d.oid
                     from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()";
        let client = &self.inner.control.client;
        let row = answer("server", "what it is cannot be read", client.query_one(query, &[])).await?;
        // Not every server lets everybody ask for this; the rest tells as much.
        let cluster = "select system_identifier::pg_catalog.text from pg_catalog.pg_control_system()";
        let cluster = client.query_one(cluster, &[]).await.ok().and_then(|row| value(&row, 0).ok());
        Ok(Identity { cluster, process: (value(&row, 0)?, value(&row, 1)?, value(&row, 2)?) })
    }
}
