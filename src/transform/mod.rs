//! The queries of a project: SQL files that turn the raw tables of a run into datasets, documents and rejected rows.

pub mod functions;
