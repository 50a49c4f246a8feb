//! Rows into Flex.
pub mod ledger;
