//! telecine's command line.
fn main() {}
