//! The one integration-test binary. What belongs where:
//! (one line a module, kept with its `mod`)
