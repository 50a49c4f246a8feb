//! The one integration-test binary. What belongs where:
//! - library: the sample source database in a real PostgreSQL: counts, keys, sameness

mod library;
