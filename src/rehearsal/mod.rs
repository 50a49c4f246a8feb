//! Everything needed to rehearse a migration without the real systems: a private PostgreSQL server, the sample
//! source database that fills it, and a local Flex to load.

pub mod documents;
pub mod flex;
pub mod library;
pub mod postgres;
