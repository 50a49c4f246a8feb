//! The one integration-test binary. What belongs where:
//! (one line a module, kept with its `mod`)
//!
//! - `library`: the sample source database in a real PostgreSQL: counts, keys, sameness
//! - `source`: the PostgreSQL reader: types, discovery, slices, broken reads
//! - `transform`: project folders with SQL over real Parquet: plans, runs, checks, balance

mod library;
mod source;
mod transform;
