//! The one integration-test binary. What belongs where:
//! (one line a module, kept with its `mod`)
//!
//! - `transform`: project folders with SQL over real Parquet: plans, runs, checks, balance

mod transform;
