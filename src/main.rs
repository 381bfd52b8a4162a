//! Arguments, config, runtime, run.
fn main() {}
