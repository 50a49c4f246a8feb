//! Everything needed to rehearse a migration without the real systems.

pub mod flex;
